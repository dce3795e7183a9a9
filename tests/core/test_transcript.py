"""One line an utterance: finals replace their interims, and nothing is told twice."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.core.model import Segment, Speaker, Word
from agent.core.transcript import REMEMBERED, Transcript


def version(name: str, revision: int, text: str = "", *, final: bool = False, start: float = 0.0) -> Segment:
    """One version of an utterance; the words of a final are its text's."""
    return Segment(
        segment_id=name,
        revision=revision,
        final=final,
        speaker=Speaker("ana", label="ana"),
        track_sid="TR_1",
        source="microphone",
        start=start,
        end=start + 1,
        text=text,
        words=tuple(Word(word, start, start + 1) for word in text.split()) if final else (),
    )


def test_final_replaces_interim_with_same_id() -> None:
    """Readers never see both."""
    transcript = Transcript()
    assert transcript.apply(version("a", 1, "hello"))
    assert transcript.apply(version("a", 2, "hello there"))
    assert [one.text for one in transcript.interims] == ["hello there"]
    assert transcript.apply(version("a", 3, "Hello there.", final=True))
    assert transcript.interims == ()


def test_nothing_changes_a_final() -> None:
    """Neither a late interim nor a second final of the same utterance."""
    transcript = Transcript()
    transcript.apply(version("a", 2, "Hello.", final=True))
    assert not transcript.apply(version("a", 3, "hello"))
    assert not transcript.apply(version("a", 4, "Hello again.", final=True))
    assert transcript.interims == ()


def test_old_and_equal_versions_are_dropped() -> None:
    """An interim that says nothing newer than the last one is not told."""
    transcript = Transcript()
    transcript.apply(version("a", 2, "hello there"))
    assert not transcript.apply(version("a", 2, "hello there"))
    assert not transcript.apply(version("a", 1, "hello"))
    assert [one.revision for one in transcript.interims] == [2]


def test_an_empty_final_takes_its_interims_back() -> None:
    """It is told, so that readers remove the line, and counts as no segment."""
    transcript = Transcript()
    transcript.apply(version("a", 1, "hm"))
    assert transcript.apply(version("a", 2, "", final=True))
    assert transcript.interims == ()


def test_interims_are_in_order_of_their_start() -> None:
    """Whoever began first stands first, whoever was heard last."""
    transcript = Transcript()
    transcript.apply(version("b", 1, "later", start=5.0))
    transcript.apply(version("a", 1, "earlier", start=2.0))
    transcript.apply(version("b", 2, "later still", start=5.0))
    assert [one.segment_id for one in transcript.interims] == ["a", "b"]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 5), st.booleans())))
def test_versions_of_an_utterance_only_rise_and_end_with_one_final(
    arrivals: list[tuple[str, int, bool]],
) -> None:
    """In whatever order versions come, what is told of an utterance is a line that grows, then stands."""
    transcript = Transcript()
    told = [
        one
        for one in (version(name, revision, "yes", final=final) for name, revision, final in arrivals)
        if transcript.apply(one)
    ]
    for name in "abc":
        mine = [one for one in told if one.segment_id == name]
        assert [one.revision for one in mine] == sorted({one.revision for one in mine})
        assert not any(one.final for one in mine[:-1])


def test_a_double_is_known_for_thousands_of_segments_and_not_for_ever() -> None:
    """What is remembered is bounded: a double comes within seconds, a meeting may take a day."""
    transcript = Transcript()
    for number in range(REMEMBERED + 1):
        assert transcript.apply(version(f"s{number}", 1, "word", final=True))
    assert not transcript.apply(version("s1", 1, "word", final=True))
    assert not transcript.apply(version(f"s{REMEMBERED}", 1, "word", final=True))
    assert len(transcript._finals) == len(transcript._order) == REMEMBERED
