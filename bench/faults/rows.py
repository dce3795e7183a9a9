"""Every row of `make faults`, with its bounds (design section 8, and what was promised of it)."""

from __future__ import annotations

from typing import Any, Final

from bench.faults import hosts, network, people, storage
from bench.faults.recognizer import counted, lasting, one_by_one, refused
from bench.faults.row import Act, Fault
from local.bad_link import Conditions
from local.far_host import Direction


def _recognizer(name: str, act: Act, **more: Any) -> Fault:
    """Of the recognizer: nothing may be missing at all."""
    return Fault(name, "plain", act, most_gap_seconds=0.0, **more)


MENDED_BY_RETRY: Final = (
    "rate_limited",
    "queue_overflow",
    "resource_exhausted",
    "session_time_limit_exceeded",
    "input_error",
    "chunk_size_exceeded",
    "insufficient_audio_activity",
    "transcriber_error",
    "error",
)
FOR_GOOD: Final = ("auth_error", "quota_exceeded", "unaccepted_terms", "invalid_request")
PROBE_SECONDS: Final = 45.0
"""A refusal for good is probed every 30 s, with jitter."""

RECOGNIZER: Final = [
    _recognizer("recognizer dropped in mid word", counted(drop_after_audio_seconds=1.3, drop_times=2)),
    _recognizer(
        "recognizer dropped between commit and answer", counted(drop_after_commit=True, drop_times=2)
    ),
    _recognizer(
        "recognizer dropped between the copies of an answer", counted(drop_between_copies=True, drop_times=2)
    ),
    _recognizer(
        "recognizer dropped three times in a row", counted(drop_after_audio_seconds=1.3, drop_times=6)
    ),
    _recognizer(
        "recognizer closed politely", counted(drop_after_audio_seconds=1.3, drop_times=2, drop_code=1000)
    ),
    _recognizer("recognizer refused with 503 for 10 s", refused(10, 503), most_told_seconds=3.0),
    _recognizer(
        "recognizer refused with 503 for 60 s", refused(60, 503), most_told_seconds=3.0, talk_seconds=130
    ),
    _recognizer(
        "recognizer refused with 503 for 120 s", refused(120, 503), most_told_seconds=3.0, talk_seconds=200
    ),
    _recognizer("recognizer refused with 429, retry-after 5 s", refused(8, 429, retry_after_seconds=5)),
    _recognizer(
        "recognizer's errors that a retry mends",
        one_by_one(
            *(
                {
                    "error_type": kind,
                    "error_when": "audio",
                    "error_after_audio_seconds": 0.5,
                    "error_times": 2,
                }
                for kind in MENDED_BY_RETRY
            )
        ),
        talk_seconds=160,
    ),
    _recognizer(
        "recognizer throttled commits",
        counted(error_type="commit_throttled", error_when="commit", error_times=2),
    ),
    _recognizer(
        "recognizer refused for good (401), then healed",
        refused(10, 401),
        most_told_seconds=3.0,
        patience_seconds=PROBE_SECONDS,
        talk_seconds=120,
    ),
    *(
        _recognizer(
            f"recognizer says {kind}, then healed",
            counted(error_type=kind, error_when="audio", error_times=2),
            most_told_seconds=3.0,
            patience_seconds=PROBE_SECONDS,
            talk_seconds=120,
        )
        for kind in FOR_GOOD
    ),
    _recognizer("recognizer leaves commits unanswered", counted(mute_commits=2)),
    _recognizer("recognizer answers twice", counted(double_answers=4)),
    _recognizer("recognizer answers 3 s late", lasting(12, answer_delay_seconds=3.0)),
    _recognizer("recognizer's answer is no JSON", counted(malformed_answers=2, malformation="no_json")),
    _recognizer(
        "recognizer's answer lacks fields", counted(malformed_answers=2, malformation="missing_fields")
    ),
    _recognizer(
        "recognizer's answer has no times", counted(malformed_answers=2, malformation="no_timestamps_copy")
    ),
    _recognizer("recognizer repeats partials", counted(echo_partials=4)),
    _recognizer("recognizer does not read for 5 s", lasting(6, stall_seconds=5.0)),
]

PEOPLE: Final = [
    Fault("participant mutes in mid word", "plain", people.mutes, most_gap_seconds=0.0),
    Fault("participant republishes in mid word", "plain", people.republishes),
    Fault("participant rejoins", "plain", people.rejoins),
    Fault("participant leaves in mid word", "plain", people.leaves, most_gap_seconds=0.0),
    Fault("participant vanishes", "plain", people.vanishes),
    Fault("participant vanishes and rejoins as a ghost", "plain", people.vanishes_and_rejoins),
    Fault("participant joins twice", "plain", people.joins_twice),
]

