"""The real LiveKit server on this machine: found on PATH, or built once from its Go module."""

from local.livekit.binary import find_or_build
from local.livekit.server import LiveKitServer

__all__ = ["LiveKitServer", "find_or_build"]
