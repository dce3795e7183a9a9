"""A reader in the room that ends with exactly the record; docs/history.md says by which rule."""

import asyncio
import json
from typing import Any

from livekit import rtc


class Record:
    """Keep it when the connection is lost, and follow the next room with it."""

    def __init__(self) -> None:
        self.session = ""
        self.after = 0  # everything up to this number is in `items`
        self.items: dict[int, dict[str, Any]] = {}
        self._hole = asyncio.Event()

    async def follow(self, room: rtc.Room) -> None:
        """Run this while you are in the room."""
        room.on("data_received", self._live)
        for event in ("reconnected", "participant_connected"):
            room.on(event, lambda *_: self._hole.set())
        self._hole.set()
        while await self._hole.wait():
            self._hole.clear()
            try:
                await self._ask(room)
            except rtc.RpcError:  # it has just left: another one is on its way
                await asyncio.sleep(1)
                self._hole.set()

    def _live(self, packet: rtc.DataPacket) -> None:
        item = json.loads(packet.data) if packet.topic == "transcript" else {}
        if item.get("seq") is None:
            return  # an interim, or nothing of ours: show it, but it is not in the record
        self._take(item)
        if item["seq"] > self.after or "part" in item:
            self._hole.set()

    def _take(self, item: dict[str, Any]) -> None:
        if item["session"] != self.session:  # the room lives anew, and counts anew
            self.session, self.after, self.items = item["session"], 0, {}
        if "part" not in item:
            self.items[item["seq"]] = item
            self.after += item["seq"] == self.after + 1

    async def _ask(self, room: rtc.Room) -> None:
        people = room.remote_participants
        transcriber = next((one for one in people if one.startswith("agent-transcriber-")), "")
        more = transcriber != ""  # when it comes, it is asked
        while more:
            reply = json.loads(
                await room.local_participant.perform_rpc(
                    destination_identity=transcriber,
                    method="transcript.history",
                    payload=json.dumps({"after": self.after}),
                )
            )
            for item in reply["items"]:
                self._take(item)
            self.after, more = max(self.after, reply["last"]), reply["more"]
