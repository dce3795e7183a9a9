"""The documentation page in a real Chromium, behind a proxy that strips a path prefix."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from playwright.async_api import Page, Route, expect

from tests.integration.running_service import running_service

pytestmark = pytest.mark.browser


async def test_the_page_works_behind_a_prefix_and_offline(page: Page, tmp_path: Path) -> None:
    """All calls are shown, one can be made, no other host is asked, and the policy allows all of it."""
    asked: list[str] = []
    complaints: list[str] = []
    page.on("console", lambda line: complaints.append(line.text) if line.type == "error" else None)
    async with running_service(tmp_path, ROOT_PATH="/transcription") as service:

        async def strip(route: Route) -> None:
            address = httpx.URL(route.request.url)
            asked.append(str(address))
            path = address.path.removeprefix("/transcription")
            assert path != address.path, address
            found = await service.client.get(path)
            await route.fulfill(status=found.status_code, headers=dict(found.headers), body=found.content)

        await page.route("**/*", strip)
        await page.goto("http://proxy.test/transcription/docs")
        await expect(page.locator(".opblock-summary-path", has_text="/rooms/create")).to_be_visible()
        await page.locator(".opblock", has_text="/transcripts").first.click()
        await page.get_by_role("button", name="Try it out").click()
        await page.get_by_role("button", name="Execute").click()
        await expect(page.locator(".request-url")).to_contain_text("/transcription/transcripts")
        await expect(page.locator(".live-responses-table tbody .response-col_status").first).to_contain_text(
            "200"
        )
    assert {httpx.URL(address).host for address in asked} == {"proxy.test"}
    assert any("/transcription/transcripts" in address for address in asked)
    assert complaints == []
