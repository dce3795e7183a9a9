"""No word is lost and none is doubled, whatever the recognizer does; the sums balance at every step."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.core.gate import Frame
from agent.core.ledger import MOST_AWAITED, Answer, Answered, Ledger, Send, SendCommit, Token, Utterance
from agent.core.model import SAMPLE_RATE
from tests.core.simulated import Fate, Say, SimulatedSession, Spoken, audio_of

FRAME = 800
WORDS = [Spoken(number, 4_001 + (number - 1) * 9_601, 6_403) for number in range(1, 200)]
"""A talker who says a word of 0.4 s every 0.6 s, the first at 0.25 s, for two minutes."""
AUDIO = audio_of(WORDS, 2_000_000)
LENGTHS = {word.number: word.samples for word in WORDS}


class Line:
    """A ledger on a line to a recognizer, driven step by step; checks the sums after each step."""

    def __init__(self, limit_seconds: float = 120.0) -> None:
        self.ledger = Ledger(limit_seconds)
        self.session = SimulatedSession(LENGTHS)
        self.said: list[Say] = []
        self.answered: list[Answered] = []
        self.given_up: list[Utterance] = []
        self.utterances: list[range] = []
        """The samples of every utterance."""
        self.fates: list[Fate] = []
        self.now = 0.0
        self.heard = 0

    def speak(self, frames: int, *, commit: bool = True) -> None:
        """Speech of so many frames of 50 ms."""
        for _ in range(frames):
            pcm = AUDIO[self.heard : self.heard + FRAME].tobytes()
            running = self.ledger.unanswered and not self.ledger.unanswered[-1].committed
            if running and self.utterances and self.utterances[-1].stop == self.heard:
                self.utterances[-1] = range(self.utterances[-1].start, self.heard + FRAME)
            else:
                self.utterances.append(range(self.heard, self.heard + FRAME))
            self.ledger.append([Frame(self.heard, pcm)])
            self.heard += FRAME
        if commit:
            self.ledger.commit()
        self.check()

    def pause(self, frames: int) -> None:
        """Frames that the gate does not send."""
        self.heard += frames * FRAME

    def send(self, seconds: float = 1e9) -> None:
        """Send what is due; commits meet the fates that were set, in order, then all is well."""
        for one in self.ledger.next_sends(round(seconds * SAMPLE_RATE), self.now):
            if isinstance(one, Send):
                self.session.send(one.pcm)
            else:
                assert isinstance(one, SendCommit)
                self.session.commit(self.fates.pop(0) if self.fates else Fate())
        self.check()

    def receive(self, count: int = 1_000_000) -> None:
        """The next messages of the recognizer arrive."""
        for _ in range(min(count, len(self.session.says))):
            say = self.session.says.popleft()
            self.said.append(say)
            self.take(say)

    def take(self, say: Say) -> None:
        if say.plain:
            self.ledger.plain(say.answer.text, self.now)
        else:
            self.answered += self.ledger.answer(say.answer, self.now)
        self.check()

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.answered += self.ledger.settle_plain(self.now)
        self.check()

    def reconnect(self) -> None:
        """The session is lost with all that was on its way."""
        self.session = SimulatedSession(LENGTHS)
        self.said.clear()
        self.ledger.begin_session()
        self.check()

    def overflow(self) -> None:
        for utterance in self.ledger.overflow():
            self.given_up.append(utterance)
            self.ledger.give_up(utterance)
        self.check()

    def finish(self) -> None:
        """A recognizer in good health answers what is left."""
        self.ledger.commit()
        self.fates.clear()
        self.reconnect()
        while self.ledger.has_unsent():
            self.send()
            self.receive()
        assert self.ledger.oldest is None

    def check(self) -> None:
        ledger = self.ledger
        assert ledger.open_samples == sum(one.samples for one in ledger.unanswered)
        assert ledger.speech == ledger.answered + ledger.gap + ledger.open_samples

    @property
    def told(self) -> list[int]:
        """The numbers of the words in all answers so far."""
        return [int(text[1:]) for one in self.answered for text in one.answer.text.split()]


def texts(answered: list[Answered]) -> list[str]:
    return [one.answer.text for one in answered]


# ---- what is sent


def test_speech_is_sent_and_committed_in_order() -> None:
    """Frames go out as they come; the commit goes out once, after them."""
    ledger = Ledger(120)
    ledger.append([Frame(0, b"aa" * FRAME), Frame(FRAME, b"bb" * FRAME)])
    assert ledger.next_sends(10**6, 1.0) == [Send(b"aa" * FRAME), Send(b"bb" * FRAME)]
    assert not ledger.has_unsent()
    ledger.append([Frame(2 * FRAME, b"cc" * 4 * FRAME)])
    ledger.commit()
    assert ledger.has_unsent()
    assert ledger.next_sends(10**6, 1.0) == [Send(b"cc" * 4 * FRAME), SendCommit()]
    assert ledger.next_sends(10**6, 1.0) == []


def test_hole_between_frames_ends_the_utterance() -> None:
    """Frames that do not follow on each other are never put into one utterance."""
    line = Line()
    line.speak(10, commit=False)
    line.pause(1)
    line.speak(10, commit=False)
    assert [one.committed for one in line.ledger.unanswered] == [True, False]


def test_commit_without_speech_does_nothing() -> None:
    """An empty ledger has nothing to commit."""
    line = Line()
    line.ledger.commit()
    assert line.ledger.next_sends(10**6, 0.0) == []


def test_short_utterance_is_padded() -> None:
    """The recognizer refuses a commit of less than 0.3 s: silence is added, and counted as sent only."""
    line = Line()
    line.speak(1)
    line.send()
    assert line.session.samples == line.ledger.sent == 4800
    assert line.ledger.speech == FRAME


def test_budget_bounds_what_is_sent_at_once() -> None:
    """A backlog goes out in portions; what waits is known."""
    line = Line()
    line.speak(100)
    line.send(1.0)
    assert line.session.samples == SAMPLE_RATE
    assert line.ledger.has_unsent()


def test_few_commits_wait_at_once() -> None:
    """A recognizer that is slow is not buried: the next utterance begins when an answer has come."""
    line = Line()
    for _ in range(20):
        line.speak(10)
    line.send()
    assert len([one for one in line.ledger.unanswered if one.commit_sent_at is not None]) == MOST_AWAITED
    line.receive(2)
    line.send()
    awaited = [one for one in line.ledger.unanswered if one.commit_sent_at is not None]
    assert len(awaited) == MOST_AWAITED
    assert line.ledger.has_unsent()


def test_little_audio_waits_at_once() -> None:
    """Half a minute, and what was begun before that; a long utterance alone is sent in any case."""
    line = Line()
    for _ in range(4):
        line.speak(400)
    line.send()
    assert line.session.samples == 2 * 400 * FRAME


def test_no_utterance_is_begun_on_a_session_that_is_to_end() -> None:
    """What was begun is sent to its end; the next one waits for another session."""
    line = Line()
    line.speak(10, commit=False)
    line.send()
    assert line.ledger.owes
    line.speak(10)
    line.speak(10)
    sends = line.ledger.next_sends(10**6, 0.0, begin=False)
    assert sends[-1] == SendCommit()
    assert len(sends) == 11
    assert line.ledger.has_unsent()
    line.reconnect()
    assert not line.ledger.owes


def test_replay_is_counted() -> None:
    """What is sent again after a drop is part of what was sent."""
    line = Line()
    line.speak(20)
    line.send(0.5)
    line.reconnect()
    line.send()
    assert (line.ledger.sent, line.ledger.replayed) == (3 * SAMPLE_RATE // 2, SAMPLE_RATE // 2)


# ---- answers


def test_answer_settles_its_utterance_with_times_of_the_track() -> None:
    """Session seconds become seconds of the track, across the silence that was not sent."""
    line = Line()
    line.pause(200)
    line.speak(20)
    line.pause(400)
    line.speak(20)
    line.send()
    line.receive()
    check_words(line)
    assert len(line.told) == 4


def test_answer_that_comes_twice_is_told_once() -> None:
    """Both copies come twice, the second time after the next utterance has begun."""
    line = Line()
    line.fates = [Fate("doubled")]
    line.speak(20)
    line.send()
    line.receive(2)
    line.speak(20)
    line.send()
    line.receive()
    assert line.told == [1, 2, 3]
    assert len(line.answered) == 2


@pytest.mark.parametrize("off_seconds", [-0.29, -0.15, 0.15, 0.29])
def test_answer_a_little_off_is_not_taken_for_a_double(off_seconds: float) -> None:
    """Cut in mid speech, the second answer's only word lies in the first one's audio: still its own."""
    line = Line()
    line.fates = [Fate(off_seconds=off_seconds), Fate(off_seconds=off_seconds)]
    line.speak(17)  # ends with the first word
    line.speak(12)  # holds the second
    line.send()
    line.receive()
    assert line.told == [1, 2]
    assert [one.utterance.start for one in line.answered] == [0, 17 * FRAME]


def test_double_with_other_times_is_known_by_its_audio() -> None:
    """A second version of an answer that says the same audio once more is dropped."""
    line = Line()
    line.speak(40)
    line.send()
    line.receive()
    answer = line.said[1].answer
    assert line.ledger.answer(Answer("W1 W2 W3", answer.tokens), 0.0) == []


def test_lost_answer_leaves_its_utterance() -> None:
    """The next answer settles its own utterance; the one before it waits and is sent again."""
    line = Line()
    line.fates = [Fate("lost")]
    line.speak(20)
    line.speak(20)
    line.send()
    line.receive()
    assert [one.start for one in line.ledger.unanswered] == [0]
    line.finish()
    assert sorted(line.told) == [1, 2, 3]


def test_merged_commits_are_shared_out() -> None:
    """A commit that was ignored: its words come with the next answer and go to their own utterance."""
    line = Line()
    line.fates = [Fate("merged")]
    line.speak(20)
    line.pause(100)
    line.speak(20)
    line.send()
    line.receive()
    assert [one.utterance.start for one in line.answered] == [0, 120 * FRAME]
    assert texts(line.answered) == ["w1", "w11"]


def test_merged_answer_settles_what_lies_between() -> None:
    """An utterance without words between two that one answer covers was answered as well."""
    line = Line()
    line.fates = [Fate("merged"), Fate("merged")]
    line.speak(17)
    line.speak(1)
    line.pause(10)
    line.speak(40)
    line.send()
    line.receive()
    assert line.ledger.oldest is None
    assert texts(line.answered)[1] == ""


def test_long_utterance_before_a_short_one_in_a_merged_answer() -> None:
    """Most of the answer lies in the first utterance: the second still gets its words."""
    line = Line()
    line.fates = [Fate("merged")]
    line.speak(100)
    line.pause(50)
    line.speak(20)
    line.send()
    line.receive()
    assert line.ledger.oldest is None
    assert len(line.told) == len(set(line.told)) == 10


def test_recognizer_that_commits_by_itself_splits_the_running_utterance() -> None:
    """What follows its last word is answered by the next commit."""
    line = Line()
    line.speak(24, commit=False)
    line.send()
    line.session.commit(Fate())
    line.receive()
    line.speak(24)
    line.send()
    line.receive()
    assert line.told == [1, 2, 3, 4]
    assert line.ledger.oldest is None


def test_rest_of_an_utterance_is_told_too() -> None:
    """It committed by itself just before our commit: both answers are told, as two segments."""
    line = Line()
    line.speak(24, commit=False)
    line.send()
    line.session.commit(Fate())
    line.speak(24)
    line.send()
    line.receive()
    assert line.told == [1, 2, 3, 4]
    assert line.answered[0].utterance is line.answered[1].utterance
    assert line.answered[1].utterance.segment_id == ""


def test_empty_answer_settles_the_only_one_that_waits() -> None:
    """A cough is answered with nothing, and not sent again."""
    line = Line()
    line.speak(3)
    line.send()
    line.receive()
    assert texts(line.answered) == [""]
    assert line.ledger.oldest is None


def test_empty_answer_of_the_second_does_not_settle_the_first() -> None:
    """The first answer was lost and the second utterance was a cough: the first one's words are not lost."""
    line = Line()
    line.fates = [Fate("lost")]
    line.speak(20)
    line.pause(2)
    line.speak(3)
    line.send()
    line.receive()
    assert line.answered == []
    line.finish()
    assert line.told == [1]


