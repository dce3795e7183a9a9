"""The demo's meeting: two people and an observer in a room; what they say, and what comes back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Final, Self

from agent.core.model import End, Segment
from agent.errors import LocalPartError
from local.demo_parts import Parts
from local.demo_result import (
    DemoResult,
    HeardFinal,
    SaidTurn,
    balance,
    delay,
    problems_of,
    speaker_result,
    turn_delays,
)
from local.interview import CANDIDATE, INTERVIEWER, SCRIPT, SECONDS, Turn, sound_of, speech_end, text_of
from local.listener import Listener
from local.live_track import Pcm
from local.service_client import CreatedRoom
from local.speakers import RoomSpeaker, listening

POLL_SECONDS: Final = 0.1
HEARD_SECONDS: Final = 60.0
"""From joining until the transcriber has subscribed."""
FINALS_SECONDS: Final = 15.0
"""After the last word, for the last final."""
END_SECONDS: Final = 30.0
"""After both have left, for the session's end."""
FIRST_WORD_SECONDS: Final = 0.5

LABELS: Final = (INTERVIEWER, CANDIDATE)


class Meeting:
    """`async with Meeting(parts) as meeting:` a room made by REST, with an observer in it."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.room: CreatedRoom
        self.heard: Listener
        self.voices: dict[str, RoomSpeaker] = {}
        """Role -> the person."""
        self.speaking: set[str] = set()
        """Roles that speak now."""
        self.began: float | None = None
        """Monotonic time of the interview's beginning."""
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        service = self.parts.service
        self.room = await service.create_room()
        token = await service.token(self.room.name, "demo-observer")
        self.heard = await self._stack.enter_async_context(listening(self.room.url, token))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def transcriber_came(self) -> None:
        """Returns when a transcriber is in the room: who comes earlier has said things that nobody heard.

        Raises:
            LocalPartError: none came in time.
        """
        try:
            async with asyncio.timeout(HEARD_SECONDS):
                while not await self.parts.service.transcribes(self.room.name):  # noqa: ASYNC110
                    await asyncio.sleep(POLL_SECONDS)
        except TimeoutError as error:
            raise self._nobody_came() from error

    def _nobody_came(self) -> LocalPartError:
        return LocalPartError(
            f"no transcriber came into the room within {HEARD_SECONDS:g} s; is the machine very busy? "
            f"See {self.parts.folder / 'worker.log'}"
        )

    async def join(self, role: str, token: str) -> RoomSpeaker:
        """One of the two comes in; returns when the transcriber hears the microphone."""
        voice = await self._stack.enter_async_context(RoomSpeaker(dtx=True))
        await voice.join(self.room.url, token)
        try:
            await voice.microphone.heard(timeout=HEARD_SECONDS)
        except TimeoutError as error:
            raise self._nobody_came() from error
        self.voices[role] = voice
        return voice

    def progress(self, now: float) -> str:
        """One line: how far the interview is, who speaks, how many words there are."""
        words = sum(len(final.text.split()) for final in self.heard.finals)
        if self.began is None:
            return "waiting for the transcriber"
        elapsed = now - self.began
        if elapsed > SECONDS + FIRST_WORD_SECONDS:
            return f"the interview is over; waiting for the last words ({words} words written)"
        who = " and ".join(role for role in LABELS if role in self.speaking) or "nobody"
        verb = "speak" if len(self.speaking) > 1 else "speaks"
        return f"{elapsed:.0f} of {SECONDS:.0f} s: {who} {verb}; {words} words written"


async def hold(meeting: Meeting, say: Callable[[str], None]) -> DemoResult:
    """The two come in after the transcriber, talk, and leave; returns when the session has ended.

    Raises:
        ExceptionGroup of LocalPartError: somebody could not join, or no transcriber came.
    """
    await meeting.transcriber_came()
    async with asyncio.TaskGroup() as group:
        group.create_task(meeting.join(INTERVIEWER, meeting.room.interviewer_token), name="interviewer joins")
        group.create_task(meeting.join(CANDIDATE, meeting.room.candidate_token), name="candidate joins")
    say("interviewer and candidate are in the room, and the transcriber hears them")
    said = await _talk(meeting)
    missing = await _last_words(meeting, said)
    say("both leave")
    for voice in meeting.voices.values():
        await voice.leave()
    end = await _end(meeting)
    return await _result(meeting, said, missing, end)


async def _talk(meeting: Meeting) -> list[SaidTurn]:
    """Both say their turns of the script, each at its time."""
    sounds = [(turn, await asyncio.to_thread(sound_of, turn)) for turn in SCRIPT]
    meeting.began = time.monotonic()
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(_say(meeting, turn, sound), name=f"{turn.role} at {turn.at:g} s")
            for turn, sound in sounds
        ]
    return [task.result() for task in tasks]


async def _say(meeting: Meeting, turn: Turn, sound: Pcm) -> SaidTurn:
    assert meeting.began is not None
    await asyncio.sleep(meeting.began + FIRST_WORD_SECONDS + turn.at - time.monotonic())
    voice = meeting.voices[turn.role]
    meeting.speaking.add(turn.role)
    try:
        spoken = await voice.say(sound)
    finally:
        meeting.speaking.discard(turn.role)
    start, end = voice.room_time(spoken.started_at_wall), spoken.wall_at(speech_end(sound))
    return SaidTurn(turn.role, start, voice.room_time(end))


async def _last_words(meeting: Meeting, said: list[SaidTurn]) -> int:
    """Wait for the finals of all turns; how many turns have none in time."""

    def missing() -> int:
        return turn_delays(said, _finals(meeting)).count(None)

    try:
        await meeting.heard.wait_until(lambda: missing() == 0, timeout=FINALS_SECONDS)
    except TimeoutError:
        return missing()
    return 0


async def _end(meeting: Meeting) -> End | None:
    """The session's end, or None when it did not come."""
    try:
        await meeting.heard.wait_until(lambda: meeting.heard.end is not None, timeout=END_SECONDS)
    except TimeoutError:
        return None
    return meeting.heard.end


def _finals(meeting: Meeting) -> list[HeardFinal]:
    created = meeting.heard.room.creation_time.timestamp()
    return [
        HeardFinal(one.item.speaker.label, one.arrived_at_wall - created)
        for one in meeting.heard.messages
        if isinstance(one.item, Segment) and one.item.final and one.item.text
    ]


async def _result(meeting: Meeting, said: list[SaidTurn], missing: int, end: End | None) -> DemoResult:
    segments = meeting.heard.finals
    speakers = tuple(speaker_result(label, text_of(label), segments) for label in LABELS)
    accounting = balance(end.accounting) if end else ()
    gaps = len(meeting.heard.gaps)
    record = await meeting.parts.service.transcript(meeting.room.name)
    return DemoResult(
        speakers=speakers,
        windows=len({window.window_id for window in meeting.heard.windows}),
        segments=len(segments),
        gaps=gaps,
        final_delay_seconds=delay([one for one in turn_delays(said, _finals(meeting)) if one is not None]),
        accounting=accounting,
        room=meeting.room.name,
        session=meeting.room.sid,
        problems=problems_of(
            speakers,
            segments=segments,
            recorded=[one["text"] for one in record["segments"]],
            gaps=gaps,
            accounting=accounting,
            missing_turns=missing,
        ),
    )
