"""The rules of the architecture as functions: a file's name and text in, sentences about faults out.

Nothing is imported, only parsed, so that a rule holds for code that no test runs.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

EDGES = ("rtc", "stt", "sinks", "store", "http")
"""Packages of agent that touch the outside; none imports another, but http asks store."""

GROUND = (
    "settings",
    "settings_checks",
    "settings_database",
    "settings_faults",
    "settings_fields",
    "settings_file",
    "settings_page",
    "logs",
    "actions",
    "metrics",
    "clock",
)
"""Modules of agent that every edge may import."""

LOCAL_MAY_IMPORT = (
    "agent.errors",
    "agent.settings",
    "agent.core.messages",
    "agent.core.model",
    "agent.rtc.connect",
)

IMPURE = (
    *(
        "asyncio",
        "concurrent",
        "logging",
        "multiprocessing",
        "os",
        "pathlib",
        "secrets",
        "selectors",
        "shutil",
    ),
    *("signal", "socket", "subprocess", "sys", "tempfile", "threading", "time", "uuid"),
)
"""Modules of the standard library that core must do without: they wait, read a clock, or reach outside."""

BANNED_NAMES = ("utils", "util", "helpers", "helper", "common", "manager", "managers", "base", "misc")

BROAD_EXCEPTS = {
    "agent/tracks.py": "the track boundary: a failed track does not end the others",
    "agent/sinks/outbox.py": "the sink boundary: what a sink cannot send is dropped",
    "local/recognizer/engines/lanes.py": "the lane boundary: a failed decode does not end its thread",
    "agent/background/run_beside.py": "the side task boundary: a task that failed begins again",
    "agent/http/boundary.py": "the HTTP boundary: a failed call is a 500 without a stack trace",
}
"""The boundaries (at most five) that may catch every exception: track, sink, background task, store, HTTP."""

TASK_OWNERS = {
    "worker.py": "the job's task is ended by the framework's session-end call; signals end the rest",
    "agent/pipeline.py": "AudioPipeline.stop awaits it",
    "agent/background/run_beside.py": "the context manager `run_beside` cancels and awaits it",
    "agent/rtc/connect.py": "the function itself awaits it, also when it is cancelled",
    "agent/http/feeds.py": "Feeds cancels one with its last reader; Feeds.aclose awaits what still runs",
    "local/live_track.py": "LiveTrack.aclose awaits it",
    "local/listener.py": "Listener holds and cancels it",
    "bench/floor.py": "ends with its process",
}
"""Modules that may start a task outside a TaskGroup, and who awaits it there."""

ENVIRONMENT_READERS = ("agent/settings.py",)

LINES_A_MODULE = 600
LINES_A_FUNCTION = 40

_MACHINE_PATHS = re.compile("|".join(("/" + "work/", "/" + "tmp/w/", "/" + "root/", "/" + r"home/\w+/")))
_REGISTRIES = re.compile(
    "|".join(
        (
            *(rf"\b{host}\.org" for host in ("py" + "pi", "python" + "hosted", "npm" + "js", "deb" + "ian")),
            *(
                rf"\b{host}"
                for host in (
                    "proxy" + r"\.golang",
                    "sum" + r"\.golang",
                    "crates" + r"\.io",
                    "repo1?" + r"\.maven",
                )
            ),
        )
    )
)


@dataclass(frozen=True, slots=True)
class Source:
    """One Python file of the project."""

    path: str
    """From the root, with slashes."""
    text: str

    @property
    def tree(self) -> ast.Module:
        """Its syntax tree."""
        return ast.parse(self.text)

    @property
    def module(self) -> str:
        """agent/core/model.py -> agent.core.model; a package is named by its folder."""
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @property
    def package(self) -> str:
        """What a relative import starts from."""
        return self.module if self.path.endswith("__init__.py") else self.module.rpartition(".")[0]


def faults(source: Source) -> list[str]:
    """Every rule that holds for one file, in product code."""
    rules = (
        import_faults,
        purity_faults,
        size_faults,
        except_faults,
        task_faults,
        environment_faults,
        name_faults,
    )
    return [f"{source.path}: {fault}" for rule in rules for fault in rule(source)]


def imported(source: Source) -> Iterator[tuple[str, bool]]:
    """Each module that is imported, and whether it may be only a name in one: `from a import b` gives a.b."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, False) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = node.module or ""
            if node.level:
                folder = source.package.split(".")
                start = ".".join([*folder[: len(folder) - node.level + 1], *([start] if start else [])])
            yield start, False
            yield from ((f"{start}.{alias.name}", True) for alias in node.names)


def import_faults(source: Source) -> Iterator[str]:
    """Imports run one way: worker, token_service -> session … -> edges -> core."""
    for name in sorted({name for name, _ in imported(source)}):
        if reason := _refusal(source.module, name):
            yield f"imports {name}: {reason}"


