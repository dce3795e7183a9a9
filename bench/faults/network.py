"""Faults of the network between the worker's host and everything else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

from bench.faults.row import Act, Disturbance, FaultAbsent
from bench.faults.scene import Scene
from local.bad_link import Conditions
from local.far_host import Direction, FarHost

RECONNECT_SECONDS: Final = 60.0


def cut_for(seconds: float) -> Act:
    """No packet gets through in either direction for so long."""
    return _broken_for(seconds, lambda host: host.cut())


def loss_for(seconds: float, share: float) -> Act:
    """This share (0..1) of all packets is lost for so long."""
    return _broken_for(seconds, lambda host: host.lose(share))


def worse_for(seconds: float, conditions: Conditions, *directions: Direction) -> Act:
    """The link is this bad for `seconds`, in these directions (none named: both)."""
    return _broken_for(seconds, lambda host: host.worsen(conditions, *directions), loses=conditions.loss > 0)


def _broken_for(seconds: float, breaks: Callable[[FarHost], None], *, loses: bool = True) -> Act:
    async def act(scene: Scene) -> Disturbance:
        host = scene.site.far
        assert host is not None
        before, began = host.lost, time.time()
        breaks(host)
        await asyncio.sleep(seconds)
        host.heal()
        if loses and host.lost == before:
            raise FaultAbsent("no packet was lost")
        return Disturbance(began, time.time())

    return act


def signalling_cut(seconds: float) -> Act:
    """The worker's TCP connections to LiveKit are reset, and none is let in for so long; media go on."""

    async def act(scene: Scene) -> Disturbance:
        proxy = scene.site.proxy
        assert proxy is not None
        before, began = proxy.connections, time.time()
        proxy.refuse()
        proxy.cut()
        await asyncio.sleep(seconds)
        proxy.accept()
        over = time.time()
        await scene.until(lambda: proxy.connections > before, RECONNECT_SECONDS, "connection of the worker")
        return Disturbance(began, over)

    return act
