"""Room callbacks -> events in a queue, and subscription to the audio that is to be transcribed.

LiveKit calls back synchronously; a callback here does no more than put a value into the queue.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection

from livekit import rtc

from agent.core.consent import is_consenting
from agent.core.model import Reason
from agent.core.speakers import TRANSCRIBER
from agent.rtc.events import (
    ConnectionLost,
    ConnectionRestored,
    EventsLost,
    ParticipantChanged,
    ParticipantLeft,
    RoomClosed,
    RoomEvent,
    Superseded,
    TrackDeclined,
    TrackEnded,
    TrackMuted,
    TrackPublished,
    TrackStarted,
)
from agent.rtc.participants import Participants, is_transcribed

log = logging.getLogger(__name__)

QUEUE_SIZE = 10_000
"""Far more than a room can cause before the session reads. One more becomes `EventsLost`: LiveKit's emitter
would swallow the exception, and the session would go on without knowing who opted out."""

LEAVE_METHOD = "transcriber.leave"
"""RPC among transcribers. LiveKit tells of one that has joined only seconds later, and of the room's new sid
too: the payload is the one that the newcomer was given."""
LEAVE_SECONDS = 1.5
NOT_LEAVING = 1500
"""RPC error: the one who is asked has the room by right, or who asks is no transcriber."""

SAY_AGAIN_SECONDS = 0.5
"""After a no to a track. LiveKit's client sends every yes and no from a task of its own: of two at once the
first may arrive last, and stands. A busy machine does that once in ten times."""

WRONG_KEY_SECONDS = 1.0
"""How long nothing of a participant can be decrypted before our key counts as the wrong one."""
_UNREADABLE = (rtc.EncryptionState.DECRYPTION_FAILED, rtc.EncryptionState.MISSING_KEY)

_SOURCES = {
    rtc.TrackSource.SOURCE_MICROPHONE: "microphone",
    rtc.TrackSource.SOURCE_SCREENSHARE_AUDIO: "screen_share_audio",
}

_CONNECTION_LOST = frozenset(
    {
        rtc.DisconnectReason.CONNECTION_TIMEOUT,
        rtc.DisconnectReason.SIGNAL_CLOSE,
        rtc.DisconnectReason.STATE_MISMATCH,
        rtc.DisconnectReason.JOIN_FAILURE,
        rtc.DisconnectReason.MEDIA_FAILURE,
        rtc.DisconnectReason.SIP_TRUNK_FAILURE,
    }
)
"""Why a participant was removed whom neither its client nor the server's API asked to go."""


