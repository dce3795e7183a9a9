"""Whatever the recognizer does: each word once and at its time, or a gap that says why; and readers are told.

Every case of a test runs at the same time (`track_case`), so a test takes as long as its longest case.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from itertools import product

import pytest

from agent.core.model import Reason, State
from agent.stt.elevenlabs import HARMLESS, REFUSALS
from local.recognizer.engines.scripted import ScriptedEngine
from local.recognizer.faults import Faults
from local.recognizer.protocol import ErrorType
from local.recognizer.server import RecognizerServer
from local.recognizer.session import Limits
from tests.contract.track_case import WORD_TIME_TOLERANCE, Case, Performance, clip_of, perform, perform_all

ESTIMATED = 5.0
"""Seconds by which a word may be off when the recognizer did not tell its time."""


@dataclass(frozen=True)
class Row:
    """A case and what is right."""

    case: Case
    states: tuple[tuple[State, Reason | None], ...] = ()
    """The statuses, in order."""
    reason: Reason | None = None
    """Of the gaps; None: there is no gap."""
    estimated: bool = False
    """The recognizer told no usable times."""

    def check(self, show: Performance) -> None:
        """Every promise, and what is right for this row."""
        show.check_words(ESTIMATED if self.estimated else WORD_TIME_TOLERANCE)
        show.check_books()
        assert tuple(show.states) == self.states
        assert {gap.reason for gap in show.gaps} == ({self.reason} if self.reason else set())
        assert show.stats["open_sessions"] == 0


def faulty(faults: Faults, **limits: float) -> Row:
    """A fault that is mended so soon that readers need not know of it."""
    return Row(Case(faults, limits=Limits(**limits)))  # type: ignore[arg-type]


def refused_for_good(faults: Faults, reason: Reason) -> Row:
    """A fault that time cannot heal: the track is given up at the end of the session."""
    case = Case(faults, patience=1.0, give_up=Reason.ENDED)
    return Row(case, states=((State.STOPPED, reason),), reason=reason)


async def check_all(rows: dict[str, Row], subtests: pytest.Subtests) -> None:
    """Play all rows side by side and check each."""
    shows = await perform_all([row.case for row in rows.values()])
    for (name, row), show in zip(rows.items(), shows, strict=True):
        with subtests.test(name):
            if isinstance(show, BaseException):
                raise show
            row.check(show)


# ---- the connection ends


async def test_dropped_anywhere(subtests: pytest.Subtests) -> None:
    """Before any message of the recognizer, in mid word, after a commit: it is sent again, unnoticed."""
    messages = range(1, 17)  # session_started, a partial for each of nine words, two copies of three answers
    drops = {f"before message {number}": Faults(drop_before_message=number) for number in messages}
    drops |= {
        f"closed before message {number}": Faults(drop_before_message=number, drop_code=code)
        for number, code in ((1, 1000), (2, 1011), (5, 1000), (6, 1008), (11, 1001))
    }
    drops |= {f"after {at} s": Faults(drop_after_audio_seconds=at) for at in (0.05, 0.5, 1.0, 1.3, 2.4)}
    drops |= {
        "three times in mid word": Faults(drop_after_audio_seconds=1.3, drop_times=3),
        "between commit and answer": Faults(drop_after_commit=True, drop_times=2),
        "closed between commit and answer": Faults(drop_after_commit=True, drop_times=2, drop_code=1000),
        "between the copies of an answer": Faults(drop_between_copies=True, drop_times=2),
    }
    await check_all({name: faulty(faults) for name, faults in drops.items()}, subtests)


# ---- error messages


@pytest.mark.parametrize("moment", ["start", "audio", "commit"])
async def test_error_messages(moment: str, subtests: pytest.Subtests) -> None:
    """Every type, whether the recognizer then closes the connection or leaves that to us."""
    rows = {}
    for kind, close_code in product(ErrorType, (None, 1008)):
        reason, retryable = REFUSALS.get(kind, (None, True))
        faults = Faults(
            error_type=kind,
            error_when=moment,  # type: ignore[arg-type]
            error_after_audio_seconds=1.0,
            error_close_code=close_code,
            error_times=1 if retryable else 100,
        )
        if retryable:
            rows[f"{kind}, close {close_code}"] = faulty(faults)
        else:
            assert reason is not None
            rows[f"{kind}, close {close_code}"] = refused_for_good(faults, reason)
    assert set(REFUSALS) | HARMLESS >= set(ErrorType)
    await check_all(rows, subtests)


# ---- refused


async def test_refused(subtests: pytest.Subtests) -> None:
    """For good, or for a while: told within 3 s when it lasts, and taken back when text comes again."""
    lasting = ((State.DEGRADED, Reason.RECOGNIZER_UNREACHABLE), (State.LISTENING, None))
    limited = ((State.DEGRADED, Reason.RATE_LIMITED), (State.LISTENING, None))
    rows = {
        "401": refused_for_good(Faults(refuse_status=401), Reason.AUTH_ERROR),
        "402": refused_for_good(Faults(refuse_status=402), Reason.QUOTA_EXCEEDED),
        "403": refused_for_good(Faults(refuse_status=403), Reason.AUTH_ERROR),
        "500 twice": faulty(Faults(refuse_status=500, refuse_times=2)),
        "503 for 4 s": Row(Case(Faults(refuse_status=503, refuse_seconds=4)), lasting),
        "429 once": faulty(Faults(refuse_status=429, refuse_times=1)),
        "429, asked to wait": Row(
            Case(Faults(refuse_status=429, refuse_times=2, retry_after_seconds=2)), limited
        ),
        "rate_limited at each start": Row(
            Case(Faults(error_type=ErrorType.RATE_LIMITED, error_when="start", error_times=5)), limited
        ),
        "never begins": Row(Case(Faults(mute_starts=1)), lasting),
    }
    shows = await perform_all([row.case for row in rows.values()])
    for (name, row), show in zip(rows.items(), shows, strict=True):
        with subtests.test(name):
            if isinstance(show, BaseException):
                raise show
            row.check(show)
            onset = row.case.clip.words[0].start
            assert all(at - onset <= 3 for at, status in show.statuses[:1])
            if name == "429, asked to wait":
                assert show.stats["sessions_refused"] == 2
                assert show.segments[0][0] - onset >= 4


# ---- answers


async def test_answers(subtests: pytest.Subtests) -> None:
    """Missing, doubled, late, or not what they should be."""
    late = ((State.DEGRADED, Reason.RECOGNIZER_ERROR), (State.LISTENING, None))
    rows = {
        "nothing wrong": faulty(Faults()),
        "two commits are not answered": faulty(Faults(mute_commits=2)),
        "doubled": faulty(Faults(double_answers=3)),
        "doubled, and dropped": faulty(Faults(double_answers=3, drop_after_audio_seconds=2.0, drop_times=2)),
        "slow": faulty(Faults(answer_delay_seconds=1.5)),
        "slow, and dropped": faulty(Faults(answer_delay_seconds=1.0, drop_after_audio_seconds=3.0)),
        "later than we wait": Row(Case(Faults(answer_delay_seconds=3.0)), late),
        "no JSON": faulty(Faults(malformed_answers=1, malformation="no_json")),
        "fields are missing": faulty(Faults(malformed_answers=1, malformation="missing_fields")),
        "a word of 200,000 characters": faulty(Faults(malformed_answers=2, malformation="huge_word")),
        "times before the beginning": Row(
            Case(Faults(malformed_answers=2, malformation="negative_times")), estimated=True
        ),
        "no copy with times": Row(
            Case(Faults(malformed_answers=2, malformation="no_timestamps_copy")), estimated=True
        ),
        "partials come again": faulty(Faults(echo_partials=3)),
        "socket is not read": faulty(Faults(stall_seconds=2.0)),
    }
    await check_all(rows, subtests)


# ---- the provider's time limit


async def test_time_limit(subtests: pytest.Subtests) -> None:
    """Known, it is never met and nothing is sent twice; unknown, what it cut is sent again."""
    clip = clip_of(24, 3, 0.7)
    known = {"RECOGNIZER_SESSION_SECONDS": "12", "ANSWER_TIMEOUT": "2"}
    cases = {
        "known": Case(clip=clip, settings=known, limits=Limits(session_seconds=12)),
        "not known": Case(clip=clip, limits=Limits(session_seconds=4)),
    }
    shows = await perform_all(list(cases.values()))
    for (name, case), show in zip(cases.items(), shows, strict=True):
        with subtests.test(name):
            if isinstance(show, BaseException):
                raise show
            Row(case).check(show)
            assert show.stats["sessions_opened"] > 1
            if name == "known":
                assert (show.sums.reconnects, show.sums.replayed) == (0, 0)
                assert max(show.delays()) < 3  # of the first word of a sentence, whose end it waits for
            else:
                assert show.sums.reconnects > 1


# ---- others


async def test_one_speaker_s_trouble_is_nobody_else_s(subtests: pytest.Subtests) -> None:
    """The recognizer is sick for one; the other's text is as fast and whole as ever, without a status."""
    troubles = {
        "mute": Faults(mute_commits=100),
        "stalled": Faults(stall_seconds=8),
        "refused": Faults(error_type=ErrorType.QUOTA_EXCEEDED, error_when="audio", error_times=100),
        "dropped": Faults(drop_after_audio_seconds=0.2, drop_times=100),
    }
    pairs = await asyncio.gather(*(_sick_and_well(faults) for faults in troubles.values()))
    for name, (sick, well) in zip(troubles, pairs, strict=True):
        with subtests.test(name):
            well.check_words()
            well.check_books()
            assert (well.missing(), well.states, well.sums.reconnects) == ([], [], 0)
            assert max(well.delays()) < 2.5
            sick.check_words()
            sick.check_books()


