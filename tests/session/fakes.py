"""A room, its people and their audio, a voice detector and a recognizer, without LiveKit's native side.

The room is LiveKit's own event emitter, so callbacks meet its rules. A person says words whose samples are
their number (`tests.core.simulated`), so the recognizer knows which words a stretch of audio holds.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from types import MappingProxyType, SimpleNamespace
from typing import Any, cast

import numpy as np
from livekit import rtc

from agent.core.model import SAMPLE_RATE
from agent.core.reception import Arrivals
from agent.stt.protocol import Final, RecognizerEvent, SessionReady
from tests.core.simulated import Fate, SimulatedSession

FRAME_SECONDS = 0.05
FRAME_SAMPLES = 800
WINDOW = 512
WORD_SAMPLES = 4800
"""0.3 s."""
SID = "RM_1"


class FakeTrack(rtc.RemoteAudioTrack):
    """The audio of one publication: silence, but for what is said."""

    _room_ref = None  # LiveKit's own: the room that holds it

    def __init__(self, name: str) -> None:
        self.name_here = name
        self._waiting: list[np.ndarray[Any, Any]] = []
        self.over = asyncio.Event()
        self.fault: Exception | None = None
        """Raised with the next frame."""
        self.faults = 0
        """How many times more a frame raises."""
        self.arrivals: Callable[[], Any] | None = None
        """Async function that tells the receiver's counters; None: LiveKit does not tell."""
        self.readers = 0
        """How many read it now."""

    def __repr__(self) -> str:
        return f"FakeTrack({self.name_here!r})"

    def say(self, *numbers: int) -> None:
        """Say words from now on, 0.3 s each, with nothing between, and then 1 s of silence."""
        for number in numbers:
            self._waiting.append(np.full(WORD_SAMPLES, number, np.int16))
        self._waiting.append(np.zeros(SAMPLE_RATE, np.int16))

    def next_frame(self) -> bytes:
        if self.faults:
            self.faults -= 1
            raise RuntimeError("the test broke it again")
        if self.fault is not None:
            fault, self.fault = self.fault, None
            raise fault
        audio = np.concatenate([*self._waiting, np.zeros(0, np.int16)])
        frame, rest = audio[:FRAME_SAMPLES], audio[FRAME_SAMPLES:]
        self._waiting = [rest]
        return np.pad(frame, (0, FRAME_SAMPLES - frame.size)).tobytes()


class FakeAudio:
    """In place of `agent.rtc.audio.TrackAudio`."""

    def __init__(self, track: rtc.RemoteAudioTrack) -> None:
        self._track = cast(FakeTrack, track)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self._track.readers += 1
        try:
            while not self._track.over.is_set():
                await asyncio.sleep(FRAME_SECONDS)
                yield self._track.next_frame()
        finally:
            self._track.readers -= 1

    async def arrivals(self) -> Arrivals | None:
        asked = self._track.arrivals
        return None if asked is None else cast("Arrivals | None", await asked())

    async def is_over(self) -> bool:
        return self._track.over.is_set()

    async def aclose(self) -> None:
        """Nothing is held."""


@dataclass(eq=False)
class FakePublication:
    """One audio track that a participant offers."""

    sid: str
    source: int = rtc.TrackSource.SOURCE_MICROPHONE
    kind: int = rtc.TrackKind.KIND_AUDIO
    muted: bool = False
    encryption_type: int = 0
    track: FakeTrack | None = None
    subscribed: bool = False
    on_subscribed: Callable[[FakePublication, bool], None] = lambda _publication, _wanted: None

    gone: bool = False
    """LiveKit has given it up already, and has not said so."""

    def set_subscribed(self, wanted: bool) -> None:
        assert not self.gone
        self.on_subscribed(self, wanted)