def test_empty_answers_for_all_that_wait_settle_all() -> None:
    """Two coughs, two empty answers."""
    line = Line()
    line.speak(3)
    line.pause(21)
    line.speak(3)
    line.send()
    line.receive()
    assert texts(line.answered) == ["", ""]


def test_empty_answer_is_placed_by_the_one_that_follows() -> None:
    """A cough and then words, sent at once: the empty answer was the cough's."""
    line = Line()
    line.speak(3)
    line.pause(2)
    line.speak(20)
    line.send()
    line.receive()
    assert [one.utterance.start for one in line.answered] == [0, 5 * FRAME]


def test_doubled_empty_answer_does_not_swallow_the_next_words() -> None:
    """Nothing tells the double of an empty answer; but the words that come after it are told all the same."""
    line = Line()
    line.speak(3)
    line.send()
    line.receive()
    line.speak(20)
    line.send()
    line.take(Say(Answer("")))
    line.receive()
    assert line.told == [1, 2]


@pytest.mark.parametrize("times", [(float("nan"), 1.0), (0.5, float("inf")), (-9.0, -8.0), (900.0, 901.0)])
def test_answer_with_times_of_nowhere_keeps_its_text(times: tuple[float, float]) -> None:
    """Times that can't be are dropped; the words are not."""
    line = Line()
    line.speak(20)
    line.send()
    answered = line.ledger.answer(Answer("hello", (Token("hello", *times),)), 0.0)
    assert [(one.answer.text, one.answer.tokens) for one in answered] == [("hello", ())]


