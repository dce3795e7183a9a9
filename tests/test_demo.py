"""The demo's parts that need no server: the script, the figures, the screen, the watch over programs."""

from __future__ import annotations

import asyncio
import io
import json
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from agent.core.model import Accounting, Gap, Reason, Segment, Speaker, State, Status, Turn, Window
from agent.errors import LocalPartError
from local.child import Child
from local.demo_result import (
    DemoResult,
    HeardFinal,
    SaidTurn,
    SpeakerResult,
    balance,
    delay,
    problems_of,
    speaker_result,
    turn_delays,
    words_of,
)
from local.demo_view import View
from local.interview import (
    CANDIDATE,
    INTERVIEWER,
    SAMPLE_RATE,
    SCRIPT,
    SECONDS,
    sound_of,
    speech_end,
    text_of,
)
from local.ready import died, ready_when, while_alive
from local.surroundings import clean_environment

ANNA = Speaker("anna", "Anna", "interviewer", "interviewer")
BEN = Speaker("ben", "Ben", "candidate", "candidate")


def segment(text: str, speaker: Speaker = ANNA, start: float = 1.0, *, final: bool = True) -> Segment:
    return Segment(f"s{start}", 1, final, speaker, "TR_x", "microphone", start, start + 2, text)


def test_words_are_compared_without_case_punctuation_and_fillers() -> None:
    """What a recognizer writes for "um" says nothing about words."""
    assert words_of("It's, um, THE best - of times!") == ["it's", "the", "best", "of", "times"]


def test_a_perfect_record_has_no_errors() -> None:
    """In order of time, whatever the order of arrival."""
    segments = [segment("better", start=5.0), segment("Fail again, fail"), segment("I do", BEN)]
    assert speaker_result("interviewer", "Fail again. Fail better.", segments) == SpeakerResult(
        "interviewer", 4, 4, 0.0
    )


def test_a_person_nobody_wrote_down_has_only_errors() -> None:
    """Words under another label do not count."""
    assert speaker_result("candidate", "I do.", [segment("I do")]) == SpeakerResult("candidate", 2, 0, 1.0)


def test_a_wrong_word_and_a_missing_one_are_two_errors() -> None:
    """Of four words, so half."""
    assert speaker_result("interviewer", "one two three four", [segment("one too three")]).wer == 0.5


def test_a_turns_delay_ends_with_its_last_final() -> None:
    """Finals of its first half, of another person and of the next turn are not it."""
    turns = [
        SaidTurn("interviewer", 1.0, 9.0),
        SaidTurn("candidate", 8.0, 12.0),
        SaidTurn("interviewer", 14.0, 20.0),
    ]
    finals = [
        HeardFinal("interviewer", 4.8),
        HeardFinal("candidate", 9.3),
        HeardFinal("interviewer", 9.4),
        HeardFinal("interviewer", 9.7),
        HeardFinal("interviewer", 15.5),
        HeardFinal("interviewer", 20.6),
    ]
    assert turn_delays(turns, finals) == [pytest.approx(0.7), None, pytest.approx(0.6)]


@given(st.lists(st.floats(0, 100), min_size=1, max_size=30))
def test_delays_lie_within_what_was_measured(delays: list[float]) -> None:
    """p50 is not more than p95, and both are among the delays' range."""
    found = delay(delays)
    assert found is not None
    assert min(delays) - 0.001 <= found.p50 <= found.p95 + 1e-9
    assert found.p95 <= max(delays) + 0.001


def test_no_delay_is_not_zero() -> None:
    """Nothing measured is said so."""
    assert delay([]) is None


def test_books_balance_to_the_rounding_of_the_wire() -> None:
    """Each sum travels rounded to a millisecond; a hundredth of a second is missing audio."""
    good, bad = Accounting(ANNA, 10, 5.001, 6, 4, 1), Accounting(BEN, 10, 5.01, 6, 4, 1)
    assert [one["balanced"] for one in balance([good, bad])] == [True, False]


