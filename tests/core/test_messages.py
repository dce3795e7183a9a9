"""Messages: encoded, parsed, cut into parts and joined."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.core.messages import MAX_BYTES, MAX_INCOMPLETE, Joiner, encode, parse
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

ANNA, BOB = Speaker("anna", "Anna", "interviewer", "interviewer"), Speaker("bob", label="candidate")
characters = st.characters(codec="utf-8", exclude_characters="\0")
"""What `clean_text` leaves in an item; no other character reaches it."""
texts = st.text(characters, max_size=400)


def segment(text: str, words: tuple[Word, ...] = ()) -> Segment:
    return Segment("s", 1, True, ANNA, "TR", "microphone", 0.0, 1.0, text, words)


def sent(item: Item, seq: int | None = 1) -> list[bytes]:
    """The item's messages; none is ever too large."""
    messages = encode(item, room="room 🎙️", session="RM", seq=seq)
    assert max(map(len, messages)) <= MAX_BYTES
    return messages


def joined(messages: list[bytes]) -> Item:
    """What a reader has after all of them; nothing before the last."""
    joiner = Joiner()
    *early, last = [joiner.feed(message) for message in messages]
    assert early == [None] * len(early)
    assert last is not None
    return last.item


@given(texts, st.lists(texts, max_size=5))
def test_any_text_goes_over_the_wire(text: str, words: list[str]) -> None:
    """Every script and symbol arrives as it was sent."""
    said = segment(text, tuple(Word(word, 0.5, 0.75) for word in words))
    (message,) = sent(said)
    envelope = parse(message)
    assert (envelope.item, envelope.room, envelope.session, envelope.seq) == (said, "room 🎙️", "RM", 1)


short = st.text(characters, max_size=64)
long = st.builds(lambda text, times: text * times, short, st.sampled_from([1, 1, 1, 20, 300, 3000]))
times = st.integers(-1000, 10**7).map(lambda milliseconds: milliseconds / 1000)
counts = st.integers(0, 10**6)


def many(entries: st.SearchStrategy[Any], most: int) -> st.SearchStrategy[tuple[Any, ...]]:
    """None, a few or many of them."""
    sizes = st.sampled_from([0, 1, 2, most])
    return sizes.flatmap(lambda size: st.lists(entries, min_size=size, max_size=size)).map(tuple)


speakers = st.builds(Speaker, short, short, short, short)
all_items: st.SearchStrategy[Item] = st.one_of(
    st.builds(
        Segment,
        segment_id=short,
        revision=counts,
        final=st.booleans(),
        speaker=speakers,
        track_sid=short,
        source=short,
        start=times,
        end=times,
        text=long,
        words=many(st.builds(Word, long, times, times), 20),
        language=short,
        confidence=st.none() | st.integers(0, 10_000).map(lambda share: share / 10_000),
    ),
    st.builds(
        Window,
        window_id=counts,
        revision=counts,
        start=times,
        end=times,
        complete=st.booleans(),
        pending=many(short, 400),
        turns=many(st.builds(Turn, speakers, times, times, long), 8),
        words=counts,
        segments=counts,
    ),
    st.builds(Gap, speakers, short, times, times, st.sampled_from(Reason)),
    st.builds(
        Status, st.sampled_from(State), st.none() | st.sampled_from(Reason), st.none() | speakers, short
    ),
    st.builds(
        End,
        segments=counts,
        words=counts,
        windows=counts,
        gaps=counts,
        started_at=short,
        ended_at=short,
        accounting=many(st.builds(Accounting, speakers, heard=times, sent=times, reconnects=counts), 120),
    ),
)


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(all_items, short, short)
def test_every_item_arrives_as_it_was(item: Item, room: str, session: str) -> None:
    """Whatever its size, in messages that all fit, and none of them alone is taken for the item."""
    messages = encode(item, room=room, session=session, seq=7)
    assert max(map(len, messages)) <= MAX_BYTES
    assert joined(messages) == item
    envelopes = [parse(message) for message in messages]
    assert {(one.room, one.session, one.seq) for one in envelopes} == {(room, session, 7)}
    assert [one.part for one in envelopes] == list(range(1, len(messages) + 1))


