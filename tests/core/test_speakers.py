"""Labels that are unique in a session, and names and roles that follow the participant."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agent.core.exports.plain import label_of
from agent.core.model import Speaker
from agent.core.speakers import MAX_LABEL, MAX_NAME, Speakers, look_of, role_of


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
    """Somebody who comes back has the present name and role and the old label; nobody moves up in between."""
    speakers = Speakers()
    speakers.speaker("a", "Ana", "candidate")
    speakers.speaker("b", "Ben", "candidate")
    again = Speaker("a", "Ana S.", "interviewer", "candidate")
    assert speakers.speaker("a", "Ana S.", "interviewer") == again
    assert speakers.present(Speaker("a", "Ana", "candidate", "candidate")) == again
    assert speakers.speaker("a") == Speaker("a", label="candidate")
    assert [one.label for one in speakers.all] == ["candidate", "candidate 2"]


def test_a_caller_whose_name_and_role_come_later() -> None:
    """Until words were shown, the number makes way for the name, and the name for the role."""
    speakers = Speakers()
    assert not speakers.knows("sip_+15550100")
    assert speakers.speaker("sip_+15550100").label == "sip_+15550100"
    assert speakers.knows("sip_+15550100")
    assert speakers.speaker("sip_+15550100", "Phone +15550100").label == "Phone +15550100"
    assert speakers.speaker("sip_+15550100", "Ana Sol").label == "Ana Sol"
    assert speakers.speaker("sip_+15550100", "Ana Sol", "candidate").label == "candidate"
    assert speakers.speaker("b", role="candidate").label == "candidate 2"
    assert speakers.speaker("sip_+15550100", "Ana Sol", "interviewer").label == "candidate"


def test_a_label_under_which_words_were_shown_stays() -> None:
    """Name and role follow the participant all the same."""
    speakers = Speakers()
    speakers.speaker("sip_+15550100")
    speakers.shown("sip_+15550100")
    late = speakers.speaker("sip_+15550100", "Ana Sol", "candidate")
    assert late == Speaker("sip_+15550100", "Ana Sol", "candidate", "sip_+15550100")


def test_a_replaced_label_is_not_given_again() -> None:
    """A gap may have been shown under it."""
    speakers = Speakers()
    speakers.speaker("Ana")
    speakers.speaker("Ana", role="candidate")
    assert speakers.speaker("b", "Ana").label == "Ana 2"


def test_a_successor_knows_the_speakers_of_its_predecessor() -> None:
    """Their labels stay theirs and are not given to somebody else."""
    known = Speaker("a", "Ana", "candidate", "candidate")
    speakers = Speakers([known])
    assert speakers.speaker("b", "Ben", "candidate").label == "candidate 2"
    assert speakers.speaker("a", "Ana", "candidate") == known
    assert speakers.speaker("a", "Ana", "interviewer").label == "candidate"


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


def test_a_late_speaker_whose_label_is_taken() -> None:
    """Two people are never shown under one label, also when the store was away at the beginning."""
    speakers = Speakers()
    assert speakers.speaker("anna", role="candidate").label == "candidate"
    speakers.know([Speaker("bob", role="candidate", label="Candidate")])
    assert speakers.present(Speaker("bob")).label == "Candidate 2"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ana", "Ana\u200b"),
        ("Ana", "\u200eAna"),
        ("Ana", "\u2067Ana\u2069"),
        ("Ana", "An\u00ada"),
        ("Ana", "Ana\ufe0f"),
        ("Ana", "Ana\u3164"),
        ("Ana", "\uff21\uff4e\uff41"),
        ("Ana Sol", "Ana\u00a0\u2003Sol"),
        ("Zo\u00eb", "Zoe\u0308"),
        ("Zo\u00eb", "Zoe\u200b\u0308"),
        ("Stra\u00dfe", "STRASSE"),
    ],
)
def test_labels_that_look_the_same_get_a_number(one: str, other: str) -> None:
    """Whichever comes first, and as a name or as a role."""
    for first, second in ((one, other), (other, one)):
        by_name, by_role = Speakers(), Speakers()
        labels = [by_name.speaker("a", first).label, by_name.speaker("b", second).label]
        assert labels[1].endswith(" 2")
        assert len(set(map(look_of, labels))) == 2
        assert by_role.speaker("a", role=first).label == labels[0]
        assert by_role.speaker("b", role=second).label == labels[1]


@pytest.mark.parametrize("unseen", ["\u200b", "\u3164", "\u2060\u200d", "\u200e \u00a0", "\U000e0041"])
def test_a_name_that_nobody_sees_is_no_label(unseen: str) -> None:
    """The next thing that is known of the participant takes its place."""
    assert Speakers().speaker("user-1", unseen, unseen).label == "user-1"
    assert Speakers().speaker(unseen).label == "speaker"


def test_a_label_is_kept_as_it_was_written() -> None:
    """Joiners that a script needs stay; only what tells two labels apart leaves them out."""
    written = "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"
    assert Speakers().speaker("a", written).label == written


LIKE = st.lists(
    st.sampled_from(
        ["A", "a", "\uff21", "\u00eb", "e\u0308", "\u200b", "\u200e", "\u3164", "\ufe0f", " ", "2"]
    ),
    max_size=4,
).map("".join)
TEXTS = (
    st.text(st.characters(), max_size=300)
    | st.sampled_from(["", "candidate", "Candidate", "candidate 2"])
    | LIKE
)


@given(st.lists(st.tuples(TEXTS, TEXTS, TEXTS), max_size=12))
@example([("a", "An\0a", "lead\ud800")])
def test_labels_are_unique_lines_that_any_reader_can_take(people: list[tuple[str, str, str]]) -> None:
    """Whatever participants call themselves: one label each, one line, not empty, UTF-8 without NUL."""
    speakers = Speakers()
    found = {identity: speakers.speaker(identity, name, role) for identity, name, role in people}
    looks = [look_of(one.label) for one in speakers.all]
    assert len(looks) == len(set(looks)) == len(found)
    assert all(looks)
    lines = {label_of(one) for one in speakers.all}
    assert len(lines) == len(found), "two of them are the same in an export"
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
        ("[1]", {"role": "candidate"}, "candidate"),
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
    assert role_of(metadata, attributes).role == role


@given(st.text())
def test_a_long_role_is_cut(role: str) -> None:
    """A label stands before each line: nobody gets one of a page."""
    assert len(role_of(json.dumps({"role": role * 50}), {}).role) <= MAX_LABEL
