"""Profiles refuse what could not be deployed, or would cost what nobody asked for."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest

from fullon.runtime import manifest
from infra.settings import PROFILES, SMALL


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"region": "virginia"}, "not a region"),
        ({"zones": ("us-east-1a",)}, "two different zones"),
        ({"zones": ("us-east-1a", "us-east-1a", "us-east-1b")}, "no zone twice"),
        ({"zones": ("dummy1a", "dummy1b")}, "of the region"),
        ({"zones": ("eu-west-1a", "eu-west-1b")}, "of the region"),
        ({"account": "12"}, "twelve digits"),
        ({"aurora_minimum": 4, "aurora_maximum": 2}, "aurora_minimum"),
        ({"aurora_maximum": 2.3}, "halves"),
        ({"aurora_pause_minutes": 1}, "aurora_pause_minutes"),
        ({"replicas": 2}, "a zone of its own"),
        ({"backup_days": 0}, "backup_days"),
        ({"log_days": 8}, "log_days"),
        ({"request_burst": 1}, "request_burst"),
        ({"admin_mail": "somebody"}, "admin_mail"),
        ({"alarm_mail": "somebody"}, "alarm_mail"),
        ({"domain": "trade.example.com"}, "go together"),
        ({"emulated": True}, "retains nothing"),
        ({"secrets_revision": 0}, "secrets_revision"),
    ],
)
def test_a_profile_that_cannot_be_is_refused_with_the_reason(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        replace(SMALL, **change)


def test_every_mistake_is_said_at_once() -> None:
    with pytest.raises(ValueError, match=r"region.*zones.*backup_days"):
        replace(SMALL, region="mars", backup_days=99)


def test_a_profile_does_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        SMALL.region = "eu-west-1"  # type: ignore[misc]


def test_profiles_are_known_by_their_names_and_share_no_name_of_anything() -> None:
    assert [profile.name for profile in PROFILES.values()] == list(PROFILES)
    assert len({profile.prefix for profile in PROFILES.values()}) == len(PROFILES)


def test_a_fresh_installation_starts_only_daemons_that_there_are_and_a_small_one_none() -> None:
    daemons = {daemon.name for daemon in manifest.load().daemons}

    assert all(set(profile.start) <= daemons for profile in PROFILES.values())
    assert SMALL.start == ()


def test_another_region_takes_its_zones_along() -> None:
    profile = replace(SMALL, region="eu-central-1", zones=("eu-central-1a", "eu-central-1b"))

    assert profile.region == "eu-central-1"