class FakeParticipant(rtc.RemoteParticipant):
    """Somebody else in the room."""

    identity: str = ""  # type: ignore[assignment]
    sid: str = ""  # type: ignore[assignment]
    name: str = ""  # type: ignore[assignment]
    metadata: str = ""  # type: ignore[assignment]
    joined_at: datetime | None = None  # type: ignore[assignment]
    kind: Any = rtc.ParticipantKind.PARTICIPANT_KIND_STANDARD
    attributes: dict[str, str] = MappingProxyType({})  # type: ignore[assignment]
    track_publications: dict[str, Any] = MappingProxyType({})  # type: ignore[assignment]
    disconnect_reason: Any = None

    def __init__(self, identity: str, sid: str, joined_at: datetime, **facts: Any) -> None:
        self.identity, self.sid, self.joined_at = identity, sid, joined_at
        self.name = identity.title()
        self.attributes, self.track_publications = {}, {}
        for name, value in facts.items():
            setattr(self, name, value)

    def __repr__(self) -> str:
        return f"FakeParticipant({self.identity!r})"


class FakeLocal:
    """The transcriber's own participant."""

    def __init__(self, joined_at: datetime) -> None:
        self.identity = "agent-transcriber-AJ_1"
        self.sid = "PA_local"
        self.joined_at = joined_at
        self.methods: dict[str, Any] = {}
        self.published: list[bytes] = []
        self.fault: BaseException | None = None
        """Raised by everything that is sent into the room."""

    def register_rpc_method(self, name: str, method: Any) -> None:
        self.methods[name] = method

    def unregister_rpc_method(self, name: str) -> None:
        self.methods.pop(name, None)

    async def perform_rpc(self, **_call: Any) -> str:
        if self.fault is not None:
            raise self.fault
        raise rtc.RpcError(1500, "this transcriber stays")

    async def publish_data(self, payload: bytes, *, reliable: bool = True, topic: str = "") -> None:
        if self.fault is not None:
            raise self.fault
        self.published.append(payload)

    async def stream_text(self, **_header: Any) -> Any:
        if self.fault is not None:
            raise self.fault
        return SimpleNamespace(write=_nothing, aclose=_nothing)


async def _nothing(*_args: Any) -> None:
    return None


class FakeRoom(rtc.EventEmitter[str]):
    """A connected room: `join`, `publish` and `leave` do what LiveKit's callbacks tell of."""

    def __init__(self, name: str = "interview") -> None:
        super().__init__()
        self.name = name
        self.creation_time = datetime.now(UTC)
        self._began = asyncio.get_running_loop().time()
        self._info = SimpleNamespace(sid=SID)
        self.connected = True
        self.local_participant = FakeLocal(self.creation_time)
        self.remote_participants: dict[str, FakeParticipant] = {}
        self._count = count(1)
        self.subscribe_seconds = 0.02
        """From asking for a track to receiving it."""

    @property
    async def sid(self) -> str:
        return self._info.sid

    def date(self) -> datetime:
        """Now, by the server's clock."""
        return self.creation_time + timedelta(seconds=asyncio.get_running_loop().time() - self._began)

    def isconnected(self) -> bool:
        return self.connected

    def join(self, identity: str, **facts: Any) -> FakeParticipant:
        """Somebody comes."""
        one = FakeParticipant(identity, f"PA_{next(self._count)}", self.date(), **facts)
        self.remote_participants[identity] = one
        self.emit("participant_connected", one)
        return one

    def publish(self, participant: FakeParticipant, sid: str = "", **facts: Any) -> FakePublication:
        """A participant offers audio; it is received a moment after it is asked for."""
        sid = sid or f"TR_{next(self._count)}"

        def on_subscribed(publication: FakePublication, wanted: bool) -> None:
            asyncio.get_running_loop().call_later(
                self.subscribe_seconds, self._give, publication, participant, wanted
            )

        publication = FakePublication(sid, on_subscribed=on_subscribed, **facts)
        participant.track_publications[sid] = publication
        self.emit("track_published", publication, participant)
        return publication

    def _give(self, publication: FakePublication, participant: FakeParticipant, wanted: bool) -> None:
        if wanted == publication.subscribed or publication.sid not in participant.track_publications:
            return
        publication.subscribed = wanted
        if wanted:
            publication.track = FakeTrack(publication.sid)
            self.emit("track_subscribed", publication.track, publication, participant)
        else:
            self._take(publication, participant)

    def _take(self, publication: FakePublication, participant: FakeParticipant) -> None:
        track, publication.track, publication.subscribed = publication.track, None, False
        if track is not None:
            track.over.set()
            self.emit("track_unsubscribed", track, publication, participant)

    def unpublish(self, participant: FakeParticipant, publication: FakePublication) -> None:
        """A participant's track ends."""
        del participant.track_publications[publication.sid]
        self._take(publication, participant)
        self.emit("track_unpublished", publication, participant)

    def leave(self, participant: FakeParticipant, reason: int | None = None) -> None:
        """Somebody goes."""
        for publication in list(participant.track_publications.values()):
            self.unpublish(participant, publication)
        participant.disconnect_reason = reason
        if self.remote_participants.get(participant.identity) is participant:
            del self.remote_participants[participant.identity]
        self.emit("participant_disconnected", participant)

    def change_attributes(self, participant: FakeParticipant, **attributes: str) -> None:
        """A participant's attributes change."""
        participant.attributes |= attributes
        self.emit("participant_attributes_changed", attributes, participant)

    def change_metadata(self, participant: FakeParticipant, metadata: str) -> None:
        """A participant's metadata changes."""
        before, participant.metadata = participant.metadata, metadata
        self.emit("participant_metadata_changed", participant, before, metadata)

    def rename(self, participant: FakeParticipant, name: str) -> None:
        """A participant's shown name changes."""
        before, participant.name = participant.name, name
        self.emit("participant_name_changed", participant, before, name)

    def close(self, reason: int = rtc.DisconnectReason.ROOM_DELETED) -> None:
        """The room's life is over."""
        self.connected = False
        self.emit("disconnected", reason)


