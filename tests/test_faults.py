"""The pure parts of `make faults`: the count of words, which bounds an outcome breaks, who plays what."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.messages import Envelope
from agent.core.model import Reason, Segment, Speaker, State, Status, Word
from bench.faults.lanes import ALONE, turns, waves
from bench.faults.orders import Link, VoicePlan, read_plan, write_plan
from bench.faults.pressure import read_total
from bench.faults.reading import final_words, received_words, told_trouble
from bench.faults.row import Disturbance, Fault, Outcome
from bench.faults.rows import ROWS
from bench.faults.scene import MID_WORD_SECONDS, Scene, down
from bench.faults.table import Circumstances, as_json
from bench.faults.tally import Hole, Tally, as_heard, gap_seconds, seconds_over_words, tally
from bench.faults.voice import SENTENCE_WORDS, may_follow, sent, sentence_clips
from bench.words import SaidWord, WrittenWord
from local.listener import Received
from local.live_track import Spoken


def said(text: str, start: float = 1.0, speaker: str = "anna") -> SaidWord:
    return SaidWord(text, speaker, start, start + 0.36, 0)


def written(text: str, speaker: str = "anna") -> WrittenWord:
    return WrittenWord(text, speaker, 1.0, 1.36)


async def nothing(_: Scene) -> Disturbance:
    return Disturbance(0.0, 0.0)


FAULT = Fault("nothing breaks", "plain", nothing)
GOOD = Tally(said=9, once=9, doubled=0, lost=0, in_gaps=0, wrong_speaker=0, invented=0)
OUTCOME = Outcome(FAULT, GOOD, GOOD, gap_seconds=0.0, recover_seconds=0.5)


def test_a_word_in_no_gap_is_lost() -> None:
    """Before, after, and in another speaker's gap."""
    word = said("a", start=5.0)
    holes = [Hole("anna", 0.0, 4.0), Hole("anna", 6.0, 9.0), Hole("ben", 0.0, 9.0)]
    count = tally([word], [], [], holes)
    assert (count.lost, count.in_gaps) == (1, 0)


def test_a_word_in_a_gap_of_its_speaker_is_told() -> None:
    """Not lost."""
    count = tally([said("a", start=5.0)], [], [], [Hole("anna", 5.1, 9.0)])
    assert (count.lost, count.in_gaps) == (0, 1)


def test_a_word_that_a_gap_cuts_is_told() -> None:
    """To the accuracy of times, 0.15 s; one that is further from a gap is lost."""
    word = said("a", start=5.0)  # ends at 5.36
    for hole, told in (
        (Hole("anna", 4.0, 4.9), True),
        (Hole("anna", 4.0, 4.8), False),
        (Hole("anna", 5.5, 9.0), True),
        (Hole("anna", 5.6, 9.0), False),
    ):
        assert tally([word], [], [], [hole]).in_gaps == told


def test_a_word_behind_a_slow_link_is_as_late_as_its_neighbours() -> None:
    """The gap lies where the sound came out of the link; a link that is not slow moves nothing."""
    words = [said("a", 1.0), said("b", 2.0), said("c", 4.0), said("d", 9.0), said("b2", 2.0, "ben")]
    found = [WrittenWord("a", "anna", 1.2, 1.5), WrittenWord("c", "anna", 4.8, 5.1)]
    heard = {word.text: word.start for word in as_heard(words, found, 1.0)}
    assert heard == pytest.approx({"a": 1.2, "b": 2.4, "b2": 2.0, "c": 4.8, "d": 9.8})
    heard = {word.text: word.start for word in as_heard(words, found, 0.5)}
    assert heard["c"] == pytest.approx(4.5)
    assert {word.start for word in as_heard(words, found, 0.0)} == {1.0, 2.0, 4.0, 9.0}
    hole = Hole("anna", 2.6, 3.0)
    assert tally(words[1:2], [], [], [hole]).lost == 1
    assert tally(as_heard(words, found, 1.0)[1:2], [], [], [hole]).in_gaps == 1


def test_a_gap_does_not_excuse_what_is_written() -> None:
    """A word that is written counts as written, gap or not."""
    count = tally([said("a")], [], [written("a")], [Hole("anna", 0.0, 9.0)])
    assert (count.once, count.in_gaps) == (1, 0)


