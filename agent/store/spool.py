"""The spool: a file on this host for what one writer of one session cannot store at the moment.

One line an entry, appended in batches, each batch on the disk (fsync) before it counts:

    crc32 of the rest in 8 hex digits, a blank, a JSON object, a line feed

The first line names the session and the writer (`Head`). The others are items in the JSON of the wire, with
the `epoch` and `number` under which they were recorded, and labels, sums and epoch as they changed. A line
that is torn (the host died while it was written) or damaged is told and skipped; the others stand.

A living writer holds a lock on its file; one without is an orphan, and `agent.store.pickup` takes it in.
The writer removes it when all of it is stored. All files of a session begin with its sid: `erase_spools`.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import glob
import json
import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from io import FileIO
from pathlib import Path
from typing import Any, BinaryIO, ParamSpec, TypeVar
from urllib.parse import quote, unquote
from uuid import uuid4

from agent.core.fields import (
    accounting_from,
    dump,
    fields_of,
    item_from,
    list_in,
    speaker_fields,
    speaker_from,
    text_in,
    type_of,
    whole_in,
)
from agent.core.model import Accounting, End, Item, Speaker
from agent.errors import MessageError, SpoolError
from agent.settings import Settings
from agent.store.clean import clean

P = ParamSpec("P")
T = TypeVar("T")

VERSION = 1
SUFFIX = ".spool"
ASIDE = ".unreadable"
"""In its place when a file does not say whose it is."""
DISK_SECONDS = 10.0
"""A disk that needs longer for one batch counts as one that does not answer."""


@dataclass(frozen=True, slots=True)
class Head:
    """Whose file it is."""

    room: str
    session: str
    """The room's sid."""
    started_at: str
    """ISO 8601, UTC: the room's creation."""
    writer: str
    """Unique name of the one who counts the items."""


@dataclass(frozen=True, slots=True)
class Spooled:
    """One item."""

    epoch: int
    """0: the session could not be opened yet."""
    number: int
    """The seq that is asked for; with epoch 0 the count of the writer."""
    item: Item


@dataclass(frozen=True, slots=True)
class Labels:
    """The speakers so far, in place of those before."""

    speakers: tuple[Speaker, ...]


@dataclass(frozen=True, slots=True)
class Sums:
    """The running sums, in place of those before."""

    sums: tuple[Accounting, ...]


@dataclass(frozen=True, slots=True)
class Held:
    """The writer has opened the session, under this epoch."""

    epoch: int


@dataclass(frozen=True, slots=True)
class Newer:
    """An entry of a newer program: undamaged, and of a type or version that this one does not know."""


Entry = Head | Spooled | Labels | Sums | Held | Newer


@dataclass(frozen=True, slots=True)
class Page:
    """Some entries of a file."""

    entries: tuple[Entry, ...]
    next_offset: int
    """Bytes; where the next page begins."""
    unreadable: int
    """Lines that were torn or damaged."""


def new_head(room: str, session: str, started_at: str) -> Head:
    """The head of a writer that begins now."""
    return Head(room, session, started_at, uuid4().hex)


def spool_for(settings: Settings, room: str, session: str, started_at: str) -> Spool:
    """The spool of a writer that begins now, where and as large as the settings have it."""
    max_bytes = settings.spool_megabytes * 1_000_000
    return Spool(Path(settings.spool_directory), new_head(room, session, started_at), max_bytes)


def line_of(entry: Entry) -> bytes:
    """One entry as it stands in the file."""
    body = dump(_fields(clean(entry)))
    return b"%08x %b\n" % (zlib.crc32(body), body)


def entry_of(line: bytes) -> Entry | None:
    """The entry of a line, with or without its line feed; None when it is torn or damaged."""
    checksum, _, body = line.removesuffix(b"\n").partition(b" ")
    if checksum != b"%08x" % zlib.crc32(body):
        return None
    try:
        return _entry(json.loads(body))
    except MessageError:
        return Newer()
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError):
        return None


