"""Every export format, read again by an independent reader: nothing is lost, doubled, moved or run."""

from __future__ import annotations

import csv
import io
import itertools
import re
import subprocess
import sys
import unicodedata
from collections import defaultdict
from dataclasses import replace

import pytest
import webvtt
from hypothesis import given, settings

from agent.core.exports import FORMATS, Record
from agent.core.exports.graphemes import width
from agent.core.model import Gap, Segment, Speaker
from tests.contract.exports import (
    READERS,
    Said,
    bare,
    gaps,
    read_srt_otherwise,
    record,
    segments,
)
from tests.contract.record import ADA, BOB, gap, segment
from tests.test_architecture import ROOT

CUED = ("srt", "vtt")
TIMING = re.compile(r"(\d\d+):(\d\d):(\d\d)[,.](\d{3}) --> (\d\d+):(\d\d):(\d\d)[,.](\d{3})")


def render(name: str, *said: Segment, lost: tuple[Gap, ...] = ()) -> str:
    """A record in one format."""
    return FORMATS[name].render(record(*said, gaps=lost))


def by_speaker(found: list[Said]) -> dict[str, str]:
    """What each one said, in order, blanks left out: cues of several speakers may alternate."""
    said: defaultdict[str, str] = defaultdict(str)
    for one in found:
        said[one.label] += bare(one.text)
    return dict(said)


def times(text: str) -> list[tuple[int, int]]:
    """Start and end of every cue, milliseconds."""
    found = []
    for match in TIMING.findall(text):
        h, m, s, ms, h2, m2, s2, ms2 = map(int, match)
        found.append((((h * 60 + m) * 60 + s) * 1000 + ms, ((h2 * 60 + m2) * 60 + s2) * 1000 + ms2))
    return found


def test_every_format_has_a_reader() -> None:
    """A new format is tested from its first day."""
    assert READERS.keys() == FORMATS.keys()


@pytest.mark.parametrize("name", FORMATS)
@given(said=segments(), lost=gaps)
@settings(max_examples=60, deadline=None)
def test_words_come_out_once_and_in_order(name: str, said: list[Segment], lost: list[Gap]) -> None:
    """Any text, any times, words or none, gaps between."""
    found = by_speaker(READERS[name](FORMATS[name].render(record(*said, gaps=tuple(lost)))))
    for one in said:
        expected, got = bare(one.text), found.pop(one.speaker.label, "")
        if name == "srt":
            expected, got = (unicodedata.normalize("NFKC", text) for text in (expected, got))
        elif name == "csv":  # an apostrophe may stand before a formula
            expected, got = (text.replace("'", "") for text in (expected, got))
        assert got == expected
    assert found.keys() == {missing.speaker.label for missing in lost}
    for missing in lost:
        assert bare(missing.reason.replace("_", " ")) in found[missing.speaker.label] or name == "json"


@given(said=segments(), lost=gaps)
@settings(max_examples=100, deadline=None)
def test_cues_can_be_read(said: list[Segment], lost: list[Gap]) -> None:
    """At most 42 columns, two lines, seven seconds; in order of start, and each ends after it starts."""
    for name in CUED:
        text = FORMATS[name].render(record(*said, gaps=tuple(lost)))
        shown = times(text)
        assert [start for start, _ in shown] == sorted(start for start, _ in shown)
        assert all(0 < end - start <= 7000 for start, end in shown)
        blocks = [block.split("\n") for block in text.strip("\n").split("\n\n") if "-->" in block]
        assert len(blocks) == len(shown)
        for block in blocks:
            place = next(place for place, line in enumerate(block) if "-->" in line)
            lines = [re.sub("^<v [^>]*>", "", line) for line in block[place + 1 :]]
            assert 1 <= len(lines) <= 2
            for line in lines:
                plain = line.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
                assert width(unicodedata.normalize("NFC", plain)) <= 42 + sum(map(plain.count, "＜＞｛｝＼"))


# ---- case 2: milliseconds


