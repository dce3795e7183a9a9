"""A log line is a fixed sentence with fields, on one line, and never holds a secret."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.logs import bind_log_fields, set_up_logs
from agent.settings import Settings
from agent.store import open_store
from agent.store.protocol import Stored
from tests.contract.record import STARTED, segment

log = logging.getLogger("agent.test")


@pytest.fixture(autouse=True)
def put_back() -> Iterator[None]:
    """Leave the root logger as it was."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def set_up(**env: str) -> None:
    """Logs as they are with these settings."""
    set_up_logs(Settings.from_env(env))


def test_text_shows_the_sentence_and_its_fields(capsys: pytest.CaptureFixture[str]) -> None:
    """For people: time, level, sentence, name=value."""
    set_up()
    log.info("track started", extra={"action": "track_started", "track_sid": "TR_x"})
    line = capsys.readouterr().err
    assert line.endswith("Z info    track started  action=track_started track_sid=TR_x\n")


def test_json_is_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever a room is called, and with a traceback, a line stays one line."""
    set_up(LOG_FORMAT="json")
    try:
        raise ValueError("broken\nin two")
    except ValueError:
        log.exception("track failed", extra={"action": "track_failed", "room": "a\u2028b\nZoë"})
    (line,) = capsys.readouterr().err.splitlines()
    record = json.loads(line)
    assert record["message"] == "track failed"
    assert record["level"] == "error"
    assert record["logger"] == "agent.test"
    assert (record["action"], record["room"]) == ("track_failed", "a\u2028b\nZoë")
    assert "ValueError: broken\nin two" in record["traceback"]


def test_a_name_cannot_forge_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Room names come from outside."""
    set_up()
    log.info("session over", extra={"room": "x\n2026-01-01T00:00:00.000Z error   forged\u2028x"})
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_secrets_are_cut_out(log_format: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever writes them: a sentence, a field, an exception of somebody else's library."""
    set_up(
        LOG_FORMAT=log_format,
        LIVEKIT_API_SECRET='hush"livekit',
        ELEVENLABS_API_KEY="hush-elevenlabs",
        API_KEY="hush-service",
        WEBHOOK_URL="https://host/?token=hush-url",
        WEBHOOK_SECRET=f"whsec_{'hush' * 10},{'HUSH' * 10}",
        DATABASE_URL="postgresql://u:hush%40db@h/d",
    )
    token = "eyJhbGciOi.eyJzdWIiOi.c2lnbmF0dXJl"
    try:
        raise OSError(
            f"GET https://x/?access_token={token} hush-elevenlabs hush@db hush%40db {'HUSH' * 10} https://host/?token=hush-url"
        )
    except OSError:
        log.exception(
            'call failed with hush"livekit', extra={"key": "hush-service", "url": 'a hush"livekit b'}
        )
    line = capsys.readouterr().err
    assert "hush" not in line.lower()
    assert "eyJ" not in line
    assert "call failed with ***" in line


def test_fields_are_bound_to_a_task_and_those_it_starts(capsys: pytest.CaptureFixture[str]) -> None:
    """Two sessions in one process do not take each other's room."""

    async def session(room: str) -> None:
        bind_log_fields(room=room)
        bind_log_fields(session=f"RM_{room}")
        async with asyncio.TaskGroup() as group:
            group.create_task(line())

    async def line() -> None:
        log.info("track started")

    async def both() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(session("a"))
            group.create_task(session("b"))
        log.info("outside")

    set_up()
    asyncio.run(both())
    a, b, outside = capsys.readouterr().err.splitlines()
    assert a.endswith("room=a session=RM_a")
    assert b.endswith("room=b session=RM_b")
    assert outside.endswith("outside")


def test_the_framework_is_quiet_unless_asked(capsys: pytest.CaptureFixture[str]) -> None:
    """Only what an operator waits for, and warnings."""
    framework = logging.getLogger("livekit.agents")
    framework.setLevel(logging.DEBUG)
    set_up()
    framework.info("initializing process")
    framework.info("registered worker")
    framework.warning("process is unresponsive")
    assert capsys.readouterr().err.count("\n") == 2
    set_up(LOG_LEVEL="debug")
    framework.info("initializing process")
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_what_the_database_is_given_is_not_logged(
    log_format: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its driver writes each statement with its values, which are speech, when everything is written."""
    set_up(LOG_LEVEL="debug", LOG_FORMAT=log_format)

    async def keep() -> None:
        store = open_store(f"sqlite:///{tmp_path}/record.db")
        await store.open_session("a room", "RM_1", STARTED)
        await store.write("RM_1", 1, [Stored(1, segment("confidential utterance"))])
        assert await store.segments("RM_1")
        await store.aclose()

    asyncio.run(keep())
    logging.getLogger("aiosqlite").warning("the driver is unwell")
    lines = capsys.readouterr().err
    assert "confidential" not in lines
    assert "Ada" not in lines
    assert "the driver is unwell" in lines


@pytest.mark.parametrize("log_format", ["text", "json"])
@pytest.mark.parametrize("level", ["info", "debug"])
def test_what_the_framework_marks_as_said_is_left_out(
    level: str, log_format: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The recognizer's plugin puts whole answers of ElevenLabs beside its warnings, and partial text."""
    set_up(LOG_LEVEL=level, LOG_FORMAT=log_format)
    plugin = logging.getLogger("livekit.plugins.elevenlabs")
    plugin.setLevel(logging.DEBUG)
    for write in (plugin.debug, plugin.warning):
        write("unknown message type", extra={"lk.pii.data": {"text": "confidential utterance"}, "kind": "x"})
    lines = capsys.readouterr().err
    assert lines.count("unknown message type") == (2 if level == "debug" else 1)
    assert "kind" in lines
    assert "confidential" not in lines


def test_level_and_repeated_set_up(capsys: pytest.CaptureFixture[str]) -> None:
    """Set up twice, a line is still written once."""
    set_up()
    set_up(LOG_LEVEL="warning")
    log.info("unseen")
    log.warning("seen")
    assert capsys.readouterr().err.count("\n") == 1


def test_in_a_job_s_process_lines_are_carried_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    """livekit-agents brings them to the worker's process, with the fields bound here."""

    class LogQueueHandler(logging.Handler):
        carried: list[logging.LogRecord] = []  # noqa: RUF012 - a test's

        def emit(self, record: logging.LogRecord) -> None:
            self.carried.append(record)

    logging.getLogger().addHandler(LogQueueHandler())
    set_up()

    async def job() -> None:
        bind_log_fields(room="r")
        log.info("track started")

    asyncio.run(job())
    assert [vars(record)["room"] for record in LogQueueHandler.carried] == ["r"]
    assert capsys.readouterr().err == ""


def test_a_carried_traceback_is_written_once(capsys: pytest.CaptureFixture[str]) -> None:
    """The framework sends the sentence with its traceback, and the traceback again."""
    set_up()
    trace = "Traceback (most recent call last):\nValueError: x"
    record = logging.makeLogRecord(
        {"name": "agent.x", "levelno": logging.ERROR, "levelname": "ERROR", "msg": f"track failed\n{trace}"}
    )
    record.exc_text = trace
    logging.getLogger("agent.x").callHandlers(record)
    assert capsys.readouterr().err.count("ValueError: x") == 1
