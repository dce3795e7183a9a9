"""How much of a long meeting a job keeps in memory: its pure machines and its record, at simulated time.

    python -m bench.long_meeting 120      # minutes

Four people take turns. Frames go through the tracks' machines, answers come at once, everything is put into
windows and written to SQLite, as in a session but without sound and without waiting. What the machines, the
windows and the recorder hold is then counted object by object, so the figure has no noise in it.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import tempfile
import types
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from agent.core.books import Books
from agent.core.commands import Command, Commit, Emit, OpenSession, SendAudio
from agent.core.ledger import Answer, Token
from agent.core.model import SAMPLE_RATE, Gap, Segment, Speaker, Status
from agent.core.track import TrackMachine, TrackSettings
from agent.core.transcript import Transcript
from agent.core.windows import TranscriptBuffer
from agent.recorder import Listeners, Recorder
from agent.store import open_store
from agent.store.pickup import Picker
from agent.store.spool import Spool, new_head

SPEAKERS = 4
TURN_SECONDS = 7.0
SENTENCE_SECONDS = 2.0
PAUSE_SECONDS = 0.8
FRAME_SECONDS = 0.05
FRAME = bytes(range(256)) * 6 + bytes(64)
"""800 samples."""
WORD_SECONDS = 0.4
MAX_SPOOL_BYTES = 100_000_000
_NOT_OURS = (types.ModuleType, type, types.FunctionType, types.BuiltinFunctionType)


@dataclass(slots=True)
class _Service:
    """The recognizer of one track: a word for each 0.4 s of what it was sent since the last commit."""

    number: int = 0
    sent: float = 0.0
    answered: float = 0.0
    words: int = 0

    def open(self, number: int) -> None:
        """A new session: its time begins at zero."""
        self.number, self.sent, self.answered = number, 0.0, 0.0

    def answer(self) -> Answer:
        """To a commit."""
        tokens = []
        while self.answered + WORD_SECONDS <= self.sent:
            self.words += 1
            text = f"word{self.words}"
            tokens.append(Token(text, self.answered, self.answered + WORD_SECONDS - 0.05))
            self.answered += WORD_SECONDS
        self.answered = self.sent
        return Answer(" ".join(token.text for token in tokens), tuple(tokens), "en")


@dataclass
class LongMeeting:
    """One simulated meeting."""

    recorder: Recorder
    now: float = 0.0
    machines: list[TrackMachine] = field(default_factory=list)
    services: list[_Service] = field(default_factory=list)
    transcript: Transcript = field(default_factory=Transcript)
    buffer: TranscriptBuffer = field(default_factory=TranscriptBuffer)
    books: Books = field(default_factory=Books)

    def __post_init__(self) -> None:
        for number in range(SPEAKERS):
            speaker = Speaker(f"p{number}", label=f"person {number}")
            self.machines.append(
                TrackMachine(speaker, f"TR_{number}", "microphone", TrackSettings(), Random(number))
            )
            self.services.append(_Service())

    async def run(self, minutes: float) -> None:
        """Go on for so many minutes of the meeting."""
        end = self.now + minutes * 60
        frames = 0
        while self.now < end:
            self.now += FRAME_SECONDS
            frames += 1
            for number, machine in enumerate(self.machines):
                probability = 0.95 if self._speaks(number) else 0.02
                windows = [probability] * (2 if frames % 16 < 9 else 1)
                level = 3000.0 if probability > 0.5 else 1.0
                self._carry_out(number, machine.heard(FRAME, level, windows, self.now))
            if frames % 20 == 0:
                self._close_windows()
                self.recorder.save_accounting(self.books.sums([one.accounting() for one in self.machines]))
                await asyncio.sleep(0)
            if frames % 2000 == 0:
                await self.recorder.drain(30)

    def _speaks(self, number: int) -> bool:
        turn, within = divmod(self.now, TURN_SECONDS)
        talking = int(turn) % SPEAKERS == number
        return talking and within % (SENTENCE_SECONDS + PAUSE_SECONDS) < SENTENCE_SECONDS

    def _carry_out(self, number: int, commands: Iterable[Command]) -> None:
        machine, service = self.machines[number], self.services[number]
        for command in commands:
            match command:
                case OpenSession(session):
                    service.open(session)
                    self._carry_out(number, machine.opened(session, self.now))
                case SendAudio(pcm):
                    service.sent += len(pcm) / 2 / SAMPLE_RATE
                case Commit():
                    answer = service.answer()
                    self._carry_out(number, machine.interim(service.number, answer.text))
                    self._carry_out(number, machine.answered(service.number, answer, self.now))
                case Emit(item):
                    self._take(item)
                case _:
                    pass

    def _take(self, item: Segment | Gap | Status) -> None:
        if not isinstance(item, Segment):
            self.recorder.record(item)
        elif self.transcript.apply(item) and item.final and item.text:
            self.buffer.add(item)
            self.recorder.record(item)

    def _close_windows(self) -> None:
        watermark = min(machine.watermark(self.now) for machine in self.machines)
        for window in self.buffer.advance(self.now, watermark):
            self.recorder.record(window)

    def sizes(self) -> dict[str, int]:
        """Bytes that each part keeps."""
        parts: dict[str, object] = {
            "tracks": self.machines,
            "transcript": self.transcript,
            "windows": self.buffer,
            "recorder": self.recorder,
            "books": self.books,
        }
        return {name: deep_size(part, [self.recorder._store]) for name, part in parts.items()}


def deep_size(root: object, without: Iterable[object] = ()) -> int:
    """Bytes of an object and of all that it alone leads to; code, tasks and `without` do not count."""
    seen = {id(one) for one in without}
    waiting, size = [root], 0
    while waiting:
        one = waiting.pop()
        if id(one) in seen or isinstance(one, (*_NOT_OURS, asyncio.AbstractEventLoop, asyncio.Task)):
            continue
        seen.add(id(one))
        size += sys.getsizeof(one)
        waiting.extend(gc.get_referents(one))
    return size


async def measure(minutes: float, step_minutes: float) -> list[dict[str, float]]:
    """Sizes in bytes after each step, with the minute and the number of items that the store got by then."""
    figures: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory(prefix="long-meeting-") as folder:
        store = open_store(f"sqlite:///{Path(folder) / 'record.db'}")
        stored = 0

        def count(_: object) -> None:
            nonlocal stored
            stored += 1

        head = new_head("long", "RM_long", "2026-01-01T00:00:00.000Z")
        spool = Spool(Path(folder), head, MAX_SPOOL_BYTES)
        recorder = Recorder(store, spool, Picker(Path(folder)), Listeners(count))
        async with asyncio.TaskGroup() as group:
            writer = group.create_task(recorder.run(), name="recorder")
            meeting = LongMeeting(recorder)
            while meeting.now < minutes * 60 - 1:
                await meeting.run(step_minutes)
                if not await recorder.drain(60):
                    raise TimeoutError("the store does not keep up")
                figures.append({"minute": round(meeting.now / 60), "stored": stored, **meeting.sizes()})
            writer.cancel()
        await store.aclose()
    return figures


if __name__ == "__main__":
    for line in asyncio.run(measure(float(sys.argv[1]), float(sys.argv[1]) / 6)):
        print(json.dumps(line))
