"""Cues that can be read as they are shown."""

from __future__ import annotations

from dataclasses import replace

from agent.core.exports.cues import Cue, cues
from agent.core.model import Segment, Word
from tests.contract.exports import record
from tests.contract.record import BOB, gap, segment


def lines(*said: Segment) -> list[tuple[str, ...]]:
    """The lines of each cue."""
    return [cue.lines for cue in cues(record(*said))]


def test_what_fits_is_one_cue_of_one_line() -> None:
    """From its first word to the end of its last one."""
    assert cues(record(segment("hello there", 1.0))) == [Cue("interviewer", 1000, 2000, ("hello there",))]


def test_two_lines_are_of_much_the_same_length() -> None:
    """One word alone in a line is hard to read."""
    assert lines(quick("one two three four five six seven eight nine")) == [
        ("one two three four five", "six seven eight nine")
    ]


def quick(text: str, start: float = 1.0) -> Segment:
    """A segment whose words take a tenth of a second."""
    words = tuple(
        Word(word, start + 0.1 * place, start + 0.1 * (place + 1)) for place, word in enumerate(text.split())
    )
    return replace(segment("x", start), text=text, words=words, end=words[-1].end)


def test_a_cue_ends_when_it_is_full() -> None:
    """42 columns, two lines."""
    found = lines(quick("word " * 40))
    assert len(found) == 3
    assert all(len(line) <= 42 for cue in found for line in cue)


def test_a_cue_ends_with_its_sentence() -> None:
    """When its first line is full; short sentences share a cue."""
    assert lines(
        quick("Yes. No. Well, that is a question which I never asked. And this is the next one.")
    ) == [
        ("Yes. No. Well, that is a", "question which I never asked."),
        ("And this is the next one.",),
    ]


def test_a_cue_ends_before_a_pause() -> None:
    """Words would else be read long before they are said."""
    said = replace(segment("x"), text="I think", words=(Word("I", 1.0, 1.2), Word("think", 4.0, 4.4)))
    assert [(cue.start_ms, cue.end_ms) for cue in cues(record(said))] == [(1000, 2000), (4000, 5000)]


def test_a_cue_is_shown_for_seven_seconds_at_most() -> None:
    """Slow words come in several, and a single endless word is cut short."""
    shown = [
        (cue.start_ms, cue.end_ms) for cue in cues(record(segment("a b c d e f g h i j k l m n o p", 0.0)))
    ]
    assert shown == [(0, 7000), (7000, 8000)]
    endless = replace(segment("x", 0.0), words=(Word("x", 0.0, 60.0),), end=60.0)
    assert [cue.end_ms for cue in cues(record(endless))] == [7000]


def test_a_short_cue_stays_for_a_second() -> None:
    """Unless the speaker's next one comes earlier; another speaker's does not matter."""
    short = [replace(quick("yes", start), speaker=speaker) for start, speaker in ((1.0, BOB), (1.5, BOB))]
    other = quick("no", 1.2)
    assert [(cue.start_ms, cue.end_ms) for cue in cues(record(*short, other))] == [
        (1000, 1500),
        (1200, 2200),
        (1500, 2500),
    ]


def test_the_lead_takes_its_part_of_the_first_line() -> None:
    """Or all of it."""
    assert cues(record(quick("one two three")), lambda label: 30)[0].lines == ("one", "two three")
    assert cues(record(quick("supercalifragilistic")), lambda label: 30)[0].lines == (
        "",
        "supercalifragilistic",
    )


def test_a_gap_is_told_at_its_beginning() -> None:
    """For seven seconds at most; its text says how long it is."""
    found = cues(record(gaps=(replace(gap(10.0), end=100.0),)))
    assert [(cue.start_ms, cue.end_ms) for cue in found] == [(10_000, 17_000)]
    assert found[0].text == "[missing until 00:01:40: recognizer unreachable]"


def test_a_number_does_not_stand_alone_in_a_second_line() -> None:
    """Some readers of SRT take it for the next cue's."""
    assert lines(quick("supercalifragilistic expialidocious number 42"))[0] == (
        "supercalifragilistic",
        "expialidocious number 42",
    )


def test_nothing_said_is_no_cue() -> None:
    """Neither is a text of blanks."""
    assert cues(record(replace(segment("x"), text=" \u2028 ", words=()))) == []
