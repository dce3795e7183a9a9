"""Items as JSON fields and back."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from agent.core.fields import dump, fields_of, item_from, number_in, seconds, texts_in, type_of
from agent.core.model import (
    Accounting,
    End,
    Gap,
    Item,
    Reason,
    Segment,
    Speaker,
    State,
    Status,
    Turn,
    Window,
    Word,
)
from agent.errors import MessageError

ANNA = Speaker("anna", "Anna Ö", "interviewer", "interviewer")
SEGMENT = Segment(
    "TR_1-500",
    2,
    True,
    ANNA,
    "TR_1",
    "microphone",
    0.5,
    1.25,
    "hello 😀",
    (Word("hello", 0.5, 0.75),),
    "en",
    0.9,
)
ITEMS: list[Item] = [
    SEGMENT,
    replace(SEGMENT, final=False, words=(), language="", confidence=None),
    Window(3, 1, 30.0, 50.0, False, ("candidate",), (Turn(ANNA, 31.0, 32.0, "hello"),), 1, 1),
    Gap(ANNA, "TR_1", 1.0, 2.5, Reason.OVERFLOW),
    Status(State.LISTENING),
    Status(State.STOPPED, Reason.AUTH_ERROR, ANNA, "HTTP 401"),
    End(
        1,
        2,
        3,
        4,
        "2026-01-01T00:00:00.000Z",
        "2026-01-01T01:00:00.000Z",
        (Accounting(ANNA, 9, 4, 5, 3, 1, 1, 2),),
    ),
]


@pytest.mark.parametrize("item", ITEMS, ids=type_of)
def test_an_item_survives_its_fields(item: Item) -> None:
    """What is written as JSON is read back as the same value."""
    fields = json.loads(json.dumps(fields_of(item)))
    assert item_from(type_of(item), fields) == item


@pytest.mark.parametrize("item", ITEMS, ids=type_of)
def test_every_field_is_needed(item: Item) -> None:
    """A field left out is noticed, never made up."""
    fields = fields_of(item)
    derived = {"text", "silence"} if isinstance(item, Window) else set()
    for name in set(fields) - derived:
        with pytest.raises((KeyError, TypeError, ValueError, MessageError)):
            item_from(type_of(item), {key: value for key, value in fields.items() if key != name})


def test_an_unknown_type_is_refused() -> None:
    """A type of a later version is no item."""
    with pytest.raises(MessageError):
        item_from("applause", {})


def test_seconds_are_milliseconds() -> None:
    """Times go over the wire rounded to a millisecond."""
    assert seconds(1.23456) == 1.235


def test_silence_is_told_with_the_sums() -> None:
    """Readers see that heard is speech and silence."""
    (sums,) = fields_of(ITEMS[-1])["accounting"]
    assert sums["heard"] == sums["speech"] + sums["silence"]


def test_json_is_compact_utf8() -> None:
    """No blanks, no escapes for what UTF-8 can say, and a question mark for half a surrogate pair."""
    assert dump({"a": ["\u00e9", "\ud800", 1.5]}) == '{"a":["\u00e9","\ufffd",1.5]}'.encode()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 10**400, True, "1", None])
def test_a_number_is_finite_and_a_number(value: object) -> None:
    """What no clock can show is refused."""
    with pytest.raises((TypeError, ValueError, OverflowError)):
        number_in({"start": value}, "start")


@pytest.mark.parametrize("value", ["candidate", [1], [None], None])
def test_a_list_of_texts_holds_only_texts(value: object) -> None:
    """A text alone is no list of its letters."""
    with pytest.raises(TypeError):
        texts_in({"pending": value}, "pending")


@pytest.mark.parametrize(("name", "value"), [("revision", True), ("final", 1), ("text", None), ("words", {})])
def test_a_field_has_its_type(name: str, value: object) -> None:
    """The complaint names the field."""
    with pytest.raises(TypeError, match=name):
        item_from("segment", {**fields_of(SEGMENT), name: value})
