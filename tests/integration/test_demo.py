"""The demo as a person runs it: it does what it promised, and leaves nothing running, however it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.live

ROOT = Path(__file__).parents[2]
MARK = "DEMO_UNDER_TEST"


class Demo:
    """A running `python -m local.demo`, in another folder than the project's."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.mark = uuid.uuid4().hex
        self.log = folder / "demo.log"
        self.result = folder / "result.json"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "local.demo", "--result", str(self.result), *options],
                cwd=folder,
                env={**os.environ, MARK: self.mark, "PYTHONPATH": str(ROOT)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def text(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def wait_for(self, text: str, seconds: float = 90) -> None:
        """Until it has printed `text`."""
        self.until(lambda: text in self.text() or self.process.poll() is not None, seconds)
        assert text in self.text(), self.text()

    def until(self, holds: object, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not holds():  # type: ignore[operator]
            assert time.monotonic() < deadline, f"not within {seconds} s:\n{self.text()}"
            time.sleep(0.05)

    def running(self) -> list[str]:
        """Every process that comes from this demo, by the mark in its environment."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.status() != psutil.STATUS_ZOMBIE and process.environ().get(MARK) == self.mark:
                    found.append(" ".join(process.cmdline()))
        return found


@contextmanager
def demo(folder: Path, *options: str) -> Iterator[Demo]:
    one = Demo(folder, *options)
    try:
        yield one
    finally:
        with suppress(ProcessLookupError):
            os.killpg(one.process.pid, signal.SIGKILL)
        one.process.wait(10)


@pytest.mark.timeout(120)
def test_a_port_that_somebody_takes_first_is_given_up(tmp_path: Path) -> None:
    """Two demos that begin together both come up, each with a service of its own."""
    folders = tmp_path / "one", tmp_path / "other"
    for folder in folders:
        folder.mkdir()
    with demo(folders[0]) as one, demo(folders[1]) as other:
        for each in (one, other):
            each.wait_for("worker is up")
        urls = [re.findall(r"token service is up at (\S+)", each.text()) for each in (one, other)]
        assert len(urls[0]) == len(urls[1]) == 1
        assert urls[0] != urls[1]
        for each in (one, other):
            each.process.send_signal(signal.SIGINT)


@pytest.mark.timeout(240)
def test_once_both_people_are_in_the_record(tmp_path: Path) -> None:
    """Exit code 0, both labels, few errors, no gap, balanced books; and nothing runs afterwards."""
    with demo(tmp_path, "--once") as one:
        code = one.process.wait(200)
        assert code == 0, one.text()
        one.until(lambda: not one.running(), 10)
    result = json.loads(one.result.read_text())
    assert [speaker["label"] for speaker in result["speakers"]] == ["interviewer", "candidate"]
    assert all(speaker["wer"] <= 0.25 for speaker in result["speakers"])
    assert result["gaps"] == 0
    assert result["windows"] >= 4
    assert all(sums["balanced"] for sums in result["accounting"])
    assert (tmp_path / "data" / "demo.db").exists()


@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    "moment",
    [
        "logs of all programs",
        "LiveKit server is up",
        "worker is up",
        "the transcriber hears them",
        "interviewer  Ever tried",
    ],
)
def test_ctrl_c_leaves_nothing_running(tmp_path: Path, moment: str) -> None:
    """At whatever moment it comes; and it says that it was interrupted."""
    with demo(tmp_path) as one:
        one.wait_for(moment)
        one.process.send_signal(signal.SIGINT)
        assert one.process.wait(30) == 130
        one.until(lambda: not one.running(), 10)
        assert "interrupted" in one.text()
        assert "Traceback" not in one.text()


@pytest.mark.timeout(120)
def test_a_killed_demo_leaves_nothing_running_either(tmp_path: Path) -> None:
    """No handler runs on SIGKILL; the keepers do."""
    with demo(tmp_path) as one:
        one.wait_for("the transcriber hears them")
        assert len(one.running()) > 4
        one.process.kill()
        one.until(lambda: not one.running(), 20)


@pytest.mark.timeout(120)
def test_a_program_that_dies_is_named_with_its_last_lines(tmp_path: Path) -> None:
    """Not a demo that hangs, nor a traceback."""
    with demo(tmp_path) as one:
        one.wait_for("the transcriber hears them")
        workers = [process for process in psutil.process_iter() if is_worker(process, one)]
        workers[0].kill()
        assert one.process.wait(60) == 2
        one.until(lambda: not one.running(), 10)
    assert "worker ended with code 137" in one.text()
    assert "Traceback" not in one.text().split("worker ended")[0]


def is_worker(process: psutil.Process, one: Demo) -> bool:
    """True for the program itself, not for its keeper; processes of other tests come and go meanwhile."""
    with suppress(psutil.Error):
        command = process.cmdline()
        return (
            f"{ROOT}/worker.py" in command
            and "keeper.py" not in " ".join(command)
            and process.ppid() != 1
            and process.environ().get(MARK) == one.mark
        )
    return False


def test_a_port_that_is_taken_is_told_at_once(tmp_path: Path) -> None:
    """With the option that mends it."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with demo(tmp_path, "--port", str(port)) as one:
            assert one.process.wait(60) == 2
            one.until(lambda: not one.running(), 10)
    assert f"port {port} is taken; choose another one with --port" in one.text()
