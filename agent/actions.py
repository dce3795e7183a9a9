"""All words that `action` has in the logs; docs/operations.md says what each means and what to do about it.

A test keeps three lists the same: the words here, those used in the code, and those explained on that page.
"""

ACTIONS = frozenset(
    {
        # worker
        "worker_stopping",
        "drain_over",
        # tasks beside a worker or service
        "background_failed",
        "background_recovered",
        # supervision
        "rooms_unsupervised",
        "supervision_held_up",
        "transcriber_called",
        "session_closed",
        # session
        "session_started",
        "session_over",
        "session_fenced",
        "session_erased",
        "room_taken",
        "successor_here",
        "successor_missing",
        "room_renewed",
        "transcriber_stays",
        "track_asked_anew",
        "participant_data_ignored",
        "track_started",
        "track_ended",
        "track_gone",
        "track_failed",
        "audio_slow_close",
        "books_unbalanced",
        # recognizer
        "answer_unreadable",
        "recognizer_lost",
        "recognizer_slow",
        "recognizer_slow_close",
        # sinks and store
        "sink_failed",
        "sink_overflow",
        "item_lost",
        "end_not_stored",
        "store_away",
        "store_back",
        "session_opened",
        "spool_failed",
        "spool_erased",
        "spool_taken_in",
        "spool_torn",
        "spools_wait",
        # token service
        "service_started",
        "service_open",
        "url_not_public",
        "call_answered",
        "call_failed",
        "transcript_erased",
        "record_unreadable",
        "stream_slow",
        "streams_full",
        # webhooks
        "webhooks_started",
        "webhooks_idle",
        "webhooks_held_up",
        "webhooks_gone",
        "webhook_failed",
        "webhook_recovered",
        "webhook_refused",
        "webhook_given_up",
    }
)
"""One word for each kind of line; never changed once released, since people search and count by them."""
