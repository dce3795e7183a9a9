"""Logs: a fixed sentence with fields, as text for people or one JSON object a line. Set up once a process.

    log.info("track started", extra={"action": "track_started", "track_sid": sid})

`action` is one of the words in agent/actions.py. `bind_log_fields(room=…, session=…)` adds fields to every
line of the current task and of the tasks it starts. Secrets are cut out of every line, whoever wrote it.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import traceback
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any
from urllib.parse import unquote, urlsplit

from agent.clock import timestamp
from agent.settings import Settings

_bound: ContextVar[Mapping[str, Any]] = ContextVar("log fields", default=MappingProxyType({}))

_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}
"""Attributes of a record that are no fields."""

_PERSONAL = "pii"
"""Part of a field's name by which livekit-agents marks what was said: `lk.pii.data`. Left out."""

_FRAMEWORK_FIELDS = frozenset({"pid", "inference", "job_id", "room_id"})
"""livekit-agents adds these to every line of a job; they are left out of text."""

_NOISY = (
    "livekit",
    "httpx",
    "httpcore",
    "aiohttp",
    "asyncio",
    "uvicorn",
    "sqlalchemy",
    "aiosqlite",
    "alembic",
)
"""Loggers of which only warnings are written, unless LOG_LEVEL is debug."""

_TELLTALE = ("aiosqlite",)
"""Loggers that write every statement with its values, which are speech: only their warnings, ever."""

_WELCOME = frozenset({"registered worker"})
"""What is worth a line all the same."""

_JSON_WEB_TOKEN = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+")
_PLAIN = re.compile(r"[\w./:@+\-]+")


def set_up_logs(settings: Settings) -> None:
    """Write what is at least LOG_LEVEL to standard error, in LOG_FORMAT. Safe to call again.

    In a job's process, whose lines livekit-agents carries to the worker's process, only fields are added here
    and the worker's process does the writing.
    """
    root = logging.getLogger()
    root.setLevel(settings.log_level.upper())
    carriers = [handler for handler in root.handlers if type(handler).__name__ == "LogQueueHandler"]
    for handler in carriers or [_stderr_handler(root, settings)]:
        handler.addFilter(_add_bound_fields)
        handler.addFilter(_tells_no_speech)
        if settings.log_level != "debug":
            handler.addFilter(_is_worth_a_line)


def _stderr_handler(root: logging.Logger, settings: Settings) -> logging.Handler:
    """Put our handler, in place of an earlier one of ours, on the root logger."""
    for old in [handler for handler in root.handlers if isinstance(handler, _StderrHandler)]:
        root.removeHandler(old)
    handler = _StderrHandler()
    handler.setFormatter((_Json if settings.log_format == "json" else _Text)(settings))
    root.addHandler(handler)
    return handler


def bind_log_fields(**fields: Any) -> None:
    """Add fields to every line of this task and of those it starts from now on."""
    _bound.set(MappingProxyType({**_bound.get(), **fields}))


def _add_bound_fields(record: logging.LogRecord) -> bool:
    for name, value in _bound.get().items():
        if not hasattr(record, name):
            setattr(record, name, value)
    return True


def _is_worth_a_line(record: logging.LogRecord) -> bool:
    if record.levelno >= logging.WARNING or not record.name.startswith(_NOISY):
        return True
    return str(record.msg) in _WELCOME


def _tells_no_speech(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.WARNING or not record.name.startswith(_TELLTALE)


class _StderrHandler(logging.Handler):
    """Writes to what standard error is at that moment; ours, told from other people's handlers."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            sys.stderr.write(self.format(record) + "\n")
            sys.stderr.flush()
        except (
            OSError,
            ValueError,
            TypeError,
            KeyError,
        ):  # closed, full, or a sentence that cannot be filled in
            self.handleError(record)


class _Formatter(logging.Formatter):
    """What both formats share: the parts of a line, and no secrets in it."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        password = urlsplit(settings.database_url).password or ""
        secrets = (
            settings.livekit_api_secret,
            settings.e2ee_key,
            settings.elevenlabs_api_key,
            settings.api_key,
            *(pair.partition(":")[2] for pair in settings.api_keys),
            settings.webhook_url,
            *settings.webhook_secret,
            password,
            unquote(password),
        )
        # as they are, and as JSON writes them; shorter ones would cut holes into ordinary words
        forms = {form for secret in secrets for form in (secret, json.dumps(secret)[1:-1])}
        self._secrets = sorted((form for form in forms if len(form) >= 6), key=len, reverse=True)

    def format(self, record: logging.LogRecord) -> str:
        trace = record.exc_text or (
            "".join(traceback.format_exception(*record.exc_info)) if record.exc_info else ""
        )
        # a job's process sends the sentence with the traceback already at its end
        sentence = record.getMessage().removesuffix(trace).rstrip()
        fields = {
            name: value
            for name, value in vars(record).items()
            if name not in _OWN and not name.startswith("_") and _PERSONAL not in name.split(".")
        }
        return self._without_secrets(self.line(record, sentence, fields, trace.rstrip()))

    def line(self, record: logging.LogRecord, sentence: str, fields: dict[str, Any], trace: str) -> str:
        """The line itself."""
        raise NotImplementedError

    def _without_secrets(self, line: str) -> str:
        for secret in self._secrets:
            line = line.replace(secret, "***")
        return _JSON_WEB_TOKEN.sub("***", line)


class _Text(_Formatter):
    def line(self, record: logging.LogRecord, sentence: str, fields: dict[str, Any], trace: str) -> str:
        shown = [f"{name}={_word(value)}" for name, value in fields.items() if name not in _FRAMEWORK_FIELDS]
        head = f"{_time(record)} {record.levelname.lower():<7} {sentence}"
        return "\n".join(
            part for part in ("  ".join([head, *([" ".join(shown)] if shown else [])]), trace) if part
        )


class _Json(_Formatter):
    def line(self, record: logging.LogRecord, sentence: str, fields: dict[str, Any], trace: str) -> str:
        head = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": sentence,
        }
        tail = {"traceback": trace} if trace else {}
        # escaped: a line stays one line for every reader, whatever a room is called
        return json.dumps({**fields, **head, **tail}, default=str, ensure_ascii=True)


def _time(record: logging.LogRecord) -> str:
    return timestamp(datetime.fromtimestamp(record.created, UTC))


def _word(value: Any) -> str:
    """A value as one word, quoted when it is none: a room's name cannot forge a line."""
    text = str(value)
    return text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=not text.isprintable())
