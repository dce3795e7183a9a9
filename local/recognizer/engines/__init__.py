"""Engines by name. A new one is a file here and a line in `ENGINES`."""

from __future__ import annotations

from collections.abc import Callable

from local.recognizer.engines.engine import Engine


def _moonshine() -> Engine:
    from local.recognizer.engines.moonshine import MoonshineEngine  # noqa: PLC0415 - only what is asked for

    return MoonshineEngine()


def _scripted() -> Engine:
    from local.recognizer.engines.scripted import ScriptedEngine  # noqa: PLC0415 - only what is asked for

    return ScriptedEngine()


ENGINES: dict[str, Callable[[], Engine]] = {"moonshine": _moonshine, "scripted": _scripted}
"""Name to maker."""
