"""One POST to the receiver: bounded in time, redirects not followed, the answer's body not read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

import aiohttp

from agent.core.backoff import read_retry_after

REQUEST_SECONDS = 10.0
"""For everything: finding the host, connecting, sending, and the head of the answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the receiver said."""

    status: int | None
    """HTTP status; None when there was no answer."""
    reason: str = ""
    """Why there was none: the kind of fault, without address or content."""
    retry_after_seconds: float | None = None


class Poster:
    """Connections to one receiver, kept open between posts."""

    def __init__(self, url: str, at_once: int) -> None:
        """At most `at_once` connections."""
        self._url = url
        self._at_once = at_once

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._at_once),
            timeout=aiohttp.ClientTimeout(total=REQUEST_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"Content-Type": "application/json", "User-Agent": "interview-transcription"},
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def post(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send it once. Whatever goes wrong on the way is an answer, too."""
        try:
            async with self._session.post(
                self._url, data=body, headers=headers, allow_redirects=False
            ) as response:
                asked = read_retry_after(response.headers, datetime.now(UTC))
                return Answer(response.status, retry_after_seconds=asked)
        except (aiohttp.ClientError, OSError, UnicodeError) as error:  # a host's name may be no name at all
            return Answer(None, reason=type(error).__name__)
