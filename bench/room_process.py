"""`python -m bench.room_process PLAN`: the speakers of one room, and an ear for what comes back, and when.

One process a room keeps the voices on time when the program under test makes the machine busy.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack
from pathlib import Path

from agent.core.model import Segment
from bench.exchange import LINE_LIMIT, RESULT, RoomPlan, RoomResult, SpeakerPlan, read_plan
from bench.words import Arrival, SaidWord, WrittenWord, normalized
from local.listener import Listener
from local.marked_speech import Clip, PlannedWord, synthesize
from local.speakers import RoomSpeaker, Spoken

HEARD_SECONDS = 60.0
"""How long the program under test may take to subscribe."""


async def run(plan: RoomPlan) -> None:
    """Join, tell that everybody is heard, speak on "go", tell the result, go on in silence until "leave"."""
    reader, writer = await asyncio.open_unix_connection(plan.socket, limit=LINE_LIMIT)
    clips = [_clip(speaker) for speaker in plan.speakers]
    async with AsyncExitStack() as stack:
        voices = [await stack.enter_async_context(RoomSpeaker()) for _ in plan.speakers]
        heard = await stack.enter_async_context(Listener(voices[0].room))
        for voice, speaker in zip(voices, plan.speakers, strict=True):
            await voice.join(plan.url, speaker.token)
        for voice in voices:
            await voice.microphone.heard(timeout=HEARD_SECONDS)
        writer.write(b"heard\n")
        if await reader.readline() != b"go\n":
            return
        spoken = await _speak(voices, clips)
        said = _said(plan, clips, voices, spoken)
        await _wait_for_finals(heard, said, plan.wait_for_finals_seconds)
        result = _result(plan, heard, said, voices, spoken)
        writer.write(RESULT.dump_json(result) + b"\n")
        await writer.drain()
        await reader.readline()
    writer.close()


def _clip(speaker: SpeakerPlan) -> Clip:
    words = [PlannedWord(number, start) for sentence in speaker.sentences for number, start in sentence]
    return synthesize(words, tail_seconds=0.0)


async def _speak(voices: list[RoomSpeaker], clips: list[Clip]) -> list[Spoken]:
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(voice.say(clip.pcm, clip.sample_rate))
            for voice, clip in zip(voices, clips, strict=True)
        ]
    return [task.result() for task in tasks]


def _said(
    plan: RoomPlan, clips: list[Clip], voices: list[RoomSpeaker], spoken: list[Spoken]
) -> list[SaidWord]:
    said: list[SaidWord] = []
    for speaker, clip, voice, saying in zip(plan.speakers, clips, voices, spoken, strict=True):
        places = [place for place, sentence in enumerate(speaker.sentences) for _ in sentence]
        for word, place in zip(clip.words, places, strict=True):
            said.append(
                SaidWord(
                    text=word.text,
                    speaker=speaker.identity,
                    start=voice.room_time(saying.wall_at(word.start)),
                    end=voice.room_time(saying.wall_at(word.end)),
                    sentence=place,
                )
            )
    return said


async def _wait_for_finals(heard: Listener, said: list[SaidWord], seconds: float) -> None:
    """Until every word is in a final, or for `seconds`: what is not there then is lost."""
    wanted = {word.text for word in said}

    def complete() -> bool:
        return wanted <= {text for final in heard.finals for text in normalized(final.text)}

    try:
        await heard.wait_until(complete, timeout=seconds)
    except TimeoutError:
        return


def _result(
    plan: RoomPlan, heard: Listener, said: list[SaidWord], voices: list[RoomSpeaker], spoken: list[Spoken]
) -> RoomResult:
    arrivals = [
        _arrival(message.item, voices[0].room_time(message.arrived_at_wall))
        for message in heard.messages
        if isinstance(message.item, Segment)
    ]
    return RoomResult(
        room=plan.room,
        said=tuple(said),
        arrivals=tuple(arrivals),
        gaps=len(heard.gaps),
        strays=len(heard.strays),
        latest_seconds=max(saying.latest_seconds for saying in spoken),
        stalls=sum(voice.microphone.stalls for voice in voices),
    )


def _arrival(segment: Segment, arrived: float) -> Arrival:
    speaker = segment.speaker.identity
    words = [
        WrittenWord(text, speaker, word.start, word.end)
        for word in segment.words
        for text in normalized(word.text)
    ]
    return Arrival(
        segment_id=segment.segment_id,
        revision=segment.revision,
        final=segment.final,
        speaker=speaker,
        arrived=arrived,
        texts=normalized(segment.text),
        words=tuple(words),
    )


if __name__ == "__main__":
    asyncio.run(run(read_plan(Path(sys.argv[1]))))