def problems(**changed: object) -> tuple[str, ...]:
    """Of a demo in which all is well, but for what is changed."""
    speakers = (SpeakerResult("interviewer", 4, 4, 0.0), SpeakerResult("candidate", 2, 2, 0.25))
    segments = [segment("a b c d"), segment("I do", BEN)]
    facts = {
        "speakers": speakers,
        "segments": segments,
        "recorded": ["I do", "a b c d"],
        "gaps": 0,
        "accounting": balance([Accounting(ANNA, 9, 4, 5, 4), Accounting(BEN, 9, 4, 5, 4)]),
        "missing_turns": 0,
        **changed,
    }
    return problems_of(facts.pop("speakers"), **facts)  # type: ignore[arg-type]


def test_all_is_well() -> None:
    """Both labels, a word error rate of at most 0.25, no gap, balanced books, the same record."""
    assert problems() == ()


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"speakers": (SpeakerResult("interviewer", 4, 0, 1.0),)}, "no word arrived under the label"),
        ({"speakers": (SpeakerResult("interviewer", 4, 4, 0.26),)}, "word error rate of interviewer"),
        ({"segments": [segment("x", replace(BEN, label="candidate 2"))]}, "candidate 2, who did not speak"),
        ({"recorded": ["I do"]}, "the record has others"),
        ({"gaps": 1}, "1 gaps"),
        ({"accounting": ()}, "the end of the session"),
        ({"accounting": balance([Accounting(ANNA, 9, 4, 5, 3)] * 2)}, "do not balance"),
        ({"missing_turns": 2}, "last words of 2 turns"),
    ],
)
def test_each_fault_is_named(changed: dict[str, object], sentence: str) -> None:
    """The exit code alone would not help anybody."""
    assert any(sentence in problem for problem in problems(**changed))


def test_the_two_of_the_script_take_turns_and_overlap_twice() -> None:
    """Each pauses for three seconds between turns; the candidate cuts in."""
    for role in (INTERVIEWER, CANDIDATE):
        mine = [turn for turn in SCRIPT if turn.role == role]
        assert all(one.at + one.seconds + 3 <= other.at for one, other in pairwise(mine))
    overlaps = [
        (one, other)
        for one in SCRIPT
        for other in SCRIPT
        if one.role != other.role and one.at < other.at < one.at + one.seconds
    ]
    assert len(overlaps) == 2
    assert SECONDS < 60
    assert text_of(CANDIDATE).count("America") == 4


def test_every_turn_has_sound_that_ends_where_it_says() -> None:
    """Speech ends inside the part, after most of it; both voices are equally loud."""
    for turn in SCRIPT:
        sound = sound_of(turn)
        assert len(sound) == pytest.approx(turn.seconds * SAMPLE_RATE, abs=2)
        assert turn.seconds - 0.5 < speech_end(sound) < turn.seconds
        assert 8_000 < int(np.abs(sound.astype(np.int32)).max()) <= 14_000


def test_speech_ends_where_the_last_sound_is() -> None:
    """To a twentieth of a second; faint noise after it is not speech."""
    sound = np.zeros(SAMPLE_RATE, np.int16)
    sound[10_000:24_000] = 5_000
    sound[24_000:] = 200
    assert speech_end(sound) == 0.5


def shown(draw: object) -> str:
    """What a view without a terminal prints."""
    file = io.StringIO()
    with View(Console(file=file, width=120)) as view:
        draw(view)  # type: ignore[operator]
    return file.getvalue()


def test_plain_output_has_finals_and_windows_but_no_interims() -> None:
    """A log that is read later needs no text that changed."""

    def draw(view: View) -> None:
        view.segment(segment("I thi", final=False))
        view.segment(segment("I think [so]", start=61.25))
        view.window(Window(2, 2, 20, 40, False, ("candidate",), (Turn(ANNA, 21, 30, "I think"),), 2, 1))

    lines = shown(draw)
    assert "I thi\n" not in lines
    assert "01:01.2  interviewer  I think [so]" in lines
    assert "window 2, revision 2: 20–40 s, 2 words, waiting for candidate" in lines


