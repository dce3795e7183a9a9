"""The token service on a real LiveKit server: every call, in the documented shapes, by real clients."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import sqlite3
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jwt
import pytest
import pytest_asyncio
from livekit import api, rtc

from agent.core.exports import FORMATS
from agent.rtc.connect import connect
from agent.store import open_store
from agent.store.protocol import Stored
from local.livekit.server import LiveKitServer
from tests.conftest import LiveKit
from tests.contract.record import STARTED, segment, window
from tests.integration.running_service import ROOT, RunningService, running_service

KEY = "an-api-key-of-the-service"
ODD_NAMES = [
    "plain",
    "two words",
    "a/b",
    "/",
    "a//b/",
    "x/transcript",
    "transcript",
    "create",
    "Zoë & Søn?",
    "50%25#1",
    "%2F",
    "👩🏽‍💻 interview 🎉",
    "שלום",
    "+plus+",
    "a;b=c&d",
    "'\"<>\\",
    "line\nbreak\ttab",
]


@pytest_asyncio.fixture
async def service(livekit: LiveKit, tmp_path: Path) -> AsyncIterator[RunningService]:
    """Without a key: this machine may make every call."""
    async with running_service(tmp_path, **livekit.env) as running:
        yield running


@asynccontextmanager
async def joined(url: str, token: str) -> AsyncIterator[rtc.Room]:
    """A participant in a room."""
    room = rtc.Room()
    await connect(room, url, token)
    try:
        yield room
    finally:
        await room.disconnect()


async def post(service: RunningService, path: str, **body: Any) -> Any:
    """The answer to a good call."""
    answer = await service.client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def listed(service: RunningService, path: str, count: int) -> Any:
    """A list once it has so many members; LiveKit's own lists lag behind a join by a moment."""
    async with asyncio.timeout(10):
        while len(found := (await service.client.get(path)).json()) != count:  # noqa: ASYNC110 - no event tells it
            await asyncio.sleep(0.05)
    return found


def claims(token: str, livekit: LiveKit) -> dict[str, Any]:
    """What a token says, its signature checked."""
    found: dict[str, Any] = jwt.decode(token, livekit.api_secret, ["HS256"], issuer=livekit.api_key)
    return found


async def test_it_is_up_and_healthy(service: RunningService, livekit: LiveKit) -> None:
    """`/` answers whatever LiveKit does, `/health` asks it."""
    root = await service.client.get("/")
    assert root.status_code == 200
    assert root.json().keys() == {"status", "service", "version", "livekit_configured"}
    assert (root.json()["status"], root.json()["livekit_configured"]) == ("ok", True)
    health = await service.client.get("/health")
    assert health.status_code == 200
    assert (health.json()["status"], health.json()["livekit_url"]) == ("healthy", livekit.url)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", health.json()["timestamp"])


async def test_a_room_comes_with_three_tokens(service: RunningService, livekit: LiveKit) -> None:
    """The shape of the answer, and what each token lets its holder do."""
    room = await post(service, "/rooms/create")
    assert room.keys() == {
        "sid",
        "name",
        "max_participants",
        "creation_time",
        "interviewer_token",
        "candidate_token",
        "agent_token",
        "url",
    }
    assert room["sid"].startswith("RM_")
    assert re.fullmatch(r"interview-\d{8}-\d{6}(-\d+)?", room["name"])
    assert (room["max_participants"], room["url"]) == (10, livekit.url)
    assert abs(room["creation_time"] - time.time()) < 60
    for role, prefix in (
        ("interviewer", "interviewer-"),
        ("candidate", "candidate-"),
        ("agent", "agent-transcriber-"),
    ):
        found = claims(room[f"{role}_token"], livekit)
        assert found["sub"].startswith(prefix)
        assert json.loads(found["metadata"]) == {"role": role}
        assert found["attributes"] == {"role": role}
        assert found["kind"] == ("agent" if role == "agent" else "standard")
        assert 7190 <= found["exp"] - time.time() <= 7210
        assert found["video"] == {
            "roomJoin": True,
            "room": room["name"],
            "canPublish": role != "agent",
            "canSubscribe": True,
            "canPublishData": True,
            "canUpdateOwnMetadata": False,
            "hidden": False,
        }