def test_answer_to_nothing_is_dropped() -> None:
    """An answer when nothing was sent, or nothing committed, is about nothing."""
    line = Line()
    assert line.ledger.answer(Answer("hello", (Token("hello", 0, 1),)), 0.0) == []
    line.speak(20, commit=False)
    line.send()
    assert line.ledger.answer(Answer(""), 0.0) == []
    line.ledger.plain("hello", 0.0)
    assert line.ledger.plain_due() is None


def test_words_of_no_length_still_have_a_place() -> None:
    """A recognizer may give a word no duration."""
    line = Line()
    line.speak(20)
    line.send()
    answered = line.ledger.answer(Answer("hello", (Token("hello", 0.5, 0.5),)), 0.0)
    assert answered[0].answer.tokens == (Token("hello", 0.5, 0.5),)


# ---- answers without times


def test_copy_without_times_is_taken_after_a_second() -> None:
    """The copy with times was lost: the text is not."""
    line = Line()
    line.fates = [Fate("no_times")]
    line.speak(20)
    line.send()
    line.receive()
    assert line.ledger.plain_due() == 1.0
    line.wait(0.9)
    assert line.answered == []
    line.wait(0.1)
    assert texts(line.answered) == ["w1"]
    line.take(Say(Answer("w1", (Token("w1", 0.25, 0.65),))))
    assert len(line.answered) == 1


