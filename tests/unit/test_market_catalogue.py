"""Names that read alike."""

from __future__ import annotations

import pytest

from fullon.market.catalogue import nearest

KNOWN = ["BTC/USDT", "BTC/USD:BTC", "ETH/USDT", "ETH/BTC", "DOGE/USDT"]


@pytest.mark.parametrize("asked", ["btcusdt", "BTC-USDT", "BTC/USDTT", "BTC_USDT"])
def test_the_nearest_name_comes_first_however_it_is_written(asked: str) -> None:
    assert nearest(asked, KNOWN)[0] == "BTC/USDT"


def test_nothing_like_it_names_nothing() -> None:
    assert nearest("ZZZ", KNOWN) == []


def test_a_name_of_any_length_is_compared_quickly() -> None:
    assert nearest("/" * 100_000, KNOWN) == []
