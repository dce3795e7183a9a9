"""Tracks that are refused before they are heard: from when to when, and why.

A participant opts out by its attribute `transcribe=false`, in its token or in the middle of the meeting. An
end-to-end encrypted track for which there is no key would give noise, so it is refused as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from agent.core.model import Gap, Reason, Speaker

ATTRIBUTE = "transcribe"
REFUSALS = frozenset({"false", "no", "0", "off"})
CONSENTS = frozenset({"", "true", "yes", "1", "on"})


def is_consenting(attributes: Mapping[str, str]) -> bool:
    """False when a participant's attributes say that it is not to be transcribed."""
    return _choice(attributes) not in REFUSALS


def is_unreadable(attributes: Mapping[str, str]) -> bool:
    """True when a participant's attributes hold a choice that means neither yes nor no."""
    return _choice(attributes) not in REFUSALS | CONSENTS


def _choice(attributes: Mapping[str, str]) -> str:
    return attributes.get(ATTRIBUTE, "").strip().casefold()


@dataclass(frozen=True, slots=True)
class _OptedOut:
    speaker: Speaker
    since: float
    reason: Reason


class OptOuts:
    """The tracks that are not heard: opted out, or encrypted. Times are room time, seconds."""

    def __init__(self) -> None:
        self._tracks: dict[str, _OptedOut] = {}

    def reason(self, track_sid: str) -> Reason | None:
        """Why the track is not to be heard; None when it may be."""
        one = self._tracks.get(track_sid)
        return None if one is None else one.reason

    def begin(self, track_sid: str, speaker: Speaker, now: float, reason: Reason = Reason.OPTED_OUT) -> None:
        """A track is not to be heard from now on."""
        self._tracks[track_sid] = _OptedOut(speaker, now, reason)

    def end(self, track_sid: str, now: float) -> Gap | None:
        """The track is over, or may be heard again: what of it nobody heard; None when it was not refused."""
        one = self._tracks.pop(track_sid, None)
        return None if one is None else Gap(one.speaker, track_sid, one.since, now, one.reason)

    def of(self, identity: str) -> list[str]:
        """The sids of one participant."""
        return [sid for sid, one in self._tracks.items() if one.speaker.identity == identity]

    @property
    def all(self) -> list[str]:
        """The sids of everybody."""
        return list(self._tracks)
