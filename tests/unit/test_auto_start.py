"""Which daemons a fresh installation starts: the list, nothing, or what the manifest says."""

from __future__ import annotations

import pytest

from fullon.runtime.settings import Settings
from local.credentials import Credentials
from local.supervisor.environment import children_environment
from local.supervisor.options import Options

PORTS = {"ecs": 1, "management": 2, "paper": 3}


@pytest.mark.parametrize(
    ("given", "names"),
    [
        (None, None),
        ("", ()),
        ("none", ()),
        ("ticker", ("ticker",)),
        (" ticker , ohlcv,", ("ticker", "ohlcv")),
    ],
)
def test_what_the_person_asked_for_reaches_the_reconciler(
    given: str | None, names: tuple[str, ...] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = {} if given is None else {"SERVICES_TO_AUTO_START": given}
    options = Options.of(asked)
    environment = children_environment(
        asked, Credentials.generate(), options, PORTS, database_url="postgresql://a@b/c", redis_url="redis://d"
    )
    monkeypatch.delenv("SERVICES_TO_AUTO_START", raising=False)
    if "SERVICES_TO_AUTO_START" in environment:
        monkeypatch.setenv("SERVICES_TO_AUTO_START", environment["SERVICES_TO_AUTO_START"])
    monkeypatch.setenv("ENVIRONMENT", "local")
    settings = Settings.load()

    assert options.auto_start == names
    assert ("services_to_auto_start" in settings.model_fields_set) == (names is not None)
    if names is not None:
        assert settings.services_to_auto_start == names
