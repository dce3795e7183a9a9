"""What the server has seen, for tests and measurements: GET /control/stats."""

from __future__ import annotations

from collections import deque
from dataclasses import asdict, dataclass, field
from typing import Any

_KEPT_SESSIONS = 1_000
"""Closed sessions that are remembered one by one; the sums go on."""


@dataclass(slots=True)
class SessionCounters:
    """One session."""

    session_id: str
    opened_at: float
    """Seconds since the server started."""
    closed_at: float | None = None
    """Seconds since the server started; None while open."""
    audio_seconds: float = 0.0
    """Audio received."""
    commits: int = 0
    """Commits accepted, automatic ones included."""
    answers: int = 0
    """Answers sent (or being sent), doubles not counted."""
    words: int = 0
    """Words in the engine's answers."""


@dataclass(slots=True)
class Counters:
    """All sessions of one server."""

    sessions_opened: int = 0
    sessions_refused: int = 0
    """Connections that got an HTTP error: by a fault, without a key, or over the server's bound."""
    largest_open_sessions: int = 0
    open: dict[str, SessionCounters] = field(default_factory=dict)
    closed: deque[SessionCounters] = field(default_factory=lambda: deque(maxlen=_KEPT_SESSIONS))
    _closed_sums: SessionCounters = field(default_factory=lambda: SessionCounters("", 0.0))

    def session_opened(self, session_id: str, at: float) -> SessionCounters:
        """Begin to count a session."""
        session = SessionCounters(session_id, at)
        self.open[session_id] = session
        self.sessions_opened += 1
        self.largest_open_sessions = max(self.largest_open_sessions, len(self.open))
        return session

    def session_closed(self, session: SessionCounters, at: float) -> None:
        """A session has ended."""
        session.closed_at = at
        del self.open[session.session_id]
        self.closed.append(session)
        for name in ("audio_seconds", "commits", "answers", "words"):
            setattr(self._closed_sums, name, getattr(self._closed_sums, name) + getattr(session, name))

    def as_json(self) -> dict[str, Any]:
        """The body of GET /control/stats."""
        sessions = [*self.closed, *self.open.values()]
        alive = [self._closed_sums, *self.open.values()]
        return {
            "open_sessions": len(self.open),
            "largest_open_sessions": self.largest_open_sessions,
            "sessions_opened": self.sessions_opened,
            "sessions_refused": self.sessions_refused,
            "audio_seconds": sum(session.audio_seconds for session in alive),
            "commits": sum(session.commits for session in alive),
            "answers": sum(session.answers for session in alive),
            "words": sum(session.words for session in alive),
            "largest_audio_seconds": max((session.audio_seconds for session in sessions), default=0.0),
            "largest_words": max((session.words for session in sessions), default=0),
            "sessions": [asdict(session) for session in sessions],
        }
