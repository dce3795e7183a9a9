"""The demo on a terminal: lines as they come, a colour for each speaker, one line of progress at the bottom.

Without a terminal the same lines come plain, and progress is a line every ten seconds.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

from rich.console import Console, Group
from rich.live import Live
from rich.rule import Rule
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from agent.core.model import Gap, Segment, Status, Window
from local.demo_result import DemoResult

COLOURS: Final = ("cyan", "magenta", "green", "yellow", "blue")
PLAIN_PROGRESS_SECONDS: Final = 10.0


class View:
    """What a person sees; all methods are quick and never fail on odd text."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began = time.monotonic()
        self._colours: dict[str, str] = {}
        self._interims: dict[str, Text] = {}
        self._progress = ""
        self._said_progress = 0.0
        self._spinner = Spinner("dots")
        self._live = (
            Live(console=console, refresh_per_second=8, transient=True) if console.is_terminal else None
        )

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def note(self, text: str) -> None:
        """A line about what is being done."""
        line = Text(f"{time.monotonic() - self._began:5.1f} s  ", style="dim")
        self._console.print(line.append(text, style="default"))

    def progress(self, text: str) -> None:
        """Replace the line of progress."""
        self._progress = text
        if self._live is not None:
            self._draw()
        elif time.monotonic() - self._said_progress > PLAIN_PROGRESS_SECONDS:
            self._said_progress = time.monotonic()
            self.note(text)

    def segment(self, segment: Segment) -> None:
        """An interim replaces the speaker's last one at the bottom; a final stays."""
        label = segment.speaker.label
        self._interims.pop(label, None)
        if segment.final and segment.text:
            self._console.print(self._said(label, segment.text, segment.start))
        elif segment.text and self._live is not None:
            self._interims[label] = self._said(label, segment.text + " …", segment.start, "dim ")
        if self._live is not None:
            self._draw()

    def window(self, window: Window) -> None:
        """A window with its turns."""
        state = "complete" if window.complete else f"waiting for {', '.join(window.pending)}"
        revision = f", revision {window.revision}" if window.revision > 1 else ""
        title = (
            f"window {window.window_id}{revision}: {window.start:.0f}–{window.end:.0f} s, "
            f"{window.words} words, {state}"
        )
        self._console.print(Rule(Text(title, style="dim"), style="dim", align="left"))
        for turn in window.turns:
            line = Text("    ").append(f"{turn.speaker.label}: ", style=self._colour(turn.speaker.label))
            self._console.print(line.append(turn.text, style="dim"))
        self._console.print(Rule(style="dim"))

    def gap(self, gap: Gap) -> None:
        """A hole in the record."""
        span = f"{gap.start:.1f}–{gap.end:.1f} s"
        self._console.print(Text(f"gap: {gap.speaker.label} {span}: {gap.reason.value}", style="bold red"))

    def status(self, status: Status) -> None:
        """A change of state."""
        whom = f" for {status.speaker.label}" if status.speaker else ""
        why = f" ({status.reason.value})" if status.reason else ""
        self.note(f"transcriber: {status.state.value}{whom}{why} {status.detail}".rstrip())

    def summary(self, result: DemoResult, lines: Sequence[str]) -> None:
        """The figures, and where things are."""
        table = Table(title="What was said and what was written", title_justify="left")
        for heading in ("speaker", "words said", "words written", "word error rate"):
            table.add_column(heading, justify="left" if heading == "speaker" else "right")
        for one in result.speakers:
            label = Text(one.label, style=self._colour(one.label))
            table.add_row(label, str(one.words_said), str(one.words_written), f"{one.wer:.3f}")
        self._console.print()
        self._console.print(table)
        self.lines(lines)

    def lines(self, lines: Sequence[str]) -> None:
        """Plain lines, never broken: they may be commands to copy."""
        for line in lines:
            self._console.print(Text(line), soft_wrap=True)

    def _said(self, label: str, text: str, start: float, style: str = "") -> Text:
        minutes, seconds = divmod(max(start, 0.0), 60)
        line = Text(f"{int(minutes):02}:{seconds:04.1f}  ", style="dim")
        line.append(f"{label:<12} ", style=f"{style}bold {self._colour(label)}")
        return line.append(text, style=f"{style}{self._colour(label)}")

    def _colour(self, label: str) -> str:
        return self._colours.setdefault(label, COLOURS[len(self._colours) % len(COLOURS)])

    def _draw(self) -> None:
        assert self._live is not None
        self._spinner.update(text=Text(self._progress, style="dim"))
        self._live.update(Group(*self._interims.values(), self._spinner))
