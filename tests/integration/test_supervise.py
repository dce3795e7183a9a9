"""The supervisor on a real LiveKit server and a real store; whom it calls is seen in the room's dispatches.

No worker runs here: the test is the transcriber whose heart beats, or not.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from livekit import api, rtc

from agent.background.run_beside import Background, run_beside
from agent.core.supervision import DEAD_SECONDS
from agent.http.livekit import LiveKit as Api
from agent.rtc.connect import connect
from agent.settings import Settings
from agent.store import open_store
from agent.store.protocol import Store
from agent.supervise import SETTLE_SECONDS, Supervisor
from local.livekit.server import LiveKitServer
from local.speakers import participant_token
from tests.conftest import LiveKit
from tests.integration.running_service import running_service
from tests.sqlite import locked

pytestmark = [pytest.mark.live, pytest.mark.timeout(60)]

STARTED = "2026-11-25T10:00:00Z"


@dataclass(slots=True)
class Watched:
    """A room with one person in it, and its supervisors."""

    room: str
    sid: str
    store: Store
    livekit: api.LiveKitAPI
    settings: Settings
    stack: AsyncExitStack

    async def supervisor(self, **changes: str) -> None:
        """One more, with other settings if need be."""
        settings = self.settings.model_copy(update=changes)
        client = Api(settings)
        self.stack.push_async_callback(client.aclose)
        await self.stack.enter_async_context(
            run_beside(Background(), "supervisor", Supervisor(settings, client).run)
        )

    async def calls(self) -> int:
        """Dispatches beyond the one that made the room."""
        return len(await self.livekit.agent_dispatch.list_dispatch(self.room)) - 1

    async def called(self, timeout: float = 10) -> None:
        """Wait for the first call."""
        async with asyncio.timeout(timeout):
            while not await self.calls():  # noqa: ASYNC110 - the server announces nothing
                await asyncio.sleep(0.1)

    async def beat_for(self, seconds: float) -> None:
        """Live for so long, and be a worker that takes jobs."""
        for _ in range(round(seconds / 0.5)):
            await self.store.beat(self.sid, 1, None)
            await self.take_jobs()
            await asyncio.sleep(0.5)

    async def take_jobs(self) -> None:
        """A worker is there."""
        await self.store.check_in("worker", self.settings.agent_name, takes_jobs=True, may_lead=False)


@asynccontextmanager
async def watched(
    livekit: LiveKit, folder: Path, room: str, dispatched: str = "", **env: str
) -> AsyncIterator[Watched]:
    """A room that asks for the agent `dispatched`."""
    settings = Settings.from_env({**livekit.env, "DATABASE_URL": f"sqlite:///{folder}/record.db", **env})
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(
            api.LiveKitAPI(livekit.url, livekit.api_key, livekit.api_secret)
        )
        made = await client.room.create_room(
            api.CreateRoomRequest(name=room, agents=[api.RoomAgentDispatch(agent_name=dispatched)])
        )
        person = rtc.Room()
        token = participant_token(livekit.api_key, livekit.api_secret, room=room, identity="anna")
        await connect(person, livekit.url, token)
        stack.push_async_callback(person.disconnect)
        store = open_store(settings.database_url)
        stack.push_async_callback(store.aclose)
        yield Watched(room, made.sid, store, client, settings, stack)


async def test_one_of_two_supervisors_calls_for_a_still_heart(livekit: LiveKit, tmp_path: Path) -> None:
    """Nobody is called while a transcriber lives; when its heart stands still, the two make one call."""
    async with watched(livekit, tmp_path, "still heart") as here:
        await here.store.open_session(here.room, here.sid, STARTED)
        await here.supervisor()
        await here.supervisor()
        await here.beat_for(3)
        assert await here.calls() == 0
        await here.called()
        assert await here.calls() == 1


async def test_nobody_is_called_when_no_worker_takes_jobs(livekit: LiveKit, tmp_path: Path) -> None:
    """A call that no worker can answer is not made; as soon as one is there it is."""
    async with watched(livekit, tmp_path, "no worker") as here:
        await here.supervisor()
        await asyncio.sleep(4)
        assert await here.calls() == 0
        await here.take_jobs()
        await here.called(timeout=3)


async def test_a_job_on_its_way_is_waited_for(livekit: LiveKit, tmp_path: Path) -> None:
    """A worker has taken a job for the room: nobody else is called while it starts."""
    async with watched(livekit, tmp_path, "slow start") as here:
        await here.take_jobs()
        await here.store.announce(here.sid)
        await here.supervisor()
        await asyncio.sleep(4)
        assert await here.calls() == 0


async def test_rooms_that_ask_for_others_are_left_alone(livekit: LiveKit, tmp_path: Path) -> None:
    """A worker with a name is called only for rooms that ask for that name."""
    async with watched(livekit, tmp_path, "strange room", "someone else", AGENT_NAME="ours") as here:
        await here.take_jobs()
        await here.supervisor()
        await asyncio.sleep(4)
        assert await here.calls() == 0
        await here.livekit.agent_dispatch.create_dispatch(
            api.CreateAgentDispatchRequest(agent_name="ours", room=here.room)
        )
        async with asyncio.timeout(15):
            while await here.calls() < 2:
                await here.take_jobs()
                await asyncio.sleep(0.2)


async def test_a_supervisor_that_cannot_act_lets_another_lead(livekit: LiveKit, tmp_path: Path) -> None:
    """The first one reaches the store and not LiveKit: it must not hold the lead."""
    async with watched(livekit, tmp_path, "cut off supervisor") as here:
        await here.supervisor(livekit_url="ws://127.0.0.1:9")
        await asyncio.sleep(1.5)
        await here.supervisor()
        await here.take_jobs()
        await here.called(timeout=4)


async def test_nobody_is_dead_because_the_store_was_away(livekit: LiveKit, tmp_path: Path) -> None:
    """All beats are old when the store is back: who lives has time to say so."""
    async with watched(livekit, tmp_path, "store away") as here:
        await here.store.open_session(here.room, here.sid, STARTED)
        await here.supervisor()
        await here.beat_for(1)
        with locked(tmp_path / "record.db"):
            await asyncio.sleep(DEAD_SECONDS + 2.5)
        await here.take_jobs()  # workers are back before the transcriber
        await asyncio.sleep(1.5)
        await here.beat_for(SETTLE_SECONDS)
        assert await here.calls() == 0


async def test_livekit_s_events_are_accepted(tmp_path: Path) -> None:
    """A real server's signed events reach a token service that runs as it is run."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}/webhook"
    async with (
        LiveKitServer(webhook_urls=[url]) as server,
        running_service(tmp_path, **server.env, PORT=str(port)) as service,
        api.LiveKitAPI(server.url, server.api_key, server.api_secret) as client,
        asyncio.timeout(20),
    ):
        await client.room.create_room(api.CreateRoomRequest(name="r"))
        while not any("route=/webhook" in line for line in service.lines):  # noqa: ASYNC110 - a log
            await asyncio.sleep(0.05)
    (answered,) = [line for line in service.lines if "route=/webhook" in line]
    assert "status=200" in answered


async def test_a_session_is_closed_when_its_room_is_gone(
    livekit: LiveKit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its transcriber died and nobody came back: the session gets its end; one whose room lives does not."""
    monkeypatch.setattr("agent.supervise.SILENT_SECONDS", 0.5)
    async with watched(livekit, tmp_path, "left alone") as here:
        for sid in (here.sid, "RM_gone"):
            await here.store.open_session(here.room, sid, STARTED)
        await asyncio.sleep(0.6)
        await here.supervisor()
        async with asyncio.timeout(10):
            while await here.store.end_of("RM_gone") is None:  # noqa: ASYNC110 - the store announces nothing
                await asyncio.sleep(0.1)
        assert await here.store.end_of(here.sid) is None
