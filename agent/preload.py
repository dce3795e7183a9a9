"""What the worker's fork server loads once for all jobs; imported by nothing else.

Job processes inherit it copy-on-write, so they start at once and share the memory: also Silero, whose session
has no threads of its own.
"""

from __future__ import annotations

import ctypes
import signal
from contextlib import suppress

import typer  # noqa: F401 - each job imports worker.py again

import agent.store.sql
import agent.transcriber  # noqa: F401
from agent.rtc.silero import load_model

_M_ARENA_MAX = -8
"""malloc.h of glibc."""

load_model()

# Each of LiveKit's ten threads would get an arena of its own, mostly empty: 5 to 14 MB a job.
with suppress(AttributeError):  # another C library
    ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)

# A service manager that stops a worker signals all its processes. Without its fork server the worker takes
# its jobs for dead; it ends by itself when the worker has.
signal.signal(signal.SIGTERM, signal.SIG_IGN)
