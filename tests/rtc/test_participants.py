"""What LiveKit says of a participant: kinds, roles, and one warning for malformed data."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import get_args

import pytest
from livekit import rtc

from agent.rtc.participants import KINDS, Participants, is_transcribed
from agent.settings import Kind, Settings


@dataclass
class Person:
    """A participant as LiveKit describes it."""

    identity: str = "ana"
    name: str = ""
    metadata: str = ""
    attributes: dict[str, str] = field(default_factory=dict)
    sid: str = "PA_1"


def test_the_settings_know_every_kind_of_the_sdk() -> None:
    """When LiveKit adds a kind, this fails: EXCLUDE_KINDS and its documentation have to follow."""
    assert set(get_args(Kind)) == set(KINDS.values())
    assert len(KINDS) == len(rtc.ParticipantKind.items())


@pytest.mark.parametrize("kind", get_args(Kind))
def test_every_kind_can_be_excluded(kind: str) -> None:
    """Excluding a kind has an effect, and none on the others."""
    excluded = Settings.from_env({"EXCLUDE_KINDS": kind}).exclude_kinds
    heard = {name for value, name in KINDS.items() if is_transcribed(value, excluded)}
    assert heard == set(KINDS.values()) - {kind}


def test_an_unknown_kind_is_not_heard() -> None:
    """It may be one that the operator would exclude."""
    assert not is_transcribed(max(KINDS) + 1, ())


@pytest.mark.parametrize(
    ("person", "ignored"),
    [
        (Person(metadata="{lang:en}"), "the metadata, which is not valid JSON"),
        (Person(metadata="[1]"), "the metadata, which is not a JSON object"),
        (Person(metadata='{"role": ["secret"]}'), "the role in the metadata, which is not text"),
        (Person(metadata="secret" * 10_000), "the metadata, which is not valid JSON"),
        (Person(metadata="[" * 60_000), "the metadata, which is not valid JSON"),
        (
            Person(metadata="secret", attributes={"role": "candidate", "transcribe": "secret"}),
            "the metadata, which is not valid JSON, the attribute transcribe, which means neither yes nor no",
        ),
    ],
)
def test_malformed_data_is_one_warning(
    person: Person, ignored: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The warning names what was ignored, never its content, and is not repeated for that participant."""
    people = Participants()
    for _ in range(3):
        people.role_of(person)
        people.has_changed(person)
    people.role_of(Person(identity="ben", sid="PA_2", metadata=person.metadata, attributes=person.attributes))
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert [vars(record)["participant_sid"] for record in warnings] == ["PA_1", "PA_2"]
    assert {vars(record)["ignored"] for record in warnings} == {ignored}
    assert "secret" not in str([vars(record) for record in warnings])


@pytest.mark.parametrize(
    "person",
    [
        Person(),
        Person(metadata=" "),
        Person(metadata='{"role": "candidate"}'),
        Person(metadata='{"lang": "en"}'),
        Person(metadata='{"role": null}'),
        Person(attributes={"transcribe": "false"}),
        Person(attributes={"transcribe": "Yes"}),
    ],
)
def test_data_that_can_be_read_is_no_warning(person: Person, caplog: pytest.LogCaptureFixture) -> None:
    """Metadata is the platform's own: a role is not required in it."""
    Participants().role_of(person)
    assert not caplog.records


def test_a_change_of_name_or_role_is_noticed_once() -> None:
    """Other attributes change often and mean nothing here; someone never read has not changed."""
    people, person = Participants(), Person(name="Ana")
    assert not people.has_changed(person)
    people.role_of(person)
    person.attributes = {"lk.agent.state": "listening"}
    assert not people.has_changed(person)
    person.attributes = {"role": "candidate"}
    assert people.has_changed(person)
    assert not people.has_changed(person)
    person.name = "Ana Sol"
    assert people.has_changed(person)
