"""What the worker tells LiveKit of its machine's load: a busy machine must not lose rooms."""

from __future__ import annotations

import pytest
from livekit.agents.worker import ServerOptions

import worker
from agent.http.livekit import LiveKit
from agent.settings import Settings
from agent.supervise import Supervisor

TARGET_LOAD = 0.7
"""LiveKit's own default of `agents.target_load`: a worker at or above it is given no room."""


@pytest.mark.parametrize(("load", "other"), [(0.1, 0.2), (0.69, 0.7), (0.8, 1.0)])
async def test_load_is_told_in_proportion_and_never_as_full(
    monkeypatch: pytest.MonkeyPatch, load: float, other: float
) -> None:
    """The calmer of two machines is asked first, and the busiest one is asked at all."""
    settings = Settings(
        livekit_url="ws://127.0.0.1:1",
        livekit_api_key="key",
        livekit_api_secret="s" * 32,
        database_url="memory:",
    )
    server = worker.make_server(settings, Supervisor(settings, LiveKit(settings)), devmode=False)
    told = []
    for measured in (load, other):
        monkeypatch.setattr(ServerOptions, "load_fnc", lambda _, measured=measured: measured)
        assert server.load_fnc is not None
        told.append(server.load_fnc(server))  # type: ignore[call-arg]
    assert told[0] < told[1] < TARGET_LOAD
