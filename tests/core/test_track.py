"""One track from its first frame to its last answer: each word once, in its place, or in a gap."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.core.answers import Answer
from agent.core.gate import GateSettings
from agent.core.model import SAMPLE_RATE, Gap, Reason, Segment, State, Status
from agent.core.track import TrackSettings
from tests.core.simulated import Fate, Spoken
from tests.core.stage import BEGIN, Plot, Refusal, Stage, steady_talk, talk


def perform(plot: Plot) -> Stage:
    """Play the plot and check that every word was told once, in its place, or lies in a gap."""
    stage = Stage(plot).play()
    stage.check_words()
    return stage


# ---- an ordinary track


def test_words_become_segments_in_room_time() -> None:
    """Two utterances, two segments, each word within 0.15 s of where it was said."""
    stage = perform(Plot(talk(1, 1.5, 5), 8))
    assert [one.text for one in stage.finals] == ["w1 w2", "w3"]
    assert stage.gaps == stage.statuses == []
    assert len(stage.opened) == 1


def test_finals_have_the_language_that_was_asked_for() -> None:
    """The only copy that came of this answer names none."""
    stage = perform(Plot(talk(1), 4, fates=[Fate("no_times")], settings=TrackSettings(language="de")))
    assert [final.language for final in stage.finals] == ["de"]


def test_silent_track_opens_no_session() -> None:
    """A participant who says nothing costs nothing."""
    stage = perform(Plot([], 60))
    assert stage.opened == stage.segments == []
    assert stage.machine.accounting().heard == 60


def test_session_closes_after_half_a_minute_of_silence() -> None:
    """And opens again with the next word."""
    stage = perform(Plot(talk(1, 50), 55))
    assert len(stage.opened) == 2


def test_only_speech_is_sent() -> None:
    """0.7 s of pre-roll and hangover are added to an utterance, nothing else."""
    stage = perform(Plot(talk(5, 15, 25), 30))
    sums = stage.machine.accounting()
    assert stage.heard_by_service == round(sums.sent * SAMPLE_RATE)
    assert sums.sent == sums.speech == pytest.approx(3 * 1.15, abs=0.3)
    assert (sums.replayed, sums.reconnects) == (0, 0)


def test_track_that_ends_in_mid_word_has_its_tail_told() -> None:
    """Somebody hangs up while speaking."""
    stage = perform(Plot(talk(1, 1.5), 1.9))
    assert stage.told[2] == 1


def test_noise_without_words_is_answered_and_not_shown() -> None:
    """A cough is sent once, answered with nothing, and makes no segment."""
    stage = perform(Plot(talk(10), 15, noises=[(2, 2.3), (4, 4.3)]))
    assert {one.text for one in stage.segments} == {"w1"}
    assert stage.machine.accounting().replayed == 0


def test_speech_without_words_is_told_and_taken_back_with_the_next_word() -> None:
    """Ten seconds in a row, here in four pieces; what was answered with nothing has a sum of its own."""
    noises = [(1, 4), (6, 9), (11, 14), (16, 19)]
    stage = perform(Plot(talk(25), 28, noises=noises))
    assert [(one.state, one.reason) for _, one in stage.statuses] == [
        (State.DEGRADED, Reason.NO_WORDS),
        (State.LISTENING, Reason.NO_WORDS),
    ]
    assert 18 < stage.statuses[0][0] - BEGIN < 21
    assert stage.statuses[1][0] - BEGIN < 27
    assert 12 < stage.machine.accounting().wordless < 16


def test_coughs_between_words_and_in_silence_are_no_status() -> None:
    """Half a second each."""
    coughs = [(at, at + 0.5) for at in range(2, 90, 3)]
    assert perform(Plot(talk(95), 98, noises=coughs)).statuses == []


@pytest.mark.parametrize("dead", [None, (0.0, 99.0)])
def test_long_speech_that_nothing_follows_is_told_within_fifteen_seconds(
    dead: tuple[float, float] | None,
) -> None:
    """Noise without a pause; if it is not even answered, that is told as well."""
    stage = Stage(Plot([], 40, noises=[(1, 21)], dead=dead))
    stage.play_until_end()
    assert stage.statuses[0][1].reason is Reason.NO_WORDS
    assert stage.statuses[0][0] - BEGIN < 1 + 15
    told = {one.reason for _, one in stage.statuses}
    assert (Reason.RECOGNIZER_ERROR in told) == (dead is not None)


def test_long_speech_is_told_in_pieces() -> None:
    """A talker who does not pause for two minutes is told every 20 s at least."""
    stage = perform(Plot(steady_talk(1, 120, 0.5), 122))
    assert len(stage.finals) >= 6
    assert all(one.end - one.start <= 20.1 for one in stage.finals)


def test_segments_have_ids_of_their_own() -> None:
    """Every utterance has one id, from its first interim on."""
    stage = perform(Plot(steady_talk(1, 30, 2.0), 32))
    assert len({one.segment_id for one in stage.finals}) == len(stage.finals)


# ---- the recognizer breaks


@pytest.mark.parametrize("drop", [0.9, 1.1, 1.5, 1.95, 2.05, 2.12, 2.5])
def test_drop_at_any_moment_loses_nothing(drop: float) -> None:
    """Before, in, and after a word, between commit and answer: it is sent again."""
    stage = perform(Plot(talk(1, 1.5, 5), 8, drops=[drop]))
    assert sum(stage.told.values()) == 3
    assert stage.statuses == []


@pytest.mark.parametrize(
    "kind", ["lost", "no_times", "no_plain", "doubled", "doubled_inside_out", "merged", "dropped"]
)
def test_answer_that_goes_wrong_loses_nothing(kind: str) -> None:
    """Lost, incomplete, doubled, merged, or the session drops instead of an answer."""
    stage = perform(Plot(talk(1, 1.5, 5, 9), 12, fates=[Fate(kind), Fate(kind)]))
    assert stage.gaps == []


def test_unanswered_commit_is_a_drop_after_ten_seconds() -> None:
    """The audio is sent again on a new session."""
    stage = perform(Plot(talk(1), 4, fates=[Fate("lost")]))
    assert [round(at - BEGIN) for at in stage.opened] == [1, 12]


def test_slow_recognizer_that_works_is_not_dropped() -> None:
    """A backlog of half a minute is answered bit by bit, each answer seconds after the one before."""
    plot = Plot(steady_talk(1, 30, 3.0), 32, refusals=[Refusal(0, 30)], answer_seconds=4.0, one_by_one=True)
    stage = perform(plot)
    assert [one for one in stage.opened if one > BEGIN + 31] == stage.opened[-1:]


@pytest.mark.parametrize("seconds", [0, 3, 20, 60, 120])
def test_refusals_for_two_minutes_lose_nothing(seconds: float) -> None:
    """The audio waits, and is told when the recognizer is back."""
    stage = perform(Plot(steady_talk(1, 110, 4.0), 115, refusals=[Refusal(5, 5 + seconds)], drops=[5]))
    assert stage.gaps == []


def test_refusal_of_two_minutes_loses_nothing_of_a_talker_without_a_pause() -> None:
    """Two minutes, and the wait before the last try on top: all of it is kept."""
    stage = perform(Plot(steady_talk(1, 200, 0.5), 205, refusals=[Refusal(5, 125)], drops=[5]))
    assert stage.gaps == []


def test_refusal_is_told_within_three_seconds_and_taken_back() -> None:
    """Readers know that something is missing for now, and when it is whole again."""
    stage = perform(Plot(steady_talk(1, 30), 32, refusals=[Refusal(0, 20)]))
    assert [(one.state, one.reason) for _, one in stage.statuses] == [
        (State.DEGRADED, Reason.RECOGNIZER_UNREACHABLE),
        (State.LISTENING, None),
    ]
    assert stage.statuses[0][0] - BEGIN - 1 <= 3


def test_session_that_is_back_at_once_is_not_worth_a_status() -> None:
    """It drops in mid speech and the answer comes ten seconds later: nothing was missing in between."""
    stage = perform(Plot(steady_talk(1, 14), 16, drops=[3]))
    assert stage.statuses == []


def test_refusal_for_good_stops_and_leaves_gaps() -> None:
    """A wrong key: told at once, probed slowly, and what falls off is a gap with the reason."""
    refusal = Refusal(0, 9999, retryable=False, reason=Reason.AUTH_ERROR)
    stage = perform(Plot(steady_talk(1, 200), 202, refusals=[refusal]))
    assert [(one.state, one.reason) for _, one in stage.statuses] == [(State.STOPPED, Reason.AUTH_ERROR)]
    assert stage.told == {}
    assert {gap.reason for gap in stage.gaps} == {Reason.AUTH_ERROR}
    assert len(stage.opened) < 14


def test_refusal_beyond_the_ledger_loses_the_oldest_only() -> None:
    """Four minutes of speech, refused for three: what is kept is told, the rest is a gap."""
    stage = perform(Plot(steady_talk(1, 240), 242, refusals=[Refusal(0, 180)]))
    assert stage.gaps[0].start == pytest.approx(BEGIN + 0.5, abs=0.6)
    assert sum(stage.told.values()) > 250
    assert stage.machine.accounting().gap < 100


def test_session_that_fails_right_after_opening_is_tried_ever_less() -> None:
    """Each time it opens and drops at once: the waits grow, and nothing is lost when it heals."""
    stage = perform(Plot(steady_talk(1, 40), 60, drops=[1 + index * 0.05 for index in range(800)]))
    early = [at for at in stage.opened if at < BEGIN + 41]
    assert len(early) <= 12


def test_recognizer_that_takes_audio_and_answers_nothing_for_a_minute_loses_nothing() -> None:
    """It is there, but sick: five tries in vain are no reason to give up while the audio is kept."""
    stage = perform(Plot(steady_talk(1, 20, 2.0), 100, dead=(0, 65)))
    assert stage.gaps == []


@pytest.mark.parametrize("answer_seconds", [0.05, 3.0])
@pytest.mark.parametrize("most_ahead", [5.0, 12.0])
@pytest.mark.parametrize("every", [0.55, 2.0])
def test_provider_that_does_not_like_to_be_hurried_gets_all(
    answer_seconds: float, most_ahead: float, every: float
) -> None:
    """After an outage it ends each session that runs ahead of its time: slower, and in smaller portions."""
    plot = Plot(
        steady_talk(1, 100, every),
        110,
        refusals=[Refusal(5, 65)],
        drops=[5],
        most_ahead=most_ahead,
        answer_seconds=answer_seconds,
    )
    assert perform(plot).gaps == []


def test_what_waits_is_sent_faster_than_it_was_said_but_not_all_at_once() -> None:
    """A minute of audio goes out in about eight seconds, never more than half a second's worth at a time."""
    stage = perform(Plot(steady_talk(1, 62, 0.55), 90, refusals=[Refusal(0, 60)]))
    first = stage.fed[0][0]
    for moment in {at for at, _ in stage.fed}:
        assert sum(seconds for at, seconds in stage.fed if moment - 0.2 < at <= moment) <= 0.2 * 8 + 0.45
    waited = sum(seconds for at, seconds in stage.fed if at < first + 12)
    assert waited > 55


