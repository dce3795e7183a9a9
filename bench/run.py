"""One scenario from start to end: the program under test, then the floor, on the same speech."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from agent.errors import LocalPartError
from agent.store import open_store
from bench.crew import Crew
from bench.exchange import RoomPlan, RoomResult, SpeakerPlan
from bench.floors import Floors
from bench.measure import Usage, cpu_seconds, program, usage
from bench.recognizer import Recognizer
from bench.rooms import make_rooms
from bench.scenario import Scenario, plan_speaker
from bench.subject import Subject, environment
from bench.values import Cost, FloorCost, Heard, Run
from bench.words import (
    NO_WORDS,
    count_words,
    final_delays,
    first_text_delays,
    speech_seconds,
    time_errors,
    written_words,
)
from local.child import Child
from local.livekit.server import LiveKitServer
from local.ready import ready_when
from local.speakers import participant_token

REGISTER_SECONDS = 60.0
FINALS_SECONDS = 8.0
"""After the last word: a word that is in no final by then is lost."""
SETTLE_SECONDS = 20
LOOK_SECONDS = 5.0
"""Between two looks at the memory while people talk."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What all runs share."""

    livekit: LiveKitServer
    recognizer: Recognizer
    folder: Path
    """For logs, plans and databases."""
    say: Callable[[str], None]
    """Tells a person what is going on."""


async def _make_tables(database: Path) -> None:
    """As `python -m agent.store upgrade`: what makes them stays in the memory of the process that does it."""
    store = open_store(f"sqlite:///{database}")
    await store.migrate()
    await store.aclose()


async def run_scenario(stage: Stage, scenario: Scenario, subject: Subject) -> Run:
    """Measure `subject`.

    Raises:
        LocalPartError: something did not start or ended early; says what and shows its log.
    """
    folder = stage.folder / scenario.name
    folder.mkdir()
    stage.say(f"{scenario.name}: starting {subject.name}")
    database = folder / "record.db"
    await _make_tables(database)
    env = environment(subject, stage.livekit.env, stage.recognizer.base_url, database)
    child = await Child.start(
        subject.command, name=subject.name, log_file=folder / "worker.log", env=env, cwd=folder
    )
    async with child:
        await ready_when(
            child,
            lambda: subject.registered in child.log_file.read_text(errors="replace"),
            seconds=REGISTER_SECONDS,
            what="registered with LiveKit",
        )
        pid = program(child.pid)
        await _settle(pid)
        run = await _measure(stage, scenario, folder, pid, usage(pid))
        stage.say(f"{scenario.name}: {run.heard.words.once} of {run.heard.words.said} words once")
    return run


async def run_floor(stage: Stage, scenario: Scenario) -> FloorCost:
    """Let the same people say the same to processes that only receive.

    Raises:
        LocalPartError: something did not start, or the floor missed a part of the speech.
    """
    folder = stage.folder / f"{scenario.name} floor"
    folder.mkdir()
    stage.say(f"{scenario.name}: the floor hears the same speech")
    plans = _plans(stage, scenario, folder, "floor", finals_seconds=0)
    async with Floors(stage.livekit, [plan.room for plan in plans], folder) as floors:
        async with Crew(plans, folder) as crew:
            await asyncio.sleep(2)  # joining is over
            before, began = floors.cpu_seconds(), time.monotonic()
            await crew.speak()
            await crew.results(scenario.talk_seconds + 30)
            after, talked = floors.cpu_seconds(), time.monotonic() - began
            await crew.leave()
        share = (await floors.received_seconds()) / (talked * scenario.tracks)
    if share < 1:
        raise LocalPartError(f"the floor got {share:.0%} of the speech: it cannot be compared with")
    a_room, together = (
        Cost(now - then, talked, scenario.tracks) for then, now in zip(before, after, strict=True)
    )
    return FloorCost(a_room, together)