def test_a_huge_word_arrives_whole() -> None:
    """Its pieces are one word again."""
    said = segment("x" * 70_000 + " y", (Word("x" * 70_000, 0.0, 1.0), Word("y", 1.0, 1.5)))
    assert joined(sent(said)) == said


def test_half_a_surrogate_pair_is_sent_as_the_replacement_character() -> None:
    """It is not text; the item must not be lost for it."""
    (message,) = sent(segment("a\ud83dz"))
    assert json.loads(message)["text"] == "a\ufffdz"


def test_interims_have_no_number() -> None:
    """`seq` is null for what is not stored."""
    (message,) = sent(segment("so far"), seq=None)
    assert json.loads(message)["seq"] is None


@pytest.mark.parametrize(
    "text",
    ["😀" * 17_500, "word " * 14_000, "x" * 70_000, '"\\\n' * 9_000],
    ids=["emoji", "words", "one", "escaped"],
)
def test_a_huge_segment_arrives_whole(text: str) -> None:
    """70,000 bytes come in parts; joined they are the text, byte for byte."""
    said = segment(text, tuple(Word("w", 0.0, 1.0) for _ in range(500)))
    messages = sent(said)
    assert len(messages) > 4
    assert joined(messages) == said


def test_a_huge_window_arrives_whole() -> None:
    """Turns are shared out over parts, a huge one is cut; the texts of the parts joined are the text."""
    turns = tuple(
        Turn((ANNA, BOB)[n % 2], float(n), n + 1.0, "word " * (3000 if n == 3 else 400)) for n in range(9)
    )
    window = Window(1, 2, 0.0, 20.0, False, ("candidate",), turns, 99, 9)
    messages = sent(window)
    assert joined(messages) == window
    assert "".join(json.loads(message)["text"] for message in messages) == window.text


def test_the_end_of_a_huge_meeting_arrives_whole() -> None:
    """Two hundred speakers, each with sums."""
    sums = tuple(Accounting(Speaker(f"speaker {number}"), heard=number) for number in range(200))
    end = End(1, 2, 3, 4, "then", "now", sums)
    assert len(sent(end)) > 1
    assert joined(sent(end)) == end


def test_parts_of_two_items_may_alternate() -> None:
    """Each item is joined for itself."""
    first, second = segment("a" * 40_000), segment("b" * 40_000)
    joiner = Joiner()
    got = [
        joiner.feed(message) for pair in zip(sent(first, 1), sent(second, 2), strict=True) for message in pair
    ]
    assert [envelope.item for envelope in got if envelope] == [first, second]


def test_half_an_item_is_never_given_out() -> None:
    """A lost part loses its item, not the next one."""
    messages = sent(segment("a" * 60_000))
    joiner = Joiner()
    assert [joiner.feed(message) for message in messages[:1] + messages[2:]] == [None] * (len(messages) - 1)
    whole = joiner.feed(sent(segment("fine"), 2)[0])
    assert whole is not None
    assert whole.item == segment("fine")


def test_parts_of_an_older_version_are_not_mixed_in() -> None:
    """The second part of an interim that has been overtaken by a longer one."""
    old, new = segment("a" * 40_000), replace(segment("b" * 60_000), revision=2)
    joiner = Joiner()
    assert joiner.feed(sent(new)[0]) is None
    assert joiner.feed(sent(old)[1]) is None
    assert [joiner.feed(message) for message in sent(new)[1:]] == [None] * (len(sent(new)) - 1)


def test_an_item_sent_anew_is_joined_anew() -> None:
    """The first part again: what was there is forgotten."""
    messages = sent(segment("a" * 40_000))
    joiner = Joiner()
    joiner.feed(messages[0])
    whole = [joiner.feed(message) for message in messages][-1]
    assert whole is not None
    assert (whole.item, whole.part, whole.parts) == (segment("a" * 40_000), 1, 1)


