"""Start server: from nothing to a platform that answers, in one command.

Without --url this starts one as `make run` does and says how long that took; with it the running one is looked at.
"""

from __future__ import annotations

from examples.stage import Stage, expect, play, say, show
from fullon_client import Client, health, services


def script(stage: Stage) -> None:
    """What a new platform has to offer."""
    if stage.seconds_to_start is not None:
        say(f"started in {stage.seconds_to_start:.1f} s, with PostgreSQL, Valkey, a venue, a gateway and the daemons")
    with Client(stage.url) as stranger:
        expect(stranger.send(health.ready()).status == "healthy", f"{stage.url} is ready")
        index = stranger.request("GET", "/")
        links = {name: str(address) for name, address in _flat(index) if str(address).startswith("/")}
        show(["what", "where"], sorted(links.items()))
        for address in links.values():
            if address != "/ws":
                stranger.request("GET", address)
        expect("/docs" in links.values(), "the index names the documents, and they are there")

    with stage.client() as admin:
        daemons = {service.service: service for service in admin.each(services.every())}
    expect(daemons["streamer"].desired == 1, "the admin logs in and finds the streamer running")


def _flat(document: object) -> list[tuple[str, object]]:
    if not isinstance(document, dict):
        return []
    found: list[tuple[str, object]] = []
    for name, value in document.items():
        found += _flat(value) if isinstance(value, dict) else [(str(name), value)]
    return found


if __name__ == "__main__":
    play(script)
