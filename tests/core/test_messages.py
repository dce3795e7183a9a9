"""Messages: encoded, parsed, cut into parts and joined."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.messages import MAX_BYTES, Joiner, encode, parse
from agent.core.model import Gap, Item, Reason, Segment, Speaker, State, Status, Turn, Window, Word
from agent.errors import MessageError

ANNA, BOB = Speaker("anna", "Anna", "interviewer", "interviewer"), Speaker("bob", label="candidate")
texts = st.text(st.characters(codec="utf-8"), max_size=400)


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
