"""Service control: an admin starts, restarts and stops a daemon; it is afterwards as it was found."""

from __future__ import annotations

from examples.stage import Stage, expect, expect_problem, play, show, wait_until
from fullon_client import Client, services

NAME = "ticker"


def script(stage: Stage) -> None:
    """Stop and start in any order, and be told what makes no sense."""
    with stage.client() as admin, stage.newcomer() as trader:
        expect_problem(lambda: trader.send(services.every()), 403, "services are for admins")
        listed = list(admin.each(services.every()))
        show(
            ["service", "status", "desired", "running", "since"],
            [[one.service, one.status, one.desired, one.running, one.since] for one in listed],
        )
        was_on = admin.send(services.status(NAME)).desired == 1
        try:
            if was_on:
                stop(admin)
            started = admin.send(services.start(NAME))
            expect(started.status == "started", f"{NAME} was told to start; the answer does not wait for it")
            expect_problem(lambda: admin.send(services.start(NAME)), 400, "it cannot be started twice")
            wait_until(lambda: is_running(admin), f"{NAME} runs")
            first = admin.send(services.status(NAME)).instance

            admin.send(services.restart(NAME))
            wait_until(
                lambda: is_running(admin) and admin.send(services.status(NAME)).instance != first,
                "after a restart it is another instance",
            )
            stop(admin)
            expect_problem(lambda: admin.send(services.stop(NAME)), 400, "it cannot be stopped twice")
            expect_problem(lambda: admin.send(services.start("nobody")), 404, "there is no service nobody")
        finally:
            if was_on != (admin.send(services.status(NAME)).desired == 1):
                admin.send(services.start(NAME) if was_on else services.stop(NAME))
        trail = admin.request("GET", "/api/v1/orm/audit", parameters={"limit": 3})
        expect(trail["items"], f"who did it is on the trail: {[entry['action'] for entry in trail['items']]}")


def stop(admin: Client) -> None:
    """Stop it and wait for its end."""
    admin.send(services.stop(NAME))
    wait_until(lambda: admin.send(services.status(NAME)).status == "stopped", f"{NAME} is stopped")


def is_running(admin: Client) -> bool:
    """Whether it runs and is known by its instance."""
    status = admin.send(services.status(NAME))
    return status.status == "running" and status.instance is not None


if __name__ == "__main__":
    play(script)
