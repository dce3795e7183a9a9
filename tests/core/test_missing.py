"""The record accounts for each missing second once."""

from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.missing import LEAST_SECONDS, Missing
from agent.core.model import Accounting, Gap, Reason, Speaker

ANN, BEN = Speaker("ann", label="Ann"), Speaker("ben", label="Ben")


def gap(start: float, end: float, reason: Reason = Reason.STALLED, *, speaker: Speaker = ANN) -> Gap:
    return Gap(speaker, "TR_1", start, end, reason)


def missing(*gaps: Gap) -> Missing:
    found = Missing()
    for one in gaps:
        found.note(one)
    return found


def test_audio_that_never_arrived_has_its_own_figure() -> None:
    """26 s of stalls, and 3 s of speech that the recognizer did not answer."""
    found = missing(gap(10.0, 36.0), gap(50.0, 53.0, Reason.RECOGNIZER_ERROR))
    [sums] = found.account([Accounting(ANN, heard=60.0, speech=20.0, answered=17.0, gap=3.0)])
    assert (sums.gap, sums.not_received) == (3.0, 26.0)


def test_a_speaker_of_whom_nothing_was_heard_is_accounted_for() -> None:
    """Opted out from the beginning: no track, no sums of its own."""
    assert missing(gap(1.0, 9.0, Reason.OPTED_OUT)).account([]) == [Accounting(ANN, not_received=8.0)]


def test_speakers_do_not_share_what_is_missing() -> None:
    """Each has the gaps of its own tracks."""
    found = missing(gap(1.0, 2.0), gap(1.0, 4.0, speaker=BEN))
    sums = found.account([Accounting(BEN), Accounting(ANN)])
    assert [(one.speaker.label, one.not_received) for one in sums] == [("Ben", 3.0), ("Ann", 1.0)]


def test_what_two_gaps_share_counts_once() -> None:
    """A second is missing or it is not."""
    assert missing(gap(1.0, 4.0), gap(3.0, 5.0, Reason.CONNECTION_LOST)).seconds("ann") == 4.0


def test_accounting_again_changes_nothing() -> None:
    """The sums that were saved last are the beginning of the next ones."""
    found = missing(gap(1.0, 4.0))
    once = found.account([Accounting(ANN, gap=1.0)])
    assert found.account(once) == once


def test_rounding_is_not_audio() -> None:
    """Samples and milliseconds differ by a hair."""
    [sums] = missing(gap(1.0, 2.001)).account([Accounting(ANN, gap=1.0)])
    assert sums.not_received == 0.0


REASONS = st.sampled_from([Reason.STALLED, Reason.CONNECTION_LOST, Reason.RECOGNIZER_ERROR, Reason.OVERFLOW])


@given(st.lists(st.tuples(st.integers(1, 5000), st.integers(1, 5000), REASONS), max_size=12))
def test_the_gaps_by_reason_add_up_to_the_figures(parts: list[tuple[int, int, Reason]]) -> None:
    """Gaps apart from each other; those of the recognizer's side are the ledger's."""
    by_reason: defaultdict[Reason, float] = defaultdict(float)
    found, now = Missing(), 0
    for pause, size, reason in parts:
        now += pause
        found.note(gap(now / 1000, (now + size) / 1000, reason))
        by_reason[reason] += size / 1000
        now += size
    given_up = by_reason[Reason.RECOGNIZER_ERROR] + by_reason[Reason.OVERFLOW]
    for sums in found.account([Accounting(ANN, speech=given_up, gap=given_up)]):
        total = sums.gap + sums.not_received
        assert total == pytest.approx(sum(by_reason.values()), abs=LEAST_SECONDS)
        assert total <= found.seconds("ann") + 1e-6