async def _sick_and_well(faults: Faults) -> tuple[Performance, Performance]:
    """Two speakers on one recognizer, which hurts the first one's first session only."""
    async with RecognizerServer(ScriptedEngine(0.05)) as server:

        async def break_the_first_session(show: Performance) -> None:
            await show.until(lambda: server.counters.sessions_opened > 0)
            (session_id,) = server.counters.open
            server.set_faults(replace(faults, session_id=session_id))
            began.set()

        began = asyncio.Event()
        sick = Case(script=break_the_first_session, patience=4.0, give_up=Reason.ENDED)
        async with asyncio.TaskGroup() as group:
            ann = group.create_task(perform(sick, server=server, identity="ann"))
            await began.wait()
            bob = group.create_task(perform(Case(), server=server, identity="bob"))
    return ann.result(), bob.result()


@dataclass(frozen=True)
class Leave:
    """The transcriber leaves in the midst of talk."""

    after: float
    """Seconds of the talk."""
    older: float
    """By how many seconds the sound that comes is older than anybody knows."""

    async def script(self, show: Performance) -> None:
        """Leave, without waiting for what is on its way."""
        await show.until(lambda: show.seconds >= self.after)
        show.task.gone(0.0)


async def test_a_transcriber_that_leaves(subtests: pytest.Subtests) -> None:
    """Each word is told or left to the successor, however old the sound is that was heard last."""
    leaves = [Leave(1.3 + 0.09 * step, older) for step in range(9) for older in (0.0, 0.3)]
    shows = await perform_all([Case(script=leave.script) for leave in leaves])
    for leave, show in zip(leaves, shows, strict=True):
        with subtests.test(str(leave)):
            assert isinstance(show, Performance), show
            show.check_books()
            mark = show.task.mark()
            missing = set(show.missing())
            for word in show.case.clip.words:
                said_until = show.began + word.end - leave.older
                assert word.text not in missing or said_until > mark.until - WORD_TIME_TOLERANCE, word
