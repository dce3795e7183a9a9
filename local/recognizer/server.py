"""The recognizer server: ElevenLabs' realtime protocol in front of an engine on this machine.

async with RecognizerServer(ScriptedEngine()) as server:
    stt = elevenlabs.STT(base_url=server.base_url, api_key="any", model="scribe_v2_realtime")
"""

from __future__ import annotations

import asyncio
import hmac
import uuid
from types import TracebackType
from typing import Self

from aiohttp import web

from agent.errors import LocalPartError
from local.recognizer.connection import Connection
from local.recognizer.control import control_routes
from local.recognizer.counters import Counters
from local.recognizer.engines.engine import Engine
from local.recognizer.faults import FaultDesk, Faults
from local.recognizer.protocol import ErrorType, InputRefused, SessionConfig, error_message, parse_query
from local.recognizer.session import CLOSE_POLICY, Limits, Session

_MAX_MESSAGE_BYTES = 4 << 20
"""A larger WebSocket message ends the connection with code 1009."""

_GOODBYE_SECONDS = 2.0
"""How long a client may take to answer a close."""

_SHUTDOWN_SECONDS = 5.0
"""Bound of ending all sessions when the server stops."""

_FULL_RETRY_AFTER_SECONDS = 1


class RecognizerServer:
    """Serves one engine to many sessions.

    Args:
        engine: loaded by the server, closed by it too.
        host: address to listen on.
        port: 0 takes a free one.
        api_key: when given, clients must show it: without any key they get HTTP 401, with a wrong one the
            message `auth_error` and a close. None lets everybody in.
        limits: what one session may do.
        max_sessions: one more gets HTTP 429 with Retry-After.
    """

    def __init__(
        self,
        engine: Engine,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        api_key: str | None = None,
        limits: Limits | None = None,
        max_sessions: int = 256,
    ) -> None:
        self.counters = Counters()
        self._engine = engine
        self._host = host
        self._port = port
        self._api_key = api_key
        self._limits = limits or Limits()
        self._max_sessions = max_sessions
        self._desk = FaultDesk()
        self._connections: dict[str, Connection] = {}
        self._runner: web.AppRunner | None = None
        self._started = 0.0

    @property
    def base_url(self) -> str:
        """Like `http://127.0.0.1:PORT/v1`; a client that adds /v1 itself may be given it, too."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}/v1"

    @property
    def faults(self) -> Faults:
        """What is left to go wrong."""
        return self._desk.faults

    def set_faults(self, faults: Faults) -> None:
        """Replace all faults; those that are meant for now happen now. `Faults()` makes the server well."""
        self._desk.set(faults, self._now())
        for session_id, connection in list(self._connections.items()):
            if faults.session_id not in ("", session_id):
                continue
            if faults.stall_seconds:
                connection.stall(faults.stall_seconds)
            if faults.error_type is not None and faults.error_when == "now":
                connection.send_commanded_error()
            if faults.drop_now:
                connection.drop()

    async def __aenter__(self) -> Self:
        """Load the engine and listen.

        Raises:
            LocalPartError: the engine cannot be loaded or the port cannot be had.
        """
        await asyncio.to_thread(self._engine.load)
        self._started = asyncio.get_running_loop().time()
        app = web.Application()
        # A client may add /v1 to a base URL that has it already.
        for prefix in ("", "/v1", "/v1/v1"):
            app.router.add_get(f"{prefix}/speech-to-text/realtime", self._realtime)
        app.router.add_get("/health", self._health)
        app.router.add_routes(control_routes(self))
        app.on_shutdown.append(self._end_sessions)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS)
        try:
            await self._listen(self._runner)
        except BaseException:
            await self.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End all sessions (close code 1001) and free the port and the engine. Safe to call twice."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        await asyncio.to_thread(self._engine.close)

    async def _listen(self, runner: web.AppRunner) -> None:
        await runner.setup()
        try:
            await web.TCPSite(runner, self._host, self._port).start()
        except OSError as cause:
            raise LocalPartError(
                f"cannot listen on {self._host} port {self._port} ({cause.strerror}); choose another port"
            ) from cause
        self._port = runner.addresses[0][1]

    async def _end_sessions(self, _: web.Application) -> None:
        for connection in list(self._connections.values()):
            connection.go_away()

    async def _health(self, _: web.Request) -> web.Response:
        return web.json_response(
            {"status": "ok", "engine": self._engine.name, "open_sessions": len(self._connections)}
        )

    async def _realtime(self, request: web.Request) -> web.StreamResponse:
        refused = self._refusal(request)
        if refused is not None:
            self.counters.sessions_refused += 1
            return refused
        ws = web.WebSocketResponse(max_msg_size=_MAX_MESSAGE_BYTES, timeout=_GOODBYE_SECONDS)
        await ws.prepare(request)
        shown = self._shown_key(request)
        if self._api_key is not None and not hmac.compare_digest(shown.encode(), self._api_key.encode()):
            return await self._turn_away(ws, ErrorType.AUTH_ERROR, "the API key is not valid")
        try:
            config = parse_query(request.query.items())
        except InputRefused as refusal:
            return await self._turn_away(ws, refusal.error_type, str(refusal))
        await self._serve(ws, request, config)
        return ws

    async def _serve(self, ws: web.WebSocketResponse, request: web.Request, config: SessionConfig) -> None:
        session = Session(uuid.uuid4().hex, config, self._limits, self._now())
        counters = self.counters.session_opened(session.session_id, self._now())
        try:
            connection = Connection(
                ws=ws,
                request=request,
                session=session,
                engine=self._engine,
                faults=self._desk,
                counters=counters,
                clock=self._now,
            )
            self._connections[session.session_id] = connection
            await connection.run()
        finally:
            self._connections.pop(session.session_id, None)
            self.counters.session_closed(counters, self._now())

    def _refusal(self, request: web.Request) -> web.Response | None:
        """The HTTP answer to a connection that is not let in, or None."""
        commanded = self._desk.on_connection(self._now())
        if commanded is not None:
            return _refuse(commanded.status, "refused by a test", commanded.retry_after_seconds)
        if self._api_key is not None and not self._shown_key(request):
            return _refuse(401, "an API key is needed: header xi-api-key or query parameter token")
        if len(self._connections) >= self._max_sessions:
            return _refuse(
                429, f"{self._max_sessions} sessions are open, no more fit", _FULL_RETRY_AFTER_SECONDS
            )
        return None

    async def _turn_away(
        self, ws: web.WebSocketResponse, error_type: ErrorType, detail: str
    ) -> web.StreamResponse:
        self.counters.sessions_refused += 1
        await ws.send_json(error_message(error_type, detail))
        await ws.close(code=CLOSE_POLICY, message=error_type.encode())
        return ws

    @staticmethod
    def _shown_key(request: web.Request) -> str:
        return request.headers.get("xi-api-key") or request.query.get("token") or ""

    def _now(self) -> float:
        return asyncio.get_running_loop().time() - self._started


def _refuse(status: int, detail: str, retry_after_seconds: int | None = None) -> web.Response:
    headers = {} if retry_after_seconds is None else {"Retry-After": str(retry_after_seconds)}
    return web.json_response({"detail": detail}, status=status, headers=headers)