async def _measure(stage: Stage, scenario: Scenario, folder: Path, pid: int, idle: Usage) -> Run:
    """The program is idle: let people come in, talk, and be silent."""
    stage.say(f"{scenario.name}: {scenario.tracks} people join and talk for {scenario.talk_seconds:g} s")
    sent_before = await stage.recognizer.audio_seconds()
    plans = _plans(stage, scenario, folder, "worker", finals_seconds=FINALS_SECONDS)
    await make_rooms(stage.livekit, [plan.room for plan in plans])
    async with Crew(plans, folder) as crew:
        await _settle_busy(pid)
        cpu_before, began = cpu_seconds(pid), time.monotonic()
        await crew.speak()
        results, busy = await _results_and_peak(crew, scenario, pid)
        cost = Cost(cpu_seconds(pid) - cpu_before, time.monotonic() - began, scenario.tracks)
        sent = await stage.recognizer.audio_seconds() - sent_before
        open_sessions = None
        if scenario.silence_seconds:
            stage.say(f"{scenario.name}: {scenario.silence_seconds:g} s of silence")
            await asyncio.sleep(scenario.silence_seconds)
            open_sessions = await stage.recognizer.open_sessions()
        await crew.leave()
    return Run(
        scenario=scenario.name,
        rooms=scenario.rooms,
        heard=_heard(results),
        cost=cost,
        sent_seconds=sent,
        pss_idle_bytes=idle.pss_bytes,
        idle_processes=idle.processes,
        pss_busy_bytes=busy.pss_bytes,
        busy_processes=busy.processes,
        open_sessions=open_sessions,
        silence_seconds=scenario.silence_seconds,
    )


async def _results_and_peak(crew: Crew, scenario: Scenario, pid: int) -> tuple[list[RoomResult], Usage]:
    """The rooms' results, and the most memory seen on the way."""
    peak = usage(pid)
    async with asyncio.TaskGroup() as group:
        results = group.create_task(
            crew.results(scenario.talk_seconds + FINALS_SECONDS + 30), name="room results"
        )
        while not results.done():
            await asyncio.wait([results], timeout=LOOK_SECONDS)
            peak = max(peak, usage(pid), key=lambda look: look.pss_bytes)
    return results.result(), peak


def _plans(
    stage: Stage, scenario: Scenario, folder: Path, purpose: str, *, finals_seconds: float
) -> list[RoomPlan]:
    plans = []
    for number in range(scenario.rooms):
        room = f"bench {scenario.name} {purpose} {number + 1}"
        speakers = []
        for place in range(scenario.speakers):
            identity = f"speaker-{number + 1}-{place + 1}"
            role = "interviewer" if place == 0 else "candidate"
            token = participant_token(
                stage.livekit.api_key, stage.livekit.api_secret, room=room, identity=identity, role=role
            )
            sentences = tuple(
                tuple((word.number, word.start) for word in sentence)
                for sentence in plan_speaker(scenario, number, place)
            )
            speakers.append(SpeakerPlan(identity, token, sentences))
        plans.append(RoomPlan(room, stage.livekit.url, str(folder / "s"), tuple(speakers), finals_seconds))
    return plans


def _heard(results: list[RoomResult]) -> Heard:
    """All rooms together."""
    words = sum((count_words(one.said, written_words(one.arrivals)) for one in results), NO_WORDS)
    return Heard(
        words=words,
        final_delays=tuple(d for one in results for d in final_delays(one.said, one.arrivals)),
        first_text_delays=tuple(d for one in results for d in first_text_delays(one.said, one.arrivals)),
        time_errors=tuple(e for one in results for e in time_errors(one.said, written_words(one.arrivals))),
        speech_seconds=sum(speech_seconds(one.said) for one in results),
        gaps=sum(one.gaps for one in results),
        strays=sum(one.strays for one in results),
        latest_seconds=max(one.latest_seconds for one in results),
        stalls=sum(one.stalls for one in results),
    )


async def _settle(pid: int) -> None:
    """Wait until the tree has started all it starts: two seconds in a row with next to no work."""
    calm, before = 0, cpu_seconds(pid)
    for _ in range(SETTLE_SECONDS):
        await asyncio.sleep(1)
        now = cpu_seconds(pid)
        calm = calm + 1 if now - before < 0.05 else 0
        before = now
        if calm == 2:
            return


async def _settle_busy(pid: int) -> None:
    """Wait until the tree's work no longer falls: the processes that replace the spare ones have started."""
    last, before = float("inf"), cpu_seconds(pid)
    for _ in range(SETTLE_SECONDS):
        await asyncio.sleep(1)
        now = cpu_seconds(pid)
        spent, before = now - before, now
        if spent > 0.85 * last:
            return
        last = spent
