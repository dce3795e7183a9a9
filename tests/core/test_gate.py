"""Only speech is sent, all of it, in utterances of bounded length."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.gate import Decision, Frame, Gate, GateSettings
from agent.core.model import SAMPLE_RATE

FRAME = 800
WINDOW = 512


@dataclass
class Play:
    """A gate and all that it has decided."""

    gate: Gate = field(default_factory=lambda: Gate(GateSettings()))
    heard: list[Frame] = field(default_factory=list)
    discarded: list[Frame] = field(default_factory=list)
    utterances: list[list[Frame]] = field(default_factory=lambda: [[]])
    """Sent frames by utterance; the last one is still running."""
    samples: int = 0

    def hear(self, seconds: float, probability: float, level: float = 1000.0, samples: int = FRAME) -> None:
        """Feed so many seconds, as frames of `samples` with the probabilities that each completes."""
        for _ in range(round(seconds * SAMPLE_RATE / samples)):
            frame = Frame(self.samples, bytes(2 * samples), level)
            windows = frame.end // WINDOW - frame.start // WINDOW
            self.heard.append(frame)
            self.samples = frame.end
            self._take(self.gate.feed(frame, [probability] * windows))

    def flush(self) -> None:
        self._take(self.gate.flush())

    def _take(self, decision: Decision) -> None:
        self.utterances[-1].extend(decision.send)
        self.discarded.extend(decision.discard)
        if decision.commit:
            self.utterances.append([])

    @property
    def done(self) -> list[list[Frame]]:
        """Committed utterances."""
        return self.utterances[:-1]


def seconds(frames: list[Frame]) -> float:
    return sum(frame.samples for frame in frames) / SAMPLE_RATE


def test_silence_is_discarded_but_for_the_preroll() -> None:
    """Nothing of a silent track is sent; only the pre-roll is kept."""
    play = Play()
    play.hear(10, 0.0)
    assert play.utterances == [[]]
    assert play.gate.held_samples == SAMPLE_RATE // 2
    assert seconds(play.discarded) == pytest.approx(9.5)


def test_onset_brings_the_preroll() -> None:
    """Half a second from before the onset goes first."""
    play = Play()
    play.hear(5, 0.0)
    play.hear(1, 1.0)
    assert 5 - play.utterances[0][0].start / SAMPLE_RATE >= 0.5
    assert 5 - play.utterances[0][0].start / SAMPLE_RATE < 0.56


def test_onset_at_the_very_start_has_no_preroll() -> None:
    """A track that begins with speech is sent from its first sample."""
    play = Play()
    play.hear(1, 1.0)
    assert play.utterances[0] == play.heard


def test_click_opens_nothing() -> None:
    """One window of noise is no speech."""
    play = Play()
    play.hear(1, 0.0)
    play.hear(0.05, 1.0)
    play.hear(2, 0.0)
    assert play.utterances == [[]]


def test_end_of_speech_commits_with_a_hangover() -> None:
    """About 0.2 s of the silence is sent; the commit comes 0.35 s after the last speech."""
    play = Play()
    play.hear(1, 1.0)
    play.hear(0.3, 0.0)
    assert play.done == []
    play.hear(0.15, 0.0)
    assert seconds(play.done[0]) == pytest.approx(1.2, abs=0.05)


def test_short_pause_is_sent_as_well() -> None:
    """Speech that goes on within 0.4 s brings the pause: no hole in the utterance."""
    play = Play()
    play.hear(1, 1.0)
    play.hear(0.3, 0.0)
    play.hear(1, 1.0)
    assert play.utterances == [play.heard]


def test_held_pause_is_the_preroll_of_the_next_utterance() -> None:
    """Silence that was held back and not sent may still be sent with the next onset, once."""
    play = Play()
    play.hear(1, 1.0)
    play.hear(0.5, 0.0)
    play.hear(1, 1.0)
    assert [frame for utterance in play.utterances for frame in utterance] == play.heard
    assert len(play.done) == 1


def test_short_min_silence_shortens_the_hangover() -> None:
    """An end of speech that is set to less than 0.2 s comes then, not later."""
    play = Play(Gate(GateSettings(min_silence=0.1)))
    play.hear(1, 1.0)
    play.hear(0.2, 0.0)
    assert seconds(play.done[0]) == pytest.approx(1.1, abs=0.05)


def test_talker_without_a_pause_is_committed_in_time() -> None:
    """Speech that never gets quieter is committed at 20 s at the latest."""
    play = Play()
    for index in range(60 * 20):
        play.hear(0.05, 1.0, level=1000.0 + index)
    assert [seconds(one) for one in play.done] == [20.0, 20.0, 20.0]


def test_talker_without_a_pause_is_cut_where_it_is_quiet() -> None:
    """Between 17 and 20 s the cut is made in the first two frames as quiet as the quietest so far."""
    play = Play()
    for index in range(20 * 20):
        quiet = index % 40 in (36, 37, 38, 39)
        play.hear(0.05, 1.0, level=100.0 if quiet else 2000.0)
    assert seconds(play.done[0]) == pytest.approx(17.9)


def test_one_quiet_frame_is_no_place_to_cut() -> None:
    """A single quiet frame can lie inside a word."""
    play = Play()
    for index in range(399):
        play.hear(0.05, 1.0, level=100.0 if index == 350 else 2000.0 + index)
    assert play.done == []


def test_pause_after_17_seconds_is_the_place_to_cut() -> None:
    """A pause too short to end the utterance is taken when it is long enough to be cut."""
    play = Play()
    play.hear(17.5, 1.0)
    play.hear(0.3, 0.0)
    play.hear(1, 1.0)
    assert 17 <= seconds(play.done[0]) < 18
    assert [frame for utterance in play.utterances for frame in utterance] == play.heard


def test_nothing_is_committed_after_a_cut_without_speech() -> None:
    """A cut in the last pause leaves nothing: the end of speech commits no empty utterance."""
    play = Play()
    for index in range(350):
        play.hear(0.05, 1.0, level=1000.0 + index)
    play.hear(3, 0.0, level=5000.0)
    assert len(play.done) == 1


def test_flush_of_silence_discards_what_was_held() -> None:
    """A track that ends in silence sends nothing more."""
    play = Play()
    play.hear(3, 0.0)
    play.flush()
    assert play.utterances == [[]]
    assert play.discarded == play.heard


def test_flush_in_speech_commits_the_tail() -> None:
    """A track that ends in mid word has its last words committed."""
    play = Play()
    play.hear(1, 1.0)
    play.flush()
    assert play.done == [play.heard]
    assert not play.gate.speaking


def test_flush_in_a_held_pause_commits_without_the_pause() -> None:
    """The silence that was held back is not sent."""
    play = Play()
    play.hear(1, 1.0)
    play.hear(0.3, 0.0)
    play.flush()
    assert seconds(play.done[0]) == pytest.approx(1.2, abs=0.05)
    assert seconds(play.discarded) + seconds(play.done[0]) == pytest.approx(1.3)


def test_flush_in_the_first_syllable_commits_it() -> None:
    """Cut off too early to be sure that it was speech: sent all the same, with the pre-roll."""
    play = Play()
    play.hear(1, 0.0)
    play.hear(0.05, 1.0)
    play.flush()
    assert seconds(play.done[0]) == pytest.approx(0.55)


def test_flush_twice_commits_once() -> None:
    """There is nothing left to commit after a flush."""
    play = Play()
    play.hear(1, 1.0)
    play.flush()
    play.flush()
    assert len(play.done) == 1


def test_flush_after_a_cut_commits_nothing_empty() -> None:
    """Right after a cut in mid speech there is nothing to commit."""
    play = Play(Gate(GateSettings(max_utterance=5)))
    play.hear(2.0, 1.0, level=0.0)
    assert len(play.done) == 1
    play.flush()
    assert len(play.done) == 1


stretches = st.lists(
    st.tuples(
        st.floats(0.05, 6.0),
        st.sampled_from([0.0, 0.0, 1.0, 1.0, 0.4, 0.6]),
        st.floats(0, 3000),
        st.sampled_from([160, 320, 800, 1600]),
        st.booleans(),
    ),
    max_size=20,
)
settings_of_a_gate = st.builds(
    GateSettings,
    activation=st.floats(0.05, 1),
    min_silence=st.floats(0.05, 5),
    preroll=st.floats(0, 3),
    max_utterance=st.floats(5, 60),
)


@given(settings_of_a_gate, stretches)
def test_every_frame_is_decided_once(
    settings: GateSettings, script: list[tuple[float, float, float, int, bool]]
) -> None:
    """Each frame is sent once, discarded once, or still held; what is sent keeps its order."""
    play = Play(Gate(settings))
    for length, probability, level, samples, flushed in script:
        play.hear(length, probability, level, samples)
        if flushed:
            play.flush()
        sent = [frame for utterance in play.utterances for frame in utterance]
        starts = [frame.start for frame in sent]
        assert starts == sorted(set(starts))
        decided = {frame.start for frame in [*sent, *play.discarded]}
        assert len(decided) == len(sent) + len(play.discarded)
        held = [frame for frame in play.heard if frame.start not in decided]
        assert sum(frame.samples for frame in held) == play.gate.held_samples
        assert held == play.heard[len(play.heard) - len(held) :]


@given(settings_of_a_gate, stretches)
def test_utterances_are_contiguous_bounded_and_never_empty(
    settings: GateSettings, script: list[tuple[float, float, float, int, bool]]
) -> None:
    """No utterance has a hole, none is empty, and none is longer than allowed."""
    play = Play(Gate(settings))
    for length, probability, level, samples, flushed in script:
        play.hear(length, probability, level, samples)
        if flushed:
            play.flush()
    longest = max(settings.max_utterance, settings.preroll + settings.min_silence + 0.3)
    for utterance in play.done:
        assert utterance
        assert all(one.end == two.start for one, two in pairwise(utterance))
        assert seconds(utterance) <= longest + 0.1
