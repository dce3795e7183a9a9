"""docs/protocol.md shows what the code sends, and its reader reads it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from agent.core.history import DEFAULT_LIMIT, MAX_LIMIT, METHOD, pack_reply, read_request
from agent.core.messages import MAX_BYTES, TOPIC, Joiner, encode, parse
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
from agent.sinks.data_message import MAX_LOSSY_BYTES
from agent.sinks.text_stream import TOPIC as CAPTIONS
from tests.test_architecture import ROOT

PAGE = (ROOT / "docs/protocol.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"^```json (\w+)\n(.*?)\n```$", PAGE, re.MULTILINE | re.DOTALL))
ROOM, SESSION = "interview-42", "RM_bXsNGkRTvQxK"

ANA = Speaker("user-17", "Ana Sol", "candidate", "candidate")
BEN = Speaker("user-3", "Ben Ito", "interviewer", "interviewer")
INTERIM = Segment(
    segment_id="TR_AMcandidate-5210",
    revision=1,
    final=False,
    speaker=ANA,
    track_sid="TR_AMcandidate",
    source="microphone",
    start=5.21,
    end=6.06,
    text="I have",
)
FINAL = replace(
    INTERIM,
    revision=2,
    final=True,
    end=6.86,
    text="I have, twice.",
    words=(Word("I", 5.4, 5.48), Word("have,", 5.5, 5.82), Word("twice.", 5.98, 6.44)),
    language="en",
    confidence=0.94,
)
TAKEN_BACK = replace(INTERIM, revision=2, final=True, text="")
WINDOW = Window(
    window_id=0,
    revision=1,
    start=0.0,
    end=20.0,
    complete=False,
    pending=("interviewer",),
    turns=(Turn(BEN, 2.1, 3.9, "Have you led a team?"), Turn(ANA, 5.4, 6.44, "I have, twice.")),
    words=8,
    segments=2,
)
GAP = Gap(ANA, "TR_AMcandidate", 31.5, 44.25, Reason.RECOGNIZER_UNREACHABLE)
STATUS = Status(State.DEGRADED, Reason.RECOGNIZER_UNREACHABLE, ANA, "The recognizer cannot be reached.")
END = End(
    segments=41,
    words=623,
    windows=30,
    gaps=1,
    started_at="2026-11-02T09:00:00.000Z",
    ended_at="2026-11-02T09:05:04.120Z",
    accounting=(
        Accounting(
            ANA,
            heard=300.0,
            speech=120.5,
            sent=118.75,
            answered=107.75,
            gap=12.75,
            replayed=11.0,
            reconnects=1,
            wordless=1.5,
            not_received=4.0,
        ),
    ),
)
LONG = replace(
    WINDOW,
    revision=2,
    turns=(Turn(ANA, 5.4, 19.5, "Twice, and twice more. " * 400),),
    words=1600,
    segments=1,
)

STORED: list[tuple[int, Item]] = [(6, GAP), (7, STATUS)]


def sent(item: Item, seq: int | None) -> list[bytes]:
    """The messages of one item of the page's room."""
    return encode(item, room=ROOM, session=SESSION, seq=seq)


def history(items: list[tuple[int, Item]], after: int, last: int) -> dict[str, Any]:
    """A reply of `transcript.history`."""
    fields: dict[str, Any] = json.loads(pack_reply(items, after=after, last=last, room=ROOM, session=SESSION))
    return fields


def shortened(value: Any) -> Any:
    """`value` with every text of more than 200 characters cut to its beginning and its end."""
    if isinstance(value, dict):
        return {key: shortened(one) for key, one in value.items()}
    if isinstance(value, list):
        return [shortened(one) for one in value]
    if isinstance(value, str) and len(value) > 200:
        return f"{value[:50]} ... {value[-20:]}"
    return value


def shown(fields: dict[str, Any]) -> str:
    """A message as the page shows it: a field a line, and an entry a line where a list has objects."""
    lines = []
    for key, value in fields.items():
        text = json.dumps(value, ensure_ascii=False)
        if isinstance(value, list) and value and isinstance(value[0], dict):
            entries = ",\n".join(f"    {json.dumps(entry, ensure_ascii=False)}" for entry in value)
            text = f"[\n{entries}\n  ]"
        lines.append(f"  {json.dumps(key)}: {text}")
    return "{\n" + ",\n".join(lines) + "\n}"


def example(item: Item, seq: int | None, part: int = 1) -> str:
    """One message of an item, as the page shows it."""
    return shown(shortened(json.loads(sent(item, seq)[part - 1])))


