"""A row from start to end: people talk, the fault, its end, more talk, the end of the meeting, the count."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import Path
from typing import Final

import aiohttp
import psutil
from livekit import rtc

from agent.core.model import Segment
from agent.errors import LocalPartError, StoreError
from bench.faults.pressure import Pressure
from bench.faults.reading import ask_for_holes, read_paid_share, read_record, received_words, told_trouble
from bench.faults.row import Disturbance, Fault, Outcome
from bench.faults.scene import AFTER_SECONDS, Scene
from bench.faults.site import Site
from bench.faults.tally import Hole, as_heard, gap_seconds, is_told, seconds_over_words, tally
from bench.words import SaidWord, WrittenWord

SETTLE_SECONDS: Final = 20.0
"""After the last word, so long for its text."""
POLL_SECONDS: Final = 0.25
ROW_SECONDS: Final = 300.0


async def play(site: Site, fault: Fault, room: str, folder: Path) -> Outcome:
    """What came of the row; an outcome with a `failure` when it could not be played to the end."""
    began, pressure = time.monotonic(), Pressure()
    try:
        async with asyncio.timeout(ROW_SECONDS):
            outcome = await _play(site, fault, room, folder, began)
    except TimeoutError:
        return _failed(fault, began, f"not over within {ROW_SECONDS:g} s")
    except (
        LocalPartError,
        StoreError,
        aiohttp.ClientError,
        psutil.Error,
        rtc.ConnectError,
        OSError,
    ) as error:
        return _failed(fault, began, f"{type(error).__name__}: {error}")
    return replace(outcome, waited_share=pressure.share())


async def _play(site: Site, fault: Fault, room: str, folder: Path, began: float) -> Outcome:
    await site.have_workers(fault.workers)
    async with Scene(site, fault, room, folder) as scene:
        await scene.talk()
        if fault.worker_first:
            await scene.first_text()
        disturbance = await fault.act(scene)
        recovered = await scene.recovery(disturbance.over)
        await asyncio.sleep(AFTER_SECONDS)
        await scene.hush()
        await settle(scene, SETTLE_SECONDS)
        return await end(scene, disturbance, recovered, began)


async def settle(scene: Scene, seconds: float) -> None:
    """Until the record has every word or a gap for it, or for so long."""
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up:
        words, holes, _ = await read_record(scene.site.store, scene.room, scene.lives())
        written = {word.text for word in words}
        said = as_heard(scene.words(), words, scene.fault.late_seconds)
        if all(word.text in written or is_told(word, holes) for word in said):
            return
        await asyncio.sleep(POLL_SECONDS)


async def end(scene: Scene, disturbance: Disturbance, recovered: float | None, began: float) -> Outcome:
    """The end of the meeting, and what became of everything that was said in it."""
    asked = await ask_for_holes(scene.listener, scene.site.store)
    vanished = scene.vanished  # a voice that leaves has no connection either
    closed = await scene.everybody_leaves()  # also those who vanished: their trouble lasts until then
    told, still_troubled = told_trouble(scene.listener.messages, asked, disturbance.began, vanished)
    words, holes, unbalanced = await read_record(scene.site.store, scene.room, scene.lives())
    said, torn = as_heard(scene.words(), words, scene.fault.late_seconds), scene.torn_words()
    received = [*(message.envelope for message in scene.listener.messages), *asked]
    return Outcome(
        fault=scene.fault,
        store=tally(said, torn, words, holes),
        live=tally(said, torn, received_words(received), holes),
        told_seconds=told,
        still_troubled=tuple(still_troubled),
        torn=len(torn),
        asked=sum(isinstance(one.item, Segment) for one in asked),
        gap_seconds=gap_seconds(holes),
        gap_over_words_seconds=seconds_over_words(holes, words),
        paid_share=await read_paid_share(scene.site.store, scene.room, scene.lives()),
        recover_seconds=recovered,
        unbalanced=tuple(unbalanced),
        closed=closed,
        took_seconds=time.monotonic() - began,
        latest_seconds=max(voice.latest_seconds for voice in scene.voices.values()),
        lost_words=tuple(_unwritten(said, words, holes)),
    )


def _unwritten(said: list[SaidWord], words: list[WrittenWord], holes: list[Hole]) -> list[str]:
    """One line a word that is missing without a gap, with where the nearest gaps are."""
    written = {word.text for word in words}
    return [
        f"{word.speaker} {word.text} {word.start:.3f}-{word.end:.3f}"
        for word in said
        if word.text not in written and not is_told(word, holes)
    ]


def _failed(fault: Fault, began: float, why: str) -> Outcome:
    return Outcome(fault, None, None, 0.0, None, took_seconds=time.monotonic() - began, failure=why)