@pytest.mark.parametrize("seconds", [4.0, 9.0])
def test_recognizer_slower_than_the_timeout_is_given_time(seconds: float) -> None:
    """The second try waits longer, so its answer comes; without that every try would be cut short."""
    plot = Plot(talk(1, 5, 9), 12, answer_seconds=seconds, settings=TrackSettings(answer_timeout=3.5))
    stage = perform(plot)
    assert stage.gaps == []
    assert len(stage.opened) <= 3


def test_session_that_is_long_in_opening_is_told_within_three_seconds() -> None:
    """Nothing refuses it, it just does not begin."""
    stage = perform(Plot(steady_talk(1, 10), 12, open_seconds=7.0))
    (told, status), (_, listening) = stage.statuses
    assert (status.state, status.reason) == (State.DEGRADED, Reason.RECOGNIZER_UNREACHABLE)
    assert told - stage.opened[0] <= 3
    assert listening.state is State.LISTENING


def test_recognizer_that_is_back_and_answers_nothing_is_told() -> None:
    """The session drops before the answer and is open again at once, but then no answer comes."""
    stage = perform(Plot(talk(1, 1.5), 40, fates=[Fate("dropped"), Fate("lost")]))
    dropped = stage.opened[1]
    assert [one.state for _, one in stage.statuses] == [State.DEGRADED, State.DEGRADED, State.LISTENING]
    assert [one.reason for _, one in stage.statuses[:2]] == [
        Reason.RECOGNIZER_UNREACHABLE,
        Reason.RECOGNIZER_ERROR,  # what the second session turned out to suffer from
    ]
    assert stage.statuses[0][0] - dropped <= 3