class RoomEvents:
    """The events of one room. Make it before the room is connected, so that none is missed."""

    def __init__(
        self,
        room: rtc.Room,
        *,
        exclude_kinds: Collection[str],
        exclude_sources: Collection[str],
        has_key: bool = False,
    ) -> None:
        """`has_key`: the room is connected with a key for end-to-end encrypted tracks."""
        self._room = room
        self._exclude_kinds = exclude_kinds
        self._exclude_sources = exclude_sources
        self._silent: dict[str, int] = {}
        """Sids that had no audio at the last look -> in how many looks in a row."""
        self._has_key = has_key
        self._undecrypted: set[str] = set()
        """Identities of those whose audio cannot be decrypted at this moment."""
        self._wrong_key: set[str] = set()
        """Sids of tracks for which our key is the wrong one."""
        self._declined: dict[str, Reason] = {}
        """Sids of tracks that are refused -> why."""
        self._people = Participants()
        self._sid = ""
        self._renewed = False
        self._lost = False
        self.closed_because = ""
        """LiveKit's reason (see `RoomClosed`), known before the event is handled; empty while connected."""
        self.queue: asyncio.Queue[RoomEvent] = asyncio.Queue(QUEUE_SIZE)
        self._callbacks = {
            "track_published": self._on_published,
            "track_subscribed": self._on_subscribed,
            "track_unsubscribed": self._on_unsubscribed,
            "track_unpublished": self._on_unpublished,
            "track_muted": self._on_muted,
            "track_unmuted": self._on_unmuted,
            "participant_connected": lambda _participant: self._look_for_another(),
            "participant_disconnected": self._on_left,
            "participant_attributes_changed": self._on_attributes,
            "e2ee_state_changed": self._on_encryption,
            "participant_metadata_changed": lambda one, _old, _new: self._on_changed(one),
            "participant_name_changed": lambda one, _old, _new: self._on_changed(one),
            "reconnecting": lambda: self._put(ConnectionLost()),
            "reconnected": self._on_reconnected,
            "room_updated": self._on_updated,
            "disconnected": self._on_disconnected,
        }
        for name, callback in self._callbacks.items():
            room.on(name, callback)  # type: ignore[arg-type]

    def subscribe(self) -> None:
        """Ask for the audio that is there already; call once the room is connected."""
        self._room.local_participant.register_rpc_method(LEAVE_METHOD, self._asked_to_leave)
        self._on_updated()
        for participant in self._room.remote_participants.values():
            for publication in participant.track_publications.values():
                self._on_published(publication, participant)

    def look_again(self) -> None:
        """Ask anew for audio that should be here and is not; call now and then.

        After a full reconnect LiveKit can take a track away that it has just given: asking brings it, and
        disturbs nothing that is on its way. Or it gives one that its client does not know yet: then that must
        be given back first. Nothing more is told of either, so the looks take turns.
        """
        silent = {
            publication.sid: publication
            for participant in self._room.remote_participants.values()
            for publication in participant.track_publications.values()
            if publication.track is None
            and self._wanted(publication, participant)
            and publication.sid not in self._declined
        }
        self._silent = {sid: self._silent.get(sid, 0) + 1 for sid in silent}
        for sid, looks in self._silent.items():
            if looks > 1:
                log.warning("asking anew for a track", extra={"action": "track_asked_anew", "track_sid": sid})
            if looks % 2:
                _set_subscribed(silent[sid], True)
            else:
                _set_subscribed(silent[sid], False)
                self._say_again(silent[sid])

    def _say_again(self, publication: rtc.RemoteTrackPublication) -> None:
        """Say what holds for a track then, when what was said before cannot overtake it any more."""

        def say() -> None:
            if self._callbacks:
                _set_subscribed(publication, publication.sid not in self._declined)

        asyncio.get_running_loop().call_later(SAY_AGAIN_SECONDS, say)

    def close(self) -> None:
        """Listen no more; safe to call twice."""
        for name, callback in self._callbacks.items():
            self._room.off(name, callback)  # type: ignore[arg-type]
        if self._callbacks and self._room.isconnected():
            self._room.local_participant.unregister_rpc_method(LEAVE_METHOD)
        self._callbacks = {}

    def _wanted(self, publication: rtc.RemoteTrackPublication, participant: rtc.RemoteParticipant) -> bool:
        return (
            publication.kind == rtc.TrackKind.KIND_AUDIO
            and is_transcribed(participant.kind, self._exclude_kinds)
            and _source(publication) not in self._exclude_sources
        )

    def _on_published(
        self, publication: rtc.RemoteTrackPublication, participant: rtc.RemoteParticipant
    ) -> None:
        if not self._wanted(publication, participant):
            return
        if (refusal := self._refusal(publication, participant)) is not None:
            self._decline(publication, participant, refusal)
            return
        self._declined.pop(publication.sid, None)
        _set_subscribed(publication, True)
        role = self._people.role_of(participant)
        self._put(
            TrackPublished(participant.identity, publication.sid, participant.name, role, publication.muted)
        )

    def _refusal(
        self, publication: rtc.RemoteTrackPublication, participant: rtc.RemoteParticipant
    ) -> Reason | None:
        """Why a track is not to be received; None when it is."""
        if not is_consenting(participant.attributes):
            return Reason.OPTED_OUT
        readable = self._has_key and publication.sid not in self._wrong_key
        return None if readable or not publication.encryption_type else Reason.ENCRYPTED

    def _decline(
        self,
        publication: rtc.RemoteTrackPublication,
        participant: rtc.RemoteParticipant,
        reason: Reason,
    ) -> None:
        self._declined[publication.sid] = reason
        self._stop_decrypting(publication.sid)
        _set_subscribed(publication, False)
        self._say_again(publication)
        self._put(
            TrackDeclined(
                track_sid=publication.sid,
                participant_sid=participant.sid,
                identity=participant.identity,
                name=participant.name,
                role=self._people.role_of(participant),
                reason=reason,
            )
        )

    def _stop_decrypting(self, track_sid: str) -> None:
        """Take the decryption off a track that is refused.

        LiveKit gives the receiver of a track to the next one, with its decryption: a track that is not
        encrypted would be silent there.
        """
        if not self._has_key:
            return
        try:
            for cryptor in self._room.e2ee_manager.frame_cryptors():
                if cryptor.track_sid == track_sid:
                    cryptor.set_enabled(False)
        except AssertionError:  # the track, or the room, is gone already: the refusal counts all the same
            log.info("track is gone already", extra={"action": "track_gone", "track_sid": track_sid})

    def _on_attributes(self, _changed: dict[str, str], participant: rtc.Participant) -> None:
        self._on_changed(participant)
        remote = self._room.remote_participants.get(participant.identity)
        if remote is None:
            return  # our own
        for publication in remote.track_publications.values():
            if self._refusal(publication, remote) is not self._declined.get(publication.sid):
                self._on_published(publication, remote)

    def _on_changed(self, participant: rtc.Participant) -> None:
        if self._people.has_changed(participant):
            role = self._people.role_of(participant)
            self._put(ParticipantChanged(participant.identity, participant.name, role))

    def _on_encryption(self, participant: rtc.Participant, state: rtc.EncryptionState.ValueType) -> None:
        """LiveKit reports the first frame that it cannot decrypt, and the next one that it can."""
        if not isinstance(participant, rtc.RemoteParticipant):
            return
        identity = participant.identity
        if state not in _UNREADABLE:
            self._undecrypted.discard(identity)
        elif identity not in self._undecrypted:
            self._undecrypted.add(identity)
            asyncio.get_running_loop().call_later(WRONG_KEY_SECONDS, self._key_is_wrong, identity)

    def _key_is_wrong(self, identity: str) -> None:
        """If a participant still cannot be decrypted, refuse the tracks that it has now."""
        participant = self._room.remote_participants.get(identity)
        if identity not in self._undecrypted or participant is None or not self._callbacks:
            return
        self._undecrypted.discard(identity)
        for publication in participant.track_publications.values():
            if publication.encryption_type:
                self._wrong_key.add(publication.sid)
                self._on_published(publication, participant)

    def _on_subscribed(
        self,
        track: rtc.Track,
        publication: rtc.RemoteTrackPublication,
        participant: rtc.RemoteParticipant,
    ) -> None:
        if publication.sid in self._declined:
            return  # it was on its way when its participant opted out
        if isinstance(track, rtc.RemoteAudioTrack) and self._wanted(publication, participant):
            self._put(
                TrackStarted(
                    track=track,
                    track_sid=publication.sid,
                    source=_source(publication),
                    muted=publication.muted,
                    participant_sid=participant.sid,
                    identity=participant.identity,
                    name=participant.name,
                    role=self._people.role_of(participant),
                )
            )

    def _on_unsubscribed(
        self,
        _track: rtc.Track | None,
        publication: rtc.RemoteTrackPublication,
        _participant: rtc.RemoteParticipant,
    ) -> None:
        if publication.sid not in self._declined:  # that one is over already
            self._put(TrackEnded(publication.sid))

    def _on_unpublished(
        self, publication: rtc.RemoteTrackPublication, _participant: rtc.RemoteParticipant
    ) -> None:
        self._declined.pop(publication.sid, None)
        self._wrong_key.discard(publication.sid)
        self._put(TrackEnded(publication.sid))

    def _on_muted(self, _participant: rtc.Participant, publication: rtc.TrackPublication) -> None:
        self._put(TrackMuted(publication.sid, muted=True))

    def _on_unmuted(self, _participant: rtc.Participant, publication: rtc.TrackPublication) -> None:
        self._put(TrackMuted(publication.sid, muted=False))

    def _on_left(self, participant: rtc.RemoteParticipant) -> None:
        self._undecrypted.discard(participant.identity)
        lost = participant.disconnect_reason in _CONNECTION_LOST
        self._put(ParticipantLeft(participant.identity, participant.sid, lost))

    def _on_reconnected(self) -> None:
        self._put(ConnectionRestored())
        self.subscribe()

    def _on_updated(self) -> None:
        sid = self._room._info.sid  # `Room.sid` tells the first one only
        if sid != self._sid:
            if self._sid:
                self._renewed = True
                log.warning("the room has another sid", extra={"action": "room_renewed"})
            self._sid = sid
            self._look_for_another()

    def _look_for_another(self) -> None:
        others = self._room.remote_participants
        if self._renewed and any(identity.startswith(TRANSCRIBER) for identity in others):
            self._put(Superseded())

    async def _asked_to_leave(self, call: rtc.RpcInvocationData) -> str:
        renewed = self._renewed or call.payload not in ("", self._sid)
        if not (renewed and call.caller_identity.startswith(TRANSCRIBER)):
            raise rtc.RpcError(NOT_LEAVING, "this transcriber stays")
        self._put(Superseded())
        return ""

    def _on_disconnected(self, reason: rtc.DisconnectReason.ValueType) -> None:
        known = reason in rtc.DisconnectReason.values()  # a newer server may have reasons of its own
        self.closed_because = rtc.DisconnectReason.Name(reason).lower() if known else f"reason_{reason}"
        self._put(RoomClosed(self.closed_because))

    def _put(self, event: RoomEvent) -> None:
        if self._lost:
            return
        self._lost = self.queue.qsize() >= QUEUE_SIZE - 1
        self.queue.put_nowait(EventsLost() if self._lost else event)


