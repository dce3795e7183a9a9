"""Every error the project raises on purpose.

- TranscriptionError
    - SettingsError: a setting is missing, malformed or unknown; the message names it and the fix
    - StoreError: the database did not do what was asked
        - SessionFenced: another writer has taken the session over
        - SessionErased: what was said has been erased, and nothing more of the session is kept
    - SpoolError: the spool on disk took or gave nothing: full, or a fault of the disk
    - RecognizerError: the recognizer refused or broke (facts: reason, retryable, retry_after_seconds)
    - SinkError: an item could not be sent live (it is in the store all the same)
    - RoomEventsLost: more happened in a room than could be handled, so its state is not known any more
    - LiveKitError: the LiveKit server is not configured, was not reached, or refused a call (fact: status)
    - IllegalEvent: a state machine was given an event that its state does not allow
    - MessageError: bytes that are no message of ours
    - LocalPartError: a local part (LiveKit server, recognizer, PostgreSQL) could not be had; says what to do
"""

from __future__ import annotations


class TranscriptionError(Exception):
    """Root of the tree."""


class SettingsError(TranscriptionError):
    """A setting is missing, malformed or unknown. The message names the setting and the fix."""


class StoreError(TranscriptionError):
    """The database did not do what was asked; the cause is chained."""


class SessionFenced(StoreError):
    """Another writer holds a higher epoch of this session; this one must stop writing."""


class SessionErased(StoreError):
    """What was said in this session has been erased; nothing more of it may be stored, by nobody."""


class SpoolError(TranscriptionError):
    """The spool took or gave nothing: it is full, the disk is, or it did not answer; the cause is chained."""


class RecognizerError(TranscriptionError):
    """The recognizer refused a session or broke one."""

    def __init__(
        self,
        reason: str,
        *,
        retryable: bool,
        retry_after_seconds: float | None = None,
        detail: str = "",
    ) -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        """A value of `agent.core.model.Reason`."""
        self.retryable = retryable
        """False when trying again soon cannot help (wrong key, quota, terms)."""
        self.retry_after_seconds = retry_after_seconds
        """What the provider asked for, or None."""
        self.detail = detail
        """One sentence for a person; no secret."""


class SinkError(TranscriptionError):
    """An item could not be sent live; it is in the store all the same. The cause is chained."""


class RoomEventsLost(TranscriptionError):
    """More happened in a room than could be handled, so who is to be heard is not known any more."""


class LiveKitError(TranscriptionError):
    """The LiveKit server is not configured, was not reached, or refused a call."""

    def __init__(self, detail: str, *, status: int) -> None:
        super().__init__(detail)
        self.status = status
        """HTTP status for whoever called us: 4xx its own fault, 502 LiveKit's answer, 503 no answer."""


class IllegalEvent(TranscriptionError):
    """A state machine was given an event that its state does not allow: a fault in our code."""


class MessageError(TranscriptionError):
    """Bytes that are no message of ours; the message says what is wrong."""


class LocalPartError(TranscriptionError):
    """A local part could not be had or started; the message says what was tried and what to do."""
