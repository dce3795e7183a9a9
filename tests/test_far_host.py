"""The host behind a bad link: what gets through, and what does not."""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Callable

import pytest

from agent.errors import LocalPartError
from local.far_host import FarHost

CALL = "import socket as s, sys; print(s.create_connection((sys.argv[1], int(sys.argv[2])), 1).recv(9))"


@pytest.fixture
def host() -> FarHost:
    return FarHost(201)


def _call(host: FarHost, port: int) -> str:
    """What a program over there is told at the port, or nothing when it does not get through."""
    command = host.command(["python3", "-c", CALL, host.near_address, str(port)])
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False).stdout.strip()


def _answering(listener: socket.socket) -> Callable[[], None]:
    def answer() -> None:
        while True:
            try:
                caller, _ = listener.accept()
            except OSError:
                return  # the test is over
            with caller:
                caller.sendall(b"heard")

    return answer


def test_the_link_carries_is_cut_and_heals(host: FarHost) -> None:
    """A program over there reaches us, then not, then again; where it cannot be made, the error says why."""
    try:
        host.__enter__()
    except LocalPartError as error:
        assert "no network namespace can be made here: " in str(error)
        return
    try:
        with socket.socket() as listener:
            listener.bind((host.near_address, 0))
            listener.listen()
            port = listener.getsockname()[1]
            threading.Thread(target=_answering(listener), daemon=True).start()
            assert _call(host, port) == "b'heard'"
            host.cut()
            assert _call(host, port) == ""
            assert host.lost > 0
            host.heal()
            assert _call(host, port) == "b'heard'"
            listener.shutdown(socket.SHUT_RDWR)
    finally:
        host.__exit__(None, None, None)
    left = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=False).stdout
    assert host.command([])[3] not in left


def test_a_share_is_lost(host: FarHost) -> None:
    """Chance decides which packet, the share how many; the same seed loses the same ones."""
    host.lose(0.3)
    other = FarHost(202)
    other.lose(0.3)
    fates = [host.is_lost() for _ in range(2000)]
    assert fates == [other.is_lost() for _ in range(2000)]
    assert 0.25 < sum(fates) / len(fates) < 0.35
    host.heal()
    assert not any(host.is_lost() for _ in range(100))
