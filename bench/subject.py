"""The program under test, as a value: another command or environment measures another program the same."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Subject:
    """A transcriber that joins rooms by LiveKit's dispatch."""

    name: str
    command: tuple[str, ...]
    """Runs in the project's folder."""
    registered: str = "registered worker"
    """What its log says when LiveKit may give it rooms."""
    env: Mapping[str, str] = field(default_factory=dict)
    """More settings, beside those of `environment`."""


def our_worker(command: str | None = None) -> Subject:
    """`worker.py start` with this Python, or another command line."""
    words = shlex.split(command) if command else [sys.executable, "worker.py", "start"]
    return Subject(name="worker", command=tuple(words))


def environment(
    subject: Subject, livekit: Mapping[str, str], recognizer_url: str, database: Path
) -> dict[str, str]:
    """All it gets: this process's environment without any setting of the project, then the run's own."""
    settings = {
        **livekit,
        "ELEVENLABS_BASE_URL": recognizer_url,
        "ELEVENLABS_API_KEY": "local",
        "STT_LANGUAGE": "en",
        "DATABASE_URL": f"sqlite:///{database}",
        "WORKER_PORT": "0",
    }
    return {**os.environ, **settings, **subject.env}