async def test_rooms_of_one_second_are_different(service: RunningService) -> None:
    """Twelve at once: twelve names, twelve rooms."""
    rooms = await asyncio.gather(*(post(service, "/rooms/create") for _ in range(12)))
    assert len({room["name"] for room in rooms}) == len({room["sid"] for room in rooms}) == 12


async def test_a_default_name_that_lives_already_is_not_used(
    service: RunningService, livekit: LiveKit
) -> None:
    """Another program made rooms of the next seconds' names: strangers do not share a room."""
    async with api.LiveKitAPI(livekit.url, livekit.api_key, livekit.api_secret) as server:
        now = time.time()
        taken = {
            (await server.room.create_room(api.CreateRoomRequest(name=name))).sid
            for name in (time.strftime("interview-%Y%m%d-%H%M%S", time.gmtime(now + n)) for n in range(10))
        }
    assert (await post(service, "/rooms/create"))["sid"] not in taken


async def test_a_token_can_say_that_somebody_is_not_to_be_transcribed(
    service: RunningService, livekit: LiveKit
) -> None:
    """Its attribute `transcribe` is false, beside the role."""
    made = await post(
        service,
        "/tokens/generate",
        room_name="quiet",
        participant_identity="ben",
        role="candidate",
        transcribe=False,
    )
    assert claims(made["token"], livekit)["attributes"] == {"role": "candidate", "transcribe": "false"}


async def test_participants_are_listed(service: RunningService) -> None:
    """Who joins with a minted token is in the room, under the name and role it was given."""
    room = await post(service, "/rooms/create", room_name="who is in", max_participants=3)
    token = await post(
        service,
        "/tokens/generate",
        room_name="who is in",
        participant_identity="anna",
        participant_name="Anna 😀",
        role="candidate",
    )
    assert token.keys() == {"token", "room_name", "participant_identity", "url"}
    path = f"/rooms/{quote('who is in')}/participants"
    assert (await service.client.get(path)).json() == []
    async with (
        joined(token["url"], token["token"]) as anna,
        joined(room["url"], room["agent_token"]) as agent,
    ):
        found = {one["identity"]: one for one in await listed(service, path, 2)}
        assert found["anna"].keys() == {"sid", "identity", "name", "state"}
        assert found["anna"]["sid"] == anna.local_participant.sid
        assert (found["anna"]["name"], found["anna"]["state"]) == ("Anna 😀", "ACTIVE")
        assert agent.local_participant.identity in found
        seen = agent.remote_participants["anna"]
        assert (json.loads(seen.metadata), seen.attributes["role"]) == ({"role": "candidate"}, "candidate")
        assert agent.local_participant.kind == rtc.ParticipantKind.PARTICIPANT_KIND_AGENT
        (row,) = [one for one in (await service.client.get("/rooms")).json() if one["name"] == "who is in"]
        assert row.keys() == {"sid", "name", "num_participants", "creation_time"}
        assert (row["sid"], row["creation_time"]) == (room["sid"], room["creation_time"])


async def test_an_agent_token_can_send_data_and_no_media(service: RunningService, livekit: LiveKit) -> None:
    """What a transcriber of one's own needs, and no more."""
    room = await post(service, "/rooms/create", room_name="agent")
    heard: asyncio.Future[rtc.DataPacket] = asyncio.get_running_loop().create_future()
    async with (
        joined(room["url"], room["candidate_token"]) as candidate,
        joined(room["url"], room["agent_token"]) as agent,
        api.LiveKitAPI(livekit.url, livekit.api_key, livekit.api_secret) as server,
    ):
        candidate.on("data_received", lambda packet: heard.done() or heard.set_result(packet))
        await agent.local_participant.publish_data(b"hello", topic="transcript")
        async with asyncio.timeout(10):
            packet = await heard
        assert (packet.data, packet.topic) == (b"hello", "transcript")
        identity = api.RoomParticipantIdentity(room="agent", identity=agent.local_participant.identity)
        may = (await server.room.get_participant(identity)).permission
        assert (may.can_publish, may.can_subscribe, may.can_publish_data) == (False, True, True)