def test_odd_text_is_shown_as_it_is() -> None:
    """Brackets are no markup, and any Unicode passes."""
    text = "[bold]R&D[/] 🎤 שלום"
    assert text in shown(lambda view: view.segment(segment(text)))


def test_gaps_and_states_are_told() -> None:
    """They are what an operator looks for."""

    def draw(view: View) -> None:
        view.gap(Gap(BEN, "TR_x", 3.0, 4.5, Reason.STALLED))
        view.status(Status(State.DEGRADED, Reason.RATE_LIMITED, ANNA, "try later"))

    lines = shown(draw)
    assert "gap: candidate 3.0–4.5 s: stalled" in lines
    assert "degraded for interviewer (rate_limited) try later" in lines


def test_the_result_is_json_with_the_promised_fields() -> None:
    """Other programs read demo-result.json."""
    result = DemoResult(
        speakers=(SpeakerResult("interviewer", 4, 4, 0.0),),
        windows=2,
        segments=3,
        gaps=0,
        final_delay_seconds=delay([0.5]),
        accounting=balance([Accounting(ANNA, 9, 4, 5, 4)]),
        room="r",
        session="RM_x",
        problems=(),
    )
    body = json.loads(json.dumps(result.as_json()))
    assert body["speakers"] == [{"label": "interviewer", "words_said": 4, "words_written": 4, "wer": 0.0}]
    assert body["final_delay_seconds"] == {"p50": 0.5, "p95": 0.5}
    assert body["accounting"][0]["balanced"] is True
    assert {"windows", "segments", "gaps"} <= body.keys()


def test_a_developers_settings_do_not_reach_the_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours and livekit-agents' are left out; what is no setting stays."""
    for name in ("WINDOW_SECONDS", "ELEVEN_API_KEY", "LIVEKIT_AGENT_NAME", "NOT_OURS"):
        monkeypatch.setenv(name, "x")
    env = clean_environment({"PORT": "1"})
    assert env["PORT"] == "1"
    assert env["NOT_OURS"] == "x"
    assert not {"WINDOW_SECONDS", "ELEVEN_API_KEY", "LIVEKIT_AGENT_NAME"} & set(env)


async def program(tmp_path: Path, code: str) -> Child:
    return await Child.start([sys.executable, "-c", code], name="thing", log_file=tmp_path / "thing.log")


async def test_a_program_that_ends_ends_the_work_with_its_last_lines(tmp_path: Path) -> None:
    """The message shows the log; the work is cancelled, not left running."""
    cancelled = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            cancelled.set()

    async with await program(tmp_path, "print('port 1 is taken'); raise SystemExit(3)") as child:
        with pytest.raises(LocalPartError, match=r"(?s)thing ended with code 3.*port 1 is taken"):
            await while_alive(work(), [died(child)])
    assert cancelled.is_set()


async def test_work_that_is_done_leaves_the_programs_alone(tmp_path: Path) -> None:
    """Its result comes back, and nothing keeps watching."""

    async def work() -> int:
        return 7

    async with await program(tmp_path, "import time; time.sleep(60)") as child:
        assert await while_alive(work(), [died(child)]) == 7
        assert child.running
    assert len(asyncio.all_tasks()) == 1


async def test_waiting_for_a_program_tells_why_it_is_not_ready(tmp_path: Path) -> None:
    """Too slow and dead are told apart."""
    async with await program(tmp_path, "import time; print('loading', flush=True); time.sleep(60)") as slow:
        with pytest.raises(LocalPartError, match=r"not ready within 1 s"):
            await ready_when(slow, lambda: False, seconds=1)
        await ready_when(slow, lambda: "loading" in slow.log_tail(), seconds=10)
    async with await program(tmp_path, "raise SystemExit(4)") as dead:
        with pytest.raises(LocalPartError, match="ended with code 4"):
            await ready_when(dead, lambda: False, seconds=10)
