"""The bench's pure parts: words said against words written, delays, percentiles, plans, rows."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.exchange import RESULT, RoomPlan, RoomResult, SpeakerPlan, read_plan, write_plan
from bench.figures import Row, percentile, spread
from bench.report import Circumstances, as_json
from bench.rows import run_rows, service_rows
from bench.scenario import Scenario, default_scenarios, plan_speaker, sentence_seconds
from bench.service import ServiceTimes
from bench.subject import environment, our_worker
from bench.values import Cost, FloorCost, Heard, Run
from bench.words import (
    NO_WORDS,
    Arrival,
    SaidWord,
    WordCount,
    WrittenWord,
    count_words,
    final_delays,
    first_text_delays,
    normalized,
    speech_seconds,
    time_errors,
    written_words,
)


def said(text: str, speaker: str = "anna", start: float = 1.0, sentence: int = 0) -> SaidWord:
    return SaidWord(text, speaker, start, start + 0.36, sentence)


def written(text: str, speaker: str = "anna", start: float = 1.0) -> WrittenWord:
    return WrittenWord(text, speaker, start, start + 0.36)


def arrival(
    text: str,
    at: float,
    *,
    final: bool = True,
    segment_id: str = "s1",
    revision: int = 1,
    speaker: str = "anna",
) -> Arrival:
    texts = normalized(text)
    words = tuple(written(word, speaker) for word in texts) if final else ()
    return Arrival(segment_id, revision, final, speaker, at, texts, words)


def test_a_word_written_once_under_its_speaker_is_once() -> None:
    """The only good case."""
    assert count_words([said("a")], [written("a")]) == WordCount(1, 1, 0, 0, 0, 0)


def test_a_word_nobody_wrote_is_lost() -> None:
    """Loss is counted against what was said, not against what was written."""
    assert count_words([said("a"), said("b")], [written("a")]).lost == 1


def test_a_word_written_twice_is_doubled_whoever_is_named() -> None:
    """Twice under one speaker and once under each of two are the same fault."""
    assert count_words([said("a")], [written("a"), written("a")]).doubled == 1
    both = count_words([said("a")], [written("a"), written("a", "ben")])
    assert (both.doubled, both.wrong_speaker, both.once) == (1, 0, 0)


def test_a_word_under_another_speaker_is_wrong_not_lost() -> None:
    """The word is there; the label is the fault."""
    count = count_words([said("a")], [written("a", "ben")])
    assert (count.wrong_speaker, count.lost, count.once) == (1, 0, 0)


def test_a_word_of_another_room_is_invented_here() -> None:
    """Words of a run are said once in all rooms, so a leak between rooms shows in both."""
    assert count_words([said("a")], [written("a"), written("z")]).invented == 1


@given(
    words=st.lists(st.integers(0, 50), unique=True, max_size=20),
    copies=st.lists(st.tuples(st.integers(0, 60), st.sampled_from(["anna", "ben"])), max_size=40),
)
def test_every_said_word_is_counted_in_one_way(words: list[int], copies: list[tuple[int, str]]) -> None:
    """Once, lost, doubled and wrong speaker share out what was said; nothing falls between them."""
    count = count_words(
        [said(str(word)) for word in words], [written(str(word), speaker) for word, speaker in copies]
    )
    assert count.said == len(words)
    assert count.once + count.lost + count.doubled + count.wrong_speaker == count.said


def test_counts_of_rooms_add_up() -> None:
    """The table shows all rooms together."""
    one, other = WordCount(3, 1, 1, 1, 0, 0), WordCount(2, 1, 0, 0, 1, 4)
    assert sum([one, other], NO_WORDS) == WordCount(5, 2, 1, 1, 1, 4)


def test_a_revised_final_replaces_the_earlier_one() -> None:
    """A reader keyed by segment id is left with one text; the later revision is no doubling."""
    arrivals = [arrival("a b", 1.0), arrival("a c", 2.0, revision=2)]
    assert [word.text for word in written_words(arrivals)] == ["a", "c"]


def test_interims_are_not_counted_as_written() -> None:
    """Only finals are the record."""
    assert written_words([arrival("a", 1.0, final=False)]) == []


def test_final_delay_is_from_the_end_of_the_sentence_to_the_final_with_its_last_word() -> None:
    """An early final that holds only the first half of a sentence does not end it."""
    words = [said("a", start=1.0), said("b", start=1.5)]
    arrivals = [
        arrival("a", 1.6),
        arrival("b", 1.9, final=False, segment_id="s2"),
        arrival("b", 2.4, segment_id="s2"),
    ]
    assert final_delays(words, arrivals) == [pytest.approx(2.4 - 1.86)]


def test_each_sentence_of_each_speaker_has_its_delay() -> None:
    """Sentence numbers of two speakers do not mix."""
    words = [said("a"), said("b", "ben"), said("c", start=5.0, sentence=1)]
    arrivals = [
        arrival("a", 2.0),
        arrival("b", 2.1, segment_id="s2", speaker="ben"),
        arrival("c", 6.0, segment_id="s3"),
    ]
    assert final_delays(words, arrivals) == [
        pytest.approx(0.64),
        pytest.approx(0.74),
        pytest.approx(0.64),
    ]


def test_first_text_may_be_an_interim_and_must_be_the_speakers() -> None:
    """What counts is when a reader first sees the word under the right name."""
    arrivals = [
        arrival("a", 1.4, final=False, speaker="ben", segment_id="s9"),
        arrival("a", 1.5, final=False),
        arrival("a", 2.0),
    ]
    assert first_text_delays([said("a")], arrivals) == [pytest.approx(1.5 - 1.36)]


def test_a_lost_word_has_no_delay() -> None:
    """It is counted as lost; it must not look like a fast one."""
    assert first_text_delays([said("a")], []) == []


def test_time_errors_have_a_sign_and_leave_out_other_speakers_words() -> None:
    """Late is positive."""
    words = [said("a", start=1.0), said("b", start=2.0)]
    assert time_errors(words, [written("a", start=1.05), written("b", "ben", start=9.0)]) == [
        pytest.approx(0.05)
    ]


def test_speech_seconds_are_sentence_time() -> None:
    """The pauses between words belong to a sentence, those between sentences do not."""
    words = [said("a", start=1.0), said("b", start=2.0), said("c", start=10.0, sentence=1)]
    assert speech_seconds(words) == pytest.approx(1.36 + 0.36)


def test_normalized_words_ignore_case_and_punctuation() -> None:
    """A recognizer writes sentences; the words are what was said."""
    assert normalized("Bade, fi-go! Don't.") == ("bade", "fi-go", "don't")


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50), st.floats(0, 1))
def test_a_percentile_lies_within_the_values(values: list[float], share: float) -> None:
    """And the two ends are the least and the largest."""
    assert min(values) - 1e-6 <= percentile(values, share) <= max(values) + 1e-6
    assert percentile(values, 0) == min(values)
    assert percentile(values, 1) == pytest.approx(max(values))


def test_a_percentile_between_two_values_is_in_proportion() -> None:
    """p50 of four values is between the second and the third."""
    assert percentile([4.0, 1.0, 2.0, 3.0], 0.5) == 2.5
    assert spread([]) == ()


def test_a_percentile_of_nothing_is_refused() -> None:
    """Nothing measured is not zero."""
    with pytest.raises(ValueError, match="needs values"):
        percentile([], 0.5)


def test_a_row_is_within_only_when_every_bounded_figure_is() -> None:
    """A row that should have figures and has none is over its bound."""
    assert Row("1x2", "x", "s", (0.5, 0.9), (0.6, 0.8)).within is False
    assert Row("1x2", "x", "s", (0.5, 0.7, 9.0), (0.6, 0.8)).within is True
    assert Row("1x2", "x", "s", (), (0.6,)).within is False
    assert Row("1x2", "x", "s", (0.5,)).within is None


@pytest.mark.parametrize("quick", [True, False])
def test_no_word_is_said_twice_in_a_run(quick: bool) -> None:
    """Otherwise doubling and loss could not be told apart."""
    for scenario in default_scenarios(quick=quick):
        numbers = [
            word.number
            for room in range(scenario.rooms)
            for speaker in range(scenario.speakers)
            for sentence in plan_speaker(scenario, room, speaker)
            for word in sentence
        ]
        assert len(numbers) == len(set(numbers)) > 0


def test_a_plan_keeps_its_pauses_and_ends_with_the_talk() -> None:
    """Sentences do not touch, and the last one is over when the talk is."""
    scenario = Scenario("t", rooms=1, speakers=2, talk_seconds=40, pause_seconds=1.8)
    for speaker in range(2):
        plan = plan_speaker(scenario, 0, speaker)
        ends = [sentence[0].start + sentence_seconds(len(sentence)) for sentence in plan]
        starts = [sentence[0].start for sentence in plan]
        assert all(start - end == pytest.approx(1.8) for end, start in zip(ends, starts[1:], strict=False))
        assert ends[-1] <= 40


def test_a_run_that_needs_too_many_words_is_refused() -> None:
    """There are 4,096 marked words."""
    with pytest.raises(ValueError, match="words a speaker"):
        plan_speaker(Scenario("t", rooms=40, speakers=2, talk_seconds=90, pause_seconds=1), 0, 0)


def test_plans_and_results_survive_the_way_between_processes(tmp_path: Path) -> None:
    """What one process writes the other reads, unchanged."""
    plan = RoomPlan("r 1", "ws://x", "/s", (SpeakerPlan("anna", "t", (((1, 0.5), (2, 0.94)),)),), 8)
    write_plan(plan, tmp_path / "plan.json")
    assert read_plan(tmp_path / "plan.json") == plan
    result = RoomResult("r 1", (said("a"),), (arrival("a", 2.0),), 0, 0, 0.01, 0)
    assert RESULT.validate_json(RESULT.dump_json(result)) == result


def a_run() -> Run:
    heard = Heard(WordCount(10, 10, 0, 0, 0, 0), (0.5, 0.6), (0.1,), (0.01, -0.2), 10.0, 0, 0, 0.01, 0)
    return Run("4x2", 4, heard, Cost(8.0, 30.0, 8), 11.0, 200_000_000, 4, 300_000_000, 8, None)


def test_rows_compare_with_the_floor_and_the_bounds() -> None:
    """8 CPU seconds for 8 tracks in half a minute are 2 a track-minute; over a floor of 1 that is twice."""
    floor = FloorCost(Cost(4.0, 30.0, 8), Cost(2.0, 30.0, 8))
    rows = {row.what: row for row in run_rows(a_run(), floor)}
    assert rows["CPU over the floor, a process a room"].values == (2.0,)
    assert rows["CPU over the floor, a process a room"].within is True
    assert rows["CPU over the floor, one process"].within is False
    assert rows["recognizer seconds sent per second of speech"].values == (1.1,)
    assert rows["PSS per room above idle"].values == (25.0,)
    assert rows["word time error (p50, p95, largest)"].within is False
    assert rows["word time error (p50, p95, largest)"].values[2] == 0.2


def test_a_lost_word_puts_its_row_over_the_bound() -> None:
    """Nothing may be lost."""
    run = a_run()
    lossy = replace(run, heard=replace(run.heard, words=WordCount(10, 9, 1, 0, 0, 0)))
    over = [row.what for row in run_rows(lossy, None) if row.within is False]
    assert "words lost" in over
    assert "words not once under their speaker" in over


def test_open_sessions_are_a_row_only_after_a_silence() -> None:
    """A scenario without silence says nothing about it."""
    what = "open recognizer sessions after silence"
    assert what not in {row.what for row in run_rows(a_run(), None)}
    rows = {row.what: row for row in run_rows(replace(a_run(), open_sessions=2), None)}
    assert rows[what].within is False


def test_the_services_times_have_the_bounds_of_the_design() -> None:
    """Start 2 s, a room 0.5 s, a token 0.1 s."""
    rows = service_rows(ServiceTimes(1.5, (0.1, 0.2), (0.01, 0.3)))
    assert [row.within for row in rows] == [True, True, False]


def test_the_json_holds_every_row_and_its_circumstances() -> None:
    """Programs read the same figures as people."""
    rows = service_rows(ServiceTimes(1.5, (0.1,), (0.01,)))
    body = json.loads(json.dumps(as_json(rows, Circumstances(12.0, 0.4, {"worker": "x"}))))
    assert body["load_before"] == 0.4
    assert [row["what"] for row in body["rows"]] == [row.what for row in rows]


def test_the_program_under_test_is_a_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another command is measured with the same environment; a developer's own settings stay out."""
    monkeypatch.setenv("WINDOW_SECONDS", "5")
    monkeypatch.setenv("LIVEKIT_AGENT_NAME", "mine")
    subject = our_worker("python other.py start --fast")
    env = environment(subject, {"LIVEKIT_URL": "ws://x"}, "http://r/v1", tmp_path / "r.db")
    assert subject.command == ("python", "other.py", "start", "--fast")
    assert not {"WINDOW_SECONDS", "LIVEKIT_AGENT_NAME"} & set(env)
    assert env["ELEVENLABS_BASE_URL"] == "http://r/v1"
    assert env["DATABASE_URL"] == f"sqlite:///{tmp_path}/r.db"
    assert Path(our_worker().command[1]).is_absolute()
    assert our_worker().command[2] == "start"
