"""The token service: makes rooms and tokens, and hands out transcripts. `python token_service.py --help`."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial
from importlib.metadata import PackageNotFoundError, version

import typer
import uvicorn
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

from agent.background.run_beside import Background, run_beside
from agent.errors import SettingsError
from agent.http import (
    docs_page,
    erasure,
    health,
    listing,
    metrics,
    overview,
    rooms,
    stream,
    tokens,
    transcripts,
    webhook,
)
from agent.http.answers import ANY_CALL, add_error_answers
from agent.http.boundary import Boundary
from agent.http.callers import check_guarded, is_open, keys_of
from agent.http.client_url import doubts
from agent.http.connections import limits
from agent.http.feeds import Feeds
from agent.http.limits import Limits
from agent.http.links import operation_id
from agent.http.livekit import LiveKit
from agent.http.paths import RoomPaths
from agent.http.service import NAME, Service
from agent.http.slots import Slots
from agent.logs import set_up_logs
from agent.settings import Settings, load_settings
from agent.store.late import LateReader
from agent.store.protocol import Reader, Record
from agent.store.retention import Retention
from agent.supervise import Supervisor
from agent.webhooks.courier import Courier

log = logging.getLogger(__name__)

STOP_SECONDS = 3
"""How long calls under way may take when the service stops; live streams are told to end, and end sooner."""

STUCK_SECONDS = 30
"""How long a caller may leave what was sent to it unread before the system drops the connection."""

INDEX_PAUSE_SECONDS = 0.2
"""Pause between two steps of indexing anew, in which others write."""

ABOUT = """
Makes rooms and tokens for interviews on LiveKit, and hands out what was said in them.

