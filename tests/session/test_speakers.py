"""Whose words they are: kinds, names, roles and labels of participants, in a session in virtual time."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from livekit import rtc

from agent.core.analytics import analyse
from agent.core.model import Segment, Speaker
from tests.session.meeting import Meeting, meeting
from tests.session.virtual_time import in_virtual_time

CALLER = "sip_+15550100"


def said_by(show: Meeting, identity: str) -> list[Speaker]:
    """The speakers of a participant's finals, in order."""
    finals = [one for one in show.shown.items if isinstance(one, Segment) and one.final]
    return [one.speaker for one in finals if one.speaker.identity == identity]


@in_virtual_time
async def test_a_caller_whose_name_and_role_come_before_the_first_words(tmp_path: Path) -> None:
    """The number makes way for what the platform set after the caller had joined."""
    async with meeting(tmp_path) as show:
        caller = show.room.join(CALLER, kind=rtc.ParticipantKind.PARTICIPANT_KIND_SIP)
        caller.name = ""
        voice = show.room.publish(caller)
        await asyncio.sleep(1)
        show.room.rename(caller, "Ana Sol")
        show.room.change_attributes(caller, role="candidate")
        await show.said(voice, 1)
        assert said_by(show, CALLER) == [Speaker(CALLER, "Ana Sol", "candidate", "candidate")]


@in_virtual_time
async def test_a_caller_whose_role_comes_after_the_first_words(tmp_path: Path) -> None:
    """The label stays; the role applies from then on, and answers have response times."""
    async with meeting(tmp_path) as show:
        _, interviewer = await show.joined("ben", attributes={"role": "interviewer"})
        caller = show.room.join(CALLER, kind=rtc.ParticipantKind.PARTICIPANT_KIND_SIP)
        caller.name = ""
        voice = show.room.publish(caller)
        await asyncio.sleep(1)
        await show.said(voice, 1)
        show.room.rename(caller, "Ana Sol")
        show.room.change_metadata(caller, '{"role": "candidate"}')
        await show.said(interviewer, 2)
        await show.said(voice, 3)
        later = Speaker(CALLER, "Ana Sol", "candidate", CALLER)
        assert said_by(show, CALLER) == [Speaker(CALLER, "", "", CALLER), later]
        finals = [one for one in show.shown.items if isinstance(one, Segment) and one.final]
        [answer] = analyse(finals).responses
        assert answer.answered_by == later
        await asyncio.sleep(6)
        kept = await show.store.find_session("interview")
        assert kept is not None
        assert later in [sums.speaker for sums in kept.accounting]


@in_virtual_time
async def test_a_rejoin_with_a_role(tmp_path: Path) -> None:
    """The present token counts, not the first one."""
    async with meeting(tmp_path) as show:
        ana, voice = await show.joined("ana")
        await show.said(voice, 1)
        show.room.leave(ana)
        _, voice = await show.joined("ana", attributes={"role": "candidate"})
        await show.said(voice, 2)
        assert [one.role for one in said_by(show, "ana")] == ["", "candidate"]
        assert {one.label for one in said_by(show, "ana")} == {"Ana"}


@in_virtual_time
async def test_names_that_look_the_same(tmp_path: Path) -> None:
    """Two people are never shown under labels that nobody can tell apart."""
    async with meeting(tmp_path) as show:
        labels = []
        for number, name in enumerate(("Ana", "Ana\u200b", "\u200eAna")):
            one = show.room.join(f"user-{number}")
            one.name = name
            voice = show.room.publish(one)
            await asyncio.sleep(1)
            await show.said(voice, number + 1)
            labels += [speaker.label for speaker in said_by(show, one.identity)]
        assert labels == ["Ana", "Ana\u200b 2", "Ana 3"]


@pytest.mark.parametrize("kind", [rtc.ParticipantKind.PARTICIPANT_KIND_CONNECTOR, 99])
@in_virtual_time
async def test_an_excluded_or_unknown_kind_is_not_received(tmp_path: Path, kind: int) -> None:
    """LiveKit is never asked for its audio."""
    async with meeting(tmp_path, EXCLUDE_KINDS="connector,bridge") as show:
        publication = show.room.publish(show.room.join("line", kind=kind))
        await asyncio.sleep(20)
        assert not publication.subscribed
        assert not said_by(show, "line")
