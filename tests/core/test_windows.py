"""Windows: what was said in them, each word by the middle of its time, whenever it comes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.model import Segment, Speaker, Window, Word
from agent.core.windows import KEPT_SECONDS, Grid, TranscriptBuffer, pieces
from tests.contract import record

SPEAKERS = [Speaker(identity=name, label=name) for name in ("interviewer", "candidate")]


def said(number: int, words: list[tuple[str, float, float]], speaker: int = 0) -> Segment:
    """A final segment of (text, start, end) words, its text with a full stop."""
    return Segment(
        segment_id=f"s{number}",
        revision=2,
        final=True,
        speaker=SPEAKERS[speaker],
        track_sid="TR_1",
        source="microphone",
        start=words[0][1],
        end=words[-1][2],
        text=" ".join(text for text, _, _ in words) + ".",
        words=tuple(Word(*word) for word in words),
    )


def newest(windows: list[Window]) -> list[Window]:
    """The last revision of each window, in order of windows."""
    last = {window.window_id: window for window in windows}
    return [last[k] for k in sorted(last)]


def words_in(window: Window) -> list[str]:
    """The words of a window, full stops dropped."""
    return [word.strip(".") for turn in window.turns for word in turn.text.split()]


@st.composite
def meetings(draw: st.DrawFn) -> list[Segment]:
    """What two people say, each word with a text of its own; all times are whole milliseconds."""
    segments = []
    clocks = [0, 0]
    for number in range(draw(st.integers(1, 8))):
        speaker = draw(st.integers(0, 1))
        words = []
        for index in range(draw(st.integers(1, 6))):
            start = clocks[speaker] + draw(st.integers(0, 9_000))
            clocks[speaker] = start + draw(st.integers(0, 1_500))
            words.append((f"w{number}x{index}", start / 1000, clocks[speaker] / 1000))
        segments.append(said(number, words, speaker))
    return segments


SIZES_US = st.integers(1_000_000, 30_000_000)
"""Any whole number of microseconds: hardly ever a round number of seconds."""


@given(meetings(), SIZES_US)
def test_without_overlap_each_word_is_in_one_window(meeting: list[Segment], size_us: int) -> None:
    """Counted over all windows, no word is missing and none is there twice."""
    buffer = TranscriptBuffer(size_us / 1e6, 0.0)
    for segment in meeting:
        buffer.add(segment)
    windows = buffer.close()
    found = Counter(word for window in windows for word in words_in(window))
    assert found == Counter(word.text for segment in meeting for word in segment.words)
    assert sum(window.words for window in windows) == found.total()


@given(meetings(), SIZES_US)
def test_without_overlap_all_windows_joined_are_the_transcript(meeting: list[Segment], size_us: int) -> None:
    """One speaker's text in all windows, one after another, is what that speaker said, stops included."""
    buffer = TranscriptBuffer(size_us / 1e6, 0.0)
    for segment in meeting:
        buffer.add(segment)
    windows = buffer.close()
    for speaker in SPEAKERS:
        joined = [turn.text for window in windows for turn in window.turns if turn.speaker == speaker]
        assert " ".join(joined) == " ".join(one.text for one in meeting if one.speaker == speaker)


