"""How long something here waited for a processor: whether a figure is the program's or the machine's."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

_PRESSURE: Final = Path("/proc/pressure/cpu")


class Pressure:
    """From its making on."""

    def __init__(self) -> None:
        self._began, self._waited = time.monotonic(), _waited_seconds()

    def share(self) -> float | None:
        """Share of the time in which something waited for a processor; None: not known."""
        waited = _waited_seconds()
        if waited is None or self._waited is None:
            return None
        return (waited - self._waited) / (time.monotonic() - self._began)


def _waited_seconds() -> float | None:
    """Since the machine's start; None where the system does not tell (it is Linux that does)."""
    try:
        text = _PRESSURE.read_text()
    except OSError:
        return None
    return read_total(text)


def read_total(text: str) -> float | None:
    """Seconds of the line `some avg10=… total=MICROSECONDS`; None when there is none."""
    for line in text.splitlines():
        fields = dict(field.split("=", 1) for field in line.split()[1:] if "=" in field)
        if line.startswith("some ") and fields.get("total", "").isdecimal():
            return int(fields["total"]) / 1e6
    return None
