"""Transcribes LiveKit interview rooms: every word once, by the right speaker, at the right time, or a gap.

How a word travels, and where to read on:

    rtc/          a track's audio as 50 ms frames (audio.py), Silero's probabilities (silero.py), room events
    core/track.py the pure machine of one track: gate -> ledger -> recognizer session -> segments
    track_task.py the edge around that machine: its task, its recognizer session, its deadlines
    stt/          recognizers; elevenlabs.py is the only module that knows the plugin
    session.py    the conductor of one room: events, labels, windows, sums, the end
    tracks.py     its tracks: one task each (track_task.py), begun anew when it fails
    recorder.py   numbers items and stores them before anybody sees them; while the store is away they wait
                  (pending.py) in memory and on disk (store/spool.py), and come in later (store/pickup.py)
    presence.py   one transcriber's place in its room: its turn, its heartbeat, its leaving
    supervise.py  which rooms have lost their transcriber: calls a new one (core/supervision.py decides)
    store/        SQLite, PostgreSQL or memory
    sinks/        data messages, captions, history: what goes into the room
    transcriber.py joins a room and runs the session; worker.py and pipeline.py are built on it
    http/         the token service's routes
    background/   one way to run a task beside a program: log, wait, begin again, show in /health and metrics
    webhooks/     posts what is stored to the operator's server, beside the token service

core/ is pure: no clock, no I/O, no LiveKit; time is an argument. Imports run one way, from the top of the
project down to core/ (tests/test_architecture.py).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.core.model import Segment, Window, Word
    from agent.core.windows import TranscriptBuffer
    from agent.pipeline import AudioPipeline, Transcript

__all__ = ["AudioPipeline", "Segment", "Transcript", "TranscriptBuffer", "Window", "Word"]

_HOMES = {
    "AudioPipeline": "agent.pipeline",
    "Segment": "agent.core.model",
    "Transcript": "agent.pipeline",
    "TranscriptBuffer": "agent.core.windows",
    "Window": "agent.core.model",
    "Word": "agent.core.model",
}


def __getattr__(name: str) -> object:
    """Public names load what they need when they are asked for: the token service needs no audio."""
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'agent' has no attribute {name!r}")