@pytest.mark.parametrize(
    ("start", "stamp"),
    [
        (0.0, "00:00:00,000"),
        (0.9995, "00:00:01,000"),
        (1.9995, "00:00:02,000"),
        (59.9996, "00:01:00,000"),
        (3599.9996, "01:00:00,000"),
        (5397.0, "01:29:57,000"),
        (360_000.25, "100:00:00,250"),
        (4_000_000.0, "1111:06:40,000"),
        (-3.0, "00:00:00,000"),
    ],
)
def test_times_are_rounded_once(start: float, stamp: str) -> None:
    """No `,1000`, no 60 seconds; and the same in every format, JSON included."""
    one = segment("hello", start)
    assert stamp in render("srt", one)
    assert stamp.replace(",", ".") in render("vtt", one)
    for name in CUED:
        assert all(end > begin for begin, end in times(render(name, one)))
    whole = stamp.partition(",")[0]
    assert f"[{whole}]" in render("txt", one)
    assert f"** {whole}\n" in render("md", one)
    row = next(csv.DictReader(io.StringIO(render("csv", one))))
    hours, minutes, seconds = map(int, whole.split(":"))
    assert float(row["start"]) == hours * 3600 + minutes * 60 + seconds + int(stamp[-3:]) / 1000
    if start >= 0:
        assert f'"start":{float(row["start"])},' in render("json", one)


def test_hours_beyond_99_are_read() -> None:
    """WebVTT allows more than two digits."""
    cue = webvtt.from_buffer(io.StringIO(render("vtt", segment("hello", 360_000.25))))[0]
    assert cue.start_in_seconds == 360_000


# ---- case 3: escaping

HARD = "R&D <b>AT&T</b> if a < b && c --> d"
HARD_NAME = Speaker("q", "Q<A> & Co", "", "Q<A> & Co")


def test_markup_in_vtt_is_text() -> None:
    """Text and name come back exactly, and no bare markup is in the file."""
    text = render("vtt", segment(HARD, 1.0, HARD_NAME))
    cues = READERS["vtt"](text)
    assert {cue.label for cue in cues} == {HARD_NAME.label}
    assert " ".join(cue.text.replace("\n", " ") for cue in cues) == HARD
    for line in text.splitlines():
        if not TIMING.fullmatch(line):
            inside = line.removeprefix("<v Q&lt;A&gt; &amp; Co>")
            assert not re.search(r"[<>]|&(?!amp;|lt;|gt;)|-->", inside), line


def test_markup_in_srt_is_text() -> None:
    """The same words, once NFKC has taken the full-width forms back, and the same number of cues."""
    text = render("srt", segment(HARD, 1.0, HARD_NAME))
    found = [READERS["srt"](text), read_srt_otherwise(text)]
    assert (
        len(times(text))
        == len(found[0])
        == len(found[1])
        == len(READERS["vtt"](render("vtt", segment(HARD))))
    )
    for cues in found:
        words = " ".join(cue.text for cue in cues).split()
        assert [unicodedata.normalize("NFKC", word) for word in words] == HARD.split()
        assert {unicodedata.normalize("NFKC", cue.label) for cue in cues} == {HARD_NAME.label}


