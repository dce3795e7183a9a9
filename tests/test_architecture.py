"""The architecture's rules hold for every committed file, and each rule can be broken."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.architecture import (
    BROAD_EXCEPTS,
    ENVIRONMENT_READERS,
    TASK_OWNERS,
    Source,
    except_faults,
    faults,
    leak_faults,
    name_faults,
    task_faults,
    untested_core,
)

ROOT = Path(__file__).parent.parent
PRODUCT = ("agent/", "local/", "bench/", "worker.py", "token_service.py")


def project_files() -> list[str]:
    """Committed files and those that could be committed now, that exist."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return sorted({path for path in listed.stdout.splitlines() if (ROOT / path).is_file()})


def sources(*prefixes: str) -> list[Source]:
    """The project's Python files below `prefixes`."""
    chosen = [path for path in project_files() if path.endswith(".py") and path.startswith(prefixes)]
    return [Source(path, (ROOT / path).read_text(encoding="utf-8")) for path in chosen]


def test_the_product_keeps_all_rules() -> None:
    """Imports, purity of core, sizes, excepts, tasks, environment, names."""
    found = [fault for source in sources(*PRODUCT) for fault in faults(source)]
    assert not found, "\n".join(found)


def test_tests_and_examples_keep_the_rules_that_are_theirs() -> None:
    """They may be long, but not swallow errors, lose tasks or be called utils."""
    rules = (except_faults, name_faults)
    found = [
        f"{source.path}: {fault}"
        for source in sources("tests/", "examples/")
        for rule in rules
        for fault in rule(source)
    ]
    assert found == []


def test_every_module_of_core_has_its_test_file() -> None:
    """agent/core/gate.py is covered by tests/core/test_gate.py, and so on."""
    found = list(untested_core(set(project_files()), sources("agent/core/")))
    assert not found, "\n".join(found)


def test_no_file_names_a_registry_or_a_machine_s_path() -> None:
    """The repository builds wherever it is cloned to, from whatever registry the machine has."""
    found: list[str] = []
    for path in project_files():
        try:
            text = (ROOT / path).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += leak_faults(path, text)
    assert not found, "\n".join(found)


def test_exceptions_to_the_rules_are_used() -> None:
    """A named exception whose reason is gone is taken off the list."""
    assert len(BROAD_EXCEPTS) <= 5
    by_path = {source.path: source for source in sources(*PRODUCT)}
    for path in (*BROAD_EXCEPTS, *TASK_OWNERS, *ENVIRONMENT_READERS):
        assert path in by_path, f"{path} is gone; take it off the list in tests/architecture.py"
    for path in TASK_OWNERS:
        assert list(task_faults(Source("elsewhere.py", by_path[path].text))), f"{path} owns no task any more"
    for path in BROAD_EXCEPTS:
        assert list(except_faults(Source("elsewhere.py", by_path[path].text))), (
            f"{path} catches nothing any more"
        )


BROKEN = [
    ("agent/core/x.py", "import asyncio", "core is pure and imports asyncio"),
    ("agent/core/x.py", "from time import monotonic", "core is pure and imports time"),
    ("agent/core/x.py", "import logging.handlers", "core is pure and imports logging.handlers"),
    ("agent/core/x.py", "from livekit import rtc", "core imports livekit"),
    (
        "agent/core/x.py",
        "from datetime import datetime\nx = datetime.now()",
        "core reads the clock in line 2",
    ),
    ("agent/core/x.py", "import datetime\nx = datetime.datetime.utcnow()", "core reads the clock in line 2"),
    ("agent/core/x.py", "x = open('y')", "core does input or output in line 1"),
    ("agent/core/x.py", "async def f(): ...", "core awaits"),
    (
        "agent/core/x.py",
        "from agent.settings import Settings",
        "imports agent.settings: core imports nothing",
    ),
    ("agent/core/x.py", "from ..rtc import room", "imports agent.rtc.room: core imports nothing"),
    ("agent/core/exports/x.py", "from ...store import sql", "imports agent.store.sql: core imports nothing"),
    ("agent/errors.py", "import agent.core.model", "imports agent.core.model: errors imports nothing"),
    ("agent/logs.py", "from agent.stt import registry", "imports agent.stt: logs is imported by all"),
    ("agent/rtc/x.py", "from agent.stt.protocol import Recognizer", "edges do not know each other"),
    ("agent/rtc/x.py", "import agent.session", "edges do not know each other, nor what joins them"),
    ("agent/sinks/x.py", "from agent import store", "imports agent.store: edges"),
    ("agent/store/x.py", "from agent.http import app", "imports agent.http: edges"),
    ("agent/session.py", "from worker import app", "agent stands by itself"),
    ("agent/session.py", "def f():\n    from local.livekit import LiveKitServer", "agent stands by itself"),
    ("agent/stt/x.py", "from bench import words", "agent stands by itself"),
    ("agent/stt/x.py", "from tests.conftest import LiveKit", "the product does not need its tests"),
    ("local/x.py", "from agent.session import Session", "local knows only settings, messages and joining"),
    ("local/x.py", "from agent.core.gate import Gate", "local knows only settings, messages and joining"),
    ("bench/x.py", "import tests.postgres", "the product does not need its tests"),
    ("agent/x.py", "x = 1\n" * 601, "has 601 lines"),
    ("agent/x.py", "def f():\n" + "    x = 1\n" * 41, "f has 41 lines"),
    ("agent/x.py", "try:\n    f()\nexcept Exception:\n    pass", "catches everything in line 3"),
    ("agent/x.py", "try:\n    f()\nexcept:\n    x = 1", "catches everything in line 3"),
    (
        "agent/x.py",
        "try:\n    f()\nexcept (OSError, BaseException) as e:\n    print(e)",
        "catches everything",
    ),
    ("agent/tracks.py", "try:\n    f()\nexcept Exception:\n    g()\n" * 2, "catches everything in line 7"),
    ("agent/x.py", "import asyncio\nasyncio.create_task(f())", "starts a task outside a TaskGroup in line 2"),
    (
        "agent/x.py",
        "asyncio.get_running_loop().create_task(f())",
        "starts a task outside a TaskGroup in line 1",
    ),
    ("agent/x.py", "loop.create_task(f())", "starts a task outside a TaskGroup"),
    ("agent/x.py", "asyncio.ensure_future(f())", "starts a task outside a TaskGroup"),
    ("agent/x.py", "import os\nx = os.environ['A']", "reads the environment in line 2"),
    ("agent/x.py", "import os\nx = os.getenv('A')", "reads the environment in line 2"),
    ("agent/utils.py", "", "utils.py says nothing"),
    ("agent/common/x.py", "", "common says nothing"),
]