async def ask_to_leave(room: rtc.Room) -> None:
    """Tell transcribers who are here from before a restart of the server that they hear no more; bounded.

    Those who have the room by right stay: who goes on then is told by the store.
    """
    others = [identity for identity in room.remote_participants if identity.startswith(TRANSCRIBER)]
    async with asyncio.TaskGroup() as group:
        for identity in others:
            group.create_task(_ask_to_leave(room, identity), name=f"ask {identity} to leave")


async def _ask_to_leave(room: rtc.Room, identity: str) -> None:
    try:
        async with asyncio.timeout(LEAVE_SECONDS):
            await room.local_participant.perform_rpc(
                destination_identity=identity,
                method=LEAVE_METHOD,
                payload=await room.sid,
                response_timeout=LEAVE_SECONDS,
            )
    except (rtc.RpcError, TimeoutError, AssertionError) as exc:  # the last: we are out of the room already
        log.info(
            "a transcriber that is here stays", extra={"action": "transcriber_stays", "detail": str(exc)}
        )


def _set_subscribed(publication: rtc.RemoteTrackPublication, wanted: bool) -> None:
    """Ask for a track, or ask not to receive it."""
    try:
        publication.set_subscribed(wanted)
    except AssertionError:  # LiveKit has given the publication up already; its end is reported
        log.info("track is gone already", extra={"action": "track_gone", "track_sid": publication.sid})


def _source(publication: rtc.RemoteTrackPublication) -> str:
    return _SOURCES.get(publication.source, "unknown")
