"""The documentation page: no other host, no script inside it, and any path prefix."""

from __future__ import annotations

import re
from urllib.parse import urljoin

import pytest

from agent.errors import SettingsError
from tests.http.service import calling, settings


async def test_all_that_the_page_loads_is_here() -> None:
    """By relative addresses, which are right behind a prefix too; no script is in the page itself."""
    async with calling(credential=None) as client:
        answer = await client.get("/docs")
        assert "script-src 'self';" in answer.headers["content-security-policy"]
        assert not re.search(r"<script>|<style|\bon\w+=", answer.text)
        addresses = re.findall(r'(?:src|href)="([^"]+)"', answer.text)
        assert len(addresses) == 4
        for address in addresses:
            assert not address.startswith(("/", "http"))
            found = await client.get(urljoin("/docs", address))
            assert found.status_code == 200, address
            assert len(found.content) > 100
        start = (await client.get("/docs/start.js")).text
        assert 'url: "openapi.json"' in start


@pytest.mark.parametrize("name", ["other.js", "..%2fcore.py", "swagger-ui.css.map"])
async def test_no_other_file_of_the_package_is_served(name: str) -> None:
    """The names are a list."""
    async with calling(credential=None) as client:
        assert (await client.get(f"/docs/{name}")).status_code == 404


async def test_root_path_is_the_server_of_the_document() -> None:
    """Programs made from the document find the service behind the prefix."""
    async with calling(ROOT_PATH="/transcription") as client:
        document = (await client.get("/openapi.json")).json()
        assert document["servers"] == [{"url": "/transcription"}]
        assert (await client.get("/transcripts")).status_code == 200
    async with calling() as client:
        assert "servers" not in (await client.get("/openapi.json")).json()


@pytest.mark.parametrize(
    "value", ["transcription", "/transcription/", "//other.example", "/a?b", "/a b", "/"]
)
def test_a_malformed_root_path_is_refused(value: str) -> None:
    """At the start, with the setting's name."""
    with pytest.raises(SettingsError, match="ROOT_PATH"):
        settings(ROOT_PATH=value)
