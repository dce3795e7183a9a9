"""How long something here waited for a processor: whether a figure is the program's or the machine's."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_PRESSURE: Final = Path("/proc/pressure/cpu")


def waited_seconds() -> float | None:
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