def test_twice_wrong_and_invented_are_told_apart() -> None:
    """Each fault has its own column."""
    count = tally(
        [said("twice"), said("wrong"), said("right")],
        [],
        [
            written("twice"),
            written("twice", "ben"),
            written("wrong", "ben"),
            written("right"),
            written("new"),
        ],
        [],
    )
    assert count == Tally(said=3, once=1, doubled=1, lost=0, in_gaps=0, wrong_speaker=1, invented=1)


def test_a_torn_word_may_be_written_or_not() -> None:
    """But not twice, nor under another speaker, and it is not invented."""
    half = said("half")
    assert tally([], [half], [], []) == tally([], [half], [written("half")], [])
    assert tally([], [half], [written("half", "ben")], []).wrong_speaker == 1
    assert tally([], [half], [written("half"), written("half")], []).doubled == 1


@given(st.lists(st.sampled_from("abcdef")), st.lists(st.sampled_from("abcdefg")), st.booleans())
def test_every_word_said_has_one_fate(words: list[str], texts: list[str], gap: bool) -> None:
    """The columns add up to the words spoken, whatever is written."""
    truth = [said(text) for text in dict.fromkeys(words)]
    holes = [Hole("anna", 0.0, 9.0)] if gap else []
    count = tally(truth, [], [written(text) for text in texts], holes)
    assert count.said == count.once + count.doubled + count.lost + count.in_gaps + count.wrong_speaker


@pytest.mark.parametrize(
    ("last", "numbers"),
    [(None, [512]), (512, [513, 518]), (516, [517, 518]), (517, [518]), (518, [519, 524]), (523, [524])],
)
def test_a_killed_voice_may_have_said_a_word_more(last: int | None, numbers: list[int]) -> None:
    """The next one, or the first of the next sentence when the rest of this one was cut off."""
    assert may_follow(512, last) == numbers


def test_overlapping_gaps_count_once() -> None:
    """The longest sum of one speaker is told."""
    holes = [Hole("anna", 1.0, 3.0), Hole("anna", 2.0, 4.0), Hole("ben", 0.0, 2.5)]
    assert gap_seconds(holes) == 3.0
    assert gap_seconds([]) == 0.0


def test_gaps_over_written_words_are_counted() -> None:
    """Only those of the word's speaker, and what two gaps share once; the worst speaker counts."""
    holes = [Hole("anna", 0.0, 1.2), Hole("anna", 1.1, 1.3), Hole("ben", 0.0, 9.0)]
    assert seconds_over_words(holes, [WrittenWord("a", "anna", 1.0, 1.4)]) == pytest.approx(0.3)
    ben = [WrittenWord("b", "ben", 1.0, 1.4), WrittenWord("c", "ben", 8.8, 9.2)]
    assert seconds_over_words(holes, [WrittenWord("a", "anna", 1.0, 1.4), *ben]) == pytest.approx(0.6)
    assert seconds_over_words([], ben) == seconds_over_words(holes, []) == 0.0


def test_false_gaps_and_double_payment_break_the_row() -> None:
    """False gaps in every row, payment where a row bounds it."""
    assert replace(OUTCOME, gap_over_words_seconds=1.0, paid_share=9.0).broken == []
    assert len(replace(OUTCOME, gap_over_words_seconds=1.1).broken) == 1
    fault = replace(FAULT, most_paid_share=1.3)
    assert replace(OUTCOME, fault=fault, paid_share=1.3).broken == []
    assert len(replace(OUTCOME, fault=fault, paid_share=1.31).broken) == 1


def test_a_good_outcome_breaks_nothing() -> None:
    """Every word once, sums balanced, session closed."""
    assert OUTCOME.broken == []


@pytest.mark.parametrize("column", ["lost", "doubled", "wrong_speaker", "invented"])
def test_each_bad_count_breaks_the_row(column: str) -> None:
    """Zero is the bound of every row."""
    assert len(replace(OUTCOME, store=replace(GOOD, **{column: 1})).broken) == 1


def test_what_the_listener_did_not_get_breaks_the_row() -> None:
    """The record alone is not enough: readers in the room have the same words."""
    assert replace(OUTCOME, live=replace(GOOD, once=8, lost=1)).broken
    assert replace(OUTCOME, live=replace(GOOD, once=8, doubled=1)).broken


