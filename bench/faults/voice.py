"""`python -m bench.faults.voice PLAN`: one participant, who says marked words until told otherwise.

A process of its own, so that it can vanish, and so that its sound is on time whatever the others do. Every
word is told when it has been sent, or a moment later: of a voice that is killed all is known but the last.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import Final

from bench.faults.orders import ORDERS, TOLD, Done, Late, Link, Say, VoicePlan, read_plan
from local.marked_speech import WORD_SECONDS, Clip, MarkedWord, PlannedWord, synthesize
from local.speakers import RoomSpeaker, Spoken

SENTENCE_WORDS: Final = 6
WORD_GAP_SECONDS: Final = 0.08
PAUSE_SECONDS: Final = 0.9
"""Silence between two sentences, beside the 0.3 s that the next one waits in LiveKit's queue."""
LOOK_SECONDS: Final = 0.05
HEARD_SECONDS: Final = 60.0


def sentence_clips(first_word: int, talk_seconds: float) -> list[Clip]:
    """Sentences of so many seconds in all, pauses included; each word once."""
    step = WORD_SECONDS + WORD_GAP_SECONDS
    count = int(talk_seconds / (SENTENCE_WORDS * step + PAUSE_SECONDS)) + 1
    return [
        synthesize(
            [
                PlannedWord(first_word + number * SENTENCE_WORDS + place, place * step)
                for place in range(SENTENCE_WORDS)
            ],
            tail_seconds=0.0,
        )
        for number in range(count)
    ]


def may_follow(first_word: int, last: int | None) -> list[int]:
    """The numbers of the words that may have come after `last`, if any, which was the last to be told."""
    following = first_word if last is None else last + 1
    sentences = -((first_word - following) // SENTENCE_WORDS)
    return sorted({following, first_word + sentences * SENTENCE_WORDS})


class Voice:
    """Carries out orders; tells what was said."""

    def __init__(self, plan: VoicePlan, writer: asyncio.StreamWriter) -> None:
        self._plan = plan
        self._writer = writer
        self._clips = sentence_clips(plan.first_word, plan.talk_seconds)
        self._speaker = RoomSpeaker()
        self._talking = asyncio.Event()
        self._silent = asyncio.Event()
        self._silent.set()
        self._present = asyncio.Event()

    async def carry_out(self, order: str) -> None:
        """One of `ORDERS`, but not bye."""
        match order:
            case "talk":
                self._talking.set()
            case "hush":
                self._talking.clear()
                await self._silent.wait()
            case "mute":
                self._speaker.mute()
            case "unmute":
                self._speaker.unmute()
            case "unpublish":
                self._present.clear()
                await self._speaker.unpublish()
            case "publish":
                await self._speaker.publish()
                self._present.set()
            case "leave":
                self._present.clear()
                await self._speaker.leave()
            case "join":
                await self._join()
            case "heard":
                await self._speaker.microphone.heard(timeout=HEARD_SECONDS)
        self.tell(Done(order, time.time()))

    async def talk(self) -> None:
        """Sentence after sentence while told to talk and in the room."""
        await self._talking.wait()
        await asyncio.sleep(self._plan.offset_seconds)
        while self._clips:
            await self._talking.wait()
            await self._present.wait()
            self._silent.clear()
            await self._say(self._clips.pop(0))
            self._silent.set()
            await asyncio.sleep(PAUSE_SECONDS)
        raise RuntimeError("talk_seconds of the row are too few: every word has been said")

    def tell(self, news: Say | Done | Link | Late) -> None:
        """A line to the scene."""
        self._writer.write(TOLD.dump_json(news) + b"\n")

    async def _join(self) -> None:
        self._speaker = RoomSpeaker()
        room = self._speaker.room
        room.on("reconnecting", lambda *_: self.tell(Link(False, time.time())))
        room.on("reconnected", lambda *_: self.tell(Link(True, time.time())))
        room.on("disconnected", lambda *_: self.tell(Link(False, time.time())))
        await self._speaker.join(self._plan.url, self._plan.token)
        self.tell(Link(True, time.time()))
        self._present.set()

    async def _say(self, clip: Clip) -> None:
        microphone = self._speaker.microphone
        told = 0
        async with asyncio.TaskGroup() as group:
            saying = group.create_task(microphone.say(clip.pcm, clip.sample_rate), name="say")
            while not saying.done():
                await asyncio.wait([saying], timeout=LOOK_SECONDS)
                if not saying.done() and (so_far := microphone.under_way()) is not None:
                    told = self._tell_words(clip, so_far, told)
        spoken = saying.result()
        told = self._tell_words(clip, spoken, told)
        if told < len(clip.words) and clip.words[told].start < spoken.seconds:
            word = clip.words[told]
            self.tell(Say(word.text, spoken.wall_at(word.start), spoken.wall_at(spoken.seconds), whole=False))
        self.tell(Late(spoken.latest_seconds))

    def _tell_words(self, clip: Clip, spoken: Spoken, told: int) -> int:
        """Tell the words that are out; returns how many are."""
        while told < len(clip.words) and clip.words[told].end <= spoken.seconds + 1e-6:
            self.tell(sent(clip.words[told], spoken))
            told += 1
        return told

    async def aclose(self) -> None:
        """Leave."""
        await self._speaker.leave()


def sent(word: MarkedWord, spoken: Spoken) -> Say:
    """A word that is out; torn when this process was held up meanwhile, which left a hole in its sound."""
    start, end = spoken.wall_at(word.start), spoken.wall_at(word.end)
    return Say(word.text, start, end, whole=spoken.is_whole(word.start, word.end))


async def run(plan: VoicePlan) -> None:
    """Join at the first order; end at "bye" or when the scene is gone."""
    reader, writer = await asyncio.open_unix_connection(plan.socket)
    voice = Voice(plan, writer)
    async with asyncio.TaskGroup() as group:
        talking = group.create_task(voice.talk(), name="talk")
        while (order := (await reader.readline()).decode().strip()) != "bye":
            if order not in ORDERS:
                break
            await voice.carry_out(order)
        talking.cancel()
    await voice.aclose()
    writer.close()


if __name__ == "__main__":
    asyncio.run(run(read_plan(Path(sys.argv[1]))))
