"""Faults of participants: ben does what people and their networks do."""

from __future__ import annotations

import asyncio
import time

from bench.faults.cast import CastVoice
from bench.faults.row import Disturbance
from bench.faults.scene import MID_WORD_SECONDS, Scene


async def mutes(scene: Scene) -> Disturbance:
    """In mid word, talks on for 3 s, unmutes in mid word."""
    ben = scene.voices["ben"]
    began = await ben.order("mute")
    await asyncio.sleep(3)
    over = await ben.order("unmute")
    scene.excuse("ben", began, over + MID_WORD_SECONDS)
    return Disturbance(began, over)


async def republishes(scene: Scene) -> Disturbance:
    """The track is taken away in mid word, and another one published at once."""
    return await _does(scene, scene.voices["ben"], "unpublish", "publish", "heard", began=time.time())


async def rejoins(scene: Scene) -> Disturbance:
    """Leaves in mid word and is back after a second, under the same identity."""
    return await _does(scene, scene.voices["ben"], "leave", 1.0, "join", "heard", began=time.time())


async def leaves(scene: Scene) -> Disturbance:
    """In mid word, for good."""
    ben = scene.voices["ben"]
    began = time.time()
    await ben.order("leave")
    scene.excuse("ben", began, float("inf"))
    return Disturbance(began, time.time())


async def vanishes(scene: Scene) -> Disturbance:
    """The process is killed in mid word; the room learns of it only by the silence."""
    began = await scene.voices["ben"].kill()
    scene.excuse("ben", began, float("inf"))
    scene.gone.append(scene.voices.pop("ben"))
    return Disturbance(began, began)


async def vanishes_and_rejoins(scene: Scene) -> Disturbance:
    """The process is killed in mid word, and ben joins anew while the old one is still a ghost."""
    old = scene.voices["ben"]
    began = await old.kill()
    return await _takes_over(scene, began)


async def joins_twice(scene: Scene) -> Disturbance:
    """A second device with the same identity: LiveKit throws the first one out."""
    return await _takes_over(scene, None)


async def _takes_over(scene: Scene, killed_at: float | None) -> Disturbance:
    fresh = await scene.new_voice("ben")
    return await _does(scene, fresh, "join", "talk", "heard", began=killed_at or time.time())


async def _does(scene: Scene, ben: CastVoice, *steps: str | float, began: float) -> Disturbance:
    """Carry out orders, and wait the seconds between them; ben cannot be heard from `began` to their end."""
    for step in steps:
        if isinstance(step, str):
            await ben.order(step)
        else:
            await asyncio.sleep(step)
    over = time.time()
    scene.excuse("ben", began, over + MID_WORD_SECONDS)
    return Disturbance(began, over)
