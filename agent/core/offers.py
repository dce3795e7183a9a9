"""Tracks that participants offer and that are not received yet.

A track is asked for as soon as LiveKit announces it, and heard a moment later. Nobody has heard what was said
in between: a span of more than `LEAST_UNHEARD_SECONDS` is a gap, also when the track is over before it was
received. Nothing can be missed while a track is muted.
"""

from __future__ import annotations

from dataclasses import dataclass

from agent.core.model import Gap, Reason, Speaker

LEAST_UNHEARD_SECONDS = 0.3
"""A participant who was asked to speak takes longer to begin; subscribing takes less on a good network."""


@dataclass(slots=True)
class _Offer:
    speaker: Speaker
    since: float | None
    """Room time from which it could have been heard; None while it is muted."""


class Offers:
    """The tracks of one session that are offered and not received. Times are room time, seconds."""

    def __init__(self) -> None:
        self._tracks: dict[str, _Offer] = {}

    def offer(self, track_sid: str, speaker: Speaker, muted: bool, now: float) -> None:
        """A track is offered and has been asked for; a repetition changes nothing."""
        self._tracks.setdefault(track_sid, _Offer(speaker, None if muted else now))

    def mute(self, track_sid: str, muted: bool, now: float) -> Gap | None:
        """A track was muted or unmuted. Returns what was missed until it was muted, if anything."""
        offer = self._tracks.get(track_sid)
        if offer is None:
            return None
        missed = _missed(track_sid, offer, now) if muted else None
        offer.since = None if muted else now
        return missed

    def receive(self, track_sid: str) -> float | None:
        """A track is received now: since when it could have been heard, None when nothing was missed."""
        offer = self._tracks.pop(track_sid, None)
        return None if offer is None else offer.since

    def end(self, track_sid: str, now: float) -> Gap | None:
        """A track is over. Returns what was missed if the track was never received."""
        offer = self._tracks.pop(track_sid, None)
        return None if offer is None else _missed(track_sid, offer, now)

    def of(self, identity: str) -> list[str]:
        """The sids of one participant."""
        return [sid for sid, offer in self._tracks.items() if offer.speaker.identity == identity]

    @property
    def all(self) -> list[str]:
        """The sids of everybody."""
        return list(self._tracks)


def _missed(track_sid: str, offer: _Offer, now: float) -> Gap | None:
    if offer.since is None or now - offer.since <= LEAST_UNHEARD_SECONDS:
        return None
    return Gap(offer.speaker, track_sid, offer.since, now, Reason.STALLED)