async def test_nobody_can_change_its_role(service: RunningService, livekit: LiveKit) -> None:
    """A candidate cannot become the interviewer in the transcript; one who may change it, can."""
    room = await post(service, "/rooms/create", room_name="roles")
    grants = api.VideoGrants(room_join=True, room="roles", can_update_own_metadata=True)
    allowed = (
        api.AccessToken(livekit.api_key, livekit.api_secret).with_identity("allowed").with_grants(grants)
    )
    async with (
        joined(room["url"], room["candidate_token"]) as candidate,
        joined(room["url"], allowed.to_jwt()) as other,
        api.LiveKitAPI(livekit.url, livekit.api_key, livekit.api_secret) as server,
    ):
        await candidate.local_participant.set_metadata('{"role": "interviewer"}')
        await candidate.local_participant.set_attributes({"role": "interviewer"})
        await other.local_participant.set_metadata("new")

        async def seen(who: rtc.Room) -> api.ParticipantInfo:
            identity = who.local_participant.identity
            return await server.room.get_participant(
                api.RoomParticipantIdentity(room="roles", identity=identity)
            )

        async with asyncio.timeout(10):
            while (await seen(other)).metadata != "new":  # noqa: ASYNC110 - the SDK may tell no event
                await asyncio.sleep(0.05)
        found = await seen(candidate)
        assert (json.loads(found.metadata), found.attributes["role"]) == ({"role": "candidate"}, "candidate")


async def test_any_name_works_in_every_path(service: RunningService, tmp_path: Path) -> None:
    """Over a real connection: create, list, read and delete a room of each name."""
    store = open_store(f"sqlite:///{tmp_path}/record.db")
    client = service.client
    for name in ODD_NAMES:
        room = await post(service, "/rooms/create", room_name=name)
        assert room["name"] == name
        path = f"/rooms/{quote(name, safe='')}"
        status = (await client.get(f"{path}/status")).json()
        assert (status["room"], status["session"], status["transcription"]) == (name, room["sid"], "waiting")
        await store.open_session(name, room["sid"], STARTED)
        await store.write(room["sid"], 1, [Stored(1, segment()), Stored(2, window())])
        assert (await client.get(f"{path}/participants")).json() == [], name
        transcript = (await client.get(f"{path}/transcript")).json()
        assert (transcript["room"], transcript["session"]) == (name, room["sid"])
        assert len((await client.get(f"{path}/windows")).json()["windows"]) == 1
        text = await client.get(f"{path}/transcript?format=txt")
        assert text.text == "[00:00:01] interviewer: hello there\n"
        assert (await client.get(f"{path}/status")).json()["transcription"] == "running"
        assert (await client.get(f"{path}/analytics")).json()["words"] == 2
        for form in FORMATS:
            whole = await client.get(f"{path}/transcript?format={form}")
            head = await client.head(f"{path}/transcript?format={form}")
            assert (head.status_code, head.content) == (whole.status_code, b"") == (200, b"")
            for header in ("Content-Type", "Content-Length", "Content-Disposition"):
                assert head.headers[header] == whole.headers[header]
        answer = await client.delete(path)
        assert (answer.status_code, answer.json()["status"]) == (200, "success"), name
        assert name not in [one["name"] for one in (await client.get("/rooms")).json()]
        assert (await client.get(f"{path}/transcript")).status_code == 200, "the record stays"
    await store.aclose()


