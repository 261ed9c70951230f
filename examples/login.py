"""Login: a session from its beginning to its end.

A log-in gives an access token and a refresh token. The client renews the pair by itself; here it is watched doing so.
"""

from __future__ import annotations

from dataclasses import replace

from examples.stage import Stage, expect, expect_problem, play, say
from fullon_client import Client, Tokens, auth, users


def script(stage: Stage) -> None:
    """Log in, be renewed, log out."""
    with Client(stage.url) as stranger:
        nobody = expect_problem(
            lambda: stranger.log_in("nobody@example.com", "not the password"), 401, "an unknown user is refused"
        )
    with stage.newcomer() as someone:
        mail = someone.send(auth.verify()).mail
        with Client(stage.url) as other:
            wrong = expect_problem(lambda: other.log_in(mail, "not the password"), 401, "so is a wrong password")
        expect(nobody.detail == wrong.detail, "the two cannot be told apart")

        renewed: list[Tokens | None] = []
        first = someone.credential.tokens
        assert first is not None
        someone.credential.on_tokens = renewed.append
        someone.credential.tokens = replace(first, expires_at=0)
        identity = someone.send(auth.verify())
        expect(len(renewed) == 1 and renewed[0] != first, "a token about to end is renewed before the call, once")
        say(f"{identity.mail} is a {identity.role} and may {', '.join(identity.scopes)} until {identity.expires_at}")

        with Client(stage.url, tokens=replace(first, expires_at=0)) as thief:
            expect_problem(lambda: thief.send(users.me()), 401, "a refresh token that was used before is refused")
        expect_problem(lambda: someone.send(users.me()), 401, "and its whole family is ended, in case it was stolen")

    with stage.client() as admin:
        kept = admin.credential.tokens
        admin.log_out()
        with Client(stage.url, tokens=kept) as after:
            expect_problem(lambda: after.send(users.me()), 401, "after a log-out neither token is worth anything")


if __name__ == "__main__":
    play(script)
