"""The address of LiveKit that clients are given, and whether they can reach it."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from agent.settings import Settings

_INSIDE = (".localhost", ".internal", ".svc", ".cluster.local")
"""Ends of names that are known inside a machine or a cluster alone."""


def client_url(settings: Settings) -> str:
    """The address for answers that send a client to LiveKit."""
    return settings.livekit_public_url or settings.livekit_url


def doubts(settings: Settings) -> list[str]:
    """A sentence when clients of a service that listens on a network will not reach that address."""
    if settings.loopback_only or not client_url(settings):
        return []
    name = "LIVEKIT_PUBLIC_URL" if settings.livekit_public_url else "LIVEKIT_URL"
    host = (urlsplit(client_url(settings)).hostname or "").rstrip(".")
    if not _is_inside(host):
        return []
    return [
        f"Clients are given {name}, whose host {host} is known on this machine or in its network alone; "
        "set LIVEKIT_PUBLIC_URL to an address that clients reach."
    ]


def _is_inside(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return "." not in host or host.endswith(_INSIDE)
    return address.is_loopback or address.is_unspecified