def test_bounds_of_time_are_held() -> None:
    """Gap and recovery each have theirs."""
    fault = replace(FAULT, most_gap_seconds=3.0, most_recover_seconds=8.0)
    assert replace(OUTCOME, fault=fault, gap_seconds=3.0, recover_seconds=8.0).broken == []
    assert len(replace(OUTCOME, fault=fault, gap_seconds=3.1, recover_seconds=8.1).broken) == 2


def test_trouble_must_be_told_in_time() -> None:
    """Where a row says so; too late and never are the same."""
    fault = replace(FAULT, most_told_seconds=3.0)
    assert replace(OUTCOME, fault=fault, told_seconds=2.9).broken == []
    assert len(replace(OUTCOME, fault=fault, told_seconds=3.1).broken) == 1
    assert len(replace(OUTCOME, fault=fault).broken) == 1


def test_no_gap_allowed_means_no_word_missing() -> None:
    """A word in a gap breaks a row that may have none."""
    fault = replace(FAULT, most_gap_seconds=0.0)
    assert replace(OUTCOME, fault=fault, store=replace(GOOD, once=8, in_gaps=1)).broken


@pytest.mark.parametrize(
    "change",
    [
        {"closed": False},
        {"unbalanced": ("interviewer",)},
        {"still_troubled": ("interviewer",)},
        {"recover_seconds": None},
        {"failure": "the worker did not start"},
        {"store": None, "live": None},
        {"store": replace(GOOD, said=0, once=0), "live": replace(GOOD, said=0, once=0)},
    ],
)
def test_a_row_that_went_wrong_otherwise_is_broken(change: dict[str, object]) -> None:
    """Not closed, not balanced, never recovered, broken off, or nobody spoke."""
    assert replace(OUTCOME, **change).broken  # type: ignore[arg-type]


def test_what_the_machine_cannot_do_is_told_not_broken() -> None:
    """It is neither good nor bad."""
    skipped = replace(OUTCOME, store=None, live=None, skipped="no network namespaces")
    assert skipped.broken == []
    row = as_json([skipped], Circumstances(1.0, 0.0, 1))["rows"][0]
    assert row["not_possible_here"] == "no network namespaces"


def test_the_json_has_every_figure() -> None:
    """And can be written."""
    body = as_json([OUTCOME], Circumstances(12.3, 0.5, 3))
    row = json.loads(json.dumps(body))["rows"][0]
    assert row["record"]["once"] == row["received"]["once"] == 9
    assert row["broken"] == []


def _segment(text: str, revision: int, *, final: bool = True) -> Segment:
    words = tuple(Word(word, 2.0, 2.4) for word in text.split())
    return Segment("s1", revision, final, Speaker("anna"), "TR", "microphone", 2.0, 2.4, text, words)


def test_a_reader_is_left_with_the_last_final() -> None:
    """Interims do not count, nor does a final that a later one replaced; times become Unix times."""
    segments = [_segment("one", 1, final=False), _segment("two", 2), _segment("three", 3), _segment("two", 2)]
    assert final_words(segments, 1000.0) == [WrittenWord("three", "anna", 1002.0, 1002.4)]


def _status(at: float, state: State, speaker: str = "") -> Received:
    whom = Speaker(speaker, label=speaker) if speaker else None
    return Received(at, "agent", True, Envelope("room", "RM_1", 1, Status(state, None, whom)))


def test_who_vanished_for_good_may_keep_the_status_of_a_lost_connection() -> None:
    """It is true to the end; whoever is still there, or has another trouble, is judged as ever."""
    ben = Speaker("ben", label="Ben")
    for reason, vanished, still in (
        (Reason.CONNECTION_LOST, {"ben"}, []),
        (Reason.CONNECTION_LOST, set(), ["Ben"]),
        (Reason.STALLED, {"ben"}, ["Ben"]),
    ):
        status = Status(State.DEGRADED, reason, ben)
        told = [Received(101.0, "agent", True, Envelope("room", "RM_1", 1, status))]
        assert told_trouble(told, [], 100.0, vanished) == (1.0, still)


