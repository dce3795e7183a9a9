"""A plain WebSocket client of the local recognizer: says what it is told, keeps all it hears."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import numpy as np
from numpy.typing import NDArray

from local.recognizer.server import RecognizerServer

WAIT_SECONDS = 10.0


@dataclass(slots=True)
class Client:
    """One session."""

    ws: aiohttp.ClientWebSocketResponse
    sample_rate: int
    texts: list[str] = field(default_factory=list)
    """Every message, as it came."""

    @property
    def messages(self) -> list[dict[str, Any]]:
        """Every message that was JSON."""
        return [json.loads(text) for text in self.texts]

    async def next(self) -> dict[str, Any]:
        """The next message."""
        text = await self.next_text()
        message: dict[str, Any] = json.loads(text)
        return message

    async def next_text(self) -> str:
        """The next message, whether JSON or not."""
        async with asyncio.timeout(WAIT_SECONDS):
            frame = await self.ws.receive()
        assert frame.type is aiohttp.WSMsgType.TEXT, f"the session ended with code {self.ws.close_code}"
        self.texts.append(frame.data)
        return str(frame.data)

    async def until(self, message_type: str) -> dict[str, Any]:
        """Read on to the next message of this type."""
        while (message := await self.next())["message_type"] != message_type:
            pass
        return message

    async def closed(self) -> int | None:
        """Read on to the end; the close code."""
        async with asyncio.timeout(WAIT_SECONDS):
            async for frame in self.ws:
                self.texts.append(frame.data)
        return self.ws.close_code

    async def send(self, audio: bytes = b"", *, commit: bool = False, **fields: Any) -> None:
        """Send one input_audio_chunk."""
        message = {
            "message_type": "input_audio_chunk",
            "audio_base_64": base64.b64encode(audio).decode(),
            "commit": commit,
            "sample_rate": self.sample_rate,
            **fields,
        }
        await self.ws.send_str(json.dumps(message))

    async def say(self, pcm: NDArray[np.int16], *, commit: bool = True, chunk_seconds: float = 0.05) -> None:
        """Send sound in chunks, as fast as the socket takes it, then a commit."""
        step = round(self.sample_rate * chunk_seconds)
        for at in range(0, len(pcm), step):
            await self.send(pcm[at : at + step].tobytes())
        if commit:
            await self.send(commit=True)


def url(server: RecognizerServer, **query: str | list[str]) -> str:
    """The realtime URL with `query` added to the model and 16 kHz PCM."""
    pairs = {
        "model_id": "scribe_v2_realtime",
        "audio_format": "pcm_16000",
        "include_timestamps": "true",
        **query,
    }
    text = "&".join(
        f"{name}={value}"
        for name, values in pairs.items()
        for value in ([values] if isinstance(values, str) else values)
    )
    return f"{server.base_url}/speech-to-text/realtime?{text}"


@asynccontextmanager
async def client(
    server: RecognizerServer, *, headers: dict[str, str] | None = None, **query: str | list[str]
) -> AsyncIterator[Client]:
    """Open a session; its first message has been read."""
    rate = int(str(query.get("audio_format", "pcm_16000")).rpartition("_")[2])
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(url(server, **query), headers=headers, max_msg_size=0) as ws,
    ):
        opened = Client(ws, rate)
        await opened.next()
        yield opened


def root(server: RecognizerServer) -> str:
    """The base URL without /v1: where /health and /control are."""
    return server.base_url.removesuffix("/v1")


async def wait_until(fact: Callable[[], bool]) -> None:
    """Wait for something the server does by itself."""
    async with asyncio.timeout(WAIT_SECONDS):
        while not fact():  # noqa: ASYNC110 - the server tells its counters only when asked
            await asyncio.sleep(0.01)
