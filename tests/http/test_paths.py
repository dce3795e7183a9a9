"""Any Unicode works as a room's name in a path; slashes are told apart by how they are written."""

from __future__ import annotations

from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.http.paths import CALLS, RoomConvertor, room_path
from agent.store.memory import MemoryStore
from tests.contract.record import STARTED
from tests.http.service import calling

rooms = st.text(min_size=1, max_size=20)


@pytest.mark.parametrize(
    ("raw", "room", "call"),
    [
        ("/rooms/a/transcript", "a", "transcript"),
        ("/rooms/a/b/transcript", "a/b", "transcript"),
        ("/rooms/a%2Fb/transcript", "a/b", "transcript"),
        ("/rooms/a%2fb/windows", "a/b", "windows"),
        ("/rooms/a%252Fb/windows", "a%2Fb", "windows"),
        ("/rooms/x%2Ftranscript/transcript", "x/transcript", "transcript"),
        ("/rooms/x/transcript/transcript", "x/transcript", "transcript"),
        ("/rooms/x%2Ftranscript", "x/transcript", ""),
        ("/rooms/x/transcript", "x", "transcript"),
        ("/rooms/transcript", "transcript", ""),
        ("/rooms/transcript/participants", "transcript", "participants"),
        ("/rooms/create", "create", ""),
        ("/rooms/a/", "a/", ""),
        ("/rooms/a//b", "a//b", ""),
        ("/rooms/a%20b+c%3F%23", "a b+c?#", ""),
        ("/rooms/%F0%9F%91%A9%F0%9F%8F%BD/participants", "👩🏽", "participants"),
    ],
)
def test_the_last_bare_part_is_the_call(raw: str, room: str, call: str) -> None:
    """What is percent-encoded belongs to the name."""
    path = room_path(raw.encode())
    assert path == f"/rooms/{quote(room, safe='')}" + (f"/{call}" if call else "")


@given(room=rooms, call=st.sampled_from(["", *CALLS]))
def test_an_encoded_name_arrives_whole(room: str, call: str) -> None:
    """What a client quotes is what a route gets, whatever is in the name."""
    part = quote(room, safe="")
    path = room_path(f"/rooms/{part}{f'/{call}' if call else ''}".encode())
    found = path.removeprefix("/rooms/").removesuffix(f"/{call}" if call else "")
    assert "/" not in found
    assert RoomConvertor().convert(found) == room == unquote(RoomConvertor().to_string(room))


@given(room=rooms)
def test_bytes_that_were_not_encoded_are_read(room: str) -> None:
    """Some clients send UTF-8 as it is."""
    assert unquote(room_path(b"/rooms/" + room.replace("%", "%25").encode())) == f"/rooms/{room}"


async def test_a_path_that_is_no_utf8_is_the_callers_fault() -> None:
    """It cannot be a room's name."""
    async with calling() as client:
        answer = await client.get("/rooms/%FF%FE/transcript")
    assert (answer.status_code, answer.json()) == (
        400,
        {"detail": "The path must be UTF-8, percent-encoded."},
    )


@pytest.mark.parametrize(
    "path", ["/rooms//transcript", "/rooms/a/nothing", "/nothing", "/rooms/a/transcript/"]
)
async def test_paths_that_lead_nowhere(path: str) -> None:
    """404 or 405 with a detail, not the record of a room that is called otherwise."""
    store = MemoryStore()
    await store.open_session("a", "RM_a", STARTED)
    async with calling(store) as client:
        answer = await client.get(path)
    assert answer.status_code in (404, 405)
    assert "detail" in answer.json()
