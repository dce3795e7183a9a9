"""The shapes of transcript answers, for the documentation; `agent.core.fields` fills them."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from agent.core.model import Reason, State


class Shape(BaseModel):
    """A shape without further fields."""

    model_config = ConfigDict(extra="forbid")


class SpeakerShape(Shape):
    """Who spoke."""

    identity: str = Field(examples=["candidate-1f0c9a3e"])
    name: str = Field(examples=["Candidate"])
    role: str = Field(description="Empty when its token gave none.", examples=["candidate"])
    label: str = Field(
        description="Unique in the session, fixed once words were shown under it.", examples=["candidate"]
    )


class WordShape(Shape):
    """One word; times in seconds since the room was created."""

    text: str = Field(examples=["yourself."])
    start: float = Field(examples=[5.1])
    end: float = Field(examples=[5.62])


class SegmentShape(Shape):
    """What one speaker said in one go; times in seconds since the room was created."""

    seq: int = Field(description="Number of the item in the session.", examples=[7])
    segment_id: str = Field(description="The same in the room's messages.", examples=["SG_1f2e3d"])
    revision: int = Field(examples=[4])
    final: bool = Field(description="Always true here.", examples=[True])
    speaker: SpeakerShape
    track_sid: str = Field(examples=["TR_AMx8kT2vQ"])
    source: str = Field(description="microphone, screen_share_audio or unknown.", examples=["microphone"])
    start: float = Field(examples=[4.2])
    end: float = Field(examples=[5.62])
    text: str = Field(examples=["Tell me about yourself."])
    words: list[WordShape]
    language: str = Field(description="ISO 639, or empty.", examples=["en"])
    confidence: float | None = Field(description="0 to 1, or null.", examples=[0.97])


class GapShape(Shape):
    """A stretch of one speaker's audio that has no transcript."""

    seq: int = Field(examples=[9])
    speaker: SpeakerShape
    track_sid: str = Field(examples=["TR_AMx8kT2vQ"])
    start: float = Field(examples=[61.0])
    end: float = Field(examples=[64.5])
    reason: Reason


class StateShape(Shape):
    """The worst that is known: of the whole room, or of one speaker; who opted out does not count."""

    state: State
    reason: Reason | None
    speaker: SpeakerShape | None
    detail: str = Field(examples=[""])


class AccountingShape(Shape):
    """Seconds of one speaker's audio: heard = speech + silence; at the end speech = answered + gap."""

    speaker: SpeakerShape
    heard: float = Field(examples=[600.0])
    speech: float = Field(examples=[212.4])
    silence: float = Field(examples=[387.6])
    sent: float = Field(description="Sent to the recognizer: what is paid for.", examples=[215.0])
    answered: float = Field(examples=[212.4])
    gap: float = Field(examples=[0.0])
    replayed: float = Field(description="Sent again after a drop; part of sent.", examples=[0.0])
    reconnects: int = Field(examples=[0])
    wordless: float = Field(description="Answered with no word; part of answered.", examples=[0.0])
    not_received: float = Field(
        description="Audio that never arrived; with gap, as long as all gaps of the speaker.", examples=[0.0]
    )


class TurnShape(Shape):
    """What one speaker said before another did."""

    speaker: SpeakerShape
    start: float = Field(examples=[4.2])
    end: float = Field(examples=[5.62])
    text: str = Field(examples=["Tell me about yourself."])


class WindowShape(Shape):
    """Everything said in a stretch of room time."""

    seq: int = Field(examples=[8])
    window_id: int = Field(examples=[0])
    revision: int = Field(description="Above 1 when something late has changed it.", examples=[1])
    start: float = Field(examples=[0.0])
    end: float = Field(examples=[20.0])
    complete: bool = Field(description="False: someone's speech in it was not answered yet.", examples=[True])
    pending: list[str] = Field(description="Labels of those whose speech was not answered.", examples=[[]])
    text: str = Field(examples=["interviewer: Tell me about yourself."])
    turns: list[TurnShape]
    words: int = Field(description="How many words the turns hold.", examples=[4])
    segments: int = Field(description="How many segments have a word in it.", examples=[1])


class SessionShape(Shape):
    """One life of a room."""

    room: str = Field(examples=["interview-20261125-100000"])
    session: str = Field(description="The room's sid.", examples=["RM_jWckC8KTYYyd"])
    started_at: str = Field(
        description="ISO 8601, UTC: the room's creation, second 0 of all times.",
        examples=["2026-11-25T10:00:00.000Z"],
    )
    ended_at: str | None = Field(description="null while it runs.", examples=["2026-11-25T10:31:07.250Z"])
    last_seq: int = Field(description="Ask `after` this for what is new.", examples=[9])
    state: StateShape | None = Field(description="null when the transcriber has told none yet.")


class SpeechShape(SessionShape):
    """A session, and what became of the speech in it, in seconds over all speakers.

    All three are 0 when nobody spoke.
    """

    speech: float = Field(description="How much was said.", examples=[412.6])
    unanswered: float = Field(
        description="Part of speech that the recognizer has not answered: lost, or still awaited.",
        examples=[0.0],
    )
    wordless: float = Field(
        description="Part of speech in which the recognizer found no word.", examples=[3.2]
    )


class Transcript(SessionShape):
    """What was said, what is missing, and the sums that show it."""

    segments: list[SegmentShape]
    gaps: list[GapShape]
    accounting: list[AccountingShape]


class Windows(SessionShape):
    """The windows of a session."""

    windows: list[WindowShape]