def test_trouble_and_its_end_are_read_from_statuses() -> None:
    """What was told before the fault is none of its; each speaker, and the room, has a state of its own."""
    messages = [
        _status(90.0, State.DEGRADED),
        _status(101.5, State.DEGRADED, "anna"),
        _status(102.0, State.DEGRADED),
        _status(103.0, State.LISTENING, "anna"),
    ]
    assert told_trouble(messages, [], 100.0) == (1.5, ["the room"])
    assert told_trouble(messages, [], 103.0) == (None, ["the room"])
    assert told_trouble([], [], 0.0) == (None, [])
    next_life = Received(104.0, "agent", True, Envelope("room", "RM_2", 1, Status(State.LISTENING)))
    assert told_trouble([*messages, next_life], [], 100.0) == (1.5, [])
    asked = [Envelope("room", "RM_1", 9, Status(State.LISTENING))]  # from a successor, before it was heard
    assert told_trouble(messages, asked, 100.0) == (1.5, [])
    stopped = [Envelope("room", "RM_1", 8, Status(State.STOPPED))]  # missed; its successor was heard
    heard = [*messages, Received(104.0, "agent", True, asked[0])]
    assert told_trouble(heard, stopped, 105.0) == (None, [])


def test_what_a_listener_got_is_counted_for_each_life_of_the_room() -> None:
    """The same segment id in another session is another segment; a message that came twice is one."""
    got = [
        Envelope("room", "RM_1", 1, _segment("one", 1)),
        Envelope("room", "RM_1", 1, _segment("one", 1)),
        Envelope("room", "RM_2", 1, _segment("two", 1)),
    ]
    assert sorted(word.text for word in received_words(got)) == ["one", "two"]


def test_rows_have_names_of_their_own() -> None:
    """Outcomes are kept by name."""
    names = [fault.name for fault in ROWS]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("lanes", [1, 2, 5])
def test_every_row_is_played_once(lanes: int) -> None:
    """However many lanes there are; one turn has rows of one kind of site only."""
    parts = turns(ROWS, lanes)
    assert sorted(one.name for part in parts for one in part) == sorted(one.name for one in ROWS)
    assert all(len({one.site for one in part}) == 1 for part in parts)


def test_rows_that_change_the_machine_s_network_are_played_alone() -> None:
    """A voice on another site may speak through an interface of theirs, which goes when they do."""
    parts = turns(ROWS, 2)
    beside, *alone = waves(parts)
    assert {part[0].site for part in beside}.isdisjoint(ALONE)
    assert {part[0].site for (part,) in alone} == ALONE
    assert len(beside) + len(alone) == len(parts)


def test_a_voice_says_each_word_once_and_long_enough() -> None:
    """Sentences of different words."""
    clips = sentence_clips(100, 20.0)
    words = [word.number for clip in clips for word in clip.words]
    assert words == list(range(100, 100 + len(words)))
    assert all(len(clip.words) == SENTENCE_WORDS for clip in clips)
    assert sum(clip.seconds for clip in clips) + len(clips) * 0.9 >= 20.0


def test_a_plan_survives_its_file(tmp_path: Path) -> None:
    """What the process reads is what was written."""
    plan = VoicePlan("anna", "ws://x", "token", "/s", 0, 0.5, 20.0)
    write_plan(plan, tmp_path / "plan")
    assert read_plan(tmp_path / "plan") == plan


def test_a_word_with_a_hole_in_its_sound_is_torn() -> None:
    """A voice that was held up in a word has not said it; before and after it has."""
    clip = sentence_clips(0, 1.0)[0]
    steady = tuple(number * 0.01 for number in range(300))
    held_up = tuple(wall + 0.2 * (number >= 10) for number, wall in enumerate(steady))
    for walls, whole in ((steady, True), (held_up, False)):
        spoken = Spoken(48_000, len(clip.pcm), True, 0.0, walls, 0.0)
        assert sent(clip.words[0], spoken).whole is whole
        assert sent(clip.words[1], spoken).whole


def test_a_voice_without_a_connection_is_not_heard() -> None:
    """From the loss of its connection to shortly after it is back; for good when it never is."""
    links = [Link(True, 1.0), Link(False, 5.0), Link(False, 6.0), Link(True, 7.0), Link(False, 9.0)]
    assert down(links) == [(5.0, 7.0 + MID_WORD_SECONDS), (9.0, float("inf"))]


def test_pressure_is_read_from_what_linux_tells() -> None:
    """Seconds in which something waited; none where there is no such line."""
    text = "some avg10=99.56 avg60=98.29 avg300=84.44 total=5057847699\nfull avg10=0.00 total=0\n"
    assert read_total(text) == pytest.approx(5057.847699)
    assert read_total("") is None
