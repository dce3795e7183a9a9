"""Full pages of sessions, kept for the next reader: many who begin anew at once cost one reading."""

from __future__ import annotations

from collections import OrderedDict

from agent.http.stream_events import Event

PAGE = 100
"""Numbers of a page: page k has the items from k * PAGE + 1 to (k + 1) * PAGE."""
MAX_BYTES = 16 * 1024 * 1024
"""Of all sessions together: some three meetings of three hours."""


class Pages:
    """Full pages that somebody has read, up to `max_bytes`; the one asked for longest ago goes first."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._pages: OrderedDict[tuple[str, int], list[Event]] = OrderedDict()

    def get(self, session: str, number: int) -> list[Event] | None:
        """A page that is kept."""
        page = self._pages.get((session, number))
        if page is not None:
            self._pages.move_to_end((session, number))
        return page

    def keep(self, session: str, number: int, page: list[Event]) -> None:
        """Keep a page that was not kept."""
        self._pages[session, number] = page
        self._bytes += _size(page)
        while self._bytes > self._max_bytes:
            _, oldest = self._pages.popitem(last=False)
            self._bytes -= _size(oldest)

    def forget(self, session: str) -> None:
        """Keep nothing of a session."""
        for key in [key for key in self._pages if key[0] == session]:
            self._bytes -= _size(self._pages.pop(key))


def _size(page: list[Event]) -> int:
    return sum(len(event.data) for event in page)
