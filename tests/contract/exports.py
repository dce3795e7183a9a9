"""What readers of each export format get out of it again, and any segments to put in."""

from __future__ import annotations

import csv
import html
import io
import json
import re
import tempfile
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pysubs2
import webvtt
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from agent.core.exports import Record
from agent.core.model import Gap, Reason, Segment, Speaker, Word
from tests.contract.record import STARTED


@dataclass(frozen=True, slots=True)
class Said:
    """A line, row or cue as its reader has it."""

    label: str
    text: str


def record(*segments: Segment, gaps: tuple[Gap, ...] = (), room: str = "a") -> Record:
    """A record that runs, numbered and in order of time as the store gives it."""
    in_order = sorted(segments, key=lambda one: one.start)
    return Record(
        room=room,
        session="RM_1",
        started_at=STARTED,
        ended_at=None,
        last_seq=len(segments) + len(gaps),
        state=None,
        segments=tuple(enumerate(in_order, start=1)),
        gaps=tuple(enumerate(sorted(gaps, key=lambda one: one.start), start=len(segments) + 1)),
    )


def bare(text: str) -> str:
    """A text without blanks, line breaks and what no export carries: control characters."""
    return "".join(char for char in text if not char.isspace() and unicodedata.category(char) != "Cc")


def read_json(text: str) -> list[Said]:
    """The standard library."""
    found = json.loads(text)
    return [Said(one["speaker"]["label"], one.get("text", "")) for one in found["segments"] + found["gaps"]]


def read_txt(text: str) -> list[Said]:
    """By the form that is documented."""
    lines = re.findall(r"^\[\d\d+:\d\d:\d\d\] (.*?): (.*)$", text, re.MULTILINE)
    assert len(lines) == text.count("\n")
    return [Said(label, re.sub("[\u202b\u202c]", "", said)) for label, said in lines]


def read_csv(text: str) -> list[Said]:
    """The standard library, strictly."""
    rows = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    return [Said(row["speaker"], row["text"] or row["reason"]) for row in rows]


def read_vtt(text: str) -> list[Said]:
    """webvtt-py; it leaves character references to its callers."""
    return [
        Said(html.unescape(cue.voice or ""), html.unescape(cue.text))
        for cue in webvtt.from_buffer(io.StringIO(text))
    ]


def read_srt(text: str) -> list[Said]:
    """pysubs2, as it comes: tags and overrides are taken out."""
    events = pysubs2.SSAFile.from_string(text, format_="srt") if text else []
    return [_labelled(event.plaintext) for event in events]


def read_srt_otherwise(text: str) -> list[Said]:
    """webvtt-py's reader of SRT: from a file alone."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "x.srt")
        file.write_text(text, encoding="utf-8")
        return [_labelled(cue.raw_text) for cue in webvtt.from_srt(str(file))] if text else []


def _labelled(text: str) -> Said:
    """`label: text` of an SRT cue, full-width forms and directions taken back."""
    label, _, said = text.partition(":")
    return Said(label, re.sub("[\u202b\u202c]", "", said))


def read_md(text: str) -> list[Said]:
    """markdown-it-py, with the rules of GitHub: paragraphs in pairs, `**label** time` and the text."""
    tokens = [one for one in MarkdownIt("gfm-like", {"linkify": False}).parse(text) if one.type == "inline"]
    found: list[Said] = []
    label = ""
    for token in tokens:
        parts = token.children or []
        shown = "".join(part.content for part in parts)
        if any(part.type == "strong_open" for part in parts):
            label = "".join(
                part.content for part in parts[: [part.type for part in parts].index("strong_close")]
            )
            if "[missing" in shown:
                found.append(Said(label, shown[shown.index("[missing") :]))
        elif label:
            assert all(part.type in ("text", "text_special") for part in parts), parts
            found.append(Said(label, shown))
            label = ""
    return found


READERS: dict[str, Callable[[str], list[Said]]] = {
    "json": read_json,
    "txt": read_txt,
    "csv": read_csv,
    "vtt": read_vtt,
    "srt": read_srt,
    "md": read_md,
}

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=120)
"""Neither half a surrogate pair nor U+0000: no segment holds one (`agent.core.text`)."""
letters = st.text(st.sampled_from("abé 世界שלוםกำ👩🏽‍💻,.-=<>&*_`'\"\\\n\u2028;:#|[]{}0123\t"), max_size=200)
moments = st.floats(-5, 400_000) | st.floats(0, 60)


@st.composite
def segments(draw: st.DrawFn, text: st.SearchStrategy[str] = texts | letters) -> list[Segment]:
    """Segments of any text, each of a speaker of its own; with words, without, or with others' words."""
    found = []
    for number in range(draw(st.integers(0, 4))):
        said = draw(text)
        start = draw(moments)
        end = start + draw(st.floats(0, 90))
        words: tuple[Word, ...] = ()
        match draw(st.sampled_from(["words", "none", "others", "pieces"])):
            case "words":
                words = _words(draw, said.split(), start, end)
            case "others":
                words = _words(draw, draw(letters).split(), start, end)
            case "pieces":  # no blanks between words, as in scripts that have none
                size = draw(st.integers(1, 5))
                parts = [said[place : place + size].strip() for place in range(0, len(said), size)]
                words = _words(draw, [part for part in parts if part], start, end)
        speaker = Speaker(f"p{number}", label=f"S{number}")
        found.append(
            Segment(f"SG{number}", 1, True, speaker, "TR", "microphone", start, end, said, words, "en", None)
        )
    return found


def _words(draw: st.DrawFn, parts: list[str], start: float, end: float) -> tuple[Word, ...]:
    """Times in any order: recognizers are not always sure of it."""
    times = st.floats(start, end)
    return tuple(Word(part, *sorted((draw(times), draw(times)))) for part in parts)


gaps: st.SearchStrategy[list[Gap]] = st.lists(
    st.builds(
        lambda start, long, number, reason: Gap(
            Speaker(f"g{number}", label=f"G{number}"), "TR", start, start + long, reason
        ),
        moments,
        st.floats(0, 1000),
        st.integers(0, 5),
        st.sampled_from(Reason),
    ),
    max_size=3,
)
