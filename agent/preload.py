"""What the worker's fork server loads once for all jobs; imported by nothing else.

Job processes inherit it copy-on-write, so they start at once and share the memory: also Silero, whose session
has no threads of its own.
"""

from __future__ import annotations

import ctypes
import signal
from contextlib import suppress
from importlib import import_module

from agent.rtc.silero import load_model

_SHARED = (
    "agent.transcriber",
    "agent.supervise",
    "agent.store.sql",
    "sqlalchemy.dialects.sqlite.aiosqlite",
    "aiosqlite",
    "sqlalchemy.dialects.postgresql.asyncpg",
    "asyncpg",
    "typer",
)
"""What worker.py imports, and what a job would import when it needs it."""

_M_ARENA_MAX = -8
"""malloc.h of glibc."""

for name in _SHARED:
    import_module(name)
load_model()

# Each of LiveKit's ten threads would get an arena of its own, mostly empty: 5 to 14 MB a job.
with suppress(AttributeError):  # another C library
    ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)

# A service manager that stops a worker signals all its processes. Without its fork server the worker takes
# its jobs for dead; it ends by itself when the worker has.
signal.signal(signal.SIGTERM, signal.SIG_IGN)
