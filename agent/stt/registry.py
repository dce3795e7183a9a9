"""Recognizers by name: a further one is a file and a line here."""

from __future__ import annotations

from collections.abc import Callable

from agent.settings import Settings
from agent.stt.elevenlabs import ElevenLabsOptions, ElevenLabsRecognizer
from agent.stt.protocol import Recognizer


def _elevenlabs(settings: Settings) -> Recognizer:
    return ElevenLabsRecognizer(
        ElevenLabsOptions(
            api_key=settings.elevenlabs_api_key,
            base_url=settings.elevenlabs_base_url,
            language=settings.stt_language,
            keyterms=settings.stt_keyterms,
            no_verbatim=settings.stt_no_verbatim,
            logging=settings.stt_logging,
        )
    )


RECOGNIZERS: dict[str, Callable[[Settings], Recognizer]] = {"scribe_v2_realtime": _elevenlabs}
"""Value of STT_MODEL -> what makes the recognizer (inside a running event loop)."""


def create_recognizer(settings: Settings) -> Recognizer:
    """The recognizer that the settings ask for. Must be called inside a running event loop."""
    return RECOGNIZERS[settings.stt_model](settings)
