"""Authenticated request: with and without a credential, with the wrong role, and once in spite of repetition."""

from __future__ import annotations

from uuid import uuid4

from examples.stage import Stage, expect, expect_problem, play, say
from fullon_client import Client, bots, users


def script(stage: Stage) -> None:
    """The same calls by different people."""
    with Client(stage.url) as stranger:
        problem = expect_problem(lambda: stranger.send(users.me()), 401, "without a credential nothing is shown")
        expect(problem.request_id, "every refusal names its request, to be found in the logs")

    with stage.client() as admin, stage.newcomer() as trader:
        me = trader.send(users.me())
        say(f"{me.mail} is a {me.role}")
        expect(trader.request("GET", "/api/v1/orm/users/me")["mail"] == me.mail, "request() reaches any operation")
        expect_problem(lambda: trader.send(users.every()), 403, "a trader does not list users")
        expect(me.uid in {user.uid for user in admin.each(users.every(limit=50))}, "an admin does, page by page")

        call = bots.create("made once").keyed(uuid4().hex)
        first, second = trader.send(call), trader.send(call)
        expect(first == second, "a call that is sent twice with one Idempotency-Key happens once")
        expect(len(list(trader.each(bots.every()))) == 1, "and there is one bot")
        with stage.newcomer() as neighbour:
            foreign = expect_problem(
                lambda: neighbour.send(bots.get(first.bot_id)), 404, "somebody else's bot is not there"
            )
            missing = expect_problem(lambda: neighbour.send(bots.get(uuid4())), 404, "as one that is not")
        expect(foreign.detail == missing.detail, "the two cannot be told apart")

        invalid = expect_problem(lambda: trader.send(bots.create("")), 422, "an empty name is not valid")
        expect("name" in " ".join(invalid.fields), f"and the place is named: {invalid.fields}")


if __name__ == "__main__":
    play(script)
