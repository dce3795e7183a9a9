"""The fields of settings.py: each has a default, a unit, what it accepts, and a sentence."""

from __future__ import annotations

from typing import Any

from pydantic import Field


def setting(
    default: Any,
    unit: str,
    accepts: str,
    about: str,
    *,
    example: str = "",
    secret: bool = False,
    **limits: Any,
) -> Any:
    """A field. `accepts` completes "NAME must be …"; `example` serves where the default shows nothing."""
    extra: dict[str, Any] = {"unit": unit, "accepts": accepts, "example": example, "secret": secret}
    return Field(default, description=about, repr=not secret, json_schema_extra=extra, **limits)


def seconds(default: float, low: float, high: float, about: str) -> Any:
    """A field of `low` to `high` seconds."""
    accepts = f"a number of seconds from {low:g} to {high:g}"
    return setting(default, "seconds", accepts, about, ge=low, le=high, allow_inf_nan=False)


def days(default: int, about: str) -> Any:
    """A field of whole days, 0 to a hundred years."""
    accepts = "a whole number of days from 0 to 36500"
    return setting(default, "days", accepts, about, example="90", ge=0, le=36_500)


def port(default: int, about: str) -> Any:
    return setting(default, "port", "a whole number from 0 to 65535", about, ge=0, le=65535)


def optional_port(example: str, about: str) -> Any:
    """A field that is unset unless somebody names a port."""
    accepts = "a whole number from 1 to 65535"
    return setting(None, "port", accepts, about, example=example, ge=1, le=65535)
