"""What is said of a setting that is missing or malformed, for settings.py; secrets are never quoted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic.fields import FieldInfo

Fields = Mapping[str, FieldInfo]


def describe(info: FieldInfo) -> dict[str, Any]:
    """What is said of a field besides its description and default: unit, accepts, example, secret."""
    extra = info.json_schema_extra
    return dict(extra) if isinstance(extra, dict) else {}


def shown(value: Any) -> str:
    """A value as it is written in the environment."""
    match value:
        case bool():
            return str(value).lower()
        case tuple():
            return ",".join(value)
        case _:
            return str(value)


def how_to_set(field: str, info: FieldInfo) -> str:
    """The sentence for a setting that is missing."""
    return (
        f"{field.upper()} is not set; set it in the environment or in .env, like {_assignment(field, info)}"
    )


def sentence(fault: Any, values: Mapping[str, str], fields: Fields) -> str:
    """One fault that pydantic found, as "NAME must be …, got …; set it like …"."""
    if not fault["loc"]:
        return str(fault["ctx"]["error"])
    field = str(fault["loc"][0])
    about = describe(fields[field])
    got = "a value that is not shown" if about["secret"] else f'"{values[field]}"'
    why = f" ({fault['ctx']['error']})" if fault["type"] == "value_error" else ""
    example = _assignment(field, fields[field])
    return f"{field.upper()} must be {about['accepts']}, got {got}{why}; set it like {example}"


def _assignment(field: str, info: FieldInfo) -> str:
    """A line to copy, made of the example or else the default."""
    return f"{field.upper()}={describe(info)['example'] or shown(info.default)}"