@pytest.mark.parametrize(("path", "text", "fault"), BROKEN)
def test_a_broken_rule_is_found(path: str, text: str, fault: str) -> None:
    """Each rule, broken by a few lines."""
    assert any(fault in found for found in faults(Source(path, text))), faults(Source(path, text))


KEPT = [
    (
        "agent/core/x.py",
        "from datetime import UTC, datetime, timedelta\nimport json\nfrom agent.core.model import Gap",
    ),
    ("agent/core/x.py", "from agent.errors import MessageError\nfrom . import model\nimport numpy as np"),
    (
        "agent/rtc/x.py",
        "import asyncio\nfrom agent.core.gate import Gate\nfrom agent.settings import Settings",
    ),
    ("agent/http/x.py", "from agent.store.protocol import Store\nfrom agent.logs import bind_log_fields"),
    (
        "agent/session.py",
        "from agent.rtc import room\nfrom agent.stt import registry\nfrom agent.store import memory",
    ),
    ("agent/tracks.py", "try:\n    f()\nexcept Exception:\n    g()"),
    ("agent/x.py", "try:\n    f()\nexcept BaseException:\n    g()\n    raise"),
    ("agent/x.py", "async def f(group):\n    group.create_task(g(), name='g')"),
    ("agent/x.py", 'def f():\n    """' + "long\n" * 30 + '"""\n' + "    x = 1\n" * 40),
    ("agent/settings.py", "import os\nx = os.environ"),
    (
        "local/x.py",
        "from agent.settings import Settings\nfrom agent.core.messages import encode\nimport os\nos.environ",
    ),
    ("worker.py", "from agent.session import Session\nfrom local.recognizer import child"),
]


@pytest.mark.parametrize(("path", "text"), KEPT)
def test_what_is_allowed_is_no_fault(path: str, text: str) -> None:
    """The rules do not forbid what the design wants."""
    assert faults(Source(path, text)) == []


def test_a_core_module_without_its_tests_is_found() -> None:
    """Modules that only hold values need none."""
    does = Source("agent/core/x.py", "def f(): ...")
    holds = Source("agent/core/y.py", "class Y:\n    z: int")
    export = Source("agent/core/exports/srt.py", "def render(): ...")
    assert len(list(untested_core(set(), [does, holds, export]))) == 2
    assert (
        list(untested_core({"tests/core/test_x.py", "tests/core/test_srt.py"}, [does, holds, export])) == []
    )


@pytest.mark.parametrize(
    "text",
    [
        "index-url = https://" + "pypi" + ".org/simple",
        "https://files." + "pythonhosted" + ".org/x",
        "GOPROXY=https://proxy." + "golang.org",
        "https://registry." + "npmjs" + ".org/x",
        "cd /" + "work/main",
        "open('/" + "root/.cache')",
        "/" + "home/anna/x",
    ],
)
def test_a_leak_is_found(text: str) -> None:
    """Split here so that this file keeps the rule itself."""
    assert list(leak_faults("x", f"first line\n{text}\n"))


def test_ordinary_addresses_are_no_leak() -> None:
    """Documentation may name anything but registries and one machine's folders."""
    text = "https://docs.livekit.io/ https://www.apache.org/licenses golang.org/x/net /app/work ~/.cache"
    assert list(leak_faults("x", text)) == []