HOSTS: Final = [
    Fault("job process killed", "hosts", hosts.job_killed, most_recover_seconds=8.0),
    Fault(
        "job process killed while answers are overdue",
        "hosts",
        hosts.job_killed_with_answers_overdue,
        most_recover_seconds=8.0,
    ),
    Fault(
        "job process killed while the recognizer is away",
        "hosts",
        hosts.job_killed_in_trouble,
        most_recover_seconds=8.0,
    ),
    Fault(
        "worker host killed, a second worker is there",
        "hosts",
        hosts.host_killed,
        workers=2,
        most_recover_seconds=8.0,
    ),
    Fault(
        "room created while no worker runs",
        "hosts",
        hosts.no_worker,
        workers=0,
        worker_first=False,
        most_recover_seconds=5.0,
    ),
    Fault("two jobs in one room", "hosts", hosts.asked_twice, most_gap_seconds=3.0),
    Fault(
        "worker told to stop (SIGTERM), a second worker is there",
        "hosts",
        hosts.terminated,
        workers=2,
        most_gap_seconds=3.0,
    ),
    Fault(
        "both workers restarted one after the other",
        "hosts",
        hosts.both_restarted,
        workers=2,
        most_gap_seconds=6.0,
        talk_seconds=120,
    ),
    Fault(
        "LiveKit server restarted", "server", hosts.server_restarted, patience_seconds=60, talk_seconds=140
    ),
]

STORAGE: Final = [
    Fault("database locked for 20 s", "sqlite", storage.locked, most_gap_seconds=0.0, talk_seconds=80),
    Fault("disk of the database full for 15 s", "small disk", storage.disk_full, most_gap_seconds=0.0),
    Fault(
        "PostgreSQL stopped for 30 s",
        "postgres",
        storage.postgres_away(storage.STOPPED_SECONDS, killed=False),
        most_gap_seconds=0.0,
        talk_seconds=100,
    ),
    Fault(
        "PostgreSQL killed",
        "postgres",
        storage.postgres_away(storage.KILLED_SECONDS, killed=True),
        most_gap_seconds=0.0,
    ),
    Fault(
        "worker killed while the database is away", "sqlite", storage.worker_killed_meanwhile, talk_seconds=80
    ),
]

FAR_AWAY: Final = Conditions(delay_seconds=0.15, jitter_seconds=0.04)
NEEDED_BITS_PER_SECOND: Final = 680_000
"""Measured, of the two voices of a row, as JSON over TCP."""

NETWORK: Final = [
    Fault("worker's signalling cut", "proxied", network.signalling_cut(0.2), patience_seconds=60),
    Fault("worker's signalling cut for 10 s", "proxied", network.signalling_cut(10), patience_seconds=60),
    Fault("5 % of the packets to and from the worker lost", "far host", network.loss_for(15, 0.05)),
    Fault("worker's network cut for 3 s", "far host", network.cut_for(3)),
    Fault(
        "worker's network cut for 20 s",
        "far host",
        network.cut_for(20),
        patience_seconds=60,
        talk_seconds=120,
    ),
    Fault(
        "speakers behind 150 ms, 40 ms of jitter",
        "far voices",
        network.worse_for(15, FAR_AWAY),
        most_gap_seconds=1.0,
    ),
    Fault(
        "recognizer behind 150 ms, 40 ms of jitter",
        "far recognizer",
        network.worse_for(15, FAR_AWAY),
        most_gap_seconds=0.0,
    ),
    Fault(
        "speakers behind 10 % loss in bursts of six packets",
        "far voices",
        network.worse_for(20, Conditions(loss=0.1, burst_packets=6), Direction.TO_NEAR),
    ),
    Fault(
        "speakers share an uplink of 60 kbit/s",
        "far voices",
        network.worse_for(20, Conditions(bits_per_second=60_000), Direction.TO_NEAR),
        late_seconds=1.0,  # the queue holds 0.5 s, and the receiver's buffer grows with it
        patience_seconds=60,
        talk_seconds=90,
    ),
    Fault(
        "speakers cut off for 20 s",
        "far voices",
        network.cut_for(20),
        down_is_missing=True,
        patience_seconds=60,
        talk_seconds=140,
    ),
    Fault(
        "recognizer's link carries 80 % of what speech needs for 40 s",
        "far recognizer",
        network.worse_for(40, Conditions(bits_per_second=0.8 * NEEDED_BITS_PER_SECOND), Direction.TO_FAR),
        most_gap_seconds=0.0,
        most_told_seconds=12.0,
        most_paid_share=1.3,
        talk_seconds=90,
    ),
    Fault(
        "recognizer's link carries a third of what speech needs for 30 s",
        "far recognizer",
        network.worse_for(30, Conditions(bits_per_second=NEEDED_BITS_PER_SECOND / 3), Direction.TO_FAR),
        most_gap_seconds=0.0,
        most_told_seconds=8.0,
        most_paid_share=1.3,
        talk_seconds=90,
    ),
]

ROWS: Final = [*RECOGNIZER, *PEOPLE, *HOSTS, *STORAGE, *NETWORK]