def test_recognizer_that_never_answers_is_counted_and_told_in_time() -> None:
    """Twenty seconds without a pause: a status within 15 s of their end, and what waits is known at once."""
    stage = Stage(Plot(steady_talk(1, 21), 34, dead=(0.0, 999.0)))
    stage.play_until_end()
    assert stage.statuses[0][1].reason is Reason.RECOGNIZER_ERROR
    assert stage.statuses[0][0] - BEGIN < 21 + 15
    assert stage.machine.held_up is not None
    reason, seconds = stage.machine.held_up
    assert reason is Reason.RECOGNIZER_ERROR
    assert 19 < seconds < 22
    assert stage.machine.accounting().reconnects == len(stage.lost)
    assert {command.lost for command in stage.lost} == {Reason.RECOGNIZER_ERROR}


def test_answer_that_was_lost_once_is_no_status() -> None:
    """After the timeout the audio is sent again and answered at once: nobody needs to know."""
    assert perform(Plot(talk(1), 30, fates=[Fate("lost")])).statuses == []


def test_refusal_that_time_cannot_heal_is_healed_by_somebody() -> None:
    """The bill is paid after a minute and a half: the slow probe finds out, and nothing is lost."""
    refusal = Refusal(0, 90, retryable=False, reason=Reason.QUOTA_EXCEEDED)
    stage = perform(Plot(steady_talk(1, 120, 1.5), 125, refusals=[refusal]))
    assert [(one.state, one.reason) for _, one in stage.statuses] == [
        (State.STOPPED, Reason.QUOTA_EXCEEDED),
        (State.LISTENING, None),
    ]
    assert stage.statuses[0][0] - BEGIN - 1 <= 3
    assert stage.statuses[1][0] - BEGIN <= 90 + 40
    assert stage.gaps == []
    assert len(stage.opened) < 6


