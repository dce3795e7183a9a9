"""The calls of the token service that the demo makes: what a product's backend would do."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import aiohttp

from agent.errors import LocalPartError

CALL_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class CreatedRoom:
    """A room with the tokens of those who will be in it."""

    name: str
    sid: str
    url: str
    """Of the LiveKit server."""
    interviewer_token: str
    candidate_token: str


class ServiceClient:
    """`async with ServiceClient("http://127.0.0.1:8000") as service:`

    Raises (all calls):
        LocalPartError: no answer, or one that tells an error.
    """

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=CALL_SECONDS))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.close()

    async def is_up(self) -> bool:
        """True once it answers."""
        try:
            async with self._http.get(self.base_url + "/") as answer:
                return answer.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False

    async def create_room(self) -> CreatedRoom:
        """A room with the service's own choice of name."""
        body = await self._call("POST", "/rooms/create", {})
        return CreatedRoom(
            name=body["name"],
            sid=body["sid"],
            url=body["url"],
            interviewer_token=body["interviewer_token"],
            candidate_token=body["candidate_token"],
        )

    async def token(self, room: str, identity: str) -> str:
        """A token for one more participant."""
        body = await self._call(
            "POST",
            "/tokens/generate",
            {"room_name": room, "participant_identity": identity, "role": "participant"},
        )
        return str(body["token"])

    async def transcript(self, room: str) -> Any:
        """The record of the room, as JSON."""
        return await self._call("GET", self.room_path(room) + "/transcript?format=json")

    async def transcribes(self, room: str) -> bool:
        """True while a transcriber is in the room and lives."""
        status = await self._call("GET", self.room_path(room) + "/status")
        return bool(status["transcription"] == "running")

    def room_path(self, room: str) -> str:
        """Where a room is."""
        return f"/rooms/{quote(room, safe='')}"

    async def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        try:
            async with self._http.request(method, self.base_url + path, json=body) as answer:
                if answer.status >= 400:
                    text = await answer.text()
                    raise LocalPartError(
                        f"the token service answered {answer.status} to {method} {path}: {text}"
                    )
                return await answer.json()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise LocalPartError(f"the token service did not answer {method} {path}: {error!r}") from error
