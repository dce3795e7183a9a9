"""What a transcriber tells Prometheus of itself: names, in one place; docs/operations.md says what to watch.

A worker's jobs are processes of their own. With `METRICS_PORT` set they keep these figures in files that the
worker adds up (`agent.job_metrics`); without, nobody reads them.
"""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from agent.core.model import Gap, Item, Segment, Speaker, State, Status
from agent.core.words import count_words

TRACKS = Gauge("transcriber_tracks", "Audio tracks being received.", multiprocess_mode="livesum")
SESSIONS = Gauge(
    "transcriber_recognizer_sessions", "Recognizer sessions that are open.", multiprocess_mode="livesum"
)
WAITING = Gauge(
    "transcriber_items_waiting", "Items of the record that are not stored yet.", multiprocess_mode="livesum"
)
HEARD = Counter("transcriber_audio_heard_seconds", "Audio received from participants.")
CONCEALED = Counter(
    "transcriber_audio_concealed_seconds",
    "Audio made up by the receiver because packets did not arrive in time.",
)
DAMAGED = Gauge(
    "transcriber_tracks_damaged", "Tracks whose audio is damaged for seconds.", multiprocess_mode="livesum"
)
SENT = Counter("transcriber_audio_sent_seconds", "Audio sent to the recognizer: what it bills.")
ANSWER = Histogram(
    "transcriber_answer_seconds",
    "From the commit of an utterance to its answer.",
    buckets=(0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0),
)
LOST_SESSIONS = Counter(
    "transcriber_recognizer_sessions_lost", "Recognizer sessions that broke or were refused.", ["reason"]
)
SEGMENTS = Counter("transcriber_segments", "Final segments written.")
WORDS = Counter("transcriber_words", "Words of these segments.")
GAPS = Counter("transcriber_gap_seconds", "What is missing from records, by why.", ["reason"])
DROPPED = Counter(
    "transcriber_sink_items_dropped", "Items that a sink could not send; they are in the store.", ["sink"]
)
TROUBLES = Counter(
    "transcriber_troubles", "Statuses of speakers that are not heard as they should.", ["reason"]
)
HELD_UP = Gauge(
    "transcriber_gap_seconds_pending",
    "Speech that a failing recognizer keeps out of records at this moment, by why: it becomes text or a gap.",
    ["reason"],
    multiprocess_mode="livesum",
)
STORE_AWAY = Counter("transcriber_store_outages", "How often the store could not be reached by a session.")


def count(item: Item) -> None:
    """An item of a record, as it is recorded."""
    match item:
        case Segment(final=True):
            SEGMENTS.inc()
            WORDS.inc(count_words(item.text))
        case Status(speaker=Speaker(), state=State.DEGRADED | State.STOPPED, reason=reason) if reason:
            TROUBLES.labels(reason.value).inc()
        case Gap():
            GAPS.labels(item.reason.value).inc(item.end - item.start)
