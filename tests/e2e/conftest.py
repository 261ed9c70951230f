"""One platform for the tests, at sixty times the speed of the wall clock; tests that break it start their own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import httpx2
import pytest

from tests.e2e.platform import Platform, SupervisedPlatform, until
from tests.e2e.targets import chosen_platform, chosen_target


@pytest.hookimpl(tryfirst=True)  # before the runner reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    target = chosen_target()
    for item in items:
        if "/e2e/" in str(item.path):
            needs = item.get_closest_marker("targets")
            if needs is not None and target not in needs.args:
                item.add_marker(pytest.mark.skip(reason=f"not on the target {target}: {needs.kwargs['reason']}"))
            # Some files have a platform of their own.
            group = item.path.stem if item.path.stem in {"test_stores_lost", "test_container"} else "platform"
            item.add_marker(pytest.mark.xdist_group(group))
            item.add_marker(pytest.mark.timeout(400))


@pytest.fixture(scope="session")
def platform() -> Iterator[Platform]:
    """The platform of the chosen target."""
    with chosen_platform() as platform:
        yield platform


@pytest.fixture
def supervised(platform: Platform) -> SupervisedPlatform:
    """The platform of ``make run``, for tests that keep to it by the marker ``targets``."""
    assert isinstance(platform, SupervisedPlatform)
    return platform


@pytest.fixture
async def admin(platform: Platform) -> AsyncIterator[httpx2.AsyncClient]:
    """A client logged in as admin."""
    async with platform.client(await platform.token()) as client:
        yield client


@pytest.fixture
async def collecting(platform: Platform, admin: httpx2.AsyncClient) -> Platform:
    """The platform with its collectors and streamer running and candles flowing."""
    for name in ("ticker", "ohlcv", "streamer"):
        status = (await admin.get(f"/api/v1/services/{name}/status")).json()
        if status["desired"] == 0:
            answer = await admin.post(f"/api/v1/services/{name}/start")
            assert answer.status_code == 200, answer.text

    async def flowing() -> bool:
        candles = await admin.get("/api/v1/ohlcv/candles/paper/BTC/USDT/1m?limit=3")
        tickers = await admin.get("/api/v1/cache/tickers/paper/BTC/USDT")
        items = candles.json().get("items", []) if candles.status_code == 200 else []
        return bool(items) and not items[-1]["final"] and tickers.status_code == 200

    await until(flowing, 60, "candles and tickers flowing")
    return platform
