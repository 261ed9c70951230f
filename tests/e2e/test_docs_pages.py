"""The documents and their pages, in a real browser that may talk to this platform only."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, sync_playwright

from tests.e2e.platform import Platform

CHROMIUM = shutil.which("chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
#: The pages lay out more than a hundred operations, on a machine that is busy with other tests.
PATIENCE_MILLISECONDS = 90_000

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed (Debian: apt-get install chromium)"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[BrowserContext]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        context = browser.new_context()
        context.set_default_timeout(PATIENCE_MILLISECONDS)
        yield context
        browser.close()


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/docs", "Log in with a mail address and a password"),
        ("/redoc", "Log in with a mail address and a password"),
        ("/docs/websocket", "tickers"),
        ("/docs/problems", "wrong_credentials"),
        ("/docs/problems/not_found", "HTTP 404"),
    ],
)
def test_a_page_shows_its_content_with_nothing_but_this_platform(
    path: str, expected: str, platform: Platform, browser: BrowserContext
) -> None:
    page = browser.new_page()
    outside: list[str] = []
    page.on("request", lambda request: outside.append(request.url) if not _ours(request.url, platform) else None)
    page.on("pageerror", lambda error: outside.append(str(error)))
    page.route("**/*", lambda route: route.continue_() if _ours(route.request.url, platform) else route.abort())

    page.goto(platform.url + path)
    page.get_by_text(expected).locator("visible=true").first.wait_for()

    # ReDoc asks for its maker's logo; the content policy refuses that before anything leaves the machine.
    assert [address for address in outside if "redoc" not in address] == []
    page.close()


def test_an_operation_can_be_tried_from_the_page(platform: Platform, browser: BrowserContext) -> None:
    page = browser.new_page()
    page.goto(platform.url + "/docs")

    block = page.locator("#operations-health-get_health")
    block.get_by_role("button").first.click()
    block.get_by_role("button", name="Try it out").click()
    block.get_by_role("button", name="Execute").click()
    block.locator(".live-responses-table .response-col_status").get_by_text("200").wait_for()

    assert "version" in (block.locator(".live-responses-table .microlight").first.text_content() or "")
    page.close()


def _ours(url: str, platform: Platform) -> bool:
    return url.startswith((platform.url, "data:", "blob:"))