def read_page(file: BinaryIO, offset: int, limit: int) -> Page:
    """At most `limit` entries from `offset` (bytes) on; none at the end.

    Raises:
        OSError: the disk does not give them.
    """
    file.seek(offset)
    entries: list[Entry] = []
    unreadable = 0
    while len(entries) < limit and (line := file.readline()):
        offset += len(line)
        entry = entry_of(line) if line.endswith(b"\n") else None
        if entry is not None:
            entries.append(entry)
        elif line != b"\n":
            unreadable += 1
    return Page(tuple(entries), offset, unreadable)


def spool_files(directory: Path) -> list[Path]:
    """The spools in a directory, the oldest first; none when it is not there.

    Raises:
        OSError: the directory cannot be read.
    """
    return [Path(path) for _, path in sorted((stat.st_mtime, path) for path, stat in _scan(directory))]


def files_of(directory: Path, session: str) -> list[Path]:
    """The spools of one session: usually none, one, or more after several writers' deaths.

    Raises:
        OSError: the directory cannot be read.
    """
    return [path for path in spool_files(directory) if path.name.startswith(_prefix(session))]


def left_aside(directory: Path) -> list[Path]:
    """The files that nobody can take in; none when the directory is not there.

    Raises:
        OSError: the directory cannot be read.
    """
    return sorted(directory.glob(f"*{ASIDE}"))


def session_of(path: Path) -> str:
    """The sid in a spool's name."""
    return unquote(path.name.rsplit(".", 2)[0])


def erase_spools(directory: Path, session: str) -> int:
    """Remove what is spooled of a session, a living writer's and what was left aside too; how many files.

    Raises:
        OSError: a file cannot be removed.
    """
    found = list(directory.glob(f"{glob.escape(_prefix(session))}*"))
    for path in found:
        path.unlink(missing_ok=True)
    return len(found)


@contextlib.contextmanager
def claimed(path: Path) -> Iterator[BinaryIO | None]:
    """An orphan, opened and locked; None when its writer lives, or it is gone.

    Raises:
        OSError: the file cannot be opened.
    """
    try:
        file = path.open("rb")
    except FileNotFoundError:
        yield None
        return
    with file:
        yield file if _lock(file) and path.exists() else None


