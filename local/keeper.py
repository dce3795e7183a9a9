"""Runs a command that ends when its starter does, however the starter ends (SIGKILL included).

    python -I keeper.py GRACE_SECONDS COMMAND [ARGUMENT …]

The starter holds the other end of this process's standard input. When that pipe closes, which the kernel
does for a dead process too, or when the keeper is told to stop (SIGTERM, SIGINT), the command's whole
process group gets SIGTERM, and SIGKILL after GRACE_SECONDS. The keeper ends with the command's exit code
(128 + n for signal n). On Linux the command also dies when the keeper itself is killed.

Only the standard library, and no import of ours: it starts in a few hundredths of a second.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
from types import FrameType

_PR_SET_PDEATHSIG = 1


def main(grace_seconds: float, command: list[str]) -> int:
    """Run `command` until it ends or the starter is gone; returns the exit code."""
    stopping = False
    try:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=_die_with_keeper,  # noqa: PLW1509 - there is no second thread yet
        )
    except OSError as error:
        print(f"cannot start {command[0]}: {error.strerror}", file=sys.stderr)
        return 127

    def stop(_signal: int = 0, _frame: FrameType | None = None) -> None:
        nonlocal stopping
        if not stopping:
            stopping = True
            _signal_group(child.pid, signal.SIGTERM)
            killer = threading.Timer(grace_seconds, _signal_group, (child.pid, signal.SIGKILL))
            killer.daemon = True
            killer.start()

    def stop_at_end_of_input() -> None:
        while os.read(0, 4096):
            pass
        stop()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    threading.Thread(target=stop_at_end_of_input, daemon=True).start()
    code = child.wait()
    _signal_group(child.pid, signal.SIGKILL)  # what the command left behind in its group
    return code if code >= 0 else 128 - code


def _die_with_keeper() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _signal_group(group: int, number: signal.Signals) -> None:
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), sys.argv[2:]))
