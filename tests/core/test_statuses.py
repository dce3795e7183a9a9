"""A speaker is as the worst of the speaker's tracks, and a fault does not outlive them unnoticed."""

from __future__ import annotations

from agent.core.model import Reason, Speaker, State, Status
from agent.core.statuses import Statuses, worst

ANN = Speaker("ann")
BOB = Speaker("bob")


def degraded(speaker: Speaker = ANN) -> Status:
    return Status(State.DEGRADED, Reason.RECOGNIZER_UNREACHABLE, speaker)


def stopped(speaker: Speaker = ANN) -> Status:
    return Status(State.STOPPED, Reason.QUOTA_EXCEEDED, speaker)


def listening(speaker: Speaker = ANN) -> Status:
    return Status(State.LISTENING, speaker=speaker)


def test_one_track_is_told_as_it_says() -> None:
    """Fault, worse fault, and the end of both."""
    statuses = Statuses()
    assert statuses.told(ANN) is None
    assert statuses.feed("mic", ANN, degraded()) == degraded()
    assert statuses.feed("mic", ANN, stopped()) == stopped()
    assert statuses.told(ANN) == stopped()
    assert statuses.feed("mic", ANN, listening()) == listening()
    assert statuses.told(ANN) is None


def test_a_speaker_listens_again_when_all_tracks_do() -> None:
    """Microphone and screen share: one fault is told once, and taken back with the last of them."""
    statuses = Statuses()
    statuses.feed("mic", ANN, degraded())
    assert statuses.feed("screen", ANN, degraded()) is None
    assert statuses.feed("mic", ANN, listening()) is None
    assert statuses.feed("screen", ANN, listening()) == listening()


def test_the_worst_of_two_is_told() -> None:
    """And the lesser one again when the worse one is over."""
    statuses = Statuses()
    statuses.feed("mic", ANN, stopped())
    assert statuses.feed("screen", ANN, degraded()) is None
    assert statuses.feed("mic", ANN, listening()) == degraded()


def test_a_fault_says_more_than_that_there_are_no_words() -> None:
    """Nobody would know what to mend: the recognizer does not answer, so of course there are none."""
    statuses = Statuses()
    wordless = Status(State.DEGRADED, Reason.NO_WORDS, ANN)
    assert statuses.feed("words", ANN, wordless) == wordless
    assert statuses.feed("mic", ANN, degraded()) == degraded()
    assert statuses.feed("mic", ANN, listening()) == wordless
    assert statuses.feed("words", ANN, Status(State.LISTENING, Reason.NO_WORDS, ANN)) == listening()


def test_a_room_is_as_the_worst_of_its_speakers() -> None:
    """The room's own word counts like that of a speaker; who has opted out is no fault."""
    room = Status(State.LISTENING)
    lost = Status(State.DEGRADED, Reason.CONNECTION_LOST)
    wordless = Status(State.DEGRADED, Reason.NO_WORDS, BOB)
    opted_out = Status(State.STOPPED, Reason.OPTED_OUT, BOB)
    assert worst([]) is None
    assert worst([listening(), room, opted_out]) == room
    assert worst([listening(), room, degraded(BOB)]) == degraded(BOB)
    assert worst([room, degraded(BOB), stopped(ANN)]) == stopped(ANN)
    assert worst([degraded(BOB), lost]) == lost
    assert worst([room, wordless, degraded(ANN)]) == degraded(ANN)
    assert worst([room, Status(State("paused"), None, ANN)]) == Status(State("paused"), None, ANN)


def test_speakers_are_told_apart() -> None:
    """One's fault is nobody else's."""
    statuses = Statuses()
    statuses.feed("mic a", ANN, degraded())
    assert statuses.told(BOB) is None
    assert statuses.feed("mic b", BOB, degraded(BOB)) == degraded(BOB)
    assert statuses.feed("mic a", ANN, listening()) == listening()
    assert statuses.told(BOB) == degraded(BOB)


def test_a_fault_outlives_its_track() -> None:
    """Somebody leaves in trouble: whoever comes back with another track takes it back."""
    statuses = Statuses()
    statuses.feed("mic", ANN, degraded())
    assert statuses.over("mic", ANN, heard=False) is None
    assert statuses.told(ANN) == degraded()
    assert statuses.feed("new mic", ANN, listening()) == listening()


def test_a_track_that_goes_on_takes_back_what_is_over() -> None:
    """The screen share in trouble ends, the microphone was well all the time."""
    statuses = Statuses()
    statuses.feed("screen", ANN, degraded())
    assert statuses.over("screen", ANN, heard=True) == listening()
    assert statuses.over("mic", ANN, heard=True) is None


def test_a_successor_takes_back_what_was_told_before() -> None:
    """The fault that is left of a speaker is known like that of an earlier track, and told once."""
    statuses = Statuses()
    room = Status(State.STOPPED, Reason.TRANSCRIBER_LOST)
    statuses.know([degraded(BOB), listening(BOB), listening(ANN), stopped(), degraded(), room])
    assert statuses.told(BOB) is None
    assert statuses.told(ANN) == degraded()
    assert statuses.feed("mic", ANN, degraded()) is None
    assert statuses.feed("mic", ANN, listening()) == listening()