@pytest.mark.parametrize(
    "text",
    [
        "1\n00:00:01,000 --> 00:00:02,000\nforged",
        "WEBVTT\n\nNOTE x",
        "{\\an8}{\\pos(1,2)}top\\Nnew",
        "<script>alert(1)</script>",
        "&lt;b&gt; &amp;amp;",
        "<v Someone Else>forged</v>",
        '"quoted", with, commas;\r\nand "" more',
        "# heading\n\n- list\n1. one\n| a | b |\n|---|---|",
        "![x](http://x.invalid/y.png) [a](b) <http://x.invalid> `code` *b* __i__ ~~s~~",
        "===",
        "---",
        "    indented",
        "12) no list",
        "+ no list",
        "trailing backslash \\",
        "&copy; &#65;",
        "$x$ $$y$$ :smile: @someone #1",
        "\x1b[31mred\x1b[0m \x07",
    ],
)
@pytest.mark.parametrize("name", FORMATS)
def test_a_format_s_own_signs_are_text(name: str, text: str) -> None:
    """Whatever was said, it is one entry of its speaker and nothing else."""
    readers = [READERS[name], *([read_srt_otherwise] if name == "srt" else [])]
    for read in readers:
        if name == "srt" and "-->" in text and read is READERS["srt"]:
            continue  # takes every line with two times for a cue's, arrow or not
        before, found, after = (
            segment("before", 0.0, ADA),
            segment(text, 5.0, BOB),
            segment("after", 50.0, ADA),
        )
        said = by_speaker(read(render(name, before, found, after)))
        assert said.keys() == {"interviewer", "candidate"}
        assert said["interviewer"] == "beforeafter"
        if name != "csv":  # its apostrophes are another test's
            assert unicodedata.normalize("NFKC", said["candidate"]) == unicodedata.normalize(
                "NFKC", bare(text)
            )


# ---- case 4: formulas

FORMULAS = [
    '=HYPERLINK("http://x.invalid/?"&A1,"c")',
    "+1 555 0100",
    "-5 degrees",
    "@SUM(1,1)",
    "\t=1",
    "\r=1",
    " \n =1",
    '"=1"',
    "＝1+1",
]


def test_no_cell_of_a_csv_is_a_formula() -> None:
    """In any column, from text or name; JSON keeps the text exactly, TXT up to its line breaks."""
    said = []
    for number, text in enumerate(FORMULAS):
        named = Speaker(text, text, text, text)
        said.append(replace(segment("x", number, named), text=text, words=(), source=text, language=text))
    rows = list(csv.reader(io.StringIO(render("csv", *said), newline=""), strict=True))
    assert len(rows) == len(FORMULAS) + 1
    assert all(not cell.startswith(tuple("=+-@\t\r＝")) for row in rows for cell in row)
    assert [cell[1:] for row in rows[1:] for cell in row[-1:]][:4] == FORMULAS[:4]
    assert [one.text for one in READERS["json"](render("json", *said))] == FORMULAS
    lines = render("txt", *said).split("\n")
    assert [line.partition(": ")[2] for line in lines[:5]] == FORMULAS[:5]


def test_a_semicolon_begins_no_formula() -> None:
    """Where `;` separates cells, a spreadsheet cuts a cell of ours there, quotes or not."""
    text = render("csv", segment('well;=1+1;"=2+2"; -3;fine; 4;@x'))
    for cell in re.split("[;,\n]", text):
        assert not cell.strip(" \"'\r").startswith(tuple("=+-@")) or "'" in cell, cell


def test_csv_is_that_of_rfc_4180() -> None:
    """CRLF after every row, the last one too, and as many cells in each."""
    text = render("csv", segment("one\ntwo"), segment('say "hi", you', 5.0), lost=(gap(),))
    assert text.endswith("\r\n")
    assert text.replace("\r\n", "").count("\n") == text.replace("\r\n", "").count("\r") == 0
    rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    assert {len(row) for row in rows} == {13}
    assert [row[-1] for row in rows[1:]] == ["one two", "", 'say "hi", you']


# ---- case 5: long meetings


@pytest.mark.parametrize("name", FORMATS)
def test_a_long_meeting_is_whole(name: str) -> None:
    """1800 segments in 90 minutes: all of them, under hours and minutes."""
    said = [segment(f"word{number} again", number * 3.0, (ADA, BOB)[number % 2]) for number in range(1800)]
    text = render(name, *said)
    found = " ".join(one.text for one in READERS[name](text))
    assert re.findall(r"word\d+", found) == [f"word{number}" for number in range(1800)]
    if name not in ("json", "csv"):
        assert "01:29:57" in text
        assert "89:" not in text


# ---- case 8: nothing was said


