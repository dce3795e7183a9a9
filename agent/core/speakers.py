"""Participants -> speakers: the present name and role of each, and a label that readers can rely on.

The label comes from the participant's role, else its name, else its identity. It is bound to the identity for
the whole session, so a rejoin keeps it. No two labels look the same: the second participant whose label would
look like an earlier one gets a number ("interviewer 2"). Once words were shown under a label, it never
changes; until then a name that becomes known replaces an identity, and a role replaces a name.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from unicodedata import category, normalize

from agent.core.exports.plain import label_line
from agent.core.items import clean
from agent.core.model import Speaker

MAX_LABEL = 64
MAX_NAME = 256
TRANSCRIBER = "agent-transcriber-"
"""How the identity of every transcriber begins, and nobody else's."""
GENERIC_ROLES = frozenset({"", "participant"})
"""Roles that say nothing about a person: the name says more."""

_UNSEEN = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0") | {
    chr(code) for code in (*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0000, 0xE1000))
}
"""Characters that are letters, marks or symbols to Unicode and that nobody sees."""


class _Origin(IntEnum):
    """What a label was made from; a later one says more about the person."""

    IDENTITY = 0
    NAME = 1
    ROLE = 2


@dataclass(frozen=True, slots=True)
class _Base:
    """What a participant's label is to be, before it is made unique."""

    origin: _Origin
    text: str

    def improves(self, other: _Base) -> bool:
        """True when a label made from `other`, under which nothing was shown yet, should give way."""
        renamed = self.origin is other.origin is _Origin.NAME and self.text != other.text
        return self.origin > other.origin or renamed


class Speakers:
    """The speakers of one session, in order of first appearance."""

    def __init__(self, known: Iterable[Speaker] = ()) -> None:
        self._by_identity: dict[str, Speaker] = {}
        self._unshown: dict[str, _Base] = {}
        """Identity -> what its label was made from, while no words have been shown under the label."""
        self._taken: set[str] = set()
        """How the labels look that have been given to anybody, replaced ones included."""
        self.know(known)

    def speaker(self, identity: str, name: str = "", role: str = "") -> Speaker:
        """The speaker of a participant whose name and role are these now."""
        known = self._by_identity.get(identity)
        base = _base_of(identity, name, role)
        before = self._unshown.get(identity)
        if known is None or (before is not None and base.improves(before)):
            label = self._free(base.text)
            self._unshown[identity] = base
        else:
            label = known.label
        speaker = Speaker(identity, _line(name, MAX_NAME), _line(role, MAX_LABEL), label)
        self._by_identity[identity] = speaker
        return speaker

    def shown(self, identity: str) -> None:
        """Words were shown under this speaker's label: from now on the label stays."""
        self._unshown.pop(identity, None)

    def knows(self, identity: str) -> bool:
        """True when the participant has been a speaker before."""
        return identity in self._by_identity

    def present(self, speaker: Speaker) -> Speaker:
        """The same speaker with the name, role and label of now."""
        return self._by_identity.get(speaker.identity, speaker)

    def know(self, speakers: Iterable[Speaker]) -> None:
        """Add the speakers of an earlier transcriber. Speakers that have a label here keep it."""
        for speaker in speakers:
            if speaker.identity not in self._by_identity:
                label = self._free(speaker.label)
                self._by_identity[speaker.identity] = Speaker(
                    speaker.identity, speaker.name, speaker.role, label
                )

    @property
    def all(self) -> tuple[Speaker, ...]:
        """Everybody so far."""
        return tuple(self._by_identity.values())

    def _free(self, base: str) -> str:
        label, number = base, 1
        while look_of(label) in self._taken:
            number += 1
            label = f"{base} {number}"
        self._taken.add(look_of(label))
        return label


@dataclass(frozen=True, slots=True)
class RoleFound:
    """What a participant's metadata and attributes say of its role."""

    role: str = ""
    ignored: str = ""
    """What was ignored because it is malformed, in words; never its content."""


def role_of(metadata: str, attributes: Mapping[str, str]) -> RoleFound:
    """The role in a participant's attributes (`role`), else in its metadata (`{"role": …}`), else ""."""
    found = _role_in(metadata)
    if role := attributes.get("role", ""):
        return RoleFound(_line(role, MAX_LABEL), found.ignored)
    return found


def _role_in(metadata: str) -> RoleFound:
    if not metadata.strip():
        return RoleFound()
    try:
        fields = json.loads(metadata)
    except (ValueError, RecursionError):
        return RoleFound(ignored="the metadata, which is not valid JSON")
    if not isinstance(fields, dict):
        return RoleFound(ignored="the metadata, which is not a JSON object")
    role = fields.get("role")
    if role is not None and not isinstance(role, str):
        return RoleFound(ignored="the role in the metadata, which is not text")
    return RoleFound(_line(role or "", MAX_LABEL))


def look_of(label: str) -> str:
    """What a reader can tell a label by: two labels with the same look cannot be told apart.

    Case, width, the way accents are composed, invisible characters and direction marks make no difference.
    """
    apart = normalize("NFKD", normalize("NFKD", label).casefold())
    return " ".join(normalize("NFKC", "".join(one for one in apart if not _is_unseen(one))).split())


def _is_unseen(one: str) -> bool:
    return one in _UNSEEN or (category(one) in ("Cc", "Cf", "Cs") and not one.isspace())


def _base_of(identity: str, name: str, role: str) -> _Base:
    role = _line(role, MAX_LABEL)
    if role.casefold() not in GENERIC_ROLES and look_of(role):
        return _Base(_Origin.ROLE, role)
    name = _line(name, MAX_LABEL)
    if look_of(name):
        return _Base(_Origin.NAME, name)
    identity = _line(identity, MAX_LABEL)
    return _Base(_Origin.IDENTITY, identity if look_of(identity) else "speaker")


def _line(text: str, limit: int) -> str:
    """One line that can be sent anywhere, without blanks around it: a label stands before a line of text."""
    return label_line(clean(text))[:limit].strip()
