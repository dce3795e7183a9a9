"""The RPC method `transcript.history`: requests are checked, replies fit."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.history import DEFAULT_LIMIT, MAX_LIMIT, MAX_SEQ, pack_reply, read_request
from agent.core.messages import MAX_BYTES, parse
from agent.core.model import Item, Segment, Speaker
from agent.errors import MessageError


def said(text: str) -> Segment:
    """A final."""
    return Segment("s", 1, True, Speaker("a", label="Anna"), "TR", "microphone", 0.0, 1.0, text)


def reply(items: list[tuple[int, Item]], *, after: int = 0, last: int) -> dict[str, object]:
    """The reply as its reader gets it; it always fits into one RPC payload."""
    text = pack_reply(items, after=after, last=last, room="r", session="RM")
    assert len(text.encode()) <= MAX_BYTES
    fields = json.loads(text)
    assert isinstance(fields, dict)
    return fields


@pytest.mark.parametrize(
    ("payload", "asked"),
    [
        ("", (0, DEFAULT_LIMIT)),
        ("  ", (0, DEFAULT_LIMIT)),
        ("{}", (0, DEFAULT_LIMIT)),
        ('{"after": 7}', (7, DEFAULT_LIMIT)),
        ('{"limit": 1}', (0, 1)),
        ('{"after": 7, "limit": 100000}', (7, MAX_LIMIT)),
        (json.dumps({"after": MAX_SEQ}), (MAX_SEQ, DEFAULT_LIMIT)),
    ],
)
def test_a_request_is_read(payload: str, asked: tuple[int, int]) -> None:
    """Both fields may be left out; the limit is never above ours."""
    assert read_request(payload) == asked


@pytest.mark.parametrize(
    ("payload", "fault"),
    [
        ("[]", "JSON object"),
        ("null", "JSON object"),
        ("{", "JSON object"),
        ("[" * 100_000, "JSON object"),
        ('{"after": -1}', "after must be a whole number"),
        ('{"after": "1"}', "after must be a whole number"),
        ('{"after": true}', "after must be a whole number"),
        ('{"after": 1.5}', "after must be a whole number"),
        ('{"after": null}', "after must be a whole number"),
        (json.dumps({"after": MAX_SEQ + 1}), "after must be a whole number"),
        ('{"limit": 0}', "limit must be a whole number"),
        ('{"limit": NaN}', "limit must be a whole number"),
    ],
)
def test_a_bad_request_names_its_fault(payload: str, fault: str) -> None:
    """A number that no store can hold is one, too."""
    with pytest.raises(MessageError, match=fault):
        read_request(payload)


@given(payload=st.text())
def test_any_text_is_read_or_refused(payload: str) -> None:
    """With nothing but a MessageError."""
    try:
        after, limit = read_request(payload)
    except MessageError:
        return
    assert after >= 0
    assert 1 <= limit <= MAX_LIMIT


def test_items_of_a_reply_are_messages() -> None:
    """Read like those in the room."""
    got = reply([(4, said("hello")), (5, said("you"))], after=3, last=5)
    assert (got["last"], got["more"]) == (5, False)
    assert isinstance(got["items"], list)
    read = [parse(json.dumps(item)) for item in got["items"]]
    assert [(one.seq, one.room, one.session, one.item) for one in read] == [
        (4, "r", "RM", said("hello")),
        (5, "r", "RM", said("you")),
    ]


def test_no_items_leave_the_reader_where_it_was() -> None:
    """Nothing new."""
    assert reply([], after=9, last=9) == {"items": [], "last": 9, "more": False}


def test_items_left_in_the_store_are_more() -> None:
    """The caller's limit may be smaller than what there is."""
    got = reply([(1, said("a"))], last=2)
    assert (got["last"], got["more"]) == (1, True)


def test_an_item_too_large_for_any_reply_is_named() -> None:
    """The reader goes on behind it, and knows that it is missing."""
    items: list[tuple[int, Item]] = [(1, said("a")), (2, said("x" * MAX_BYTES)), (3, said("c"))]
    first = reply(items, last=3)
    assert (first["last"], first["more"]) == (1, True)
    second = reply(items[1:], after=1, last=3)
    assert isinstance(second["items"], list)
    assert second["items"][0] == {
        "v": 1,
        "room": "r",
        "session": "RM",
        "type": "segment",
        "seq": 2,
        "too_large": True,
    }
    assert (second["items"][1]["seq"], second["last"], second["more"]) == (3, 3, False)


@given(
    sizes=st.lists(st.integers(0, 9_000), min_size=1, max_size=12),
    letter=st.sampled_from("x\u00e9\U0001f600\n"),
)
def test_a_reader_that_asks_on_gets_all(sizes: list[int], letter: str) -> None:
    """In order, each once, in replies that fit."""
    items: list[tuple[int, Item]] = [(seq, said(letter * size)) for seq, size in enumerate(sizes, 1)]
    seqs: list[int] = []
    after, more = 0, True
    while more:
        got = reply(items[after:], after=after, last=len(items))
        assert isinstance(got["items"], list)
        assert got["items"], "no progress"
        seqs += [item["seq"] for item in got["items"]]
        assert got["last"] == seqs[-1]
        after, more = seqs[-1], bool(got["more"])
    assert seqs == list(range(1, len(items) + 1))
