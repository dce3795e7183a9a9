"""What happens in a room, as plain values in the order in which it happened."""

from __future__ import annotations

from dataclasses import dataclass

from livekit import rtc

from agent.core.model import Reason


@dataclass(frozen=True, slots=True)
class TrackPublished:
    """Somebody offers an audio track that is to be transcribed; it may be gone before it is received."""

    identity: str
    track_sid: str
    name: str
    role: str
    muted: bool


@dataclass(frozen=True, slots=True)
class TrackDeclined:
    """Audio that is offered and may not, or cannot, be transcribed: it is not received, or not any more."""

    track_sid: str
    participant_sid: str
    identity: str
    name: str
    role: str
    reason: Reason
    """opted_out: the participant does not want it; encrypted: there is no key for it."""


@dataclass(frozen=True, slots=True)
class TrackStarted:
    """An audio track is being received."""

    track: rtc.RemoteAudioTrack
    """The object that gives its audio; a reconnect can bring another one for the same sid."""
    track_sid: str
    source: str
    """microphone, screen_share_audio or unknown."""
    muted: bool
    participant_sid: str
    """One stay of the participant: the same identity has another one after a rejoin."""
    identity: str
    name: str
    role: str


@dataclass(frozen=True, slots=True)
class TrackEnded:
    """A track is gone: unpublished, unsubscribed, or its participant left."""

    track_sid: str


@dataclass(frozen=True, slots=True)
class TrackMuted:
    track_sid: str
    muted: bool
    """False when it was unmuted."""


@dataclass(frozen=True, slots=True)
class ParticipantLeft:
    identity: str
    participant_sid: str
    """The stay that is over; the same identity may be here again already."""
    connection_lost: bool = False
    """LiveKit removed the participant because nothing came from it any more; nobody asked for that."""


@dataclass(frozen=True, slots=True)
class ParticipantChanged:
    """The name or the role of a participant is another one now."""

    identity: str
    name: str
    role: str


@dataclass(frozen=True, slots=True)
class ConnectionLost:
    """The connection to the server broke; it is being restored."""


@dataclass(frozen=True, slots=True)
class ConnectionRestored:
    """The connection is back; tracks may have come and gone meanwhile."""


@dataclass(frozen=True, slots=True)
class Superseded:
    """The server was restarted, made the room anew, and another transcriber has it."""


@dataclass(frozen=True, slots=True)
class EventsLost:
    """More happened than the queue holds: what the room is like is not known any more. Nothing follows."""


@dataclass(frozen=True, slots=True)
class RoomClosed:
    """We are out of the room for good."""

    reason: str
    """LiveKit's name of it, lower case: room_deleted, room_closed, client_initiated …"""


RoomEvent = (
    TrackPublished
    | TrackDeclined
    | TrackStarted
    | TrackEnded
    | TrackMuted
    | ParticipantLeft
    | ParticipantChanged
    | ConnectionLost
    | ConnectionRestored
    | Superseded
    | EventsLost
    | RoomClosed
)
