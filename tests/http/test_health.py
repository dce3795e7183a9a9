"""`GET /health` tells how webhooks are doing, and what clients will not reach."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from aiohttp import web

from agent.errors import StoreError
from agent.http.client_url import doubts
from agent.http.livekit import LiveKit
from agent.store.memory import MemoryStore
from agent.webhooks.courier import Courier
from tests.http.service import KEY, LIVEKIT, bearer, settings
from tests.integration.running_service import running_service
from tests.webhooks import SECRET
from token_service import create_app

HOOK = {"WEBHOOK_URL": "https://example.com/hook", "WEBHOOK_SECRET": SECRET}


@pytest_asyncio.fixture
async def livekit_url() -> AsyncIterator[str]:
    """A LiveKit server that has no rooms, as far as this call goes."""

    async def no_rooms(_request: web.Request) -> web.Response:
        return web.Response(content_type="application/protobuf")

    app = web.Application()
    app.router.add_post("/twirp/livekit.RoomService/ListRooms", no_rooms)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def health(livekit_url: str, courier: Courier | None) -> httpx.Response:
    """The answer of a service with this courier."""
    chosen = settings(LIVEKIT_URL=livekit_url)
    livekit = LiveKit(chosen)
    app = create_app(chosen, livekit, MemoryStore(), courier=courier)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
        answer = await client.get("/health")
    await livekit.aclose()
    return answer


@pytest.mark.parametrize("fault", [None, RuntimeError("a fault of ours"), StoreError("away")])
async def test_a_courier_that_fails(livekit_url: str, fault: Exception | None) -> None:
    """A service whose courier is dead, or waits, says so; it answers calls all the same."""
    chosen = settings(LIVEKIT_URL=livekit_url, **HOOK)
    livekit, courier = LiveKit(chosen), Courier(chosen)
    begun = asyncio.Event()

    async def run() -> None:
        begun.set()
        if fault is not None:
            raise fault
        await asyncio.Event().wait()

    courier.run = run  # type: ignore[method-assign]
    app = create_app(chosen, livekit, MemoryStore(), courier=courier)
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://localhost") as client,
    ):
        await begun.wait()
        answer = await client.get("/health")
        figures = (await client.get("/metrics", headers={"Authorization": f"Bearer {KEY}"})).text
    told = answer.json()
    assert answer.status_code == 200
    assert told["status"] == ("healthy" if fault is None else "degraded")
    assert told["background"]["courier"] == ("running" if fault is None else "failing")
    failing = float(fault is not None)
    assert f'service_background_failing{{task="courier"}} {failing}' in figures
    assert f'service_background_failures{{task="courier"}} {failing}' in figures
    assert fault is None or str(fault) not in answer.text


async def test_a_retention_that_fails_closes_nothing(livekit_url: str) -> None:
    """The store stays open under a service that answers."""

    class Broken(MemoryStore):
        closed = False

        async def may_erase_expired(self, holder: str, hold_seconds: float) -> bool:
            raise RuntimeError("a fault of ours")

        async def aclose(self) -> None:
            self.closed = True

    chosen, store = settings(LIVEKIT_URL=livekit_url, RETENTION_DAYS="30"), Broken()
    app = create_app(chosen, LiveKit(chosen), store)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client,
    ):
        async with asyncio.timeout(5):
            while app.state.background.states()["retention"] != "failing":  # noqa: ASYNC110 - no event
                await asyncio.sleep(0.01)
        assert not store.closed
        assert (await client.get("/health")).json()["background"]["retention"] == "failing"
    assert store.closed


async def test_webhooks_that_are_off(livekit_url: str) -> None:
    """Without WEBHOOK_URL there is nothing to tell."""
    answer = await health(livekit_url, None)
    assert (answer.status_code, answer.json()["webhooks"]) == (200, None)


@pytest.mark.parametrize(("failing", "gone", "state"), [(0, 0, "ok"), (1, 0, "failing"), (1, 1, "gone")])
async def test_webhooks_that_are_on(livekit_url: str, failing: int, gone: int, state: str) -> None:
    """Counts and a word; the service is healthy all the same, and neither address nor secret is told."""
    courier = Courier(settings(**HOOK))
    figures = courier.figures
    figures.delivered, figures.failed, figures.refused, figures.given_up = 4, 3, 2, 1
    figures.failing, figures.gone = bool(failing), bool(gone)
    answer = await health(livekit_url, courier)
    told = {"state": state, "delivered": 4, "failed": 3, "refused": 2, "given_up": 1}
    assert (answer.status_code, answer.json()["webhooks"]) == (200, told)
    assert "example.com" not in answer.text


OPEN_TO_A_NETWORK = {"HOST": "0.0.0.0", "LIVEKIT_URL": "wss://livekit.example.com"}


@pytest.mark.parametrize(
    ("env", "host"),
    [
        ({"LIVEKIT_URL": "ws://livekit:7880"}, "livekit"),
        ({"LIVEKIT_URL": "ws://livekit.:7880"}, "livekit"),
        ({"LIVEKIT_URL": "ws://127.0.0.1:7880"}, "127.0.0.1"),
        ({"LIVEKIT_URL": "ws://[::1]:7880"}, "::1"),
        ({"LIVEKIT_URL": "ws://0.0.0.0:7880"}, "0.0.0.0"),
        ({"LIVEKIT_URL": "ws://LiveKit.Default.svc.cluster.local"}, "livekit.default.svc.cluster.local"),
        ({"LIVEKIT_URL": "ws://livekit.default.svc"}, "livekit.default.svc"),
        ({"LIVEKIT_URL": "ws://host.docker.internal:7880"}, "host.docker.internal"),
        ({"LIVEKIT_PUBLIC_URL": "ws://localhost:7880"}, "localhost"),
        ({"LIVEKIT_URL": "ws://livekit:7880", "LIVEKIT_PUBLIC_URL": "wss://livekit.example.com"}, None),
        ({"LIVEKIT_URL": "ws://livekit:7880", "HOST": "127.0.0.1"}, None),
        ({"LIVEKIT_URL": "ws://10.1.2.3:7880"}, None),
        ({"LIVEKIT_URL": ""}, None),
        ({}, None),
    ],
)
def test_an_address_that_clients_will_not_reach(env: dict[str, str], host: str | None) -> None:
    """One sentence with the host and the setting, when the service itself can be reached from a network."""
    found = doubts(settings(**{**OPEN_TO_A_NETWORK, **env}))
    assert [f"host {host} is" in one for one in found] == ([True] if host else [])
    assert all("LIVEKIT_PUBLIC_URL" in one for one in found)


async def test_health_tells_what_clients_are_given(livekit_url: str) -> None:
    """The internal address is not told to anyone; what is wrong with the one for clients is."""
    for public, warnings in (("wss://livekit.example.com", 0), ("ws://livekit:7880", 1)):
        chosen = settings(LIVEKIT_URL=livekit_url, LIVEKIT_PUBLIC_URL=public, HOST="0.0.0.0")
        app = create_app(chosen, livekit := LiveKit(chosen), MemoryStore())
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://localhost", headers=bearer(KEY)
        ) as client:
            healthy = await client.get("/health")
            wanted = {"room_name": "a", "participant_identity": "anna"}
            token = await client.post("/tokens/generate", json=wanted)
        await livekit.aclose()
        assert (healthy.json()["livekit_url"], len(healthy.json()["warnings"])) == (public, warnings)
        assert livekit_url not in healthy.text
        assert token.json()["url"] == public


async def test_the_log_tells_it_at_the_start(tmp_path: Path) -> None:
    """Once, beside the address that the service listens on."""
    env = {**LIVEKIT, "LIVEKIT_URL": "ws://livekit:7880", "HOST": "::", "API_KEY": KEY, "SUPERVISE": "false"}
    async with running_service(tmp_path, **env) as service:
        assert (await service.client.get("/")).status_code == 200
    told = [line for line in service.lines if "url_not_public" in line]
    assert len(told) == 1
    assert "LIVEKIT_PUBLIC_URL" in told[0]
