"""Who opts out, and what the record says of it."""

from __future__ import annotations

import pytest

from agent.core.consent import OptOuts, is_consenting, is_unreadable
from agent.core.model import Gap, Reason, Speaker

ANNA = Speaker("anna", label="interviewer")
BEN = Speaker("ben", label="candidate")


@pytest.mark.parametrize("value", ["false", "False", " FALSE ", "no", "0", "off"])
def test_these_values_opt_out(value: str) -> None:
    """However a platform writes it."""
    assert not is_consenting({"transcribe": value, "role": "candidate"})


@pytest.mark.parametrize("attributes", [{}, {"transcribe": ""}, {"transcribe": "true"}, {"role": "false"}])
def test_everybody_else_is_transcribed(attributes: dict[str, str]) -> None:
    """A missing or another value is no refusal."""
    assert is_consenting(attributes)


@pytest.mark.parametrize(
    ("value", "unreadable"), [("", False), ("Yes", False), ("off", False), ("flase", True)]
)
def test_a_choice_that_means_neither(value: str, unreadable: bool) -> None:
    """The worker warns about it: a participant may have meant no."""
    assert is_unreadable({"transcribe": value}) is unreadable
    assert not is_unreadable({})


def test_an_opt_out_is_told_from_its_beginning_to_its_end() -> None:
    """Ended twice it is told once; others are not touched."""
    opted_out = OptOuts()
    opted_out.begin("TR_a", ANNA, 3.0)
    opted_out.begin("TR_b", BEN, 4.0)
    assert opted_out.reason("TR_a") is Reason.OPTED_OUT
    assert opted_out.reason("TR_c") is None
    assert (opted_out.of("anna"), opted_out.all) == (["TR_a"], ["TR_a", "TR_b"])
    assert opted_out.end("TR_a", 9.0) == Gap(ANNA, "TR_a", 3.0, 9.0, Reason.OPTED_OUT)
    assert opted_out.end("TR_a", 9.0) is None
    assert opted_out.end("TR_none", 9.0) is None
    assert opted_out.all == ["TR_b"]


def test_an_encrypted_track_is_missing_for_a_reason_of_its_own() -> None:
    """It is refused like one whose participant has opted out."""
    refused = OptOuts()
    refused.begin("TR_a", ANNA, 3.0, Reason.ENCRYPTED)
    assert refused.reason("TR_a") is Reason.ENCRYPTED
    assert refused.end("TR_a", 9.0) == Gap(ANNA, "TR_a", 3.0, 9.0, Reason.ENCRYPTED)