def test_copy_without_times_is_forgotten_when_the_other_comes() -> None:
    """Both copies of an answer are one answer."""
    line = Line()
    line.speak(20)
    line.send()
    line.receive()
    assert line.ledger.plain_due() is None


def test_late_double_without_times_is_not_the_next_answer() -> None:
    """A copy of an earlier answer comes while the next one is awaited, and its own times are lost."""
    line = Line()
    line.speak(20)
    line.send()
    line.receive()
    line.speak(20)
    line.fates = [Fate("no_times")]
    line.send()
    line.take(line.said[0])
    line.receive()
    line.wait(1.0)
    assert texts(line.answered) == ["w1", "w2 w3"]


def test_copies_without_times_go_to_nobody_when_one_is_missing() -> None:
    """Two wait, one answer came without its place: both are sent again rather than one lost."""
    line = Line()
    line.fates = [Fate("lost"), Fate("no_times")]
    line.speak(20)
    line.speak(20)
    line.send()
    line.receive()
    assert line.ledger.plain_due() is None
    line.wait(5.0)
    assert line.answered == []
    line.finish()
    assert sorted(line.told) == [1, 2, 3]


def test_copy_without_times_is_placed_by_the_one_that_follows() -> None:
    """The answers come in order: what came before the second one's is the first one's."""
    line = Line()
    line.fates = [Fate("no_times")]
    line.speak(20)
    line.speak(20)
    line.send()
    line.receive()
    assert texts(line.answered) == ["w1", "w2 w3"]