# ---- the provider's time limit


@pytest.mark.parametrize("answer_seconds", [0.05, 0.8])
@pytest.mark.parametrize("every", [0.6, 1.5, 7.0])
def test_session_is_renewed_before_its_limit_without_a_hole(every: float, answer_seconds: float) -> None:
    """In a pause, so that nothing is sent twice; the limit is never met."""
    settings = TrackSettings(GateSettings(max_utterance=5.0), session_seconds=24.0)
    plot = Plot(
        steady_talk(1, 110, every),
        115,
        session_limit=24.0,
        settings=settings,
        answer_seconds=answer_seconds,
    )
    stage = perform(plot)
    sums = stage.machine.accounting()
    assert stage.gaps == []
    assert stage.statuses == []
    assert (sums.reconnects, sums.replayed) == (0, 0)
    assert len(stage.opened) > 3


def test_talker_who_leaves_no_moment_is_cut_over() -> None:
    """The utterance is longer than the time before the limit: the next session gets it again."""
    settings = TrackSettings(session_seconds=18.0)
    stage = perform(Plot(steady_talk(1, 110, 0.5), 115, session_limit=18.0, settings=settings))
    sums = stage.machine.accounting()
    assert stage.gaps == []
    assert sums.reconnects == 0
    assert 0 < sums.replayed < 100


def test_limit_that_was_not_known_loses_nothing() -> None:
    """The provider ends the session when it likes; readers see nothing of it."""
    stage = perform(Plot(steady_talk(1, 110, 0.9), 115, session_limit=12.0))
    assert stage.gaps == []
    assert stage.statuses == []
    assert stage.machine.accounting().reconnects > 3


# ---- giving an utterance up


def test_poisonous_utterance_is_given_up_alone() -> None:
    """One that is never answered becomes a gap in the end; those behind it are told."""
    plot = Plot(talk(1, 5, 9), 300, fates=[Fate("dropped")] * 22)
    stage = Stage(plot).play()
    assert len(stage.gaps) == 1
    assert stage.told == {2: 1, 3: 1}


def test_idle_session_that_is_closed_on_us_is_no_fault() -> None:
    """Nothing is owed: no status, no growing wait; each close is counted."""
    stage = perform(Plot(talk(*range(1, 100, 10)), 100, drops=[4 + 10 * index for index in range(9)]))
    assert stage.statuses == []
    assert stage.machine.accounting().reconnects == 9
    waits = [at - BEGIN - 10 * index - 1 for index, at in enumerate(stage.opened)]
    assert max(waits) < 0.3


# ---- the room's side


def test_what_is_said_while_muted_is_not_told() -> None:
    """Frames go on with a word in them: it is not sent, before and after are told."""
    stage = perform(Plot(talk(5, 12, 25), 30, mutes=[(10, 20)]))
    assert stage.told == {1: 1, 3: 1}
    assert stage.heard_by_service < 4 * SAMPLE_RATE


def test_mute_in_mid_word_commits_what_was_said() -> None:
    """The tail up to the mute is told, and the first word after it too."""
    stage = perform(Plot(talk(1, 1.6, 6.5), 9, mutes=[(2.1, 6)], frames_in_mutes=False))
    assert stage.told == {1: 1, 2: 1, 3: 1}