async def test_a_bare_slash_and_an_encoded_one(service: RunningService) -> None:
    """`a/b/participants` is of room a/b, `x%2Fparticipants/participants` of room x/participants."""
    await post(service, "/rooms/create", room_name="a/b")
    await post(service, "/rooms/create", room_name="x/participants")
    status: dict[str, int] = {}
    for path in ("a/b/participants", "a%2Fb/participants", "x%2Fparticipants/participants", "x/participants"):
        reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
        writer.write(f"GET /rooms/{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        status[path] = int((await reader.readline()).split()[1])
        writer.close()
        await writer.wait_closed()
    assert status == {
        "a/b/participants": 200,
        "a%2Fb/participants": 200,
        "x%2Fparticipants/participants": 200,
        "x/participants": 404,
    }


async def test_deleting_a_room_ends_it(service: RunningService) -> None:
    """Everyone is disconnected; a second time there is no such room."""
    room = await post(service, "/rooms/create", room_name="short")
    gone = asyncio.Event()
    async with joined(room["url"], room["candidate_token"]) as candidate:
        candidate.on("disconnected", lambda *_: gone.set())
        answer = await service.client.delete("/rooms/short")
        assert answer.json() == {"status": "success", "message": "Room 'short' is deleted."}
        async with asyncio.timeout(10):
            await gone.wait()
    for call in (service.client.delete("/rooms/short"), service.client.get("/rooms/short/participants")):
        answer = await call
        assert (answer.status_code, answer.json()) == (404, {"detail": "No such room."})


async def test_a_named_transcriber_is_asked(livekit: LiveKit, tmp_path: Path) -> None:
    """With AGENT_NAME, rooms ask for it: when created here, and when they begin with a minted token."""
    async with (
        running_service(tmp_path, AGENT_NAME="our transcriber", **livekit.env) as service,
        api.LiveKitAPI(livekit.url, livekit.api_key, livekit.api_secret) as server,
    ):
        await post(service, "/rooms/create", room_name="asked at creation")
        token = await post(
            service, "/tokens/generate", room_name="asked by a token", participant_identity="anna"
        )
        async with joined(token["url"], token["token"]):
            for room in ("asked at creation", "asked by a token"):
                (dispatch,) = await server.agent_dispatch.list_dispatch(room)
                assert dispatch.agent_name == "our transcriber"


async def test_wrong_keys_are_said_to_be_wrong(livekit: LiveKit, tmp_path: Path) -> None:
    """LiveKit refuses the service: 502 that names the settings; the service is not healthy."""
    wrong = {**livekit.env, "LIVEKIT_API_SECRET": "x" * 40}
    async with running_service(tmp_path, **wrong) as service:
        for call in (
            service.client.get("/rooms"),
            service.client.post("/rooms/create"),
            service.client.get("/rooms/a/participants"),
            service.client.delete("/rooms/a"),
        ):
            answer = await call
            assert answer.status_code == 502
            assert "LIVEKIT_API_SECRET" in answer.json()["detail"]
            assert "x" * 40 not in answer.text
        assert (await service.client.get("/health")).status_code == 503


async def test_a_server_that_goes_away_and_comes_back(tmp_path: Path) -> None:
    """503 with a detail while it is away; the transcript can be read all the same; then all is well again."""
    async with LiveKitServer() as server:
        port, url = server.port, server.url
        async with running_service(tmp_path, **server.env) as service:
            assert (await service.client.get("/health")).status_code == 200
            await server.__aexit__(None, None, None)
            for call in (
                service.client.get("/health"),
                service.client.get("/rooms"),
                service.client.post("/rooms/create"),
                service.client.get("/rooms/a/participants"),
                service.client.delete("/rooms/a"),
            ):
                answer = await call
                assert (answer.status_code, answer.json()) == (
                    503,
                    {"detail": "The LiveKit server cannot be reached."},
                )
            assert (await service.client.get("/")).status_code == 200
            assert (await service.client.get("/rooms/a/transcript")).status_code == 404
            back = LiveKitServer(port=port)
            back.api_key, back.api_secret = server.api_key, server.api_secret
            async with back:
                assert back.url == url
                assert (await service.client.get("/health")).status_code == 200


async def test_what_is_no_livekit_server(tmp_path: Path) -> None:
    """Silence, other protocols and web pages are an answer in time, and never a 500."""

    async def page(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\n<p>hi</p>")
        writer.close()

    async def noise(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-x\r\n")
        writer.close()

    async def missing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()

    for handler, status in ((page, 502), (noise, 503), (missing, 502)):
        other = await asyncio.start_server(handler, "127.0.0.1", 0)
        url = f"ws://127.0.0.1:{other.sockets[0].getsockname()[1]}"
        env = {"LIVEKIT_URL": url, "LIVEKIT_API_KEY": "k", "LIVEKIT_API_SECRET": "x" * 40}
        async with other, running_service(tmp_path, **env) as service:
            answer = await service.client.get("/rooms")
            assert (answer.status_code, list(answer.json())) == (status, ["detail"]), handler.__name__


async def test_with_a_key_only_the_key_may(livekit: LiveKit, tmp_path: Path) -> None:
    """The whole of case 13 over a real connection, and a participant that reads its own room."""
    async with running_service(tmp_path, API_KEY=KEY, HOST="0.0.0.0", **livekit.env) as service:
        client = service.client
        key = {"Authorization": f"Bearer {KEY}"}
        for path in ("/", "/health", "/docs", "/openapi.json"):
            assert (await client.get(path)).status_code == 200, path
        assert (await client.post("/rooms/create")).status_code == 401
        room = (await client.post("/rooms/create", headers=key)).json()
        other = (await client.post("/rooms/create", headers=key)).json()
        store = open_store(f"sqlite:///{tmp_path}/record.db")
        await store.open_session(room["name"], room["sid"], STARTED)
        await store.write(room["sid"], 1, [Stored(1, segment("secret words"))])
        await store.aclose()
        path = f"/rooms/{room['name']}/transcript"
        status = [
            (await client.get(path, headers={"Authorization": f"Bearer {credential}"})).status_code
            for credential in (
                KEY,
                room["candidate_token"],
                room["agent_token"],
                other["candidate_token"],
                "x",
            )
        ]
        assert status == [200, 200, 200, 403, 401]
        assert (await client.get(path)).status_code == 401
        head = await client.head(path)
        assert (head.status_code, head.content) == (401, b"")
    log = "".join(service.lines)
    for secret in (KEY, livekit.api_secret, room["candidate_token"], "secret words", room["name"]):
        assert secret not in log


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_stops_when_told(number: int, livekit: LiveKit, tmp_path: Path) -> None:
    """Exit code 0, also with an idle connection open and while it still loads the database's library."""
    async with running_service(tmp_path, **livekit.env) as service:
        assert (await service.client.get("/")).status_code == 200
        assert await service.stop(number) == 0
    assert not [line for line in service.lines if "Traceback" in line], service.lines


async def test_a_port_that_is_taken(tmp_path: Path) -> None:
    """One line that says what to do, and exit code 2."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(ROOT / "token_service.py"),
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PORT": port},
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(30):
            _, said = await process.communicate()
    assert process.returncode == 2
    reason = f"cannot listen on 127.0.0.1 port {port}: Address already in use"
    assert said.decode() == f"error: {reason}; set HOST and PORT to what is free\n"


async def test_it_makes_the_tables_when_it_starts(livekit: LiveKit, tmp_path: Path) -> None:
    """Whoever starts first, the worker or the service, the record is there."""
    async with running_service(tmp_path, **livekit.env) as service:
        assert (await service.client.get("/rooms/a/transcript")).status_code == 404
    with sqlite3.connect(tmp_path / "record.db") as database:
        assert database.execute("SELECT count(*) FROM sessions").fetchone() == (0,)


async def test_a_database_that_is_away(livekit: LiveKit, tmp_path: Path, unused_tcp_port: int) -> None:
    """Rooms and tokens are made all the same; the transcript is 503; the log says so without the password."""
    url = f"postgresql://someone:swordfish@127.0.0.1:{unused_tcp_port}/record"
    async with running_service(tmp_path, **livekit.env, DATABASE_URL=url) as service:
        assert (await service.client.post("/rooms/create")).status_code == 200
        assert (await service.client.get("/rooms/a/transcript")).status_code == 503
    log = "".join(service.lines)
    assert "action=background_failed task=record" in log
    assert "swordfish" not in log


async def test_the_documentation_is_complete(service: RunningService) -> None:
    """Each call has a summary, a description, documented answers and an example."""
    document = (await service.client.get("/openapi.json")).json()
    calls = {
        (path, method): call for path, found in document["paths"].items() for method, call in found.items()
    }
    assert set(calls) == {
        ("/", "get"),
        ("/health", "get"),
        ("/rooms/create", "post"),
        ("/tokens/generate", "post"),
        ("/rooms", "get"),
        ("/rooms/{name}/participants", "get"),
        ("/rooms/{name}", "delete"),
        ("/rooms/{name}/transcript", "get"),
        ("/rooms/{name}/transcript", "delete"),
        ("/transcripts", "get"),
        ("/metrics", "get"),
        ("/rooms/{name}/windows", "get"),
        ("/rooms/{name}/status", "get"),
        ("/rooms/{name}/analytics", "get"),
        ("/rooms/{name}/stream", "get"),
        ("/webhook", "post"),
    }
    for (path, _), call in calls.items():
        assert call["summary"], path
        assert call["description"], path
        assert "200" in call["responses"], path
        assert bool(call.get("security")) == (path not in ("/", "/health", "/webhook")), path
    for name, shape in document["components"]["schemas"].items():
        if name.endswith(("Error", "Reason", "State", "Role", "Format")):
            continue
        shown = [field for field in shape["properties"].values() if "examples" in field or "default" in field]
        assert shown or name == "TokenAnswer", f"{name} shows no example"
