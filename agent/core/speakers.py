"""Participants -> labels that never change.

The label comes from the participant's role, else its name, else its identity; a second participant of the
same role gets a number ("interviewer 2"). It is bound to the identity for the whole session, so a
rejoin keeps it and the order of joining never swaps two people.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from agent.core.items import clean
from agent.core.model import Speaker

MAX_LABEL = 64
MAX_NAME = 256
TRANSCRIBER = "agent-transcriber-"
"""How the identity of every transcriber begins, and nobody else's."""
GENERIC_ROLES = frozenset({"", "participant"})
"""Roles that say nothing about a person: the name says more."""


class Speakers:
    """The speakers of one session, in order of first appearance."""

    def __init__(self, known: Iterable[Speaker] = ()) -> None:
        self._by_identity = {speaker.identity: speaker for speaker in known}

    def speaker(self, identity: str, name: str = "", role: str = "") -> Speaker:
        """The speaker of a participant: the one it has been so far, or a new one with a free label."""
        known = self._by_identity.get(identity)
        if known is None:
            label = self._free(_label_base(identity, name, role))
            known = Speaker(identity, _line(name, MAX_NAME), _line(role, MAX_LABEL), label)
            self._by_identity[identity] = known
        return known

    def know(self, speakers: Iterable[Speaker]) -> None:
        """Speakers of an earlier transcriber, told late: whoever has a label already keeps it."""
        for speaker in speakers:
            self._by_identity.setdefault(speaker.identity, speaker)

    @property
    def all(self) -> tuple[Speaker, ...]:
        """Everybody so far."""
        return tuple(self._by_identity.values())

    def _free(self, base: str) -> str:
        taken = {speaker.label.casefold() for speaker in self._by_identity.values()}
        label, number = base, 1
        while label.casefold() in taken:
            number += 1
            label = f"{base} {number}"
        return label


def role_of(metadata: str, attributes: Mapping[str, str]) -> str:
    """The role in a participant's attributes (`role`), else in its metadata (`{"role": …}`), else ""."""
    if role := attributes.get("role", ""):
        return _line(role, MAX_LABEL)
    try:
        fields = json.loads(metadata)
    except (ValueError, RecursionError):
        return ""
    value = fields.get("role") if isinstance(fields, dict) else None
    return _line(value, MAX_LABEL) if isinstance(value, str) else ""


def _label_base(identity: str, name: str, role: str) -> str:
    role = _line(role, MAX_LABEL)
    if role.casefold() in GENERIC_ROLES:
        role = ""
    return role or _line(name, MAX_LABEL) or _line(identity, MAX_LABEL) or "speaker"


def _line(text: str, limit: int) -> str:
    """One line that can be sent anywhere, without blanks around it: a label stands before a line of text."""
    return " ".join(clean(text).split())[:limit].strip()
