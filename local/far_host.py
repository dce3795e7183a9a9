"""A host of its own on this machine (a network namespace) whose only link can be made as bad as wanted.

    with FarHost(7) as host:
        host.command(["python", "worker.py", "start"])   # runs over there; reaches us at host.near_address
        host.lose(0.05)                                  # of all packets, both ways
        host.worsen(Conditions(loss=0.1, burst_packets=6), Direction.TO_NEAR)
        host.worsen(Conditions(delay_seconds=0.15, jitter_seconds=0.04))
        host.stall(0.5)                                  # a delay spike
        host.cut()                                       # nothing gets through
        host.heal()

A participant, a worker or a recognizer can be the program over there. There are two tunnel devices, one on
each side, and a thread that carries packets between them as `bad_link` says. So no kernel module for traffic
control is needed, only root and Linux.
"""

from __future__ import annotations

import fcntl
import os
import select
import struct
import subprocess
import threading
import time
from collections.abc import Sequence
from enum import StrEnum
from random import Random
from typing import Final, Self

from agent.errors import LocalPartError
from local.bad_link import Conditions, Lane

_SET_INTERFACE: Final = 0x400454CA
_TUN_WITHOUT_HEADER: Final = 0x1001
_PACKET_BYTES: Final = 65_536
_COMMAND_SECONDS: Final = 10
_LOOK_SECONDS: Final = 0.2


class Direction(StrEnum):
    """Which way packets go."""

    TO_FAR = "to the far host"
    TO_NEAR = "to this host"


class FarHost:
    """One namespace and its link.

    Args:
        number: 1 to 254, tells several apart; part of the addresses and names.
        seed: of the chance by which packets are lost.
    """

    def __init__(self, number: int, seed: int = 0) -> None:
        self.near_address = f"10.213.{number}.1"
        """Of this machine, as seen from over there."""
        self.far_address = f"10.213.{number}.2"
        self._name = f"far-{os.getpid()}-{number}"
        self._devices = f"near{number}", f"far{number}"
        self._lanes = {direction: Lane(Random(f"{seed} {direction}")) for direction in Direction}
        self._lock = threading.Lock()
        self._ends: list[int] = []
        self._stop = threading.Event()
        self._carrier = threading.Thread(target=self._carry, name=self._name, daemon=True)

    def __enter__(self) -> Self:
        """Make it.

        Raises:
            LocalPartError: this machine does not let us; says why.
        """
        try:
            self._make()
        except OSError as error:
            self._remove()
            raise LocalPartError(f"no network namespace can be made here: {error}") from error
        except BaseException:
            self._remove()
            raise
        self._carrier.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._carrier.join()
        self._remove()

    def command(self, command: Sequence[str]) -> list[str]:
        """The command line that runs `command` over there."""
        return ["ip", "netns", "exec", self._name, *command]

    @property
    def carried(self) -> int:
        """Packets let through so far, both ways."""
        return sum(lane.carried for lane in self._lanes.values())

    @property
    def lost(self) -> int:
        """Packets lost so far, both ways."""
        return sum(lane.lost for lane in self._lanes.values())

    def lane(self, direction: Direction) -> Lane:
        """One direction, for its counters."""
        return self._lanes[direction]

    def worsen(self, conditions: Conditions, *directions: Direction) -> None:
        """From now on packets in these directions (none named: both) meet these conditions."""
        with self._lock:
            for direction in directions or Direction:
                self._lanes[direction].worsen(conditions, time.monotonic())

    def stall(self, seconds: float, *directions: Direction) -> None:
        """Hold back what is sent in the next `seconds`; then all of it arrives at once."""
        with self._lock:
            for direction in directions or Direction:
                self._lanes[direction].stall(seconds, time.monotonic())

    def lose(self, share: float, *directions: Direction) -> None:
        """From now on this share (0 to 1) of all packets is lost."""
        self.worsen(Conditions(loss=share), *directions)

    def cut(self, *directions: Direction) -> None:
        """Nothing gets through any more."""
        self.lose(1.0, *directions)

    def heal(self) -> None:
        """Everything gets through at once, both ways."""
        self.worsen(Conditions())

    def _make(self) -> None:
        near, far = self._devices
        _run("ip", "netns", "add", self._name)
        self._ends = [_tunnel(near), _tunnel(far)]
        _run("ip", "link", "set", far, "netns", self._name)
        _run("ip", "addr", "add", self.near_address, "peer", self.far_address, "dev", near)
        _run("ip", "link", "set", near, "up")
        _run(*self.command(["ip", "addr", "add", self.far_address, "peer", self.near_address, "dev", far]))
        _run(*self.command(["ip", "link", "set", far, "up"]))
        _run(*self.command(["ip", "link", "set", "lo", "up"]))
        _run(*self.command(["ip", "route", "add", "default", "via", self.near_address, "dev", far]))

    def _remove(self) -> None:
        for end in self._ends:
            os.close(end)
        self._ends = []
        subprocess.run(["ip", "netns", "del", self._name], capture_output=True, check=False)

    def _carry(self) -> None:
        near, far = self._ends
        lanes = {near: self._lanes[Direction.TO_FAR], far: self._lanes[Direction.TO_NEAR]}
        other = {near: far, far: near}
        while not self._stop.is_set():
            ready = select.select(self._ends, [], [], self._wait_seconds())[0]
            with self._lock:
                now = time.monotonic()
                for end in ready:
                    lanes[end].send(os.read(end, _PACKET_BYTES), now)
                arrived = [(other[end], packet) for end, lane in lanes.items() for packet in lane.due(now)]
            for end, packet in arrived:
                _write(end, packet)

    def _wait_seconds(self) -> float:
        """How long no packet is due, at most until the next look at `_stop`."""
        due = [at for lane in self._lanes.values() if (at := lane.next_due()) is not None]
        return min(max(min(due, default=float("inf")) - time.monotonic(), 0.0), _LOOK_SECONDS)


def _write(end: int, packet: bytes) -> None:
    try:
        os.write(end, packet)
    except OSError:
        return  # the device over there is going down; a packet more or less


def _tunnel(name: str) -> int:
    end = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(end, _SET_INTERFACE, struct.pack("16sH14x", name.encode(), _TUN_WITHOUT_HEADER))
    return end


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=_COMMAND_SECONDS, check=False)
    if done.returncode != 0:
        raise LocalPartError(f"no network namespace can be made here: {done.stderr.strip()}")
