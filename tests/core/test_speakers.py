"""Labels that are unique in a session and never change."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agent.core.model import Speaker
from agent.core.speakers import MAX_LABEL, MAX_NAME, Speakers, role_of


@pytest.mark.parametrize(
    ("name", "role", "label"),
    [
        ("Ana Sol", "interviewer", "interviewer"),
        ("Ana Sol", "", "Ana Sol"),
        ("Ana Sol", "participant", "Ana Sol"),
        ("Ana Sol", "Participant", "Ana Sol"),
        ("", "", "user-1"),
        ("  \n ", " ", "user-1"),
        ("Ana\nSol: ", "", "Ana Sol:"),
    ],
)
def test_the_label_is_the_role_else_the_name_else_the_identity(name: str, role: str, label: str) -> None:
    """A role that says nothing about a person is passed over; a label is one line."""
    assert Speakers().speaker("user-1", name, role).label == label


def test_a_participant_without_anything_is_a_speaker() -> None:
    """Even an identity of blanks gets a label that can be read."""
    assert Speakers().speaker(" ").label == "speaker"


def test_the_second_of_a_role_gets_a_number() -> None:
    """And one whose name is that very label gets the next, capital letters or not."""
    speakers = Speakers()
    assert speakers.speaker("a", "Ana", "interviewer").label == "interviewer"
    assert speakers.speaker("b", "Ben", "Interviewer").label == "Interviewer 2"
    assert speakers.speaker("c", "interviewer 2").label == "interviewer 2 2"
    assert speakers.speaker("d", "Dan", "interviewer").label == "interviewer 3"


def test_a_rejoin_keeps_the_label() -> None:
    """Whoever comes back is the same, under whatever name and role; nobody moves up in between."""
    speakers = Speakers()
    first = speakers.speaker("a", "Ana", "candidate")
    speakers.speaker("b", "Ben", "candidate")
    assert speakers.speaker("a", "Ana S.", "interviewer") is first
    assert speakers.speaker("a") is first
    assert [one.label for one in speakers.all] == ["candidate", "candidate 2"]


def test_a_successor_knows_the_speakers_of_its_predecessor() -> None:
    """Their labels stay theirs and are not given to somebody else."""
    known = Speaker("a", "Ana", "candidate", "candidate")
    speakers = Speakers([known])
    assert speakers.speaker("b", "Ben", "candidate").label == "candidate 2"
    assert speakers.speaker("a", "Ana", "candidate") is known


def test_speakers_that_are_told_late() -> None:
    """Whoever has a label already keeps it; the others get theirs, and nobody else gets it."""
    speakers = Speakers()
    assert speakers.speaker("anna", role="candidate").label == "candidate"
    speakers.know([Speaker("anna", label="Anna"), Speaker("bob", role="candidate", label="candidate 2")])
    assert [speakers.speaker(name, role="candidate").label for name in ("anna", "bob", "carl")] == [
        "candidate",
        "candidate 2",
        "candidate 3",
    ]


TEXTS = st.text(st.characters(), max_size=300) | st.sampled_from(
    ["", "candidate", "Candidate", "candidate 2"]
)


@given(st.lists(st.tuples(TEXTS, TEXTS, TEXTS), max_size=12))
@example([("a", "An\0a", "lead\ud800")])
def test_labels_are_unique_lines_that_any_reader_can_take(people: list[tuple[str, str, str]]) -> None:
    """Whatever participants call themselves: one label each, one line, not empty, UTF-8 without NUL."""
    speakers = Speakers()
    found = {identity: speakers.speaker(identity, name, role) for identity, name, role in people}
    labels = [one.label.casefold() for one in speakers.all]
    assert len(labels) == len(set(labels)) == len(found)
    for one in speakers.all:
        assert one.label
        assert len(one.label) <= MAX_LABEL + len(" 12")
        assert len(one.name) <= MAX_NAME
        for text in (one.label, one.name, one.role):
            assert len(text.splitlines()) <= 1
            assert text == text.strip()
            assert b"\0" not in text.encode()


@pytest.mark.parametrize(
    ("metadata", "attributes", "role"),
    [
        ("", {}, ""),
        ("", {"role": "candidate"}, "candidate"),
        ('{"role": "interviewer"}', {}, "interviewer"),
        ('{"role": "interviewer"}', {"role": "candidate"}, "candidate"),
        ('{"role": "interviewer"}', {"role": ""}, "interviewer"),
        ('{"role": " lead\\n interviewer "}', {}, "lead interviewer"),
        ('{"role": 7}', {}, ""),
        ('{"name": "Ana"}', {}, ""),
        ('["interviewer"]', {}, ""),
        ("interviewer", {}, ""),
        ("[" * 100_000, {}, ""),
    ],
)
def test_where_a_role_is_read(metadata: str, attributes: dict[str, str], role: str) -> None:
    """Attributes before metadata; what is no JSON object, or no text, is no role."""
    assert role_of(metadata, attributes) == role


@given(st.text())
def test_a_long_role_is_cut(role: str) -> None:
    """A label stands before each line: nobody gets one of a page."""
    assert len(role_of(json.dumps({"role": role * 50}), {})) <= MAX_LABEL