def test_recognizer_without_times_is_served_in_order() -> None:
    """Answers that never have times settle as many utterances as there are answers."""
    line = Line()
    line.speak(20)
    line.speak(20)
    line.send()
    assert line.ledger.answer(Answer("one"), 0.0) == []
    assert texts(line.ledger.answer(Answer("two"), 0.0)) == ["one", "two"]
    assert line.ledger.answer(Answer("two"), 0.0) == []


def test_what_is_given_up_takes_the_places_along() -> None:
    """The first of three is given up: answers without places are not counted onto the wrong ones."""
    line = Line()
    line.fates = [Fate("no_times"), Fate("lost"), Fate("no_times")]
    for _ in range(3):
        line.speak(20)
    line.send()
    line.receive()
    line.ledger.give_up(line.ledger.unanswered[0])
    line.wait(5.0)
    assert line.answered == []


# ---- interims


def test_interim_is_about_the_oldest_that_was_sent() -> None:
    """New text is shown; the same text again is not, nor an empty one."""
    line = Line()
    line.speak(20, commit=False)
    assert line.ledger.interim("w1") is None
    line.send()
    assert line.ledger.interim("w1") is line.ledger.oldest
    assert line.ledger.interim("w1") is None
    assert line.ledger.interim("") is None
    assert line.ledger.interim("w1 w2") is line.ledger.oldest


def test_echo_of_the_last_answer_is_no_interim() -> None:
    """Recognizers repeat the last text after a commit."""
    line = Line()
    line.speak(20)
    line.send()
    line.receive()
    line.speak(20, commit=False)
    line.send()
    assert line.ledger.interim("w1") is None
    assert line.ledger.interim("w2") is line.ledger.oldest


# ---- giving up


def test_oldest_fall_off_beyond_the_limit() -> None:
    """120 s are kept; the oldest utterances beyond that become gaps, while the last one grows."""
    line = Line(limit_seconds=3.0)
    for _ in range(3):
        line.speak(20)
    line.overflow()
    assert line.given_up == []
    line.speak(1, commit=False)
    line.overflow()
    assert [one.start for one in line.given_up] == [0]
    for _ in range(100):
        line.speak(1, commit=False)
        line.overflow()
        assert line.ledger.open_samples <= 3 * SAMPLE_RATE
    assert line.ledger.gap == line.ledger.speech - line.ledger.open_samples


def test_words_of_what_was_given_up_are_not_told_elsewhere() -> None:
    """Audio that was sent and given up comes back with the next answer: it is in the gap, not the text."""
    line = Line()
    line.speak(40, commit=False)
    line.send()
    line.ledger.give_up(line.ledger.unanswered[0])
    line.speak(20)
    line.send()
    line.receive()
    assert texts(line.answered) == ["w4 w5"]


def test_late_answer_to_what_was_given_up_is_dropped() -> None:
    """Its gap was told."""
    line = Line()
    line.speak(20)
    line.send()
    line.ledger.give_up(line.ledger.unanswered[0])
    line.receive()
    assert line.answered == []


def test_only_the_first_in_line_is_blamed_for_a_drop() -> None:
    """Answers come in order, so those behind it had no chance; and time must have passed as well."""
    line = Line(limit_seconds=60)
    line.speak(20)
    line.speak(20)
    for _ in range(6):
        line.send()
        line.now += 5
        line.reconnect()
    assert [one.tries for one in line.ledger.unanswered] == [6, 0]
    assert line.ledger.hopeless(59.9) == []
    assert line.ledger.hopeless(60.0) == [line.ledger.unanswered[0]]


# ---- everything at once

WORD_FRAMES = 12
"""Frames from the silence before one word to the silence before the next."""
Step = tuple[str, float, bool]


