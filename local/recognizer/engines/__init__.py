"""Engines by name. A new one is a file here and a line in `ENGINES`."""

from __future__ import annotations

from collections.abc import Callable

from local.recognizer.engines.engine import Engine


def _scripted() -> Engine:
    from local.recognizer.engines.scripted import ScriptedEngine  # noqa: PLC0415 - only what is asked for

    return ScriptedEngine()


ENGINES: dict[str, Callable[[], Engine]] = {"scripted": _scripted}
"""Name to maker."""