def test_parts_that_never_complete_are_forgotten() -> None:
    """A reader of days does not collect halves."""
    joiner = Joiner()
    items = [replace(segment("a" * 40_000), segment_id=str(number)) for number in range(MAX_INCOMPLETE + 1)]
    for item in items:
        joiner.feed(sent(item)[0])
    assert [joiner.feed(message) for message in sent(items[0])[1:]][-1] is None
    assert [joiner.feed(message) for message in sent(items[-1])[1:]][-1] is not None


@pytest.mark.parametrize(
    ("part", "parts"), [(0, 2), (3, 2), (-1, -1), (1.0, 2), (True, 2), ("1", 2), (1, None)]
)
def test_parts_are_counted_from_one(part: object, parts: object) -> None:
    """A part that cannot be is refused."""
    fields = json.loads(sent(segment("hi"))[0]) | {"part": part, "parts": parts}
    with pytest.raises(MessageError):
        parse(json.dumps(fields))


def test_a_gap_has_no_parts() -> None:
    """Only what can be large is cut."""
    gap = Gap(ANNA, "TR", 0.0, 1.0, Reason.OVERFLOW)
    fields = json.loads(sent(gap)[0]) | {"part": 1, "parts": 2}
    with pytest.raises(MessageError, match="gap"):
        Joiner().feed(json.dumps(fields))


@pytest.mark.parametrize("data", [b"[]", b"null", b"7", b'"v"'])
def test_json_that_is_no_object_is_refused(data: bytes) -> None:
    """The complaint says what was expected."""
    with pytest.raises(MessageError, match="JSON object"):
        parse(data)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def replaced(data: st.DataObject, value: Any) -> Any:
    """A copy of `value` with one thing in it, at any depth, taken away or replaced by anything."""
    if isinstance(value, dict) and value and data.draw(st.booleans()):
        name = data.draw(st.sampled_from(sorted(value)))
        if data.draw(st.booleans()):
            return {key: one for key, one in value.items() if key != name}
        return {**value, name: replaced(data, value[name])}
    if isinstance(value, list) and value and data.draw(st.booleans()):
        return [replaced(data, value[0]), *value[1:]]
    return data.draw(json_values)


@settings(max_examples=300, suppress_health_check=list(HealthCheck))
@given(all_items.filter(lambda item: len(encode(item, room="r", session="s", seq=1)) == 1), st.data())
def test_anything_may_be_wrong_inside_a_message(item: Item, data: st.DataObject) -> None:
    """At any depth, of any type: read as something, or refused with MessageError."""
    fields = json.loads(encode(item, room="r", session="s", seq=1)[0])
    try:
        Joiner().feed(json.dumps(replaced(data, {**fields, "part": 1, "parts": 1})))
    except MessageError:
        return


@given(st.binary(max_size=200))
def test_bytes_of_others_are_no_message(data: bytes) -> None:
    """Whatever comes in, the only complaint is MessageError."""
    with pytest.raises(MessageError):
        parse(data)


@given(st.data())
def test_damaged_messages_are_refused_or_read(data: st.DataObject) -> None:
    """A field taken away or replaced never breaks the reader."""
    items: list[Item] = [
        segment("hi", (Word("hi", 0, 1),)),
        Gap(ANNA, "TR", 0.0, 1.0, Reason.OVERFLOW),
        Status(State.DEGRADED, Reason.RATE_LIMITED, BOB, "wait"),
    ]
    fields = json.loads(sent(data.draw(st.sampled_from(items)))[0])
    name = data.draw(st.sampled_from(sorted(fields)))
    junk = (
        st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.lists(st.integers(), max_size=2)
    )
    fields[name] = data.draw(junk | st.dictionaries(st.text(max_size=3), st.integers(), max_size=2))
    try:
        parse(json.dumps(fields))
    except MessageError:
        return


def test_another_version_is_refused() -> None:
    """A reader of version 1 does not guess at version 2."""
    fields = json.loads(sent(segment("hi"))[0]) | {"v": 2}
    with pytest.raises(MessageError, match="version 2 is not 1"):
        parse(json.dumps(fields))
