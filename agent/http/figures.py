"""The shapes of the analytics' answer: `agent.core.analytics` with its seconds rounded to milliseconds."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from agent.core.fields import seconds
from agent.http.record import SessionShape, SpeakerShape

Seconds = Annotated[float, AfterValidator(seconds)]
Rounded = Annotated[float, AfterValidator(lambda value: round(value, 4))]


class _Figures(BaseModel):
    """Read from the dataclass of the same fields."""

    model_config = ConfigDict(from_attributes=True, extra="forbid")


class Speaker(SpeakerShape):
    """Who it is about."""

    model_config = ConfigDict(from_attributes=True, extra="forbid")


class StretchShape(_Figures):
    """A stretch of time."""

    start: Seconds = Field(description="Seconds since the room was created.", examples=[61.2])
    end: Seconds = Field(examples=[64.7])
    seconds: Seconds = Field(examples=[3.5])


class SeveralShape(_Figures):
    """Stretches of one kind."""

    count: int = Field(examples=[2])
    seconds: Seconds = Field(description="All together.", examples=[6.1])
    longest: StretchShape | None = Field(description="null when there is none.")


class ResponseShape(_Figures):
    """A candidate takes the floor after somebody who is none."""

    asked_by: Speaker = Field(description="Who spoke last before it.")
    question: str = Field(description="What that speaker said.", examples=["Tell me about yourself."])
    asked_until: Seconds = Field(
        description="End of the last word before it by anybody who is no candidate.", examples=[5.62]
    )
    answered_by: Speaker
    answered_at: Seconds = Field(description="Start of the first word.", examples=[7.1])
    seconds: Seconds | None = Field(
        description="From `asked_until` to `answered_at`; below 0 when they overlap, null when a gap lies "
        "between and nobody can know.",
        examples=[1.48],
    )


class SpeakerFiguresShape(_Figures):
    """The figures of one speaker."""

    speaker: Speaker
    talk_seconds: Seconds = Field(
        description="What the speaker's segments cover; two tracks count once.", examples=[212.4]
    )
    share: Rounded = Field(description="Of the talk of all speakers together; 0 to 1.", examples=[0.61])
    segments: int = Field(examples=[48])
    words: int = Field(examples=[530])
    words_a_minute: Rounded | None = Field(description="Per minute of talk; null without.", examples=[149.7])
    turns: int = Field(
        description="Times that the speaker took the floor; talk wholly inside another's segment does not.",
        examples=[17],
    )
    longest_monologue: StretchShape | None = Field(description="A stretch of a turn without a silence.")
    overlaps: SeveralShape = Field(description="Talking while somebody else does.")
    silences: SeveralShape = Field(description="Two seconds or more without a word inside own turns.")
    responses: int = Field(description="Those whose time is known; 0 for who is no candidate.", examples=[9])
    response_seconds_median: Seconds | None = Field(examples=[1.48])
    response_seconds_longest: Seconds | None = Field(examples=[6.02])
    gap_seconds: Seconds = Field(
        description="Missing of this speaker's audio: no figure has it.", examples=[0.0]
    )


class AnalyticsShape(_Figures):
    """The figures of a session without its head."""

    talk_seconds: Seconds = Field(description="In which somebody talks.", examples=[331.0])
    words: int = Field(examples=[871])
    turns: int = Field(examples=[34])
    overlaps: SeveralShape = Field(description="At least two talk.")
    silences: SeveralShape = Field(
        description="Nobody talks for two seconds or more, between first and last word; gaps are no silence."
    )
    gap_seconds: Seconds = Field(description="In which somebody's audio is missing.", examples=[0.0])
    speakers: list[SpeakerFiguresShape] = Field(description="In order of first appearance.")
    responses: list[ResponseShape] = Field(description="In order of time.")


class RoomAnalytics(SessionShape, AnalyticsShape):
    """Who talked how much, when, and how fast they answered."""
