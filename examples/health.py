"""Health: what everybody may see, and what an admin sees.

Liveness and readiness are public and say nothing internal. The deep look shows every part with the time it took.
"""

from __future__ import annotations

from examples.stage import Stage, expect, expect_problem, play, show
from fullon_client import Client, health


def script(stage: Stage) -> None:
    """Look at it as a stranger, then as admin."""
    with Client(stage.url) as stranger:
        alive, ready = stranger.send(health.alive()), stranger.send(health.ready())
        expect(ready.status == "healthy", f"version {alive.version} answers and is {ready.status}")
        expect_problem(lambda: stranger.send(health.deep()), 401, "a stranger does not see the inside")

    with stage.client() as admin:
        deep = admin.send(health.deep())
    show(
        ["part", "healthy", "took"],
        [[probe.name, probe.healthy, f"{probe.latency_ms:.1f} ms"] for probe in deep.probes],
    )
    show(["daemon", "status", "desired"], [[daemon.service, daemon.status, daemon.desired] for daemon in deep.services])
    expect(deep.probes and all(probe.healthy for probe in deep.probes), "every part is healthy")


if __name__ == "__main__":
    play(script)
