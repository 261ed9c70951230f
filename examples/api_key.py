"""API key: for programs. A key has scopes, is shown once, and can be rotated, switched off and removed."""

from __future__ import annotations

from collections.abc import Callable

from examples.stage import Stage, expect, expect_problem, play, say, wait_until
from fullon_client import Client, NotAllowed, NotAuthenticated, api_keys, bots, users


def script(stage: Stage) -> None:
    """The life of a key."""
    with stage.newcomer() as owner:
        made = owner.send(api_keys.create("reports", ["read"], description="reads, and no more"))
        say(f"the key {made.key[:12]}… may {', '.join(made.scopes)}")

        with Client(stage.url, api_key=made.key) as program:
            expect(program.send(users.me()).uid == made.uid, "the program acts for the key's owner")
            expect_problem(lambda: program.send(bots.create("grid")), 403, "a key to read does not change anything")

        [listed] = owner.each(api_keys.every())
        expect(listed.id == made.id and not hasattr(listed, "key"), "the list shows the key's name, not the key")

        rotated = owner.send(api_keys.rotate(made.id))
        expect(rotated.key != made.key, "rotation gives another key with the same rights")
        with Client(stage.url, api_key=made.key) as old, Client(stage.url, api_key=rotated.key) as new:
            wait_until(lambda: _is_refused(lambda: old.send(users.me())), "the old one is refused")
            expect(new.send(users.me()).uid == made.uid, "the new one serves")

            owner.send(api_keys.deactivate(rotated.id))
            wait_until(lambda: _is_refused(lambda: new.send(users.me())), "switched off, it is refused")
            owner.send(api_keys.activate(rotated.id))
            wait_until(lambda: not _is_refused(lambda: new.send(users.me())), "switched on, it serves again")

            owner.send(api_keys.delete(rotated.id))
            wait_until(lambda: _is_refused(lambda: new.send(users.me())), "removed, it is refused for good")


def _is_refused(call: Callable[[], object]) -> bool:
    try:
        call()
    except (NotAuthenticated, NotAllowed):
        return True
    return False


if __name__ == "__main__":
    play(script)
