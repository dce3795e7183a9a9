"""A host of its own on this machine (a network namespace) whose only link can lose packets, or be cut.

    with FarHost(7) as host:
        host.command(["python", "worker.py", "start"])   # runs over there; reaches us at host.near_address
        host.lose(0.05)                                  # of all packets, both ways
        host.cut()                                       # nothing gets through
        host.heal()

Two tunnel devices, one on each side, and a thread that carries packets from one to the other. So it needs no
kernel module for traffic control; it needs root and Linux.
"""

from __future__ import annotations

import fcntl
import os
import select
import struct
import subprocess
import threading
from collections.abc import Sequence
from random import Random
from typing import Final, Self

from agent.errors import LocalPartError

_SET_INTERFACE: Final = 0x400454CA
_TUN_WITHOUT_HEADER: Final = 0x1001
_PACKET_BYTES: Final = 65_536
_COMMAND_SECONDS: Final = 10
_LOOK_SECONDS: Final = 0.2


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
        self.carried = 0
        """Packets so far."""
        self.lost = 0
        self._name = f"far-{os.getpid()}-{number}"
        self._devices = f"near{number}", f"far{number}"
        self._random = Random(seed)
        self._share = 0.0
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

    def lose(self, share: float) -> None:
        """From now on this share (0..1) of all packets is lost, in both directions."""
        self._share = share

    def cut(self) -> None:
        """Nothing gets through any more."""
        self.lose(1.0)

    def heal(self) -> None:
        """Everything gets through."""
        self.lose(0.0)

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
        other = {near: far, far: near}
        while not self._stop.is_set():
            for end in select.select(self._ends, [], [], _LOOK_SECONDS)[0]:
                packet = os.read(end, _PACKET_BYTES)
                if not self.is_lost():
                    _write(other[end], packet)

    def is_lost(self) -> bool:
        """Decide over the next packet, and count it."""
        lost = self._share > 0 and self._random.random() < self._share
        self.lost += lost
        self.carried += not lost
        return lost


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
