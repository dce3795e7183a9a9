"""From what was measured to the rows of the table, with the bounds of the design's section 11. Pure."""

from __future__ import annotations

from bench.figures import Row, spread
from bench.service import ServiceTimes
from bench.values import FloorCost, Run

MEGABYTE = 1_000_000

FINAL_BOUNDS = {"1x2": (0.60, 0.75), "4x2": (0.65, 0.80), "quiet": (0.60, 0.75)}
FIRST_TEXT_BOUNDS = {"1x2": (0.11, 0.24), "4x2": (0.14, 0.27), "quiet": (0.11, 0.24)}
SENT_BOUNDS = {"1x2": 1.20, "4x2": 1.20, "quiet": 1.4}
CPU_BOUND = 2.2
PSS_IDLE_BOUND_MB = 300.0
PSS_ROOM_BOUND_MB = 30.0
WORD_TIME_BOUND_SECONDS = 0.15


def run_rows(run: Run, floor: FloorCost | None) -> list[Row]:
    """The rows of one scenario."""
    late = Row(
        run.scenario,
        "how late a voice was at most",
        "s",
        (run.heard.latest_seconds,),
        note="the machine's part",
    )
    return [
        *_word_rows(run),
        *_delay_rows(run),
        *_time_rows(run),
        *_cost_rows(run, floor),
        *_memory_rows(run),
        *_silence_rows(run),
        late,
    ]


def _delay_rows(run: Run) -> list[Row]:
    name, heard = run.scenario, run.heard
    sent = run.sent_seconds / heard.speech_seconds
    finals, texts = spread(heard.final_delays), spread(heard.first_text_delays)
    return [
        Row(name, "recognizer seconds sent per second of speech", "", (sent,), (SENT_BOUNDS[name],)),
        Row(name, "sentence end -> final (p50, p95)", "s", finals, FINAL_BOUNDS[name]),
        Row(name, "word end -> first text (p50, p95)", "s", texts, FIRST_TEXT_BOUNDS[name]),
    ]


def _memory_rows(run: Run) -> list[Row]:
    name = run.scenario
    idle, room = run.pss_idle_bytes / MEGABYTE, run.pss_room_bytes / MEGABYTE
    idle_note, busy_note = f"{run.idle_processes} processes", f"{run.busy_processes} processes"
    return [
        Row(name, "PSS idle", "MB", (idle,), (PSS_IDLE_BOUND_MB,), idle_note),
        Row(name, "PSS per room above idle", "MB", (room,), (PSS_ROOM_BOUND_MB,), busy_note),
    ]


def _word_rows(run: Run) -> list[Row]:
    words = run.heard.words
    name = run.scenario
    not_once = words.said - words.once
    return [
        Row(name, "words not once under their speaker", "", (not_once,), (0,), f"of {words.said} said"),
        Row(name, "words lost", "", (words.lost,), (0,)),
        Row(name, "words doubled", "", (words.doubled,), (0,)),
        Row(name, "words under the wrong speaker", "", (words.wrong_speaker,), (0,)),
        Row(name, "words that nobody said in the room", "", (words.invented,), (0,)),
        Row(name, "gaps", "", (run.heard.gaps,), (0,)),
    ]


def _time_rows(run: Run) -> list[Row]:
    errors = run.heard.time_errors
    sizes = [abs(error) for error in errors]
    largest = (max(sizes),) if sizes else ()
    bound = (WORD_TIME_BOUND_SECONDS,) * 3
    return [
        Row(run.scenario, "word time error (p50, p95, largest)", "s", (*spread(sizes), *largest), bound),
        Row(run.scenario, "word time error with its sign (p50, p95)", "s", spread(errors)),
    ]


def _cost_rows(run: Run, floor: FloorCost | None) -> list[Row]:
    name, ours = run.scenario, run.cost.per_track_minute
    rows = [Row(name, "CPU seconds per track-minute", "s", (ours,))]
    if floor is None:
        return rows
    floors = {"a process a room": floor.a_room}
    if run.rooms > 1:
        floors["one process"] = floor.together
    for kind, cost in floors.items():
        least = cost.per_track_minute
        rows.append(Row(name, f"the same of the floor, {kind}", "s", (least,)))
        rows.append(Row(name, f"CPU over the floor, {kind}", "x", (ours / least,), (CPU_BOUND,)))
    return rows


def _silence_rows(run: Run) -> list[Row]:
    if run.open_sessions is None:
        return []
    note = f"{run.silence_seconds:g} s"
    return [Row(run.scenario, "open recognizer sessions after silence", "", (run.open_sessions,), (0,), note)]


def service_rows(times: ServiceTimes) -> list[Row]:
    """The rows of the token service."""
    return [
        Row("service", "start -> first answer", "s", (times.start_seconds,), (2.0,)),
        Row("service", "POST /rooms/create (p50, p95)", "s", spread(times.room_seconds), (0.5, 0.5)),
        Row("service", "POST /tokens/generate (p50, p95)", "s", spread(times.token_seconds), (0.1, 0.1)),
    ]


def export_rows(times: dict[str, tuple[float, ...]]) -> list[Row]:
    """The rows of the exports."""
    return [
        Row("exports", f"{name} (p50, p95)", "s", spread(taken), (1.0, 1.0)) for name, taken in times.items()
    ]
