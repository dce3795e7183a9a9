"""The host behind a bad link: what gets through, and what does not."""

from __future__ import annotations

import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from agent.errors import LocalPartError
from local.bad_link import Conditions
from local.far_host import Direction, FarHost

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


@pytest.fixture
def port(host: FarHost) -> Iterator[int]:
    """The port of a listener on this side of the running host; skips where no host can be made."""
    try:
        host.__enter__()
    except LocalPartError as error:
        assert "no network namespace can be made here: " in str(error)
        pytest.skip(str(error))
    try:
        with socket.socket() as listener:
            listener.bind((host.near_address, 0))
            listener.listen()
            threading.Thread(target=_answering(listener), daemon=True).start()
            yield listener.getsockname()[1]
            listener.shutdown(socket.SHUT_RDWR)
    finally:
        host.__exit__(None, None, None)
    left = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=False).stdout
    assert host.command([])[3] not in left


def test_the_link_carries_is_cut_and_heals(host: FarHost, port: int) -> None:
    """A program over there reaches us, then not, then again."""
    assert _call(host, port) == "b'heard'"
    host.cut()
    assert _call(host, port) == ""
    assert host.lost > 0
    host.heal()
    assert _call(host, port) == "b'heard'"


def test_one_direction_is_cut_and_delayed(host: FarHost, port: int) -> None:
    """What comes from over there is lost, then late; what goes there is not touched."""
    host.cut(Direction.TO_NEAR)
    assert _call(host, port) == ""
    assert host.lane(Direction.TO_NEAR).lost > 0
    assert host.lane(Direction.TO_FAR).lost == 0
    host.worsen(Conditions(delay_seconds=0.15, jitter_seconds=0.04), Direction.TO_NEAR)
    began = time.monotonic()
    assert _call(host, port) == "b'heard'"
    assert time.monotonic() - began > 0.15


def test_same_conditions_lose_the_same(host: FarHost) -> None:
    """The two directions do not share their chance, two hosts of one seed do."""
    other = FarHost(202)
    fates = []
    for one in (host, other):
        one.lose(0.3)
        for direction in Direction:
            for _ in range(2000):
                one.lane(direction).send(b"", 0.0)
        fates.append([one.lane(direction).lost for direction in Direction])
    assert fates[0] == fates[1]
    assert fates[0][0] != fates[0][1]
    assert 1000 < host.lost < 1400