def test_frames_that_stop_in_a_mute_are_not_missing() -> None:
    """Some clients send nothing while muted; what stays away before or after it is a gap."""
    plot = Plot(talk(1, 25), 30, mutes=[(5, 15)], frames_in_mutes=False)
    assert perform(plot).gaps == []
    stage = perform(replace(plot, stalls=[(3, 5), (15, 18)]))
    assert [(round(gap.start - BEGIN), round(gap.end - BEGIN)) for gap in stage.gaps] == [(3, 5), (15, 18)]


def test_muted_twice_is_muted_once() -> None:
    """A second announcement does not open a new time of grace."""
    stage = Stage(Plot(talk(2.95, seconds=0.2), 6, mutes=[(1, 5), (2.9, 5)]))
    stage.play()
    assert stage.told == {}


def test_mute_and_unmute_within_the_grace_lose_nothing() -> None:
    """A quick toggle in mid speech cuts the utterance, not the words."""
    plot = Plot(steady_talk(1, 6), 8, mutes=[(2.0, 2.1)])
    stage = Stage(plot).play()
    assert sum(stage.told.values()) == len(plot.words)


def test_stall_is_a_gap_and_what_follows_lies_after_it() -> None:
    """The network stops for 3 s in mid speech."""
    stage = perform(Plot(talk(1, 1.6, 8, 8.6), 12, stalls=[(3, 6)]))
    assert [(round(gap.start - BEGIN, 2), round(gap.end - BEGIN, 2)) for gap in stage.gaps] == [(2.95, 5.95)]
    assert {gap.reason for gap in stage.gaps} == {Reason.STALLED}


def test_speech_whose_frames_stay_away_is_committed() -> None:
    """The text does not wait until the network is back, or the track is unmuted."""
    for mutes in [], [(2, 60)]:
        stage = Stage(Plot(talk(1, 1.6), 2.05, mutes=mutes))
        stage.play_until_end()
        assert not stage.told
        stage.wait(1.5)
        assert stage.told == {1: 1, 2: 1}
        assert stage.statuses == []


def test_busy_loop_changes_nothing() -> None:
    """Frames of a second come at once: no gap, all words in their places."""
    stage = perform(Plot(steady_talk(1, 20), 22, delays=[(5, 6), (9, 10.5)]))
    assert stage.gaps == []


def test_frames_after_the_end_are_no_part_of_the_track() -> None:
    """They open no session and are in no sum."""
    stage = Stage(Plot(talk(1), 3)).play()
    assert stage.machine.heard(b"\1\0" * 800, 1000.0, [1.0, 1.0], stage.now) == []
    assert stage.machine.finished
    assert stage.machine.accounting().heard == 3


def test_unmute_without_mute_does_nothing() -> None:
    """An announcement too much."""
    stage = Stage(Plot(talk(1), 1.2))
    stage.play_until_end()
    assert stage.machine.unmuted(stage.now) == []


# ---- giving up


@pytest.mark.parametrize(
    ("seconds", "refusals", "open_seconds"),
    [
        (0.5, [], 0.03),  # closed: nothing was said yet
        (1.3, [], 5.0),  # opening
        (1.4, [], 0.03),  # open, in mid word
        (3.0, [Refusal(0, 99)], 0.03),  # waiting
    ],
)
def test_giving_up_ends_the_track_at_once(
    seconds: float, refusals: list[Refusal], open_seconds: float
) -> None:
    """In every state of the session: what is unanswered is a gap with its cause, no session stays."""
    stage = Stage(Plot(talk(1, 1.5, 2), seconds, refusals=refusals, open_seconds=open_seconds))
    stage.play_until_end()
    stage.act(lambda: stage.machine.give_up(Reason.ENDED, stage.now))
    assert stage.machine.finished
    assert stage.session is None
    assert stage.machine.accounting().balanced
    reason = Reason.RECOGNIZER_UNREACHABLE if refusals else Reason.ENDED
    assert {gap.reason for gap in stage.gaps} == ({reason} if seconds > 1 else set())


def test_giving_up_takes_the_copies_without_times() -> None:
    """The text has come; only its times have not."""
    stage = Stage(Plot(talk(1), 2.1, fates=[Fate("no_times")]))
    stage.play_until_end()
    stage.act(lambda: stage.machine.give_up(Reason.ENDED, stage.now))
    assert stage.told == {1: 1}
    assert stage.gaps == []


def test_giving_up_takes_shown_interims_back() -> None:
    """A line that will not become final is emptied."""
    stage = Stage(Plot(talk(1), 1.6))
    stage.play_until_end()
    stage.act(lambda: stage.machine.give_up(Reason.ENDED, stage.now))
    assert [(one.text, one.final, one.revision) for one in stage.segments] == [
        ("w1", False, 1),
        ("", True, 2),
    ]