@given(meetings(), SIZES_US, st.data())
def test_a_word_is_in_each_window_that_holds_its_middle(
    meeting: list[Segment], size_us: int, data: st.DataObject
) -> None:
    """With any overlap: in those windows and in no other, reckoned here in whole half milliseconds."""
    overlap_us = data.draw(st.integers(0, size_us * 4 // 5), label="overlap_us")
    buffer = TranscriptBuffer(size_us / 1e6, overlap_us / 1e6)
    for segment in meeting:
        buffer.add(segment)
    found = {(word, window.window_id) for window in buffer.close() for word in words_in(window)}
    hop_us = size_us - overlap_us
    expected = set()
    for word in (word for segment in meeting for word in segment.words):
        middle_us = (round(word.start * 1000) + round(word.end * 1000)) * 500
        for k in range(middle_us // hop_us + 1):
            if k * hop_us <= middle_us < k * hop_us + size_us:
                expected.add((word.text, k))
    assert found == expected


@given(meetings(), SIZES_US, st.data())
def test_the_order_of_arrival_does_not_matter(
    meeting: list[Segment], size_us: int, data: st.DataObject
) -> None:
    """The last revisions are the same, whenever each segment came and time moved in between."""
    at_once = TranscriptBuffer(size_us / 1e6, 0.0)
    for segment in meeting:
        at_once.add(segment)
    buffer = TranscriptBuffer(size_us / 1e6, 0.0, allowed_lateness_seconds=1.0)
    windows = []
    for segment in data.draw(st.permutations(meeting), label="arrival"):
        buffer.add(segment)
        now, watermark = data.draw(st.tuples(st.floats(0, 500), st.floats(0, 500)), label="time")
        windows += buffer.advance(now, watermark, [("candidate", 0.0)])
    windows += buffer.close()
    expected = at_once.close()
    assert [replace(one, revision=0) for one in newest(windows)] == [
        replace(one, revision=0) for one in expected
    ]


@given(meetings(), SIZES_US, st.lists(st.floats(0, 200), max_size=6))
def test_revisions_of_a_window_rise_by_one(
    meeting: list[Segment], size_us: int, moments: list[float]
) -> None:
    """From 1, each change the next number, so a reader knows which is newer."""
    buffer = TranscriptBuffer(size_us / 1e6, 0.0, allowed_lateness_seconds=0.5)
    windows: list[Window] = []
    now = [*sorted(moments), *[200.0] * len(meeting)]
    for segment, moment in zip(meeting, now, strict=False):
        buffer.add(segment)
        windows += buffer.advance(moment, 0.0)
    windows += buffer.close()
    for k in {window.window_id for window in windows}:
        numbers = [window.revision for window in windows if window.window_id == k]
        assert numbers == list(range(1, len(numbers) + 1))


def test_a_window_closes_when_the_watermark_passes_its_end() -> None:
    """Not a moment before: until then somebody's words may still come."""
    buffer = TranscriptBuffer(20.0, 0.0)
    buffer.add(said(1, [("hello", 1.0, 1.5)]))
    assert buffer.next_end() == 20.0
    assert buffer.advance(21.0, 19.999) == []
    (window,) = buffer.advance(21.0, 20.0)
    assert (window.window_id, window.revision, window.complete) == (0, 1, True)
    assert (window.start, window.end, window.words, window.segments) == (0.0, 20.0, 1, 1)
    assert window.text == "interviewer: hello."
    assert buffer.advance(22.0, 20.0) == []
    assert buffer.next_end() is None


def test_an_incomplete_window_names_who_is_pending_and_becomes_complete() -> None:
    """Closed at the allowed lateness; those whose speech begins after its end are not named."""
    buffer = TranscriptBuffer(20.0, 0.0, allowed_lateness_seconds=10.0)
    buffer.add(said(1, [("hello", 1.0, 1.5)]))
    pending = [("candidate", 18.0), ("guest", 20.0)]
    assert buffer.advance(29.9, 18.0, pending) == []
    (early,) = buffer.advance(30.0, 18.0, pending)
    assert (early.revision, early.complete, early.pending) == (1, False, ("candidate",))
    assert buffer.advance(31.0, 18.0, pending) == []
    assert buffer.next_end() == 20.0
    (whole,) = buffer.advance(32.0, 20.0, [("guest", 20.0)])
    assert (whole.revision, whole.complete, whole.pending) == (2, True, ())
    assert whole.turns == early.turns


def test_a_late_final_brings_the_next_revision_with_all_words() -> None:
    """A reader who keeps only the newest revision has everything."""
    buffer = TranscriptBuffer(20.0, 0.0, allowed_lateness_seconds=10.0)
    buffer.add(said(1, [("hello", 1.0, 1.5)]))
    buffer.advance(30.0, 18.0, [("candidate", 18.0)])
    buffer.add(said(2, [("good", 18.0, 18.3), ("morning", 19.0, 19.8)], speaker=1))
    (late,) = buffer.advance(31.0, 18.0, [("candidate", 18.0)])
    assert (late.revision, late.complete, late.pending) == (2, False, ("candidate",))
    assert late.text == "interviewer: hello.\ncandidate: good morning."


def test_a_complete_window_can_still_change() -> None:
    """Much later a correction moves words into the past: the next revision has the old words too."""
    buffer = TranscriptBuffer(20.0, 0.0)
    buffer.add(said(1, [("hello", 1.0, 1.5)]))
    buffer.advance(20.0, 20.0)
    buffer.add(said(2, [("there", 19.0, 19.5)]))
    (corrected,) = buffer.advance(3600.0, 3600.0)
    assert (corrected.revision, corrected.complete, words_in(corrected)) == (2, True, ["hello", "there"])
    assert buffer.close() == []


def test_a_watermark_that_goes_back_takes_nothing_back() -> None:
    """A window that was complete stays so."""
    buffer = TranscriptBuffer(20.0, 0.0, allowed_lateness_seconds=0.0)
    buffer.add(said(1, [("hello", 1.0, 1.5)]))
    buffer.advance(20.0, 20.0)
    assert buffer.advance(90.0, 5.0) == []
    buffer.add(said(2, [("there", 19.0, 19.5)]))
    (corrected,) = buffer.advance(91.0, 5.0)
    assert corrected.complete


def test_closed_windows_then_more_words() -> None:
    """Somebody comes back after the end: the window's next revision has the old words and the new."""
    buffer = TranscriptBuffer(20.0, 0.0)
    buffer.add(said(1, [("hello", 1.0, 1.5)]))
    (first,) = buffer.close()
    assert (first.revision, first.complete) == (1, True)
    assert buffer.close() == []
    buffer.add(said(2, [("again", 12.0, 12.5)]))
    buffer.add(said(3, [("bye", 25.0, 25.5)]))
    second, third = buffer.close()
    assert (second.window_id, second.revision, words_in(second)) == (0, 2, ["hello", "again"])
    assert (third.window_id, third.revision, words_in(third)) == (1, 1, ["bye"])


def test_the_words_of_settled_windows_are_let_go() -> None:
    """A meeting may take a day: long after nothing of a window is awaited it stays as it is."""
    buffer = TranscriptBuffer(20.0, 0.0)
    buffer.add(said(0, [("first", 1.0, 2.0)]))
    buffer.add(said(1, [("second", 21.0, 22.0)]))
    assert len(buffer.advance(25.0, 25.0)) == 1
    assert len(buffer.advance(KEPT_SECONDS + 21, KEPT_SECONDS + 21)) == 1
    assert sorted(buffer._windows) == [1]
    buffer.add(said(2, [("late", 3.0, 4.0), ("enough", 23.0, 24.0)]))
    (window,) = buffer.advance(KEPT_SECONDS + 22, KEPT_SECONDS + 22)
    assert (window.window_id, window.revision, words_in(window)) == (1, 2, ["second", "enough"])


def test_a_successor_goes_on_with_the_words_of_its_predecessor() -> None:
    """A window across the change has the words of both, under the next number."""
    first, second = TranscriptBuffer(20.0, 0.0), TranscriptBuffer(20.0, 0.0)
    segments = [said(1, [("hello", 1.0, 1.5)]), said(2, [("there", 21.0, 21.5)])]
    for segment in segments:
        first.add(segment)
    second.restore(segments, first.advance(41.0, 20.0))
    second.add(said(3, [("again", 30.0, 30.5)]))
    assert [(one.window_id, one.revision, words_in(one)) for one in second.advance(40.0, 40.0)] == [
        (1, 1, ["there", "again"])
    ]
    second.add(said(4, [("late", 15.0, 15.5)]))
    assert [(one.window_id, one.revision, words_in(one)) for one in second.close()] == [
        (0, 2, ["hello", "late"])
    ]


def test_a_successor_closes_again_what_was_closed_too_early() -> None:
    """Incomplete, or without a segment that was stored after it."""
    first, second = TranscriptBuffer(20.0, 0.0, allowed_lateness_seconds=0.0), TranscriptBuffer(20.0, 0.0)
    early, late = said(1, [("hello", 1.0, 1.5)]), said(2, [("there", 21.0, 21.5)])
    first.add(early)
    first.add(late)
    windows = first.advance(40.0, 20.0)
    assert [one.complete for one in windows] == [True, False]
    second.restore([early, said(3, [("you", 2.0, 2.5)]), late], windows)
    assert [(one.window_id, one.revision, words_in(one)) for one in second.close()] == [
        (0, 2, ["hello", "you"]),
        (1, 2, ["there"]),
    ]


def test_a_successor_with_other_windows_keeps_to_the_record() -> None:
    """The setting was changed in between: windows go on as long and as far apart as those that are stored."""
    first, second = TranscriptBuffer(5.0, 0.0), TranscriptBuffer(100.0, 0.0)
    segment = said(1, [("hello", 51.0, 51.5)])
    first.add(segment)
    second.restore([segment], first.close())
    second.add(said(2, [("there", 57.0, 57.5)]))
    assert [(one.window_id, one.start, one.end) for one in second.close()] == [(11, 55.0, 60.0)]


def test_a_predecessor_that_is_told_late() -> None:
    """Windows that we have closed ourselves meanwhile keep their revision, and get the other's words next."""
    first, second = TranscriptBuffer(20.0, 0.0), TranscriptBuffer(20.0, 0.0)
    theirs = [said(1, [("hello", 1.0, 1.5)]), said(2, [("there", 21.0, 21.5)])]
    for segment in theirs:
        first.add(segment)
    stored = first.close()
    second.add(said(3, [("you", 2.0, 2.5)]))
    assert [(one.window_id, one.revision) for one in second.close()] == [(0, 1)]
    second.add(said(4, [("two", 3.0, 3.5)]))
    assert [(one.window_id, one.revision) for one in second.close()] == [(0, 2)]
    second.restore(theirs, stored)
    assert [(one.window_id, one.revision, words_in(one)) for one in second.close()] == [
        (0, 3, ["hello", "you", "two"])
    ]


def test_a_window_that_could_not_be_kept_is_said_again() -> None:
    """As its next revision, the same words; one without words is not."""
    buffer = TranscriptBuffer(20.0, 0.0)
    buffer.add(said(1, [("hello", 1.0, 1.5)]))
    assert [one.revision for one in buffer.close()] == [1]
    buffer.repeat([0, 7])
    assert [(one.window_id, one.revision, words_in(one)) for one in buffer.advance(99.0, 99.0)] == [
        (0, 2, ["hello"])
    ]
    assert buffer.next_end() is None


def test_nothing_without_words_is_sent() -> None:
    """No interim, no final without text, no window in which nobody spoke."""
    buffer = TranscriptBuffer(20.0, 0.0)
    segment = said(1, [("hello", 1.0, 1.5)])
    buffer.add(replace(segment, final=False))
    buffer.add(replace(segment, text="", words=()))
    assert buffer.next_end() is None
    assert buffer.advance(100.0, 100.0) == []
    buffer.add(said(2, [("late", 141.0, 141.5)]))
    assert [window.window_id for window in buffer.close()] == [7]


def test_words_before_the_room_s_first_second_are_in_window_0() -> None:
    """A clock that is a little behind makes no window -1."""
    buffer = TranscriptBuffer(20.0, 10.0)
    buffer.add(said(1, [("hello", -0.5, -0.1)]))
    assert [(window.window_id, window.start) for window in buffer.close()] == [(0, 0.0)]


def test_what_one_speaker_says_on_end_is_one_turn() -> None:
    """Two segments of one speaker are a line; somebody else in between makes three."""
    one, two = said(1, [("one", 1.0, 1.2)]), said(2, [("two", 3.0, 3.2)])
    buffer = TranscriptBuffer(20.0, 0.0)
    buffer.add(two)
    buffer.add(one)
    (window,) = buffer.close()
    assert window.text == "interviewer: one. two."
    assert (window.turns[0].start, window.turns[0].end, window.segments) == (1.0, 3.2, 2)
    buffer.add(said(3, [("yes", 2.0, 2.2)], speaker=1))
    (window,) = buffer.close()
    assert window.text == "interviewer: one.\ncandidate: yes.\ninterviewer: two."
    assert window.get_text(include_speakers=False) == "one.\nyes.\ntwo."


def test_a_turn_in_which_the_speaker_s_role_changes_is_one_turn() -> None:
    """The turn has the later role."""
    buffer = TranscriptBuffer(20.0, 0.0)
    first, second = said(1, [("one", 1.0, 2.0)]), said(2, [("two", 3.0, 4.0)])
    now = replace(second.speaker, role="candidate")
    buffer.add(first)
    buffer.add(replace(second, speaker=now))
    [window] = buffer.close()
    assert [(turn.speaker, turn.text) for turn in window.turns] == [(now, "one. two.")]


def test_an_utterance_across_a_border_is_shared_out() -> None:
    """Each window has its own words of it, with the punctuation that follows them."""
    buffer = TranscriptBuffer(10.0, 0.0)
    words = [("well", 9.0, 9.5), ("then", 9.6, 10.5)]
    segment = replace(
        said(1, words), text="Well… “then”!", words=(Word("Well", 9.0, 9.5), Word("then", 9.6, 10.5))
    )
    buffer.add(segment)
    first, second = buffer.close()
    assert (first.turns[0].text, second.turns[0].text) == ("Well… “", "then”!")


@pytest.mark.parametrize(
    ("text", "words", "cut"),
    [
        ("Hi, you.", ["Hi", "you"], ["Hi, ", "you. "]),
        ("„Ja“ ja", ["Ja", "ja"], ["„Ja“ ", "ja "]),
        ("你好吗", ["你", "好", "吗"], ["你", "好", "吗 "]),
        ("ten", ["10"], ["10 "]),
        ("", [], []),
        (" ", [], []),
        ("no words at all", [], ["no words at all "]),
    ],
)
def test_pieces_of_a_text(text: str, words: list[str], cut: list[str]) -> None:
    """A word keeps what follows it; words that the text does not have stand for themselves."""
    segment = replace(
        said(1, [("x", 0.0, 0.1)]), text=text, words=tuple(Word(one, 0.0, 0.1) for one in words)
    )
    assert [piece for _, piece in pieces(segment)] == cut


@dataclass
class Line:
    """What `add_transcript` takes; not a class of the product's own."""

    speaker: str
    text: str
    start_ms: int
    end_ms: int
    is_final: bool = True


def test_transcripts_alone_move_time() -> None:
    """A line that begins after a window's end closes it; flush closes the rest."""
    buffer = TranscriptBuffer(window_size_seconds=20.0, overlap_seconds=0.0)
    assert buffer.add_transcript(Line("A", "never mind", 1_000, 2_000, is_final=False)) is None
    assert buffer.add_transcript(Line("A", "hello there", 1_000, 2_000)) is None
    assert buffer.add_transcript(Line("B", "good day", 19_000, 19_900)) is None
    window = buffer.add_transcript(Line("A", "next question", 20_000, 21_000))
    assert window is not None
    assert window.get_text(include_speakers=True) == "A: hello there\nB: good day"
    assert (window.window_start, window.window_end, len(window)) == (0.0, 20.0, 2)
    assert [turn.speaker.label for turn in window.speaker_turns] == ["A", "B"]
    assert [one.text for one in buffer.flush()] == ["A: next question"]
    assert buffer.flush() == []


def test_windows_that_close_together_come_one_by_one() -> None:
    """The first with the line that closed them, the others with the next calls, in order."""
    buffer = TranscriptBuffer(10.0, 0.0)
    buffer.add_transcript(Line("A", "a long sentence over two windows", 1_000, 19_000))
    first = buffer.add_transcript(Line("B", "much later", 55_000, 56_000))
    second = buffer.add_transcript(Line("B", "interim", 57_000, 58_000, is_final=False))
    assert first and second
    assert [first.window_id, second.window_id] == [0, 1]
    assert [window.window_id for window in buffer.flush()] == [5]


def test_windows_with_too_few_transcripts_are_left_out() -> None:
    """`min_transcripts_for_evaluation` counts the segments that have a word in the window."""
    buffer = TranscriptBuffer(20.0, 0.0, min_transcripts_for_evaluation=2)
    buffer.add_transcript(Line("A", "alone", 1_000, 2_000))
    assert buffer.add_transcript(Line("A", "hello", 21_000, 22_000)) is None
    assert buffer.add_transcript(Line("B", "hello you", 23_000, 24_000)) is None
    window = buffer.add_transcript(Line("A", "alone again", 41_000, 42_000))
    assert window is not None
    assert (window.window_id, len(window)) == (1, 2)
    assert buffer.flush() == []


@pytest.mark.parametrize(
    ("size", "overlap"),
    [(20.0, 20.0), (20.0, 30.0), (20.0, -1.0), (0.0, 0.0), (-5.0, 0.0), (float("nan"), 0.0), (1e-7, 0.0)],
)
def test_bad_sizes_are_refused(size: float, overlap: float) -> None:
    """Windows that would never move on, or have no length."""
    with pytest.raises(ValueError, match="overlap"):
        TranscriptBuffer(size, overlap)


@given(st.integers(1, 60), st.integers(0, 59), st.lists(st.integers(0, 40), min_size=1, unique=True))
def test_windows_tell_their_grid(size: int, overlap: int, ids: list[int]) -> None:
    """Whatever the settings are; the first window alone does not say how far apart they lie."""
    grid = Grid(size + 0.5, min(overlap, size) + 0.25)
    hop = grid.size_seconds - grid.overlap_seconds
    windows = [
        Window(k, 1, round(k * hop, 3), round(k * hop + grid.size_seconds, 3), True, (), (), 0, 0)
        for k in ids
    ]
    assert grid.of_record(windows) == grid
    found = Grid(20.0, 10.0).of_record(windows)
    assert found.size_seconds == pytest.approx(grid.size_seconds)
    if ids != [0]:
        assert found.overlap_seconds == pytest.approx(grid.overlap_seconds, abs=0.002)
    assert 0 <= found.overlap_seconds < found.size_seconds
    assert Grid(20.0, 10.0).of_record([]) == Grid(20.0, 10.0)


def test_windows_that_were_closed_before_the_record_was_known_move() -> None:
    """A transcriber with other settings, and the store came late: all windows lie on the record's grid."""
    buffer = TranscriptBuffer(10.0, 0.0)
    buffer.add(record.segment("new", 45.0))
    [early] = buffer.advance(60.0, 60.0)
    assert (early.window_id, early.start) == (4, 40.0)
    before = TranscriptBuffer(20.0, 10.0)
    before.add(record.segment("old", 1.0))
    stored = [*before.advance(5.0, 5.0), *before.close()]
    before.add(record.segment("older", 15.0))
    stored += before.close()
    buffer.restore([record.segment("old", 1.0), record.segment("older", 15.0)], stored)
    windows = buffer.close()
    assert [(one.window_id, one.revision, one.start, one.end) for one in windows] == [
        (3, 1, 30.0, 50.0),
        (4, 2, 40.0, 60.0),
    ]


def test_words_of_languages_without_blanks_are_counted() -> None:
    """One answer without times of words is one word for the recognizer, and many for who counts."""
    buffer = TranscriptBuffer(20.0, 10.0)
    buffer.add(
        replace(
            record.segment("我喜欢面试。 (laughter) Hello", 1.0),
            words=(Word("我喜欢面试。", 1.0, 2.0), Word("(laughter)", 2.0, 2.5), Word("Hello", 2.5, 3.0)),
        )
    )
    [window] = buffer.close()
    assert (window.words, window.turns[0].text) == (4, "我喜欢面试。 (laughter) Hello")
