"""The bench on real parts, with a meeting of seconds: that it measures, not what."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.errors import LocalPartError
from bench.recognizer import scripted_recognizer
from bench.rows import run_rows, service_rows
from bench.run import Stage, run_floor, run_scenario
from bench.scenario import Scenario
from bench.service import measure_service
from bench.subject import Subject, our_worker
from local.livekit.server import LiveKitServer

pytestmark = [pytest.mark.live, pytest.mark.timeout(180)]

SHORT = Scenario("1x2", rooms=1, speakers=2, talk_seconds=4.0, pause_seconds=1.0, sentence_words=(4,))


async def test_a_run_counts_every_word_and_what_it_cost(tmp_path: Path) -> None:
    """The worker and the floor on the same speech; every figure is there."""
    async with LiveKitServer() as livekit, scripted_recognizer(tmp_path) as recognizer:
        stage = Stage(livekit, recognizer, tmp_path, lambda line: None)
        run = await run_scenario(stage, SHORT, our_worker())
        floor = await run_floor(stage, SHORT)
    words = run.heard.words
    assert words.said == 8
    assert words.once + words.lost + words.doubled + words.wrong_speaker == words.said
    assert words.once > 0
    assert run.cost.cpu_seconds > 0
    assert floor.together.per_track_minute > 0
    assert floor.a_room.per_track_minute > 0
    assert 0 < run.pss_idle_bytes < run.pss_busy_bytes
    assert run.sent_seconds > run.heard.speech_seconds * 0.9
    assert all(row.values for row in run_rows(run, floor))


async def test_a_program_that_does_not_come_up_is_told(tmp_path: Path) -> None:
    """With what it printed."""
    broken = Subject("worker", ("python3", "-c", "print('no such setting'); raise SystemExit(2)"))
    async with LiveKitServer() as livekit, scripted_recognizer(tmp_path) as recognizer:
        stage = Stage(livekit, recognizer, tmp_path, lambda line: None)
        with pytest.raises(LocalPartError, match=r"(?s)worker ended with code 2.*no such setting"):
            await run_scenario(stage, SHORT, broken)


async def test_the_services_times_are_measured(tmp_path: Path) -> None:
    """A start, and every room and token that was asked for."""
    async with LiveKitServer() as livekit:
        times = await measure_service(livekit, tmp_path)
    assert times.start_seconds > 0
    assert len(times.room_seconds) == 20
    assert len(times.token_seconds) == 50
    assert all(row.values for row in service_rows(times))
