"""The gaps that a successor writes, from the marks of its predecessor."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from agent.core.model import Gap, Reason, Segment, Speaker
from agent.core.succession import LEAST_HOLE_SECONDS, Mark, Marks, Unheard, stored_spans

ADA = Speaker("ada", "Ada", "interviewer", "interviewer")
BOB = Speaker("bob", "Bob", "candidate", "candidate")
LOST = Reason.TRANSCRIBER_LOST


def said(track_sid: str, start: float, end: float) -> Segment:
    """A stored final."""
    speaker = Speaker("somebody")
    return Segment(f"{track_sid}-{start}", 1, True, speaker, track_sid, "microphone", start, end, "words")


def left(*tracks: Mark, at: float = 30.0) -> Marks:
    """What a predecessor left at its last beat."""
    return Marks(at, tracks)


def test_who_is_heard_again_was_unheard_since_the_mark() -> None:
    """The gap begins where the predecessor had got to and lasts until the first frame."""
    unheard = Unheard(left(Mark(ADA, "TR_a", 28.5)), {}, {"TR_a": 1.0}, now=36.0)
    assert unheard.begin("TR_a", "ada", muted=False) == (28.5, None)
    assert unheard.begin("TR_a", "ada", muted=False) is None
    assert unheard.rest() == []


def test_what_was_stored_after_the_mark_is_no_part_of_the_gap() -> None:
    """A predecessor may store a segment after its last beat: its words are not missing."""
    stored = [
        said("TR_a", 29.0, 30.75),
        said("TR_b", 98.0, 99.0),
        Gap(ADA, "TR_a", 28.9, 29.0, LOST),
        said("TR_a", 11.0, 12.0),
    ]
    unheard = Unheard(left(Mark(ADA, "TR_a", 28.5)), stored_spans(stored), {}, now=36.0)
    assert unheard.holes == []
    assert unheard.begin("TR_a", "ada", muted=False) == (30.75, None)


def test_an_utterance_that_later_ones_have_overtaken_is_in_a_gap() -> None:
    """A recognizer left one out and answered the next two: its place is between what is stored."""
    stored = stored_spans([said("TR_a", 13.4, 15.9), said("TR_a", 16.2, 19.75), said("TR_a", 5.0, 9.2)])
    unheard = Unheard(left(Mark(ADA, "TR_a", 9.4), Mark(BOB, "TR_b", 30.0)), stored, {}, now=36.0)
    assert unheard.holes == [Gap(ADA, "TR_a", 9.4, 13.4, LOST)]
    assert unheard.begin("TR_a", "ada", muted=False) == (19.75, None)


def test_the_preroll_of_what_was_stored_after_the_mark_is_no_hole() -> None:
    """The mark is where the audio of an utterance begins, half a second before its first word."""
    unheard = Unheard(left(Mark(ADA, "TR_a", 28.5)), stored_spans([said("TR_a", 29.2, 30)]), {}, now=36.0)
    assert unheard.holes == []


def test_who_has_left_meanwhile_has_a_gap_all_the_same() -> None:
    """Somebody spoke before leaving, perhaps: until the successor began nobody can say."""
    unheard = Unheard(left(Mark(ADA, "TR_a", 28.5), Mark(BOB, "TR_b", 29.0, ended=29.5)), {}, {}, now=36.0)
    assert unheard.rest() == [Gap(ADA, "TR_a", 28.5, 36.0, LOST), Gap(BOB, "TR_b", 29.0, 29.5, LOST)]
    assert unheard.rest() == []


def test_who_was_muted_all_along_was_silent() -> None:
    """Muted at the last beat and muted now: no gap; unmuted in between: one."""
    marks = left(Mark(ADA, "TR_a", 28.5, muted=True))
    assert Unheard(marks, {}, {}, now=36.0).begin("TR_a", "ada", muted=True) is None
    assert Unheard(marks, {}, {}, now=36.0).begin("TR_a", "ada", muted=False) == (28.5, None)
    assert Unheard(marks, {}, {}, now=36.0).rest() == []


def test_who_has_muted_since_is_silent_from_now_on() -> None:
    """The gap of somebody who is muted now ends when the successor begins: frames may stay away for long."""
    unheard = Unheard(left(Mark(ADA, "TR_a", 28.5)), {}, {}, now=36.0)
    assert unheard.begin("TR_a", "ada", muted=True) == (28.5, 36.0)


def test_a_track_that_was_published_anew_goes_on() -> None:
    """The same person with another track: unheard since the mark of the track before."""
    unheard = Unheard(left(Mark(ADA, "TR_a", 28.5)), {}, {"TR_c": 33.0}, now=36.0)
    assert unheard.begin("TR_c", "ada", muted=False) == (28.5, None)
    assert unheard.rest() == []


def test_who_was_lost_is_missed_only_by_coming_back() -> None:
    """Lost before the change of transcribers: the gap goes on, or ended with the removal."""
    marks = left(Mark(ADA, "TR_a", 28.5, lost=True), Mark(BOB, "TR_b", 27.0, lost=True))
    unheard = Unheard(marks, {}, {}, now=36.0)
    assert unheard.rest() == unheard.rest(everybody=True) == []
    assert len(unheard.marks) == 2
    assert unheard.begin("TR_c", "ada", muted=False) == (28.5, None)


def test_a_track_that_left_before_it_was_received_is_gone() -> None:
    """Published anew at the very moment of the change: unheard since the mark, and told without the end."""
    present = {"TR_a": 1.0, "TR_b": 1.0}
    unheard = Unheard(left(Mark(ADA, "TR_a", 28.5), Mark(BOB, "TR_b", 29.0)), {}, present, now=36.0)
    unheard.gone("TR_a")
    unheard.gone("TR_b")
    assert unheard.begin("TR_c", "ada", muted=False) == (28.5, None)
    assert unheard.rest() == [Gap(BOB, "TR_b", 29.0, 36.0, LOST)]


def test_two_tracks_of_one_person_keep_their_own_marks() -> None:
    """Microphone and screen share audio are not taken for each other."""
    marks = left(Mark(ADA, "TR_mic", 28.5), Mark(ADA, "TR_share", 20.0))
    unheard = Unheard(marks, {}, {"TR_mic": 1.0, "TR_share": 1.0}, now=36.0)
    assert unheard.begin("TR_share", "ada", muted=False) == (20.0, None)
    assert unheard.begin("TR_mic", "ada", muted=False) == (28.5, None)


def test_who_came_when_nobody_was_there_is_unheard_since_then() -> None:
    """Newcomers between two transcribers, and everybody in a room that never had one."""
    assert Unheard(None, {}, {"TR_a": 4.0}, now=36.0).begin("TR_a", "ada", muted=False) == (4.0, None)
    just_before = Unheard(None, {}, {"TR_a": 35.2}, now=36.0)
    assert just_before.begin("TR_a", "ada", muted=False) is None
    late = Unheard(left(at=30.0), {}, {"TR_a": 33.0, "TR_b": 4.0}, now=36.0)
    assert late.begin("TR_a", "ada", muted=False) == (33.0, None)
    assert late.begin("TR_b", "bob", muted=False) == (30.0, None)


def test_who_comes_after_the_beginning_misses_nothing() -> None:
    """A track that was not there when the transcriber began is heard from its first frame."""
    assert Unheard(None, {}, {}, now=1.0).begin("TR_a", "ada", muted=False) is None


def test_marks_that_nobody_came_for_are_handed_on() -> None:
    """A successor that dies before people are back leaves what it was left."""
    stored = stored_spans([said("TR_b", 29.1, 29.5)])
    unheard = Unheard(left(Mark(ADA, "TR_a", 28.5), Mark(BOB, "TR_b", 29.0)), stored, {}, now=36.0)
    unheard.begin("TR_a", "ada", muted=False)
    assert unheard.marks == (Mark(BOB, "TR_b", 29.5),)


tracks = st.dictionaries(st.sampled_from("abc"), st.floats(0, 30), max_size=3)
spans = st.lists(st.tuples(st.floats(0, 30), st.floats(0, 5)), max_size=4)


@given(
    tracks,
    st.dictionaries(st.sampled_from("abc"), spans),
    st.lists(st.sampled_from("abc")),
    st.floats(36, 60),
)
def test_every_moment_since_the_mark_is_stored_or_in_one_gap(
    marked: dict[str, float], lengths: dict[str, list[tuple[float, float]]], back: list[str], now: float
) -> None:
    """Stored, or in a gap, or a pause too short for an utterance between two items; never in two gaps."""
    marks = Marks(30.0, tuple(Mark(Speaker(sid), sid, until) for sid, until in marked.items()))
    stored = stored_spans(said(sid, at, at + long) for sid, some in lengths.items() for at, long in some)
    unheard = Unheard(marks, stored, {}, now)
    begun = [(sid, since, now) for sid in back if (since := begins(unheard, sid)) is not None]
    rest = [(gap.track_sid, gap.start, gap.end) for gap in (*unheard.holes, *unheard.rest())]
    for sid, until in marked.items():
        gaps = sorted((start, end) for track, start, end in (*begun, *rest) if track == sid)
        assert all(before[1] <= after[0] for before, after in itertools.pairwise(gaps))
        at = until
        for start, end in sorted([*gaps, *stored.get(sid, [])]):
            assert start - at < LEAST_HOLE_SECONDS
            at = max(at, end)
        assert at == now
        assert not any(min(end, b) - max(start, a) > 0 for start, end in gaps for a, b in stored.get(sid, []))


def begins(unheard: Unheard, sid: str) -> float | None:
    """Where the gap begins of a track that is heard again; None when it has none."""
    span = unheard.begin(sid, sid, muted=False)
    return None if span is None else span[0]


def test_who_is_there_and_not_received_yet_is_waited_for() -> None:
    """A track that is in the room may be subscribed late: its gap lasts until its first frame, or the end."""
    unheard = Unheard(left(Mark(ADA, "TR_a", 28.5), Mark(BOB, "TR_b", 29.0)), {}, {"TR_a": 1.0}, now=36.0)
    assert unheard.rest() == [Gap(BOB, "TR_b", 29.0, 36.0, LOST)]
    assert unheard.rest(everybody=True) == [Gap(ADA, "TR_a", 28.5, 36.0, LOST)]
    assert unheard.rest(everybody=True) == []


def test_marks_that_are_told_late() -> None:
    """Tracks are received already: their gaps end where the transcriber began; the others are waited for."""
    unheard = Unheard(left(Mark(ADA, "TR_a", 28.5), Mark(BOB, "TR_b", 30.0)), {}, {"TR_a": 1.0}, now=36.0)
    assert unheard.begun([("TR_a", ADA), ("TR_new", BOB)]) == [
        Gap(ADA, "TR_a", 28.5, 36.0, LOST),
        Gap(BOB, "TR_new", 30.0, 36.0, LOST),
    ]
    assert unheard.begun([("TR_a", ADA)]) == []
    assert Unheard(None, {}, {"TR_a": 36.5}, now=36.0).begun([("TR_a", ADA)]) == []