Errors are `{"detail": …}`: 4xx is the caller's fault, 502 and 503 are LiveKit's or the database's.
Room names may hold any Unicode; in a path they are percent-encoded (`/` may stay as it is).
"""


_MODULES = (
    docs_page,
    health,
    metrics,
    listing,
    overview,
    rooms,
    tokens,
    transcripts,
    erasure,
    stream,
    webhook,
)


def create_app(
    settings: Settings,
    livekit: LiveKit,
    store: Record,
    supervisor: Supervisor | None = None,
    courier: Courier | None = None,
) -> FastAPI:
    """The service as an ASGI app; it closes `livekit` and `store` when it ends.

    With a `supervisor` rooms are supervised from here, too; a `courier` posts webhooks.
    """
    app = FastAPI(
        title="Interview transcription",
        version=_version(),
        description=ABOUT,
        lifespan=_lifespan,
        docs_url=None,  # see agent.http.docs_page
        redoc_url=None,
        servers=[{"url": settings.root_path}] if settings.root_path else None,
        redirect_slashes=False,  # an address made of what the caller's Host header says
        responses=ANY_CALL,
        generate_unique_id_function=operation_id,
    )
    background = app.state.background = Background()
    look = supervisor.look_now if supervisor else lambda _sid: None
    service = app.state.service = Service(
        settings,
        livekit,
        store,
        _version(),
        look,
        Feeds(store),
        Slots(settings.max_streams),
        background,
        courier.figures if courier else None,
    )
    app.state.supervisor, app.state.courier = supervisor, courier
    for module in _MODULES:
        app.include_router(module.router)
    add_error_answers(app)
    # the last one added is the first one asked
    app.add_middleware(Limits)
    app.add_middleware(Boundary, measures=service.measures)
    app.add_middleware(RoomPaths)
    app.add_middleware(
        CORSMiddleware,
        allow_origins=settings.cors_origins,
        allow_methods=["GET", "POST", "DELETE"],
        allow_headers=["Authorization", "Content-Type", "Last-Event-ID"],
    )
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    service: Service = app.state.service
    try:
        async with AsyncExitStack() as stack:
            for name, work, is_held_up in _side_tasks(app):
                beside = run_beside(app.state.background, name, work, is_held_up=is_held_up)
                await stack.enter_async_context(beside)
            yield
    finally:
        await service.feeds.aclose()
        await service.livekit.aclose()
        await service.store.aclose()


def _side_tasks(app: FastAPI) -> Iterator[tuple[str, Callable[[], Awaitable[None]], Callable[[], bool]]]:
    """What runs beside the service: name, work, and whether it is held up."""
    service: Service = app.state.service
    supervisor: Supervisor | None = app.state.supervisor
    courier: Courier | None = app.state.courier
    yield "record", partial(_prepare, service.store), lambda: False
    if supervisor:
        yield "supervisor", supervisor.run, lambda: supervisor.is_held_up
    if courier:
        yield "courier", courier.run, lambda: courier.is_held_up
    if service.settings.retention_days:
        yield "retention", Retention(service.store, service.settings).run, lambda: False


async def _prepare(store: Reader) -> None:
    """Make the tables while the first calls, which need none, are answered; then bring the index to date."""
    await store.migrate()
    # what is loaded by now stays; looking through all of it, the collector would hold up every reader for a
    # tenth of a second whenever many come at once
    gc.collect()
    gc.freeze()
    while not await store.index_anew():  # noqa: ASYNC110 - a pause for other writers, not a wait
        await asyncio.sleep(INDEX_PAUSE_SECONDS)


class _Server(uvicorn.Server):
    """Ends with exit code 0 on SIGTERM and SIGINT; uvicorn's own would end by the signal."""

    def __init__(self, config: uvicorn.Config, end_streams: Callable[[], None]) -> None:
        super().__init__(config)
        self._end_streams = end_streams

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Streams never end by themselves, and the lifespan hears of the stop only when they have."""
        self._end_streams()
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """While it serves, both signals ask it to stop; a second one does not wait for calls under way."""
        wanted = (signal.SIGINT, signal.SIGTERM)
        before = {one: signal.signal(one, self.handle_exit) for one in wanted}
        try:
            yield
        finally:
            for one, handler in before.items():
                signal.signal(one, handler)


def serve(settings: Settings) -> None:
    """Serve until told to stop.

    Raises:
        SettingsError: the address cannot be listened on, or would be open to a network.
    """
    check_guarded(settings)
    set_up_logs(settings)
    livekit = LiveKit(settings)
    supervisor = Supervisor(settings, livekit) if livekit.configured and settings.supervise else None
    courier = Courier(settings) if settings.webhook_url else None
    app = create_app(settings, livekit, LateReader(settings.database_url), supervisor, courier)
    with listen(settings.host, settings.port) as listener:
        port = listener.getsockname()[1]
        extra = {"action": "service_started", "host": settings.host, "port": port}
        log.info("token service listens", extra={**extra, "keys": ",".join(keys_of(settings)) or "none"})
        if is_open(settings):
            log.warning(
                "everybody on this machine may make every call: API_KEY is not set",
                extra={"action": "service_open"},
            )
        for doubt in doubts(settings):
            log.warning("clients cannot reach LiveKit", extra={"action": "url_not_public", "error": doubt})
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=STOP_SECONDS,
            lifespan="on",
            **limits(settings.max_streams, settings.keep_alive_seconds),
        )
        service: Service = app.state.service
        _Server(config, service.feeds.stop).run([listener])


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens, on `::` for IPv4 as well; port 0 takes any free one.

    Raises:
        SettingsError: the address is not ours, or taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    both = family == socket.AF_INET6 and socket.has_dualstack_ipv6()
    try:
        listener = socket.create_server((host, port), family=family, dualstack_ipv6=both)
    except OSError as error:
        reason = str(error.strerror).partition(" (while")[0]  # Python repeats the address there
        raise SettingsError(
            f"cannot listen on {host} port {port}: {reason}; set HOST and PORT to what is free"
        ) from error
    # connections inherit it; asyncio would set it only on sockets that say they are TCP, which these do not:
    # without it a kept connection waits 40 ms for each answer
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux
        # a reader that is gone without a word, or reads no more, holds its connection no longer than this
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, STUCK_SECONDS * 1000)
    return listener


def _version() -> str:
    try:
        return version(NAME)
    except PackageNotFoundError:
        return "unknown"  # run from a checkout that was not installed


def main() -> None:
    """Serve rooms, tokens and transcripts over HTTP; see /docs for the calls.

    Settings come from the environment or .env (docs/settings.md):

    - LIVEKIT_URL, LIVEKIT_API_KEY, LIVEKIT_API_SECRET: the LiveKit server

    - LIVEKIT_PUBLIC_URL: its address for clients, when they need another one

    - HOST, PORT: where to listen (127.0.0.1:8000); :: is every address, IPv6 and IPv4

    - API_KEY, API_KEYS: bearer tokens that may make every call; without any
      this machine may, and the service listens nowhere else

    - ROOT_PATH: path prefix under which a proxy serves it, and which the proxy strips

    - CORS_ORIGINS: pages that may call from a browser

    - DATABASE_URL: where the worker keeps transcripts

    - WEBHOOK_URL, WEBHOOK_SECRET: where windows are posted as they close

    Ctrl-C or SIGTERM ends it when the calls under way are answered.
    """
    try:
        serve(load_settings())
    except SettingsError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from error


if __name__ == "__main__":
    typer.run(main)