def test_ended_track_stops_waiting_when_the_ledger_would() -> None:
    """The recognizer stays away: two and a half minutes after the end what is left is a gap."""
    stage = Stage(Plot(talk(1), 3, refusals=[Refusal(0, 9999)])).play()
    assert stage.now - BEGIN == pytest.approx(153, abs=1)
    assert len(stage.gaps) == 1


def test_ended_twice_is_ended_once() -> None:
    """The second time changes nothing."""
    stage = Stage(Plot(talk(1), 3, refusals=[Refusal(0, 9999)]))
    stage.play_until_end()
    stage.act(lambda: stage.machine.ended(stage.now))
    before = stage.machine.next_deadline()
    stage.now += 0.001
    stage.act(lambda: stage.machine.ended(stage.now))
    assert stage.machine.next_deadline() == before


# ---- what readers see


def test_interims_and_final_share_an_id_and_rise() -> None:
    """One line that changes, then stays."""
    stage = perform(Plot(talk(1, 1.5, 2), 5))
    assert [(one.text, one.final, one.revision) for one in stage.segments] == [
        ("w1", False, 1),
        ("w1 w2", False, 2),
        ("w1 w2 w3", False, 3),
        ("w1 w2 w3", True, 4),
    ]
    assert len({one.segment_id for one in stage.segments}) == 1


def test_echo_of_the_last_answer_opens_no_line() -> None:
    """The recognizer repeats what it answered while it hears a cough."""
    stage = perform(Plot(talk(1), 6, noises=[(3, 4)]))
    assert [one.final for one in stage.segments if one.text == "w1"] == [False, True]
    assert len({one.segment_id for one in stage.segments}) == 1


def test_events_of_an_earlier_session_are_stale() -> None:
    """They say nothing about this one."""
    stage = Stage(Plot(talk(1, 1.5), 2.0))
    stage.play_until_end()
    machine = stage.machine
    for number in (0, 2, 99):
        assert machine.opened(number, stage.now) == machine.interim(number, "x") == []
        assert machine.failed(number, Reason.RECOGNIZER_ERROR, stage.now) == []
        assert machine.plain(number, "x", stage.now) == []
        assert machine.answered(number, Answer("x"), stage.now) == []


def test_pending_is_true_while_speech_is_unanswered() -> None:
    """From the onset until the answer."""
    stage = Stage(Plot(talk(1), 1.3))
    assert not stage.machine.pending
    stage.play_until_end()
    assert stage.machine.pending


def test_watermark_before_the_first_frame_leaves_room_for_it() -> None:
    """A first frame may be a little late."""
    stage = Stage(Plot([], 1))
    assert stage.machine.watermark(100.0) == 99.5


def test_watermark_of_a_track_without_frames_moves_on() -> None:
    """A track that stopped does not hold everybody's windows back."""
    stage = Stage(Plot([], 5))
    stage.play_until_end()
    assert stage.machine.watermark(stage.now + 1.0) == pytest.approx(stage.now - 0.5, abs=0.06)
    assert stage.machine.watermark(stage.now + 10.0) == stage.now + 8.0
    assert stage.machine.watermark(stage.now + 5.0) == stage.now + 8.0


def test_watermark_waits_for_the_oldest_unanswered_word() -> None:
    """And for audio of which it is not yet known whether it is speech."""
    stage = Stage(Plot(talk(3), 3.2))
    stage.play_until_end()
    assert stage.machine.watermark(stage.now + 60) == pytest.approx(BEGIN + 2.5, abs=0.06)


# ---- everything at once


@pytest.mark.parametrize("reconnects", [0, 3])
def test_times_do_not_drift(reconnects: int) -> None:
    """Case 1: twelve words in two minutes, each within 0.3 s, and the last no later than the first."""
    words = talk(*range(1, 112, 10), seconds=0.6)
    stage = perform(Plot(words, 115, drops=[31.2, 61.3, 91.8][:reconnects], jitter_seconds=0.03))
    assert stage.machine.accounting().reconnects == reconnects
    errors = [
        one.words[0].start - BEGIN - word.start / SAMPLE_RATE
        for one, word in zip(stage.finals, words, strict=True)
    ]
    assert max(map(abs, errors)) <= 0.3
    assert abs(errors[-1] - errors[0]) <= 0.1