class Spool:
    """One writer's spool. The file is made when the first entry comes; the disk is used in a thread."""

    def __init__(
        self, directory: Path, head: Head, max_bytes: int, *, timeout_seconds: float = DISK_SECONDS
    ) -> None:
        """`max_bytes` bounds all spools in `directory` together."""
        self.directory = directory
        self.head = head
        self._path = directory / f"{_prefix(head.session)}{head.writer}{SUFFIX}"
        self._max_bytes = max_bytes
        self._timeout_seconds = timeout_seconds
        self._thread = ThreadPoolExecutor(1, "spool")
        self._pending: Future[Any] | None = None
        self._hangs = False
        """True when the last work did not end in time."""
        self._file: FileIO | None = None
        self._size = 0
        """Bytes that count."""

    async def append(self, entries: Sequence[Entry]) -> None:
        """Put entries on the disk: all of them, or none counts.

        Raises:
            SpoolError: the bound is reached, or the disk is full or at fault.
        """
        await self._run(self._append, entries)

    async def read(self, offset: int, limit: int) -> Page:
        """See `read_page`.

        Raises:
            SpoolError: the disk does not give it.
        """
        return await self._run(self._read, offset, limit)

    async def clear(self) -> None:
        """All of it is stored: remove the file; a later entry begins a new one.

        Raises:
            SpoolError: it cannot be removed.
        """
        if self._file is not None:
            await self._run(self._clear)

    def close(self) -> None:
        """Let go of the file, which stays; safe to call twice. Does not wait for the disk."""
        self._thread.submit(self._let_go)
        self._thread.shutdown(wait=False)

    async def _run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        if self._hangs and self._pending is not None and not self._pending.done():
            raise SpoolError(f"{self._path}: the disk has not answered yet")
        try:
            async with asyncio.timeout(self._timeout_seconds):
                if self._pending is not None and not self._pending.done():
                    # whoever asked for it was cancelled meanwhile
                    await asyncio.wait([asyncio.wrap_future(self._pending)])
                self._hangs = False
                self._pending = self._thread.submit(work, *args, **kwargs)
                return await asyncio.wrap_future(self._pending)
        except TimeoutError as error:
            self._hangs = True
            raise SpoolError(f"{self._path}: no answer within {self._timeout_seconds:g} s") from error
        except OSError as error:
            raise SpoolError(f"{self._path}: {error.strerror or error}") from error

    # ---- in the thread

    def _append(self, entries: Sequence[Entry]) -> None:
        file = self._opened()
        data = b"".join(map(line_of, entries if self._size else [self.head, *entries]))
        used = sum(stat.st_size for _, stat in _scan(self.directory))
        if used + len(data) > self._max_bytes:
            raise OSError(f"the spools hold {used} of {self._max_bytes} bytes")
        try:
            file.seek(self._size)
            rest = memoryview(data)
            while rest:
                rest = rest[file.write(rest) :]
            os.fsync(file.fileno())
        except BaseException:
            # half a batch, or one that may never reach the disk: it does not count, and is written again
            with contextlib.suppress(OSError):
                file.truncate(self._size)
            raise
        self._size += len(data)

    def _opened(self) -> BinaryIO:
        if self._file is None:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            # it gets its name once it is locked: nobody may take it for an orphan
            unnamed = self._path.with_suffix(".new")
            descriptor = os.open(unnamed, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
            self._file = os.fdopen(descriptor, "r+b", buffering=0)
            self._size = 0
            _lock(self._file)
            unnamed.rename(self._path)
        return self._file

    def _read(self, offset: int, limit: int) -> Page:
        if self._file is None:
            return Page((), offset, 0)
        with os.fdopen(os.dup(self._file.fileno()), "rb") as buffered:  # also when it has been erased
            return read_page(buffered, offset, limit)

    def _clear(self) -> None:
        self._path.unlink(missing_ok=True)
        self._let_go()

    def _let_go(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()


def _prefix(session: str) -> str:
    return f"{quote(session, safe='')}."


def _scan(directory: Path) -> list[tuple[str, os.stat_result]]:
    """Path and facts of each spool; a file whose writer is done meanwhile is left out."""
    found: list[tuple[str, os.stat_result]] = []
    with contextlib.suppress(FileNotFoundError), os.scandir(directory) as entries:
        for entry in entries:
            if entry.name.endswith(SUFFIX):
                with contextlib.suppress(FileNotFoundError):
                    found.append((entry.path, entry.stat()))
    return found


def _lock(file: BinaryIO | FileIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _fields(entry: Entry) -> dict[str, Any]:
    match entry:
        case Head(room, session, started_at, writer):
            return {
                "type": "spool",
                "v": VERSION,
                "room": room,
                "session": session,
                "started_at": started_at,
                "writer": writer,
            }
        case Spooled(epoch, number, item):
            fields = {"type": type_of(item), "epoch": epoch, "number": number, **fields_of(item)}
            return {**fields, "accounting": _exact(item.accounting)} if isinstance(item, End) else fields
        case Labels(speakers):
            return {"type": "speakers", "speakers": [speaker_fields(one) for one in speakers]}
        case Sums(sums):
            return {"type": "sums", "accounting": _exact(sums)}
        case Held(epoch):
            return {"type": "held", "epoch": epoch}
        case Newer():
            raise ValueError("what this program does not know cannot be written by it")


def _exact(sums: Sequence[Accounting]) -> list[dict[str, Any]]:
    """Sums that are not rounded, so that they still balance."""
    return [{**asdict(one), "speaker": speaker_fields(one.speaker)} for one in sums]


def _entry(fields: dict[str, Any]) -> Entry:
    match fields["type"]:
        case "spool":
            if fields["v"] != VERSION:
                raise MessageError(f"version {fields['v']!r} of the spool is not {VERSION}")
            return Head(*(text_in(fields, name) for name in ("room", "session", "started_at", "writer")))
        case "speakers":
            return Labels(tuple(speaker_from(one) for one in list_in(fields, "speakers")))
        case "sums":
            return Sums(tuple(accounting_from(one) for one in list_in(fields, "accounting")))
        case "held":
            return Held(whole_in(fields, "epoch"))
        case kind:
            return Spooled(whole_in(fields, "epoch"), whole_in(fields, "number"), item_from(kind, fields))