def _refusal(module: str, name: str) -> str:
    """Why `module` may not import `name`, or nothing."""
    ours, theirs = module.split("."), name.split(".")
    if theirs[0] in ("tests", "examples") and ours[0] not in ("tests", "examples"):
        return "the product does not need its tests"
    if ours[0] == "local" and theirs[0] == "agent" and len(theirs) > 1:
        return (
            ""
            if name.startswith(LOCAL_MAY_IMPORT) or name == "agent.core"
            else "local knows only settings, messages and joining of agent"
        )
    if ours[0] != "agent":
        return ""
    if theirs[0] in ("worker", "token_service", "local", "bench"):
        return "agent stands by itself"
    if theirs[0] != "agent" or len(theirs) == 1 or len(ours) == 1:
        return ""
    return _inside_agent(ours[1], theirs[1])


def _inside_agent(layer: str, wanted: str) -> str:
    if wanted in (layer, "errors"):
        return ""
    if layer in ("core", "errors"):
        return f"{layer} imports nothing of agent but errors"
    if layer in GROUND:
        return (
            ""
            if wanted in (*GROUND, "core")
            else f"{layer} is imported by all, so it imports only its equals and core"
        )
    if layer in EDGES:
        if wanted in (*GROUND, "core") or (layer, wanted) == ("http", "store"):
            return ""
        return "edges do not know each other, nor what joins them"
    return ""


def purity_faults(source: Source) -> Iterator[str]:
    """core: no asyncio, no clock, no environment, no logging, no LiveKit."""
    if not source.path.startswith("agent/core/"):
        return
    for name, maybe_attribute in imported(source):
        top = name.split(".")[0]
        if top in IMPURE:
            yield f"core is pure and imports {name}"
        elif (
            not maybe_attribute
            and top not in ("agent", "numpy", "icu4py")
            and top not in sys.stdlib_module_names
        ):
            yield f"core imports {name}, which is not in the standard library"
    for node in ast.walk(source.tree):
        if isinstance(node, ast.AsyncFunctionDef | ast.Await):
            yield f"core awaits in line {node.lineno}"
        if isinstance(node, ast.Call) and (called := ast.unparse(node.func)):
            if called.rpartition(".")[2] in ("now", "utcnow", "today") and "date" in called:
                yield f"core reads the clock in line {node.lineno}"
            if called in ("open", "print", "input"):
                yield f"core does input or output in line {node.lineno}: {called}"


def size_faults(source: Source) -> Iterator[str]:
    """A module one can read in one sitting, a function one can see at once."""
    lines = source.text.count("\n")
    if lines > LINES_A_MODULE:
        yield f"has {lines} lines, more than {LINES_A_MODULE}"
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = function_lines(node)
            if length > LINES_A_FUNCTION:
                yield f"{node.name} has {length} lines, more than {LINES_A_FUNCTION}"


def function_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of the body, without the docstring; parameters are listed, not read in one go."""
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    if not body:
        return 0
    assert node.end_lineno is not None
    return node.end_lineno - body[0].lineno + 1


def except_faults(source: Source) -> Iterator[str]:
    """Everything is caught only once in each named boundary; cleaning up and raising again is free."""
    broad = [
        node.lineno
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ExceptHandler)
        and _is_broad(node.type)
        and not isinstance(node.body[-1], ast.Raise)
    ]
    for line in broad[int(source.path in BROAD_EXCEPTS) :]:
        yield f"catches everything in line {line} and goes on"


def _is_broad(caught: ast.expr | None) -> bool:
    if caught is None:
        return True
    return any(
        isinstance(node, ast.Name) and node.id in ("Exception", "BaseException") for node in ast.walk(caught)
    )


def task_faults(source: Source) -> Iterator[str]:
    """A task that nobody awaits dies in silence."""
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        bare = called in ("asyncio.create_task", "create_task", "asyncio.ensure_future", "ensure_future")
        if (bare or re.search(r"loop(\(\))?\.create_task$", called)) and source.path not in TASK_OWNERS:
            yield f"starts a task outside a TaskGroup in line {node.lineno}"


def environment_faults(source: Source) -> Iterator[str]:
    """Settings are handed down; one module of agent reads the environment."""
    if not source.path.startswith("agent/") or source.path in ENVIRONMENT_READERS:
        return
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node) in (
            "os.environ",
            "os.getenv",
            "os.environb",
        ):
            yield f"reads the environment in line {node.lineno}; that is agent/settings.py's task"


def name_faults(source: Source) -> Iterator[str]:
    """A module is named by what it is about."""
    for part in PurePosixPath(source.path).parts:
        if part.removesuffix(".py") in BANNED_NAMES:
            yield f"{part} says nothing about what is in it"


def untested_core(paths: set[str], sources: list[Source]) -> Iterator[str]:
    """Each module of core that does anything has a test file of its own name."""
    for source in sources:
        if source.path.startswith("agent/core/") and any(
            isinstance(node, ast.FunctionDef) for node in ast.walk(source.tree)
        ):
            name = PurePosixPath(source.path).stem
            name = PurePosixPath(source.path).parent.name if name == "__init__" else name
            if f"tests/core/test_{name}.py" not in paths:
                yield f"{source.path}: tests/core/test_{name}.py is missing"


def leak_faults(path: str, text: str) -> Iterator[str]:
    """No address of a package registry and no path of somebody's machine in any committed file."""
    for number, line in enumerate(text.splitlines(), 1):
        for what, pattern in (
            ("a registry's address", _REGISTRIES),
            ("a path of one machine", _MACHINE_PATHS),
        ):
            if found := pattern.search(line):
                yield f"{path}: {what} in line {number}: {found[0]}"
