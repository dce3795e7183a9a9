"""What all tests share: a clean environment, the real LiveKit server, and a real PostgreSQL."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import hypothesis
import pytest

from agent.settings import ALIASES, Settings
from local.child import kept
from local.postgres import Postgres

ROOT = Path(__file__).parent.parent
_LIMIT = pytest.StashKey[object]()
REASON_CHARACTERS = 2_000

# two shared cores: a slow example says nothing about the code
hypothesis.settings.register_profile("project", deadline=None, print_blob=True)
hypothesis.settings.load_profile("project")


@dataclass(frozen=True, slots=True)
class LiveKit:
    """The running server of this test session."""

    url: str
    """ws://127.0.0.1:port"""
    api_key: str
    api_secret: str

    @property
    def env(self) -> dict[str, str]:
        """The settings that point at it."""
        return {
            "LIVEKIT_URL": self.url,
            "LIVEKIT_API_KEY": self.api_key,
            "LIVEKIT_API_SECRET": self.api_secret,
        }


def pytest_addoption(parser: pytest.Parser) -> None:
    """How long the tests are that can be longer."""
    parser.addoption("--visits", type=int, default=24, help="people who come and go in the test of leaks")
    parser.addoption("--minutes", type=float, default=24, help="of the simulated long meeting")


def pytest_configure(config: pytest.Config) -> None:
    """A developer's own settings must not leak into the tests."""
    for name in [
        *map(str.upper, Settings.model_fields),
        *ALIASES,
        "LIVEKIT_AGENT_NAME",
        "LIVEKIT_AGENT_NAME_OVERRIDE",
    ]:
        os.environ.pop(name, None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test that asks for the server is a live one. Those come last, the longest of them first.

    So tests that only compute are over when sound is to be heard at the right time, and of the processes that
    share the tests none is left with a long one at the end. A live test that fails is run once more: a
    machine that does not get to play its sound in time tears it for everybody. The end of the output names
    such tests (RERUN), and `make faults` asks the same without a second try.
    """
    for item in items:
        if "livekit" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.live)
        if item.get_closest_marker("live"):
            item.add_marker(pytest.mark.flaky(reruns=1))
    items.sort(key=lambda item: (bool(item.get_closest_marker("live")), -_time_limit(item)))


def _time_limit(item: pytest.Item) -> float:
    """Seconds, of those that have one of their own."""
    limit = item.get_closest_marker("timeout")
    return float(limit.args[0]) if limit else 0.0


@pytest.hookimpl(tryfirst=True)
def pytest_timeout_set_timer(item: pytest.Item, settings: object) -> None:
    """Remember what the limit is made of; who reads this hook next sets it."""
    item.stash[_LIMIT] = settings


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """A second try has the whole limit, not what the first one left of it, or nothing."""
    _limit_anew(item)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """So has the cleaning up, which may hang for what made the test hang."""
    _limit_anew(item)


def _limit_anew(item: pytest.Item) -> None:
    if _LIMIT in item.stash:
        item.config.hook.pytest_timeout_cancel_timer(item=item)
        item.config.hook.pytest_timeout_set_timer(item=item, settings=item.stash[_LIMIT])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Why a test was run once more: pytest-rerunfailures names it and keeps the reason to itself."""
    for report in terminalreporter.stats.get("rerun", []):
        crash = getattr(report.longrepr, "reprcrash", None)
        why = crash.message if crash else str(report.longrepr)
        terminalreporter.write_line(f"first try of {report.nodeid}: {why[:REASON_CHARACTERS]}")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build the server now, where its progress is seen and no test's time limit runs."""
    live = any(item.get_closest_marker("live") for item in session.items)
    if not live or session.config.option.collectonly:
        return
    capture = session.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        built = subprocess.run(
            [sys.executable, "-m", "local.livekit", "--build"],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            check=False,
        )
    if built.returncode != 0:
        pytest.exit("the live tests need the LiveKit server; see the message above", returncode=1)


@pytest.fixture(scope="session")
def livekit() -> Iterator[LiveKit]:
    """A real LiveKit server, one for the test session; rooms close 5 s after the last one has left.

    It runs in a process of its own, so that no test's event loop owns it. A test that wants other options,
    or wants to break it, starts its own `local.livekit.LiveKitServer`: that takes 0.1 s.
    """
    process = subprocess.Popen(
        kept([sys.executable, "-m", "local.livekit", "--departure-timeout", "5"], grace_seconds=5),
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        lines = [process.stdout.readline().strip().partition("=")[2] for _ in range(3)]
        assert all(lines), "the LiveKit server did not start; see its message above"
        yield LiveKit(*lines)
    finally:
        process.stdin.close()
        process.wait(15)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """A real PostgreSQL, started when the first test asks for it."""
    with Postgres.start() as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: Postgres) -> Iterator[str]:
    """A fresh, empty database, in the form DATABASE_URL takes."""
    url = postgres_server.create_database()
    yield url
    postgres_server.drop_database(url)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind; the folder of a file is not there yet."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/new folder/record.db"
    found: str = request.getfixturevalue("postgres_url")
    return found