def scripts(*extra: str) -> st.SearchStrategy[list[Step]]:
    """Long random talks: speech, pauses, sending, receiving, waiting, drops and the `extra` steps."""
    amounts = {
        "speak": st.integers(1, 60),
        "pause": st.integers(1, 30),
        "send": st.one_of(st.floats(0, 4), st.just(1e9)),
        "receive": st.integers(1, 6),
        "wait": st.floats(0, 3),
        "repeat": st.integers(0, 100),
    }
    names = ["speak", "speak", "speak", "pause", "send", "send", "receive", "receive", "wait", *extra]
    step = st.sampled_from(names).flatmap(
        lambda name: st.tuples(st.just(name), amounts.get(name, st.just(0)), st.booleans())
    )
    return st.integers(0, 60).flatmap(lambda size: st.lists(step, min_size=size, max_size=size))


def fates(*kinds: str, off_seconds: float = 0.0) -> st.SearchStrategy[list[Fate]]:
    """What happens to the first twenty commits."""
    off = st.floats(-off_seconds, off_seconds) if off_seconds else st.just(0.0)
    return st.lists(st.builds(Fate, st.sampled_from(["ok", *kinds]), off), max_size=20)


def perform(script: list[Step], fates: list[Fate], *, whole_words: bool) -> Line:
    """Carry out random steps and a healthy end; with `whole_words`, utterances are cut between words."""
    line = Line()
    line.fates = list(fates)
    unit = WORD_FRAMES if whole_words else 1
    if whole_words:
        line.pause(3)
    for what, amount, flag in script:
        frames = max(round(amount) // unit, 1) * unit
        match what:
            case "speak" if line.heard < AUDIO.size - 100 * FRAME:
                line.speak(frames, commit=flag)
            case "pause":
                line.ledger.commit()
                line.pause(frames)
            case "send":
                line.send(amount)
            case "receive":
                line.receive(round(amount))
            case "wait":
                line.wait(amount)
            case "repeat" if line.said:
                say = line.said[round(amount) % len(line.said)]
                if say.answer.text or say.plain:
                    line.take(say)
            case "reconnect":
                line.reconnect()
            case "by itself" if line.session.has_words():
                line.session.commit(Fate("ok" if flag else "no_plain"))
                line.receive()
    line.finish()
    return line


def check_words(line: Line, off_seconds: float = 0.0) -> None:
    """Every word that was mostly in one utterance is told once, in its place."""
    told = Counter(line.told)
    for word in WORDS:
        parts = [max(0, min(word.end, one.stop) - max(word.start, one.start)) for one in line.utterances]
        assert told[word.number] <= 1, f"{word.text} was told twice"
        if max(parts, default=0) > word.samples // 2 + 1:
            assert told[word.number] == 1, f"{word.text} was lost"
    for one in line.answered:
        for token in one.answer.words:
            word = WORDS[int(token.text[1:]) - 1]
            assert word.start / SAMPLE_RATE - off_seconds - 1e-3 <= token.start
            assert token.end <= word.end / SAMPLE_RATE + off_seconds + 1e-3


@settings(max_examples=200, deadline=None)
@given(scripts("reconnect", "repeat"), fates("no_plain", "no_times", "lost", "doubled", "doubled_inside_out"))
def test_no_word_is_lost_or_doubled(script: list[Step], fates: list[Fate]) -> None:
    """Drops, lost, late and doubled answers in any order, cuts in mid word: each word once, at its time."""
    check_words(perform(script, fates, whole_words=False))


@settings(max_examples=200, deadline=None)
@given(
    scripts("reconnect", "repeat", "by itself"), fates("no_plain", "no_times", "lost", "merged", "doubled")
)
def test_no_word_is_lost_when_commits_are_ignored_or_invented(script: list[Step], fates: list[Fate]) -> None:
    """The recognizer merges commits and commits by itself: each word once, at its time."""
    check_words(perform(script, fates, whole_words=True))


@settings(max_examples=200, deadline=None)
@given(scripts("reconnect"), fates("no_plain", "doubled", off_seconds=0.29))
def test_no_word_is_lost_when_times_are_off(script: list[Step], fates: list[Fate]) -> None:
    """Word times that are off by up to 0.3 s lose and double nothing."""
    check_words(perform(script, fates, whole_words=True), off_seconds=0.3)
