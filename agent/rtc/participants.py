"""What LiveKit says of a participant: its kind, and the role in its metadata and attributes."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from typing import Protocol

from livekit import rtc

from agent.core.consent import ATTRIBUTE, is_unreadable
from agent.core.speakers import role_of

log = logging.getLogger(__name__)

KINDS: dict[int, str] = {
    value: name.removeprefix("PARTICIPANT_KIND_").lower() for name, value in rtc.ParticipantKind.items()
}
"""The SDK's participant kinds by the names that EXCLUDE_KINDS uses."""


def is_transcribed(kind: int, excluded: Collection[str]) -> bool:
    """True when participants of this kind are to be heard; a kind that the SDK cannot name is not."""
    name = KINDS.get(kind)
    return name is not None and name not in excluded


class Described(Protocol):
    """The part of LiveKit's participant that is read here."""

    @property
    def sid(self) -> str: ...
    @property
    def identity(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def metadata(self) -> str: ...
    @property
    def attributes(self) -> Mapping[str, str]: ...


class Participants:
    """The participants of one room: their roles, and one warning for each whose data is malformed."""

    def __init__(self) -> None:
        self._read: dict[str, tuple[str, str]] = {}
        """Identity -> name and role at the last reading."""
        self._warned: set[str] = set()
        """Identities."""

    def role_of(self, participant: Described) -> str:
        """The participant's present role, "" when it has none."""
        found = role_of(participant.metadata, participant.attributes)
        ignored = [found.ignored] if found.ignored else []
        if is_unreadable(participant.attributes):
            ignored.append(f"the attribute {ATTRIBUTE}, which means neither yes nor no")
        if ignored and participant.identity not in self._warned:
            self._warned.add(participant.identity)
            log.warning(
                "malformed data of a participant was ignored",
                extra={
                    "action": "participant_data_ignored",
                    "participant_sid": participant.sid,
                    "ignored": ", ".join(ignored),
                },
            )
        self._read[participant.identity] = participant.name, found.role
        return found.role

    def has_changed(self, participant: Described) -> bool:
        """True when a participant that was read before has another name or role now."""
        before = self._read.get(participant.identity)
        return before is not None and before != (participant.name, self.role_of(participant))