class FakeModel:
    """In place of Silero: whatever is no silence is speech."""

    def detector(self) -> FakeDetector:
        return FakeDetector()


class FakeDetector:
    """One track's state."""

    def __init__(self) -> None:
        self._rest = np.zeros(0, np.int16)

    def feed(self, pcm: bytes) -> tuple[list[float], float]:
        fresh = np.frombuffer(pcm, np.int16)
        waiting = np.concatenate([self._rest, fresh])
        whole = waiting.size // WINDOW
        self._rest = waiting[whole * WINDOW :]
        windows = waiting[: whole * WINDOW].reshape(whole, WINDOW)
        return [float(window.any()) for window in windows], 1000.0 * float(fresh.any())


class FakeRecognizer:
    """Opens sessions that answer each commit after `answer_seconds`."""

    def __init__(self, answer_seconds: float = 0.05) -> None:
        self.answer_seconds = answer_seconds
        self.opened = 0
        self.closed_sessions = 0
        self.closed = False

    def open(self) -> FakeRecognizerSession:
        self.opened += 1
        return FakeRecognizerSession(self)

    async def aclose(self) -> None:
        self.closed = True


class FakeRecognizerSession:
    """One connection."""

    def __init__(self, recognizer: FakeRecognizer) -> None:
        self._recognizer = recognizer
        self._closed = False
        self._hears = SimulatedSession({})
        self._commits: asyncio.Queue[None] = asyncio.Queue()

    def send(self, pcm: bytes) -> None:
        for number in np.unique(np.frombuffer(pcm, np.int16)).tolist():
            self._hears.lengths[number] = WORD_SAMPLES
        self._hears.send(pcm)

    def commit(self) -> None:
        self._hears.commit(Fate("no_plain"))
        self._commits.put_nowait(None)

    async def events(self) -> AsyncIterator[RecognizerEvent]:
        yield SessionReady()
        while True:
            await self._commits.get()
            await asyncio.sleep(self._recognizer.answer_seconds)
            yield Final(self._hears.says.popleft().answer)

    async def aclose(self) -> None:
        if not self._closed:
            self._recognizer.closed_sessions += 1
        self._closed = True
