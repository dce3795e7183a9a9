"""Rooms as names of files."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agent.core.exports.file_name import ascii_file_name, content_disposition, file_name


@pytest.mark.parametrize(
    ("room", "name", "plain"),
    [
        ("interview-20261125-100000", "interview-20261125-100000.srt", "interview-20261125-100000.srt"),
        ('Round 1: "final"?', "Round 1_ _final__.srt", "Round 1_ _final_.srt"),
        ("CON", "_CON.srt", "_CON.srt"),
        ("con.2026", "_con.2026.srt", "_con.2026.srt"),
        ("ＣＯＮ", "ＣＯＮ.srt", "_CON.srt"),
        ("com¹", "_com¹.srt", "_com1.srt"),
        ("console", "console.srt", "console.srt"),
        ("end. .", "end.srt", "end.srt"),
        ("../../etc/passwd", "_.._etc_passwd.srt", "_.._etc_passwd.srt"),
        ("-rf ~", "rf ~.srt", "rf ~.srt"),
        ("Zoë", "Zoë.srt", "Zoe.srt"),
        ("👩🏽‍💻", "👩🏽‍💻.srt", "transcript.srt"),
        ("\u202egpj.exe", "gpj.exe.srt", "gpj.exe.srt"),
        ("a\r\nb\tc", "a b c.srt", "a b c.srt"),
        ("100%41", "100%41.srt", "100_41.srt"),
        ("…", "….srt", "transcript.srt"),
        (" . ", "transcript.srt", "transcript.srt"),
    ],
)
def test_a_name_is_changed_as_little_as_it_must_be(room: str, name: str, plain: str) -> None:
    """In Unicode, and in ASCII."""
    assert file_name(room, "srt") == name
    assert ascii_file_name(room, "srt") == plain


@given(st.text(max_size=256))
@example("é" * 256)
@example("👩🏽‍💻" * 40)
@example("a" + "\u0301" * 300)
@example("x" * 145 + " .y")
def test_any_name_is_safe_everywhere(room: str) -> None:
    """No sign of a path, no device, no end that Windows drops, not too long."""
    for name in (file_name(room, "srt"), ascii_file_name(room, "srt")):
        assert not re.search(r'[<>:"/\\|?*\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]', name)
        assert not re.match(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])\s*(\.|$)", name, re.IGNORECASE)
        stem = name.removesuffix(".srt")
        assert stem
        assert stem == stem.strip(" .")
        assert len(name.encode()) <= 150
    assert ascii_file_name(room, "srt").isascii()


@given(st.text(max_size=256))
def test_a_header_can_be_sent(room: str) -> None:
    """Printable ASCII alone: nothing of a room's name begins another header."""
    header = content_disposition("attachment", room, "srt")
    assert header.isascii()
    assert header.isprintable()
    assert header.count('"') == 2
