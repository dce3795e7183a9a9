"""The check of DATABASE_URL: the address as people and providers write it, and its parameters.

The sentences must not quote a value: it may be a secret.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

_CREDENTIALS = re.compile("//(?:[^:/]*(?::[^@]*)?@)?")
"""As SQLAlchemy reads them: a password may hold anything but an @."""

_HOST = re.compile(r"(\[[^\[\]]+\]|[^:\[\]@]*)(:[0-9]{1,5})?")

SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")


def async_database_url(value: str) -> str:
    """The URL with the asynchronous driver that the store uses, and libpq's names for its parameters."""
    scheme, _, rest = value.partition(":")
    match scheme.lower():
        case "memory" if not rest:
            return value
        case "sqlite" | "sqlite+aiosqlite":
            if rest != "//" and not rest.startswith("///"):
                raise ValueError("three slashes go before a relative path, four before an absolute one")
            if "?" in rest:
                raise ValueError("an SQLite address takes no parameters; leave out what follows the ?")
            return f"sqlite+aiosqlite:{rest}"
        case "postgres" | "postgresql" | "postgresql+asyncpg":
            return f"postgresql+asyncpg:{_postgresql(rest)}"
    raise ValueError("only sqlite:, postgresql: and memory: are supported, and a driver is not named")


def _postgresql(rest: str) -> str:
    if not rest.startswith("//") or rest == "//":
        raise ValueError("it names no host")
    credentials = _CREDENTIALS.match(rest)
    assert credentials is not None
    place, _, query = rest[credentials.end() :].partition("?")
    if not _HOST.fullmatch(place.partition("/")[0]):
        raise ValueError("its host or port cannot be read; write the @ of a password as %40")
    parameters = _parameters(query)
    return credentials[0] + (f"{place}?{urlencode(parameters)}" if parameters else place)


def _parameters(query: str) -> dict[str, str]:
    """What the driver is given; the last one counts where a name is there twice, as in libpq."""
    kept: dict[str, str] = {}
    for name, value in map(_own_name, parse_qsl(query, keep_blank_values=True)):
        if name in _WITHOUT_EFFECT:
            if value not in _WITHOUT_EFFECT[name]:
                raise ValueError(f"its parameter {name} is not possible in this way: {_WHY[name]}")
        elif name not in _CHECKS:
            raise ValueError(f"its parameter {name} is not supported; remove it")
        elif value:
            try:
                _CHECKS[name](value)
            except ValueError as error:
                raise ValueError(f"its parameter {name} {error}") from error
            kept[name] = value
    if kept.get("sslrootcert") == "system" and kept.setdefault("sslmode", "verify-full") != "verify-full":
        raise ValueError("its parameter sslrootcert=system needs sslmode=verify-full")
    return kept


def _own_name(parameter: tuple[str, str]) -> tuple[str, str]:
    """`ssl` is what SQLAlchemy calls `sslmode`; clients for other languages write `ssl=true`."""
    name, value = parameter
    if name != "ssl":
        return parameter
    return "sslmode", {"true": "require", "1": "require", "false": "disable"}.get(value, value)


def _one_of(*allowed: str) -> Callable[[str], None]:
    def check(value: str) -> None:
        if value not in allowed:
            raise ValueError(f"must be one of {', '.join(allowed)}")

    return check


def _file(value: str) -> None:
    if not Path(value).is_file():
        raise ValueError("names no file on this host")


def _root_certificates(value: str) -> None:
    if value != "system":
        _file(value)


def _seconds(value: str) -> None:
    if not re.fullmatch(r"[0-9]{1,6}", value):
        raise ValueError("must be a whole number of seconds")


def _port(value: str) -> None:
    if not re.fullmatch(r"[0-9]{1,5}", value) or not 0 < int(value) < 65536:
        raise ValueError("must be a port")


def _any(_: str) -> None:
    """Nothing to check here; PostgreSQL does."""


_CHECKS: dict[str, Callable[[str], None]] = {
    "sslmode": _one_of(*SSL_MODES),
    "sslrootcert": _root_certificates,
    "sslcert": _file,
    "sslkey": _file,
    "sslcrl": _file,
    "sslnegotiation": _one_of("postgres", "direct"),
    "ssl_min_protocol_version": _one_of("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"),
    "ssl_max_protocol_version": _one_of("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"),
    "target_session_attrs": _one_of("any", "primary", "standby", "read-write", "read-only", "prefer-standby"),
    "connect_timeout": _seconds,
    "application_name": _any,
    "options": _any,
    "host": _any,
    "port": _port,
}
"""Parameter that the driver can act on -> what its value must be."""

_WITHOUT_EFFECT = {
    "channel_binding": ("", "disable", "prefer"),
    "gssencmode": ("", "disable", "prefer"),
    "client_encoding": ("", "utf8", "UTF8", "utf-8", "UTF-8", "auto"),
}
"""Parameter that the driver does not know -> values that ask for no more than it does anyway."""

_WHY = {
    "channel_binding": "the driver (asyncpg) does no channel binding; remove it, and use sslmode=verify-full",
    "gssencmode": "the driver (asyncpg) encrypts with TLS only; remove it",
    "client_encoding": "everything is stored in UTF-8; remove it",
}
