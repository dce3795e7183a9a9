"""A receiver of webhooks whose answers a test chooses, on loopback; and a courier that posts to it."""

from __future__ import annotations

import asyncio
import base64
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from agent.settings import Settings
from agent.store.deliveries import Deliveries
from agent.webhooks.courier import Courier

SECRET = "whsec_" + base64.b64encode(b"a secret of thirty-two bytes ...").decode()


@dataclass(frozen=True, slots=True)
class Post:
    """One request that came."""

    id: str
    at: float
    """The event loop's time."""
    item: dict[str, Any]
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class Receiver:
    """What came, and what it answers: a status, or a response, or after a while."""

    url: str = ""
    posts: list[Post] = field(default_factory=list)
    answer: Callable[[Post], Any] = lambda _post: 204
    news: asyncio.Condition = field(default_factory=asyncio.Condition)
    open_now: int = 0
    most_open: int = 0

    @property
    def ids(self) -> list[str]:
        """In the order in which they came."""
        return [post.id for post in self.posts]

    @property
    def tries(self) -> Counter[str]:
        """How often each id came."""
        return Counter(self.ids)

    async def until(self, enough: Callable[[], bool], seconds: float = 10.0) -> None:
        """Wait for what has to come."""
        async with asyncio.timeout(seconds), self.news:
            await self.news.wait_for(enough)

    async def take(self, request: web.Request) -> web.StreamResponse:
        """One request."""
        self.open_now += 1
        self.most_open = max(self.most_open, self.open_now)
        try:
            headers = {name.lower(): value for name, value in request.headers.items()}
            at = asyncio.get_running_loop().time()
            body = await request.read()
            post = Post(headers["webhook-id"], at, json.loads(body), headers, body)
            self.posts.append(post)
            async with self.news:
                self.news.notify_all()
            answer = self.answer(post)
            if asyncio.iscoroutine(answer):
                answer = await answer
            return web.Response(status=answer) if isinstance(answer, int) else answer
        finally:
            self.open_now -= 1


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """A receiver at a free port of loopback."""
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/hook", receiver.take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    try:
        yield receiver
    finally:
        await runner.cleanup()


async def until(enough: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait for what nobody tells."""
    async with asyncio.timeout(seconds):
        while not enough():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def settings(url: str) -> Settings:
    """Post there."""
    return Settings.from_env({"WEBHOOK_URL": url, "WEBHOOK_SECRET": SECRET})


@asynccontextmanager
async def courier(store: Deliveries, url: str) -> AsyncIterator[Courier]:
    """Delivers meanwhile; a fault in it fails the test."""
    one = Courier(settings(url))
    async with asyncio.TaskGroup() as group:
        task = group.create_task(one.deliver(store), name="courier")
        yield one
        task.cancel()