def test_an_empty_record() -> None:
    """No cue, a header, a header row, an empty list; nothing fails."""
    empty = record()
    assert FORMATS["srt"].render(empty) == ""
    assert FORMATS["vtt"].render(empty) == "WEBVTT\n"
    assert len(webvtt.from_buffer(io.StringIO(FORMATS["vtt"].render(empty)))) == 0
    assert FORMATS["csv"].render(empty).count("\r\n") == 1
    assert FORMATS["txt"].render(empty) == ""
    assert '"segments":[],"gaps":[]' in FORMATS["json"].render(empty)
    assert FORMATS["md"].render(empty).endswith("Nothing was said.\n")


# ---- case 16: line separators


@pytest.mark.parametrize("name", FORMATS)
def test_line_separators_break_nothing(name: str) -> None:
    """One entry, one cue; JSON keeps the text."""
    said = "one\u2028two\u2029three\u0085four\nfive"
    found = READERS[name](render(name, replace(segment("x"), text=said, words=())))
    assert len(found) == 1
    assert found[0].text.split() == ["one", "two", "three", "four", "five"]
    if name == "json":
        assert found[0].text == said
    lines = render(name, replace(segment("x"), text=said, words=()))
    if name != "json":
        assert lines.splitlines() == re.split("\r?\n", lines.removesuffix("\n").removesuffix("\r"))


# ---- gaps


@pytest.mark.parametrize("name", FORMATS)
def test_a_gap_is_seen(name: str) -> None:
    """With its speaker and reason, between what was said before and after it, and where it ends."""
    text = render(name, segment("before", 1.0), segment("after", 100.0), lost=(replace(gap(61.0), end=93.5),))
    assert re.search("recognizer[ _\n]unreachable", text)
    assert re.search("93.5|00:01:33", text)
    if name != "json":
        assert text.index("before") < text.index("unreachable") < text.index("after")
        assert len(READERS[name](text)) == 3


# ---- case 18: other systems


def test_an_export_does_not_depend_on_the_system_s_encoding(tmp_path_factory: pytest.TempPathFactory) -> None:
    """In a C locale, without Python's UTF-8 mode, the same bytes are written."""
    code = (
        "import sys\n"
        "from agent.core.exports import FORMATS\n"
        "from tests.contract.test_exports import ALL_SCRIPTS\n"
        "for format in FORMATS.values():\n"
        "    sys.stdout.buffer.write(format.render(ALL_SCRIPTS).encode('utf-8'))\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONUTF8": "0", "LC_ALL": "C", "PYTHONPATH": str(ROOT)},
        cwd=tmp_path_factory.mktemp("c"),
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert ran.stdout == b"".join(one.render(ALL_SCRIPTS).encode() for one in FORMATS.values())


ALL_SCRIPTS: Record = record(
    segment("Zoë 👩🏽‍💻 said 👍", 1.0),
    segment("שלום עולם", 3.0, BOB),
    segment("今日はとても良い天気ですね。", 5.0),
    room="Zoë 👩🏽‍💻",
)


@pytest.mark.parametrize("name", FORMATS)
def test_every_script_comes_back(name: str) -> None:
    """Emoji whole, right-to-left text in the order in which it is spoken."""
    found = by_speaker(READERS[name](FORMATS[name].render(ALL_SCRIPTS)))
    assert found["candidate"] == "שלוםעולם"
    assert "👩🏽‍💻" in found["interviewer"]
    assert "今日はとても良い天気ですね。" in found["interviewer"]


def test_the_readers_are_not_our_own() -> None:
    """A reader that takes anything would prove nothing: each refuses, or misses, what is broken."""
    one = segment(HARD)
    broken = render("vtt", one).replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    assert by_speaker(READERS["vtt"](broken)) != by_speaker(READERS["vtt"](render("vtt", one)))
    raw = render("srt", one).translate(str.maketrans("＜＞", "<>"))
    assert by_speaker(READERS["srt"](raw)) != by_speaker(READERS["srt"](render("srt", one)))
    assert list(itertools.chain.from_iterable(times("00:00:00,1000 --> 00:00:03,1000"))) == []
