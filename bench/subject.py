"""The program under test, as a value: another command or environment measures another program the same."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from local.ready import ROOT
from local.surroundings import clean_environment


@dataclass(frozen=True, slots=True)
class Subject:
    """A transcriber that joins rooms by LiveKit's dispatch."""

    name: str
    command: tuple[str, ...]
    """Runs in the folder of the run, where no `.env` is: paths are absolute."""
    registered: str = "registered worker"
    """What its log says when LiveKit may give it rooms."""
    env: Mapping[str, str] = field(default_factory=dict)
    """More settings, beside those of `environment`."""


def our_worker(command: str | None = None) -> Subject:
    """`worker.py start` with this Python, or another command line (with absolute paths)."""
    words = shlex.split(command) if command else [sys.executable, str(ROOT / "worker.py"), "start"]
    return Subject(name="worker", command=tuple(words))


def environment(
    subject: Subject, livekit: Mapping[str, str], recognizer_url: str, database: Path
) -> dict[str, str]:
    """All it gets: the run's settings, and of this process's environment what is no setting of ours."""
    settings = {
        **livekit,
        "ELEVENLABS_BASE_URL": recognizer_url,
        "ELEVENLABS_API_KEY": "local",
        "STT_LANGUAGE": "en",
        "DATABASE_URL": f"sqlite:///{database}",
        "WORKER_PORT": "0",
    }
    return clean_environment({**settings, **subject.env})
