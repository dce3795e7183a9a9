"""What one run of a scenario gave, before it becomes rows."""

from __future__ import annotations

from dataclasses import dataclass

from bench.words import WordCount


@dataclass(frozen=True, slots=True)
class Cost:
    """What a process tree used while people talked."""

    cpu_seconds: float
    talk_seconds: float
    """Wall time in which `cpu_seconds` were used."""
    tracks: int

    @property
    def per_track_minute(self) -> float:
        """Processor seconds for a minute of one microphone."""
        return self.cpu_seconds / self.tracks / (self.talk_seconds / 60)


@dataclass(frozen=True, slots=True)
class FloorCost:
    """The price of receiving the same tracks and doing nothing with them."""

    a_room: Cost
    """A process for each room, as a transcriber has."""
    together: Cost
    """One process for all rooms: the least that can be had."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What became of what was said, all rooms together."""

    words: WordCount
    final_delays: tuple[float, ...]
    """Sentence end -> final, seconds, one a sentence."""
    first_text_delays: tuple[float, ...]
    """Word end -> first text, seconds, one a word."""
    time_errors: tuple[float, ...]
    """Written less true start, seconds, one a word."""
    speech_seconds: float
    """Sentence time, summed over the speakers."""
    gaps: int
    strays: int
    latest_seconds: float
    """How late a voice was at most: above 0.05 the machine was too busy for the delays to be the worker's."""
    stalls: int


@dataclass(frozen=True, slots=True)
class Run:
    """One scenario with the program under test."""

    scenario: str
    rooms: int
    heard: Heard
    cost: Cost
    sent_seconds: float
    """Audio the recognizer got."""
    pss_idle_bytes: int
    idle_processes: int
    pss_busy_bytes: int
    """The most seen while people talked."""
    busy_processes: int
    open_sessions: int | None
    """Recognizer sessions open at the end of the silence; None when the scenario has none."""
    silence_seconds: float = 0.0

    @property
    def pss_room_bytes(self) -> float:
        """Memory of one room above the idle worker."""
        return (self.pss_busy_bytes - self.pss_idle_bytes) / self.rooms
