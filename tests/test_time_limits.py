"""A test that hangs is ended, also when it is tried again: nothing may hold up the whole run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT

HOOKS = """
from tests.conftest import pytest_runtest_setup, pytest_runtest_teardown, pytest_timeout_set_timer
from tests.conftest import pytest_terminal_summary
"""
HANGS = """
import time

import pytest


@pytest.fixture
def stuck():
    yield
    time.sleep(100)


@pytest.mark.flaky(reruns=1)
@pytest.mark.timeout(1)
def test_that_hangs(stuck):
    time.sleep(100)
"""


def test_each_try_and_its_end_have_the_whole_limit(tmp_path: Path) -> None:
    """Twice the test and twice its cleaning up are ended."""
    (tmp_path / "conftest.py").write_text(HOOKS)
    (tmp_path / "test_hangs.py").write_text(HANGS)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "--rootdir", str(tmp_path), str(tmp_path)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert "1 failed, 1 error, 2 rerun" in done.stdout, done.stdout + done.stderr
    assert "first try of test_hangs.py::test_that_hangs: Failed: Timeout" in done.stdout, done.stdout