@st.composite
def talks(draw: st.DrawFn) -> tuple[list[Spoken], float]:
    """Words of 0.2 to 0.6 s with pauses between them, most of them short."""
    words: list[Spoken] = []
    at = draw(st.floats(0, 2))
    for number in range(1, draw(st.integers(1, 60)) + 1):
        samples = round(draw(st.floats(0.2, 0.6)) * SAMPLE_RATE) | 1
        words.append(Spoken(number, round(at * SAMPLE_RATE), samples))
        at += samples / SAMPLE_RATE + draw(st.sampled_from([0.06, 0.1, 0.15, 0.3, 0.45, 0.7, 1.5, 6.0]))
    return words, at + draw(st.sampled_from([-0.6, -0.3, 0.0, 1.0]))


def spans(longest: float, most: int, shortest: float = 0.1) -> st.SearchStrategy[list[tuple[float, float]]]:
    """Stretches of the first minute, apart from each other."""
    pair = st.tuples(st.integers(0, 11), st.floats(shortest, longest))
    chosen = st.lists(pair, max_size=most, unique_by=lambda one: one[0])
    return chosen.map(
        lambda pairs: sorted((5.0 * slot + 0.3, 5.0 * slot + 0.3 + length) for slot, length in pairs)
    )


fates = st.lists(
    st.builds(
        Fate,
        st.sampled_from(
            ["ok", "ok", "no_plain", "no_times", "lost", "dropped", "doubled", "doubled_inside_out"]
        ),
    ),
    max_size=12,
)
refusals = st.lists(
    st.builds(
        lambda start, seconds, retryable: Refusal(start, start + seconds, retryable),
        st.floats(0, 60),
        st.one_of(st.floats(0, 5), st.floats(0, 120)),
        st.sampled_from([True, True, False]),
    ),
    max_size=2,
)


@settings(max_examples=40, deadline=None)
@given(
    talks(),
    fates,
    st.lists(st.floats(0, 60), max_size=8),
    refusals,
    spans(4.0, 2, 0.7),
    st.booleans(),
    st.sampled_from([0.0, 0.05, 3.0]),
    st.sampled_from([0.02, 0.05, 0.3, 4.0]),
)
def test_every_word_is_told_once_or_lies_in_a_gap(
    talk: tuple[list[Spoken], float],
    fates: list[Fate],
    drops: list[float],
    refusals: list[Refusal],
    mutes: list[tuple[float, float]],
    frames_in_mutes: bool,
    open_seconds: float,
    answer_seconds: float,
) -> None:
    """Whatever breaks, in any order; and the books balance at every step."""
    words, seconds = talk
    perform(
        Plot(
            words,
            max(seconds, 0.1),
            fates=fates,
            drops=drops,
            refusals=refusals,
            mutes=mutes,
            frames_in_mutes=frames_in_mutes,
            open_seconds=open_seconds,
            answer_seconds=answer_seconds,
        )
    )


@settings(max_examples=20, deadline=None)
@given(talks(), spans(4.0, 2, 0.7), spans(1.4, 2), st.floats(0, 0.1), st.lists(st.floats(0, 60), max_size=3))
def test_times_hold_through_stalls_and_busy_loops(
    talk: tuple[list[Spoken], float],
    stalls: list[tuple[float, float]],
    delays: list[tuple[float, float]],
    jitter_seconds: float,
    drops: list[float],
) -> None:
    """Lost and late audio moves no word by more than 0.15 s."""
    words, seconds = talk
    delays = [
        one for one in delays if not any(one[0] - 2 < end and start < one[1] + 2 for start, end in stalls)
    ]
    plot = Plot(
        words, max(seconds, 0.1), stalls=stalls, delays=delays, jitter_seconds=jitter_seconds, drops=drops
    )
    perform(plot)


@settings(max_examples=20, deadline=None)
@given(talks(), st.sampled_from([0.05, 0.4, 1.0, 3.0]), st.floats(0, 1.5), st.sampled_from([5.0, 8.0, 60.0]))
def test_every_setting_of_the_gate_tells_every_word(
    talk: tuple[list[Spoken], float], min_silence: float, preroll: float, max_utterance: float
) -> None:
    """Short or long utterances, with or without pre-roll: no word is lost."""
    words, seconds = talk
    gate = GateSettings(min_silence=min_silence, preroll=preroll, max_utterance=max_utterance)
    perform(Plot(words, max(seconds, 0.1), settings=TrackSettings(gate=gate)))


# ---- a link to the recognizer that is slower than speech


def sentences_of(seconds: float) -> list[Spoken]:
    """Sentences of 4.5 s with pauses of 1.5 s."""
    words = int(4.5 / 0.6)
    return talk(*(begin * 6 + 1 + word * 0.6 for begin in range(int(seconds / 6)) for word in range(words)))


def paid_share(stage: Stage) -> float:
    """Seconds sent for each second of speech."""
    sums = stage.machine.accounting()
    return sums.sent / sums.speech


