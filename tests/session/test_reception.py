"""What the receiver's counters tell of a participant's audio, and what becomes of it in the record."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from agent.core.model import Reason, State
from agent.core.reception import Arrivals
from tests.session.fakes import FakePublication
from tests.session.meeting import meeting
from tests.session.virtual_time import in_virtual_time, until


@dataclass
class Counters:
    """A receiver's counters, which a test moves."""

    concealed: float = 0.0
    """Seconds."""
    bursts: int = 0
    lost: int = 0
    lossy: bool = False
    """From report to report, a burst of three packets is lost."""
    reports: int = 0

    async def arrivals(self) -> Arrivals:
        self.reports += 1
        if self.lossy:
            self.burst(3)
        return Arrivals(25 * self.reports, self.concealed, 0.01, lost=self.lost, concealments=self.bursts)

    def burst(self, packets: int) -> None:
        """So many packets of 20 ms are lost on end."""
        self.bursts += 1
        self.lost += packets
        self.concealed += 0.02 * packets


def counted(publication: FakePublication) -> Counters:
    counters = Counters()
    assert publication.track is not None
    publication.track.arrivals = counters.arrivals
    return counters


@in_virtual_time
async def test_losses_between_words_that_are_written_leave_no_gap(tmp_path: Path) -> None:
    """The words of the half second are there: nothing is missing."""
    async with meeting(tmp_path) as show:
        _, voice = await show.joined("ann")
        counters = counted(voice)
        assert voice.track is not None
        await until(lambda: counters.reports > 2)
        voice.track.say(1, 2, 3, 4, 5, 6)
        await asyncio.sleep(0.9)
        counters.burst(6)
        await until(lambda: "w1 w2 w3 w4 w5 w6" in show.texts)
        await asyncio.sleep(5)
        assert show.gaps == []


@in_virtual_time
async def test_a_hole_in_silence_is_as_long_as_the_concealed_audio(tmp_path: Path) -> None:
    """Not as long as the time between two reports."""
    async with meeting(tmp_path) as show:
        _, voice = await show.joined("ann")
        counters = counted(voice)
        await until(lambda: counters.reports > 2)
        counters.burst(18)
        await until(lambda: bool(show.gaps))
        [gap] = show.gaps
        assert gap.reason is Reason.STALLED
        assert round(gap.end - gap.start, 2) == 0.36


@in_virtual_time
async def test_lasting_damage_is_one_status_of_the_speaker(tmp_path: Path) -> None:
    """It says the share of concealed audio, and is taken back when the audio is sound again."""
    async with meeting(tmp_path) as show:
        _, voice = await show.joined("ann")
        counters = counted(voice)
        counters.lossy = True
        await asyncio.sleep(30)
        counters.lossy = False
        await until(lambda: len(show.statuses) > 2)
        damaged, sound = show.statuses[1:]
        assert (damaged.state, damaged.reason) == (State.DEGRADED, Reason.AUDIO_DAMAGED)
        assert damaged.detail.startswith("audio damaged: ")
        assert damaged.speaker is not None
        assert damaged.speaker.identity == "ann"
        assert (sound.state, sound.speaker) == (State.LISTENING, damaged.speaker)
        assert show.gaps == []


@in_virtual_time
async def test_damage_ends_with_its_track(tmp_path: Path) -> None:
    """Nobody is left in trouble who has gone."""
    async with meeting(tmp_path) as show:
        ann, voice = await show.joined("ann")
        counted(voice).lossy = True
        await until(lambda: len(show.statuses) > 1)
        show.room.leave(ann)
        await until(lambda: len(show.statuses) > 2)
        assert show.statuses[2].state is State.LISTENING
