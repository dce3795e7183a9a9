"""What the worker's fork server loads once for all jobs; imported by nothing else.

Job processes inherit it copy-on-write, so they start at once and share the memory.
"""

from __future__ import annotations

import signal

import agent.store.sql
import agent.transcriber  # noqa: F401

# A service manager that stops a worker signals all its processes. Without its fork server the worker takes
# its jobs for dead; it ends by itself when the worker has.
signal.signal(signal.SIGTERM, signal.SIG_IGN)
