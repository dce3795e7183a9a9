"""Reads the file `.env`. A line that sets nothing is an error: it may be half of a secret.

python-dotenv parses the lines. It passes over those that it cannot read, and takes a lone name for one
without a value, so its findings are checked here. Errors name file and line, and never quote what it says.
"""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator
from pathlib import Path

from dotenv.parser import Binding, parse_stream

from agent.errors import SettingsError

_OTHER_ENCODINGS = {
    codecs.BOM_UTF32_LE: "UTF-32",  # begins like UTF-16, so it is compared first
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
_LINE_BREAK = re.compile(r"\r\n|\n|\r")


def read_env_file(path: Path) -> dict[str, str]:
    """Name -> value of each line; nothing when there is no such file.

    Raises:
        SettingsError: the file cannot be read, or is not UTF-8; one line for each line that sets nothing.
    """
    if not path.exists() or path.is_dir():  # a virtual environment may be called .env
        return {}
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from error
    lines = list(parse_stream(io.StringIO(_decoded(path, content))))
    if faults := [f"{path} line {_line(one)}: {fault}" for one in lines for fault in _faults(one)]:
        raise SettingsError("\n".join(faults))
    return {one.key: one.value for one in lines if one.key is not None and one.value is not None}


def _decoded(path: Path, content: bytes) -> str:
    for mark, encoding in _OTHER_ENCODINGS.items():
        if content.startswith(mark):
            raise SettingsError(f"{path} line 1: the file is {encoding}; save it as UTF-8")
    try:
        text = content.decode("utf-8-sig")  # editors on Windows write a byte order mark
    except UnicodeDecodeError as error:
        line = 1 + len(_LINE_BREAK.findall(content[: error.start].decode("latin-1")))
        raise SettingsError(f"{path} line {line}: the line is not UTF-8; save the file as UTF-8") from None
    before, nul, _ = text.partition("\0")
    if nul:
        line = 1 + len(_LINE_BREAK.findall(before))
        raise SettingsError(f"{path} line {line}: the line holds a NUL; save the file as UTF-8, without NULs")
    return text


def _faults(binding: Binding) -> Iterator[str]:
    if binding.error:
        yield "the line cannot be read; write NAME=value, and close each quote"
    elif binding.key is not None and binding.value is None:
        yield "there is no = in it; write NAME=value on one line, and a value of several lines in quotes"
    elif binding.key is not None and not binding.key.isascii():
        yield "the name holds a character outside ASCII, which may be invisible; type it anew"


def _line(binding: Binding) -> int:
    """Where it begins: blank lines before it are counted to it."""
    text = binding.original.string
    blank = text[: len(text) - len(text.lstrip())]
    return binding.original.line + len(_LINE_BREAK.findall(blank))
