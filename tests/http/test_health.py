"""`GET /health` tells how webhooks are doing."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from aiohttp import web

from agent.http.livekit import LiveKit
from agent.store.memory import MemoryStore
from agent.webhooks.courier import Courier
from tests.http.service import settings
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
