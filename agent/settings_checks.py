"""Checks of single settings for settings.py: each returns the value to use, or raises ValueError saying why.

The sentences must not quote the value: it may be a secret.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import SequenceMatcher
from typing import Any
from urllib.parse import SplitResult, urlsplit

from agent.core.signature import key_of

_NOT_OURS = frozenset({"LIVEKIT_KEYS", "LIVEKIT_CONFIG", "LIVEKIT_TOKEN", "LIVEKIT_WS_URL"})
"""Settings of LiveKit's own server and tools that resemble ours."""

_FRAMEWORK_NAMES = ("LIVEKIT_AGENT_NAME", "LIVEKIT_AGENT_NAME_OVERRIDE")
"""livekit-agents reads these behind our back and then joins no room by itself any more."""

_KEY_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")

_UNIT = re.compile(r"_(SECONDS|SECOND|SECS|SEC|S|MS)$")


def split_list(value: Any) -> Any:
    """ "a, b" -> ("a", "b") and "none" -> (); what is no text is left to pydantic."""
    if not isinstance(value, str):
        return value
    if value.strip().lower() == "none":
        return ()
    return tuple(dict.fromkeys(part.strip() for part in value.split(",") if part.strip()))


def check_token(value: str) -> str:
    """A key or secret; it travels in HTTP headers, where other characters break the call."""
    if not re.fullmatch(r"[\x21-\x7e]*", value):
        raise ValueError("it holds a blank, a line break or a character outside ASCII")
    return value


def check_named_keys(pairs: tuple[str, ...]) -> tuple[str, ...]:
    """Keys with their names, each of both once."""
    split = [pair.partition(":") for pair in pairs]
    if not all(_KEY_NAME.fullmatch(name) and check_token(key) for name, _, key in split):
        raise ValueError("each is a name of letters, digits, dots, dashes or underlines, a colon and the key")
    if any(name == "default" for name, _, _ in split):
        raise ValueError("default is the name of API_KEY")
    if len({name for name, _, _ in split}) < len(split) or len({key for _, _, key in split}) < len(split):
        raise ValueError("a name or a key is there twice")
    return pairs


def check_one_line(value: str) -> str:
    """Text without control characters."""
    if not value.isprintable():
        raise ValueError("it holds a line break or another control character")
    return value


def check_host(value: str) -> str:
    """An IP address or host name, without scheme or port."""
    if not re.fullmatch(r"[A-Za-z0-9._:%-]+", value):
        raise ValueError("write the address alone, without scheme, brackets or blanks")
    return value


def check_language(value: str) -> str:
    """ISO 639-1 or 639-3, with an optional region."""
    if value and not re.fullmatch(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*", value):
        raise ValueError("English is en, German is de; leave it empty to let the recognizer detect it")
    return value


def check_keyterm(value: str) -> str:
    """A term of at most 20 characters, the recognizer's limit."""
    if len(value) > 20:
        raise ValueError(f"a term has {len(value)} characters")
    return check_one_line(value)


def check_livekit_url(value: str) -> str:
    """A WebSocket or HTTP address, without a slash at its end."""
    if value:
        _split_url(value, ("ws", "wss", "http", "https"))
    return value.rstrip("/")


def check_base_url(value: str) -> str:
    """Root of the recognizer's API, without a slash at its end."""
    url = _split_url(value, ("http", "https", "ws", "wss"))
    value = value.rstrip("/")
    if str(url.hostname).endswith("elevenlabs.io") and not value.endswith("/v1"):
        raise ValueError("add /v1 to its end")
    return value


def check_webhook_url(value: str) -> str:
    """Where webhooks are posted."""
    if value and _split_url(value, ("http", "https")).fragment:
        raise ValueError("leave out what follows the #")
    return value


def check_root_path(value: str) -> str:
    """A path prefix in front of the service's own paths."""
    if not value:
        return value
    check_token(value)
    if not value.startswith("/") or value.startswith("//") or value.endswith("/"):
        raise ValueError("begin it with one slash, and end it without one")
    if any(mark in value for mark in "?#"):
        raise ValueError("it is a path only, without ? or #")
    return value


def check_webhook_secret(value: str) -> str:
    """A secret after the Standard Webhooks specification."""
    key_of(value)
    return value


def check_origin(value: str) -> str:
    """What a browser sends as `Origin`: scheme, host and port only."""
    if value == "*":
        raise ValueError("* would let every page in; list the origins of yours")
    url = _split_url(value.rstrip("/"), ("http", "https"))
    if url.path or url.query or url.username:
        raise ValueError("an origin is only scheme, host and port")
    return value.rstrip("/").lower()


def _split_url(value: str, schemes: tuple[str, ...]) -> SplitResult:
    check_token(value)
    try:
        url = urlsplit(value)
        port = url.port
    except ValueError as error:
        raise ValueError("its host or port cannot be read") from error
    if url.scheme not in schemes:
        raise ValueError(f"it begins with none of {', '.join(f'{scheme}://' for scheme in schemes)}")
    if not url.hostname or port == 0:
        raise ValueError("it names no host, or port 0")
    return url


def misread_names(given: Mapping[str, str], known: Iterable[str]) -> list[str]:
    """A sentence for each name that looks like a misspelt setting and would be ignored without a word."""
    ours = list(known)
    faults = [
        f"{name} would stop livekit-agents from joining rooms by itself; unset it, or rename it to AGENT_NAME"
        for name in _FRAMEWORK_NAMES
        if name in given
    ]
    for name in sorted(set(given) - set(ours) - _NOT_OURS - set(_FRAMEWORK_NAMES)):
        match = max(ours, key=lambda ours_name: _likeness(name, ours_name))
        if _likeness(name, match) >= 1:
            faults.append(f"{name} is not a setting; did you mean {match}? Rename or unset {name}")
    return faults


def _likeness(name: str, ours: str) -> float:
    """1 or more when `name` could be a slip for `ours`; only names that share its first word count."""
    prefix, underscore, _ = ours.partition("_")
    if not underscore or not name.startswith(prefix + underscore):
        return 0.0
    if _UNIT.sub("", name) == _UNIT.sub("", ours):
        return 2.0
    whole = SequenceMatcher(None, name, ours).ratio()
    tail = SequenceMatcher(None, name[len(prefix) :], ours[len(prefix) :]).ratio()
    return max(whole / 0.84, tail / 0.8)
