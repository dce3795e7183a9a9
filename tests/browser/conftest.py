"""A real Chromium for tests that ask for a `page`; where there can be none they are skipped, saying why."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Page, async_playwright

from tests.browser import needs
from tests.conftest import ROOT

CAPTIONS = ROOT / "examples" / "captions"


def pytest_collection_finish(session: pytest.Session) -> None:
    """Install now, where it is seen and no test's time limit runs."""
    wanted = {name for item in session.items for name in getattr(item, "fixturenames", ())}
    if session.config.option.collectonly:
        return
    capture = session.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        if "chromium" in wanted:
            needs.chromium()
        if "captions_folder" in wanted:
            needs.packages_of(CAPTIONS)


@pytest.fixture(scope="session")
def chromium() -> Path:
    """Its program."""
    found = needs.chromium()
    if isinstance(found, needs.MissingNeed):
        pytest.skip(str(found))
    return found


@pytest.fixture(scope="session")
def captions_folder() -> Path:
    """examples/captions with its packages."""
    missing = needs.packages_of(CAPTIONS)
    if missing is not None:
        pytest.skip(str(missing))
    return CAPTIONS


@pytest.fixture
async def page(chromium: Path) -> AsyncIterator[Page]:
    """An empty page of a browser of its own; what the page itself cannot do fails the test."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium, args=["--autoplay-policy=no-user-gesture-required"]
        )
        page = await browser.new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        yield page
        await browser.close()
        assert errors == []
