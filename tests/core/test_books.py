"""Sums per speaker: nothing that was heard is counted twice or forgotten."""

from __future__ import annotations

import math
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from agent.core.books import Books, add
from agent.core.model import Accounting, Speaker

FIELDS = ("heard", "speech", "sent", "answered", "gap", "replayed", "reconnects", "wordless")
SECONDS = st.integers(0, 1000).map(lambda quarters: quarters / 4)


@st.composite
def tracks(draw: st.DrawFn) -> Accounting:
    """The sums of one track of one of three speakers."""
    name = draw(st.sampled_from(["ana", "ben", "cem"]))
    return Accounting(
        Speaker(name, label=name),
        heard=draw(SECONDS),
        speech=draw(SECONDS),
        sent=draw(SECONDS),
        answered=draw(SECONDS),
        gap=draw(SECONDS),
        replayed=draw(SECONDS),
        reconnects=draw(st.integers(0, 3)),
        wordless=draw(SECONDS),
    )


def sums_of(identity: str, accounts: list[Accounting]) -> list[float]:
    """Every field of one speaker, added up."""
    mine = [one for one in accounts if one.speaker.identity == identity]
    return [math.fsum(getattr(one, field) for one in mine) for field in FIELDS]


@given(st.lists(tracks()), st.lists(tracks()), st.lists(tracks()))
def test_every_field_is_the_sum_over_all_tracks(
    earlier: list[Accounting], closed: list[Accounting], running: list[Accounting]
) -> None:
    """An earlier transcriber's (who left nothing open), those that are over and those that run."""
    earlier = [replace(one, gap=max(one.speech - one.answered, 0.0)) for one in earlier]
    earlier = [replace(one, answered=one.speech - one.gap) for one in earlier]
    kept: dict[str, Accounting] = {}
    for one in earlier:
        kept = add(kept, one)
    books = Books()
    books.take_over(kept.values())
    for one in closed:
        books.close(one)
    everything = [*earlier, *closed, *running]
    sums = books.sums(running)
    assert {one.speaker.identity for one in sums} == {one.speaker.identity for one in everything}
    for one in sums:
        assert [getattr(one, field) for field in FIELDS] == sums_of(one.speaker.identity, everything)


def test_what_a_dead_transcriber_still_awaited_is_a_gap() -> None:
    """Its answers never come: the sums balance at the end of its successor all the same."""
    ana = Accounting(Speaker("ana"), heard=30.0, speech=9.0, sent=9.0, answered=6.5, gap=0.5)
    books = Books()
    books.take_over([ana])
    books.close(Accounting(Speaker("ana"), heard=5.0, speech=2.0, sent=2.0, answered=2.0))
    (sums,) = books.sums()
    assert sums.balanced
    assert (sums.speech, sums.answered, sums.gap) == (11.0, 8.5, 2.5)


@given(st.lists(tracks()), st.lists(tracks()))
def test_asking_changes_nothing(closed: list[Accounting], running: list[Accounting]) -> None:
    """Running tracks are asked each second: they are counted once each time, not once more."""
    books = Books()
    for one in closed:
        books.close(one)
    assert books.sums(running) == books.sums(running)
    without = books.sums()
    assert books.sums() == without


@given(st.lists(tracks(), min_size=1))
def test_a_track_that_ends_counts_what_it_counted_while_it_ran(running: list[Accounting]) -> None:
    """The moment of its end is no jump in the sums."""
    books = Books()
    before = books.sums(running)
    books.close(running[0])
    after = books.sums(running[1:])
    assert after == before


def test_speakers_are_in_order_of_first_appearance() -> None:
    """A second track does not move its speaker, and a new name does not rename it."""
    ana, ben = Speaker("ana", "Ana", label="Ana"), Speaker("ben", "Ben", label="Ben")
    books = Books()
    books.take_over([Accounting(ben, heard=1.0)])
    books.close(Accounting(ana, heard=2.0))
    sums = books.sums([Accounting(Speaker("ben", "Benjamin", label="Ben"), heard=4.0)])
    assert [(one.speaker, one.heard) for one in sums] == [(ben, 5.0), (ana, 2.0)]


def test_nobody_has_no_sums() -> None:
    """A room in which nobody spoke."""
    assert Books().sums() == []


@given(st.lists(tracks()))
def test_sums_that_are_taken_over_balance(earlier: list[Accounting]) -> None:
    """Whatever an earlier transcriber has left open: all speech is answered, or a gap."""
    kept: dict[str, Accounting] = {}
    for one in earlier:
        kept = add(kept, one)
    books = Books()
    books.take_over(kept.values())
    assert all(one.balanced and one.gap >= 0.0 and one.answered >= 0.0 for one in books.sums())