EXAMPLES = {
    "bytes": sent(INTERIM, None)[0].decode(),
    "interim": example(INTERIM, None),
    "final": example(FINAL, 12),
    "taken_back": example(TAKEN_BACK, None),
    "window": example(WINDOW, 13),
    "gap": example(GAP, 6),
    "status": example(STATUS, 7),
    "end": example(END, 120),
    "part_1": example(LONG, 14, 1),
    "part_2": example(LONG, 14, 2),
    "request": '{"after": 5, "limit": 2}',
    "reply": shown(history(STORED, 5, 120)),
    "too_large": shown(history([(14, replace(LONG, turns=LONG.turns * 2))], 13, 120)),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_each_example_is_what_the_code_sends(name: str) -> None:
    """Field by field and in this order."""
    assert BLOCKS[name] == EXAMPLES[name]


def test_no_example_is_without_its_code() -> None:
    """Each block of JSON in the page is one of the examples."""
    assert list(BLOCKS) == list(EXAMPLES)
    assert PAGE.count("```json") == len(BLOCKS)


def test_the_page_names_the_numbers_and_names_of_the_code() -> None:
    """Topics, the RPC method and the sizes."""
    for name in (
        TOPIC,
        CAPTIONS,
        METHOD,
        "lk.segment_id",
        "lk.transcription_final",
        "lk.transcribed_track_id",
        "transcript.label",
    ):
        assert f"`{name}`" in PAGE, name
    for number in (MAX_BYTES, MAX_LOSSY_BYTES):
        assert f"{number:,}" in PAGE
    assert f"{DEFAULT_LIMIT} when left out, {MAX_LIMIT} at most" in PAGE
    for word in (*State, *Reason):
        assert f"`{word.value}`" in PAGE, word
    assert read_request(EXAMPLES["request"]) == (5, 2)


def test_every_field_is_explained() -> None:
    """A reader who meets a field in an example finds it in a table."""
    explained = set(re.findall(r"`(\w+)`", PAGE))
    for item in (FINAL, LONG, GAP, STATUS, END):
        for key in json.loads(sent(item, 1)[0]):
            assert key in explained, key


@pytest.fixture
def reader() -> Any:
    """The page's Python reader."""
    (code,) = re.findall(r"^```python\n(.*?)\n```$", PAGE, re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    make: Callable[[], Any] = names["Reader"]
    return make()


def test_the_reader_replaces_interims_by_their_final(reader: Any) -> None:
    """Whatever is late or comes twice."""
    for item, seq in ((INTERIM, None), (FINAL, 12), (INTERIM, None), (FINAL, 12)):
        reader.feed(sent(item, seq)[0])
    assert [line["text"] for line in reader.lines()] == ["I have, twice."]


def test_the_reader_takes_interims_back(reader: Any) -> None:
    """A final without text leaves no line, and a late interim does not bring it back."""
    reader.feed(sent(INTERIM, None)[0])
    assert len(reader.lines()) == 1
    reader.feed(sent(TAKEN_BACK, None)[0])
    reader.feed(sent(INTERIM, None)[0])
    assert reader.lines() == []


def test_the_reader_joins_parts_as_the_joiner_does(reader: Any) -> None:
    """Text and turns are those of the item; half an item is none."""
    first, second = sent(LONG, 14)
    reader.feed(second)
    reader.feed(first)
    assert reader.windows == {}
    reader.feed(second)
    joiner = Joiner()
    assert joiner.feed(first) is None
    whole = joiner.feed(second)
    assert whole is not None
    assert whole.item == LONG
    assert reader.windows[0]["text"] == LONG.text
    assert [turn["text"] for turn in reader.windows[0]["turns"]] == [turn.text for turn in LONG.turns]


def test_the_reader_joins_whatever_is_shared_out(reader: Any) -> None:
    """A word that was cut, hundreds of pending labels, the sums of many speakers."""
    huge = replace(FINAL, words=(Word("x" * 40_000, 5.4, 6.4),), text="x" * 40_000)
    crowd = replace(WINDOW, pending=tuple(f"participant number {number}" for number in range(1500)))
    sums = tuple(Accounting(replace(ANA, identity=str(number))) for number in range(150))
    for item, seq in ((huge, 15), (crowd, 16), (replace(END, accounting=sums), 17)):
        messages = sent(item, seq)
        assert len(messages) > 1
        for message in messages:
            reader.feed(message)
    (line,) = reader.lines()
    assert [word["text"] for word in line["words"]] == [line["text"]] == [huge.text]
    assert tuple(reader.windows[0]["pending"]) == crowd.pending
    assert reader.windows[0]["text"] == crowd.text
    assert [one["speaker"]["identity"] for one in reader.end["accounting"]] == [str(n) for n in range(150)]


def test_the_reader_uses_no_half_of_a_large_interim(reader: Any) -> None:
    """Interims have no number and may be lost in part."""
    first = replace(INTERIM, text="so " * 8_000)
    second = replace(first, revision=2)
    reader.feed(sent(first, None)[0])
    for message in sent(second, None)[1:]:
        reader.feed(message)
    assert reader.lines() == []
    for message in sent(second, None):
        reader.feed(message)
    assert [line["text"] for line in reader.lines()] == [second.text]


def test_the_reader_joins_the_words_of_a_long_segment(reader: Any) -> None:
    """In their order, none twice."""
    words = tuple(Word(f"word{number}", number / 4, number / 4 + 0.2) for number in range(800))
    long = replace(FINAL, words=words, text=" ".join(word.text for word in words))
    messages = sent(long, 15)
    assert len(messages) > 1
    for message in messages:
        reader.feed(message)
    (line,) = reader.lines()
    assert line["text"] == long.text
    assert [word["text"] for word in line["words"]] == [word.text for word in words]


def test_the_reader_keeps_the_newest_window_and_the_last_end(reader: Any) -> None:
    """Revisions out of order, and a meeting that went on after its end."""
    newer = replace(WINDOW, revision=2, complete=True, pending=())
    for item, seq in ((newer, 16), (WINDOW, 13), (END, 17), (replace(END, segments=42), 20)):
        reader.feed(sent(item, seq)[0])
    assert reader.windows[0]["revision"] == 2
    assert reader.end["segments"] == 42


def test_the_reader_takes_history_items(reader: Any) -> None:
    """Those of a reply are whole messages; one that is too large is passed over."""
    reply = history([(12, FINAL), (13, replace(LONG, turns=LONG.turns * 3)), (14, WINDOW)], 11, 14)
    for item in reply["items"]:
        reader.take(item)
    assert [line["text"] for line in reader.lines()] == ["I have, twice."]
    assert parse(json.dumps(reply["items"][0])).item == FINAL
