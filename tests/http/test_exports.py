"""Exports over HTTP: media types, file names for any room, HEAD, formats that there are not."""

from __future__ import annotations

import re
from email.message import Message
from urllib.parse import quote, unquote

import pytest

from agent.core.exports import FORMATS
from agent.store.memory import MemoryStore
from agent.store.protocol import Stored
from tests.contract.exports import READERS
from tests.contract.record import BOB, STARTED, gap, segment
from tests.http.service import calling

ODD_ROOMS = [
    "interview-20261125-100000",
    'Round 1: "final"?',
    "CON",
    "end.",
    "a/b",
    "..x",
    "👩🏽‍💻 interview 🎉",
    "שלום",
    "line\nbreak\r\nX-Header: forged",
    "50%25",
    "a;filename=b.exe",
    "\\\\server\\share",
    "é" * 128,
    "'\"<>\\",
    "\u202egpj.exe",
]
MEDIA_TYPES = {
    "json": "application/json",
    "txt": "text/plain; charset=utf-8",
    "srt": "application/x-subrip; charset=utf-8",
    "vtt": "text/vtt; charset=utf-8",
    "csv": "text/csv; charset=utf-8; header=present",
    "md": "text/markdown; charset=utf-8",
}


async def recorded(room: str) -> MemoryStore:
    """A room in which two people spoke and something is missing."""
    store = MemoryStore()
    await store.open_session(room, "RM_1", STARTED)
    items = [segment("one שלום", 1.0, BOB), segment("two 👩🏽‍💻", 4.0), gap(8.0)]
    await store.write("RM_1", 1, [Stored(seq, item) for seq, item in enumerate(items, start=1)])
    return store


@pytest.mark.parametrize("name", FORMATS)
async def test_an_export_is_what_it_says_it_is(name: str) -> None:
    """Right media type and charset, read again by a reader of that format."""
    async with calling(await recorded("a")) as client:
        answer = await client.get("/rooms/a/transcript", params={"format": name})
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == MEDIA_TYPES[name]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    found = READERS[name](answer.content.decode("utf-8"))
    assert [one.label for one in found] == ["candidate", "interviewer", "candidate"]
    assert [one.text.strip() for one in found[:2]] == ["one שלום", "two 👩🏽‍💻"]


@pytest.mark.parametrize("room", ODD_ROOMS)
async def test_any_room_gives_a_file_a_name(room: str) -> None:
    """Both names of the header, as an independent reader has them, are safe on every system (case 18)."""
    async with calling(await recorded(room)) as client:
        for name in FORMATS:
            answer = await client.get(f"/rooms/{quote(room, safe='')}/transcript?format={name}")
            assert answer.status_code == 200
            assert "X-Header" not in answer.headers
            header = answer.headers["Content-Disposition"]
            kind = "inline" if name == "json" else "attachment"
            found = re.fullmatch(
                rf"{kind}; filename=\"([^\"]+)\"; filename\*=UTF-8''([\w.~%-]+)", header, re.ASCII
            )
            assert found, header
            assert found[1].isascii()
            assert "%" not in found[1], "some browsers would decode it"
            for proposed in (found[1], unquote(found[2], errors="strict")):
                assert not re.search(r'[<>:"/\\|?*\x00-\x1f\x7f\u202e]', proposed), proposed
                assert not re.match(r"(con|prn|aux|nul|com\d|lpt\d)\s*(\.|$)", proposed, re.IGNORECASE)
                assert proposed.endswith(f".{name}")
                stem = proposed.removesuffix(f".{name}")
                assert stem
                assert stem.strip(" .") == stem
                assert len(proposed.encode()) <= 150
            parsed = Message()
            parsed["Content-Disposition"] = header
            assert parsed.get_filename() in (found[1], unquote(found[2]))


async def test_a_plain_room_keeps_its_name() -> None:
    """Nothing is changed that need not be."""
    async with calling(await recorded("Interview with Anna, round 2")) as client:
        answer = await client.get("/rooms/Interview with Anna, round 2/transcript?format=srt")
    assert answer.headers["Content-Disposition"] == (
        'attachment; filename="Interview with Anna, round 2.srt"; '
        "filename*=UTF-8''Interview%20with%20Anna%2C%20round%202.srt"
    )


@pytest.mark.parametrize("name", ["doc", "", "JSON", "srt ", "../json", "txt,srt"])
async def test_a_format_that_there_is_not(name: str) -> None:
    """422 that names those there are, whether the room exists or not."""
    async with calling(await recorded("a")) as client:
        for room in ("a", "unknown"):
            answer = await client.get(f"/rooms/{room}/transcript", params={"format": name})
            assert answer.status_code == 422
            detail = answer.json()["detail"][0]
            assert detail["loc"] == ["query", "format"]
            assert all(known in detail["msg"] for known in FORMATS)


@pytest.mark.parametrize("name", FORMATS)
async def test_only_what_is_new_is_exported(name: str) -> None:
    """`after` holds for every format."""
    async with calling(await recorded("a")) as client:
        answer = await client.get("/rooms/a/transcript", params={"format": name, "after": 1})
    assert READERS[name](answer.text)[0].text.strip() == "two 👩🏽‍💻"


@pytest.mark.parametrize("name", FORMATS)
async def test_a_silent_room_and_an_unknown_one(name: str) -> None:
    """200 with nothing said; 404 with a sentence (case 8)."""
    store = MemoryStore()
    await store.open_session("quiet", "RM_1", STARTED)
    async with calling(store) as client:
        quiet = await client.get("/rooms/quiet/transcript", params={"format": name})
        unknown = await client.get("/rooms/unknown/transcript", params={"format": name})
    assert (quiet.status_code, READERS[name](quiet.text)) == (200, [])
    assert (unknown.status_code, unknown.json()) == (404, {"detail": "No transcript of this room."})


async def test_the_documentation_names_every_format() -> None:
    """With its media type, an example of it, and the parameter's values."""
    async with calling() as client:
        document = (await client.get("/openapi.json")).json()
    call = document["paths"]["/rooms/{name}/transcript"]["get"]
    wanted = next(one for one in call["parameters"] if one["name"] == "format")
    assert wanted["schema"]["enum"] == list(FORMATS)
    kinds = {media_type.partition(";")[0] for media_type in MEDIA_TYPES.values()}
    assert call["responses"]["200"]["content"].keys() == kinds
    assert "Content-Disposition" in call["responses"]["200"]["headers"]
