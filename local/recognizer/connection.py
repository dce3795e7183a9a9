"""One client's WebSocket: messages to the session, audio to the engine, answers back, and the faults."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import WSMsgType, web

from local.recognizer.audio import Intake
from local.recognizer.counters import SessionCounters
from local.recognizer.engines.engine import Engine, EngineEvent, Final, Interim
from local.recognizer.faults import FaultDesk
from local.recognizer.malformed import payloads
from local.recognizer.protocol import CommitStrategy, ErrorType, Message, error_message, partial_transcript
from local.recognizer.session import CLOSE_NORMAL, Action, Answer, Close, Commit, Hear, Send, Session
from local.recognizer.voice import Endpointer

_OUTBOX_ITEMS = 1_000
"""Messages that may wait for a client that does not read; then the client is cut off."""

_SEND_SECONDS = 30.0
"""Bound of sending one message to a client that does not read."""


@dataclass(frozen=True, slots=True)
class _Outgoing:
    payload: str | None
    """Text to send; None ends the connection."""
    not_before: float = 0.0
    close_code: int | None = None
    """With payload None: the code of an orderly close, or None to cut the TCP connection."""
    reason: str = ""


class Connection:
    """Runs one session from the greeting to its end."""

    def __init__(
        self,
        *,
        ws: web.WebSocketResponse,
        request: web.Request,
        session: Session,
        engine: Engine,
        faults: FaultDesk,
        counters: SessionCounters,
        clock: Callable[[], float],
    ) -> None:
        self._ws = ws
        self._request = request
        self._session = session
        self._faults = faults
        self._counters = counters
        self._clock = clock
        self._intake = Intake(session.config)
        self._outbox: asyncio.Queue[_Outgoing] = asyncio.Queue(_OUTBOX_ITEMS)
        self._stalled_until = 0.0
        self._cut = asyncio.Event()
        self._closing = False
        self._mute = faults.on_opening(session.session_id)
        self._sent = 0
        self._unanswered: set[int] = set()
        self._stream = engine.open(session.config.language_code, self._on_engine)
        self._endpointer = (
            Endpointer(session.config) if session.config.commit_strategy is CommitStrategy.VAD else None
        )

    async def run(self) -> None:
        """Serve the client until either side ends the session."""
        self._do(self._session.start())
        if self._faults.on_start(self._session.session_id):
            self.send_commanded_error()
        try:
            async with asyncio.TaskGroup() as group:
                clock = group.create_task(self._watch_time(), name="recognizer session clock")
                writer = group.create_task(self._write(), name="recognizer session writer")
                await self._read()
                clock.cancel()
                if not self._closing:  # else it is what made the reading end, and says goodbye
                    writer.cancel()
        finally:
            self._stream.close()

    def drop(self) -> None:
        """End the connection as the active faults say, before anything that still waits to be sent."""
        self._session.close(CLOSE_NORMAL, "dropped by a test")  # what is still in its socket is not taken
        code = self._faults.faults.drop_code
        if code is None:
            self._abort()
        else:
            self._end_at_once(code, "dropped by a test")

    def send_commanded_error(self) -> None:
        """Send the error message that the active faults describe, and close when they say so."""
        faults = self._faults.faults
        if faults.error_type is None:
            return
        self._send(error_message(faults.error_type, faults.error_text))
        if faults.error_close_code is not None:
            self._put(_Outgoing(None, close_code=faults.error_close_code, reason=faults.error_type))

    def stall(self, seconds: float) -> None:
        """Stop reading the socket for a time (a message that is being waited for is still read)."""
        self._stalled_until = self._clock() + seconds

    def go_away(self) -> None:
        """The server shuts down."""
        self._end_at_once(1001, "the recognizer is shutting down")

    async def _read(self) -> None:
        while True:
            if (wait := self._stalled_until - self._clock()) > 0:
                await asyncio.sleep(wait)
            frame = await self._ws.receive()
            if frame.type is WSMsgType.TEXT:
                self._do(self._session.receive(frame.data, self._clock()))
            elif frame.type is WSMsgType.BINARY:
                self._send(error_message(ErrorType.INPUT_ERROR, "messages are text, not binary"))
            else:
                return

    async def _watch_time(self) -> None:
        while True:
            await asyncio.sleep(max(0.0, self._session.next_deadline() - self._clock()))
            self._do(self._session.advance(self._clock()))

    async def _write(self) -> None:
        while True:
            item = await self._outbox.get()
            if await self._is_cut_before(item.not_before):
                continue
            if item.payload is None:
                await self._end(item)
                return
            if self._mute:
                continue
            self._sent += 1
            if self._faults.on_message(self._session.session_id, self._sent):
                self.drop()
                continue
            try:
                async with asyncio.timeout(_SEND_SECONDS):
                    await self._ws.send_str(item.payload)
            except (ConnectionError, TimeoutError):
                self._abort()
                return

    async def _is_cut_before(self, due: float) -> bool:
        """Wait until `due`. True when the session was ended meanwhile: what was due is not sent any more."""
        if (wait := due - self._clock()) <= 0:
            return False
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait):
                await self._cut.wait()
        return self._cut.is_set()

    async def _end(self, item: _Outgoing) -> None:
        if item.close_code is None:
            self._abort()
        else:
            self._closing = True
            await self._ws.close(code=item.close_code, message=item.reason.encode()[:120])

    def _abort(self) -> None:
        if self._request.transport is not None:
            self._request.transport.abort()

    def _end_at_once(self, code: int, reason: str) -> None:
        self._discard_outbox()
        self._cut.set()
        self._put(_Outgoing(None, close_code=code, reason=reason))

    def _on_engine(self, event: EngineEvent) -> None:
        if isinstance(event, Interim):
            self._do(self._session.interim(event.text))
        elif event.number not in self._unanswered:
            return
        elif isinstance(event, Final):
            self._counters.words += len(event.words)
            self._do(self._session.answered(event.number, event.words, event.language))
        else:
            self._do(self._session.engine_failed(event.number, event.detail))

    def _do(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Send(message):
                    self._send(message)
                case Hear(audio):
                    self._hear(audio)
                case Commit(number):
                    self._commit(number)
                case Answer(number, messages):
                    self._answer(number, messages)
                case Close(code, reason):
                    self._put(_Outgoing(None, close_code=code, reason=reason))

    def _hear(self, audio: bytes) -> None:
        self._counters.audio_seconds = self._session.received_seconds
        pcm = self._intake.convert(audio)
        if len(pcm):
            self._stream.hear(pcm)
        for command in self._faults.on_audio(self._session.session_id, self._session.received_seconds):
            if command == "drop":
                self.drop()
            else:
                self.send_commanded_error()
        if self._endpointer is not None and self._endpointer.speech_ended(pcm):
            self._do(self._session.speech_ended())

    def _commit(self, number: int) -> None:
        self._counters.commits += 1
        fault = self._faults.on_commit(self._session.session_id)
        if fault == "drop":
            self.drop()
        elif fault == "error":
            self.send_commanded_error()
        elif fault is None:
            self._unanswered.add(number)
        self._stream.commit(number)

    def _answer(self, number: int, messages: tuple[Message, ...]) -> None:
        self._unanswered.discard(number)
        self._counters.answers += 1
        fault = self._faults.on_answer(self._session.session_id)
        due = self._clock() + fault.delay_seconds
        texts = payloads(messages, fault.malformation)
        if fault.drop_between_copies:
            texts = texts[:1]
        for text in texts * (2 if fault.twice else 1):
            self._put(_Outgoing(text, not_before=due))
        if fault.echo:
            self._put(_Outgoing(json.dumps(partial_transcript(messages[0]["text"])), not_before=due))
        if fault.drop_between_copies:
            self._put(_Outgoing(None, not_before=due, close_code=self._faults.faults.drop_code))

    def _send(self, message: Message) -> None:
        self._put(_Outgoing(json.dumps(message)))

    def _put(self, item: _Outgoing) -> None:
        if self._outbox.full():
            self._discard_outbox()
            item = _Outgoing(None)
        self._outbox.put_nowait(item)

    def _discard_outbox(self) -> None:
        while not self._outbox.empty():
            self._outbox.get_nowait()