def test_a_link_that_carries_less_than_is_said_loses_nothing_that_fits_the_backlog() -> None:
    """At 0.6 times real time (80 % of what this needs) all is late, nothing is sent twice, all is told."""
    stage = perform(Plot(sentences_of(60), 62, link_speed=0.6))
    assert stage.gaps == []
    assert (stage.machine.accounting().replayed, stage.machine.accounting().reconnects) == (0, 0)
    assert paid_share(stage) == pytest.approx(1.0, abs=0.05)


def test_a_slow_link_is_told_and_taken_back() -> None:
    """As soon as audio takes longer to leave than to be said, until nothing waits."""
    stage = perform(Plot(sentences_of(30), 60, link_speed=0.5))
    (begun, slow), (over, well) = stage.statuses
    assert (slow.state, slow.reason) == (State.DEGRADED, Reason.RECOGNIZER_SLOW)
    assert begun - BEGIN < 8.0
    assert (well.state, well.reason) == (State.LISTENING, None)
    assert over - BEGIN > 30.0


def test_pauses_are_used_to_catch_up() -> None:
    """What was said before a pause is told in it."""
    words = [*steady_talk(1, 9), *(replace(word, number=word.number + 100) for word in steady_talk(30, 32))]
    stage = perform(Plot(words, 40, link_speed=0.7))
    assert stage.gaps == []
    assert max(at for at, _ in stage.fed if at < BEGIN + 30) < BEGIN + 18


def test_beyond_the_backlog_the_oldest_is_dropped_and_named_at_once() -> None:
    """Three minutes at 80 % of the needed speed, a backlog of 20 s: the rest lies in gaps that say why."""
    settings = TrackSettings(ledger_seconds=20.0)
    stage = Stage(Plot(sentences_of(180), 182, link_speed=0.6, settings=settings))
    lags = []
    show = stage._show

    def watch(item: Segment | Gap | Status) -> None:
        if isinstance(item, Gap):
            lags.append(stage.now - item.end)
        show(item)

    stage._show = watch  # type: ignore[method-assign]
    stage.play().check_words()
    assert {gap.reason for gap in stage.gaps} == {Reason.RECOGNIZER_SLOW}
    assert max(lags) < 35.0
    assert sum(stage.told.values()) / len(stage.plot.words) > 0.75
    assert paid_share(stage) < 1.05
    assert stage.machine.accounting().reconnects == 0


def test_the_wait_for_an_answer_begins_when_its_commit_has_left() -> None:
    """20 s in one go over a link of 0.4 times real time take 50 s: no session is taken as lost meanwhile."""
    settings = TrackSettings(answer_timeout=5.0)
    stage = perform(Plot(steady_talk(1, 21), 25, link_speed=0.4, settings=settings))
    assert stage.machine.accounting().reconnects == 0
    assert len(stage.opened) == 1


def test_commits_over_a_slow_link_that_are_not_answered_are_asked_again() -> None:
    """The link being slow does not excuse the recognizer."""
    stage = perform(Plot(talk(1, 2, 3), 40, link_speed=0.6, fates=[Fate("lost")]))
    assert stage.machine.accounting().reconnects == 1
    assert stage.gaps == []


def test_a_link_on_which_nothing_moves_is_left() -> None:
    """Nothing leaves for the answer timeout: that session is lost, and the next one gets all of it again."""
    settings = TrackSettings(answer_timeout=5.0)
    plot = Plot(sentences_of(40), 60, link_speed=5.0, link_stalls=[(10.0, 20.0)], settings=settings)
    stage = perform(plot)
    assert stage.gaps == []
    assert stage.machine.accounting().reconnects >= 1
    assert stage.machine.accounting().replayed < 8.0 * stage.machine.accounting().reconnects


@settings(max_examples=25, deadline=None)
@given(
    st.floats(0.3, 3.0),
    st.lists(st.tuples(st.floats(0, 60), st.floats(0.5, 15)), max_size=2),
    st.lists(st.floats(1, 60), max_size=3),
    st.sampled_from([10.0, 30.0, 150.0]),
)
def test_a_bad_link_loses_no_word_without_a_gap(
    speed: float, stalls: list[tuple[float, float]], drops: list[float], backlog: float
) -> None:
    """Whatever the link carries, stalls or drops: each word once, or in a gap."""
    perform(
        Plot(
            sentences_of(60),
            62,
            link_speed=speed,
            link_stalls=[(start, start + length) for start, length in stalls],
            drops=drops,
            settings=TrackSettings(ledger_seconds=backlog),
        )
    )
