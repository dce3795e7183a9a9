"""The transcriber in a real room: who speaks, when they come and go, what is written."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from agent.core.model import End, Segment, State, Status
from tests.conftest import LiveKit
from tests.integration.meeting import marked, meeting, written

pytestmark = pytest.mark.live


async def test_two_voices_that_overlap(livekit: LiveKit, tmp_path: Path) -> None:
    """Two people speak at once; each word is written once, under its speaker, at its time."""
    async with meeting(livekit, tmp_path) as room:
        anna = await room.join("anna", role="interviewer")
        bob = await room.join("bob", role="candidate")
        first, second = marked(tuple(range(20))), marked(tuple(range(100, 120)))
        await asyncio.gather(room.say_clip(anna, first), room.say_clip(bob, second))
        await room.all_written()
        room.check_words()
        assert {segment.speaker.label for segment in room.heard.finals} == {"interviewer", "candidate"}


async def test_late_joiner_of_the_same_role(livekit: LiveKit, tmp_path: Path) -> None:
    """A second interviewer comes late: a number tells them apart, and nobody's label changes."""
    async with meeting(livekit, tmp_path) as room:
        anna = await room.join("anna", role="interviewer", name="Anna")
        await room.say(anna, range(5))
        carl = await room.join("carl", role="interviewer", name="Carl")
        late, early = marked(tuple(range(200, 205))), marked(tuple(range(5, 10)))
        await asyncio.gather(room.say_clip(carl, late), room.say_clip(anna, early))
        await room.all_written()
        room.check_words()
        labels = {(segment.speaker.identity, segment.speaker.label) for segment in room.heard.finals}
        assert labels == {("anna", "interviewer"), ("carl", "interviewer 2")}


async def test_leaving_in_mid_word(livekit: LiveKit, tmp_path: Path) -> None:
    """Whoever leaves without a pause is committed at once; the last whole word is written."""
    async with meeting(livekit, tmp_path) as room:
        anna = await room.join("anna", role="interviewer")
        await room.join("bob", role="candidate")
        await room.say(anna, range(7), words_per_sentence=7)
        await anna.leave()
        await room.all_written(timeout=5)
        room.check_words()


async def test_rejoin_with_the_same_identity(livekit: LiveKit, tmp_path: Path) -> None:
    """The label stays with the identity over a rejoin, and the books of both tracks are one speaker's."""
    async with meeting(livekit, tmp_path) as room:
        bob = await room.join("bob", role="candidate")
        await room.say(bob, range(5))
        await bob.leave()
        again = await room.join("bob", role="candidate")
        await room.say(again, range(5, 10))
        await room.all_written()
        room.check_words()
        assert {segment.speaker.label for segment in room.heard.finals} == {"candidate"}
        assert len({segment.track_sid for segment in room.heard.finals}) == 2
        await again.leave()
        end = await room.heard.wait_for(lambda message: isinstance(message.item, End), timeout=10)
        assert isinstance(end.item, End)
        (sums,) = end.item.accounting
        assert sums.balanced
        assert sums.heard > sums.speech > 4


async def test_republished_track(livekit: LiveKit, tmp_path: Path) -> None:
    """A track that is taken away and published again goes on as the same speaker."""
    async with meeting(livekit, tmp_path) as room:
        anna = await room.join("anna", role="interviewer")
        await room.say(anna, range(5), words_per_sentence=5)
        await anna.republish()
        await anna.microphone.heard(timeout=10)
        await room.say(anna, range(5, 10))
        await room.all_written()
        room.check_words()


async def test_muted_words_leave_no_trace(livekit: LiveKit, tmp_path: Path) -> None:
    """What is said while muted is nowhere; what is said before and after is there."""
    async with meeting(livekit, tmp_path) as room:
        anna = await room.join("anna", role="interviewer")
        await room.say(anna, range(5))
        await room.all_written()
        seconds_before = room.stats()["audio_seconds"]
        anna.mute()
        clip_words = set(room.said.words)
        await room.say(anna, range(900, 905))
        secret = set(room.said.words) - clip_words
        room.said.words = {text: said for text, said in room.said.words.items() if text not in secret}
        assert room.stats()["audio_seconds"] - seconds_before < 1
        anna.unmute()
        await room.say(anna, range(10, 15))
        await room.all_written()
        room.check_words()
        packets = b"".join(room.heard.packets).decode()
        assert not any(word in packets for word in secret)


async def test_agent_that_speaks_is_a_speaker(livekit: LiveKit, tmp_path: Path) -> None:
    """An AI interviewer is transcribed like a person."""
    async with meeting(livekit, tmp_path) as room:
        robot = await room.join("robot", kind="agent", name="Interview Bot")
        await room.say(robot, range(300, 305))
        await room.all_written()
        room.check_words()
        assert room.heard.finals[0].speaker.label == "Interview Bot"


async def test_any_unicode(livekit: LiveKit, tmp_path: Path) -> None:
    """Names and rooms may be written in any script, with blanks, slashes and emoji."""
    name = "Zoë 🎙️ / 面接 «1»?#%2F"
    async with meeting(livekit, tmp_path, room=name) as room:
        person = await room.join("идент/ификатор 😀", name="نور الدين")
        await room.say(person, range(5))
        await room.all_written()
        room.check_words()
        assert {message.envelope.room for message in room.heard.messages} == {name}
        assert room.heard.finals[0].speaker.label == "نور الدين"
        info = await room.store.find_session(name)
        assert info is not None


@pytest.mark.parametrize(("sample_rate", "channels"), [(8_000, 1), (44_100, 2), (96_000, 1)])
async def test_odd_rates_and_channels(
    livekit: LiveKit, tmp_path: Path, sample_rate: int, channels: int
) -> None:
    """Whatever a publisher sends is heard; at 8 kHz the marks do not fit, so only speech is counted."""
    async with meeting(livekit, tmp_path) as room:
        anna = await room.join("anna", role="interviewer", sample_rate=sample_rate, channels=channels)
        await room.say(anna, range(5))
        if sample_rate < 16_000:
            await room.eventually(lambda: room.stats()["commits"] >= 1)
        else:
            await room.all_written()
            room.check_words()


async def test_stored_before_seen(livekit: LiveKit, tmp_path: Path) -> None:
    """Whatever has a number in the room can be read from the store at that moment."""
    async with meeting(livekit, tmp_path) as room:
        anna = await room.join("anna", role="interviewer")
        saying = asyncio.create_task(room.say(anna, range(15)))
        while not saying.done():
            seen = len(room.heard.messages)
            await room.heard.wait_until(lambda seen=seen: len(room.heard.messages) > seen, timeout=10)
            numbered = [one.envelope for one in room.heard.messages if one.envelope.seq is not None]
            stored = {one.seq for one in await room.store.items(numbered[0].session)} if numbered else set()
            assert {one.seq for one in numbered} <= stored
        await saying


async def test_interims_lead_to_one_final(livekit: LiveKit, tmp_path: Path) -> None:
    """Interims and final share a segment id, revisions rise, one final ends it, captions agree."""
    async with meeting(livekit, tmp_path) as room:
        anna = await room.join("anna", role="interviewer")
        await room.say(anna, range(6), words_per_sentence=6)
        await room.all_written()
        segments = [one.item for one in room.heard.messages if isinstance(one.item, Segment)]
        assert len({segment.segment_id for segment in segments}) == 1
        assert [segment.revision for segment in segments] == sorted({one.revision for one in segments})
        assert [segment.final for segment in segments] == [False] * (len(segments) - 1) + [True]
        assert len(segments) > 3
        await room.heard.wait_until(
            lambda: any(text.attributes["lk.transcription_final"] == "true" for text in room.heard.texts),
            timeout=5,
        )
        captions = room.heard.texts
        assert {text.sender for text in captions} == {"anna"}
        assert {text.attributes["lk.segment_id"] for text in captions} == {segments[0].segment_id}
        finals = [text for text in captions if text.attributes["lk.transcription_final"] == "true"]
        assert [text.text for text in finals] == [segments[-1].text]


async def test_windows_close_while_everyone_is_silent(livekit: LiveKit, tmp_path: Path) -> None:
    """A window does not wait for the next person to speak: it closes when its time is over."""
    async with meeting(
        livekit, tmp_path, settings={"WINDOW_SECONDS": "4", "WINDOW_OVERLAP_SECONDS": "0"}
    ) as room:
        anna = await room.join("anna", role="interviewer")
        await room.say(anna, range(5))
        await room.all_written()
        windows = room.heard.windows
        await room.heard.wait_until(
            lambda: sum(window.words for window in room.heard.windows) == 5, timeout=10
        )
        assert all(window.complete and window.revision == 1 for window in windows)
        text = " ".join(window.get_text(include_speakers=False) for window in room.heard.windows)
        assert text.split() == list(room.said.words)


async def test_silence_costs_nothing(livekit: LiveKit, tmp_path: Path) -> None:
    """A quiet participant opens no recognizer session; one who falls silent closes it."""
    async with meeting(livekit, tmp_path, settings={"RECOGNIZER_IDLE_SECONDS": "1"}) as room:
        await room.join("quiet", role="candidate")
        anna = await room.join("anna", role="interviewer")
        await room.say(anna, range(5))
        await room.all_written()
        assert room.stats()["sessions_opened"] == 1
        await room.eventually(lambda: room.stats()["open_sessions"] == 0, timeout=5)


@pytest.mark.parametrize("heard", [True, False])
async def test_nobody_says_anything(livekit: LiveKit, tmp_path: Path, heard: bool) -> None:
    """A silent meeting ends with an empty, closed record, also when nobody stays long enough to be heard."""
    async with meeting(livekit, tmp_path) as room:
        anna = await room.join("anna", role="interviewer", until_heard=heard)
        await anna.leave()
        end = await room.heard.wait_for(lambda message: isinstance(message.item, End), timeout=10)
        assert isinstance(end.item, End)
        assert (end.item.segments, end.item.windows, end.item.gaps) == (0, 0, 0)
        info = await room.store.find_session(room.room)
        assert info is not None
        assert info.ended_at is not None
        assert room.stats()["sessions_opened"] == 0


async def test_room_deleted_right_after_the_last_word(
    livekit: LiveKit, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The last word is answered two seconds after the room is gone, and is in the record all the same."""
    async with meeting(livekit, tmp_path, answer_delay=2.0) as room:
        anna = await room.join("anna", role="interviewer")
        await room.say(anna, range(3))
        await anna.leave()
        await room.delete_room()
        await room.ended()
        info = await room.store.find_session(room.room)
        assert info is not None
        assert info.ended_at is not None
        segments = [segment for _, segment in await room.store.segments(info.session)]
        assert written(segments) == list(room.said.words)
        windows = [window for _, window in await room.store.windows(info.session)]
        assert segments[-1].text.split()[-1] in windows[-1].text
        end = await room.store.end_of(info.session)
        assert end is not None
        assert end.words == 3
        assert all(sums.balanced for sums in end.accounting)
    assert "sink_failed" not in {record.__dict__.get("action") for record in caplog.records}


async def test_somebody_comes_back_after_the_end(livekit: LiveKit, tmp_path: Path) -> None:
    """An end is not the last word when somebody returns: the record goes on and ends again."""
    async with meeting(livekit, tmp_path) as room:
        anna = await room.join("anna", role="interviewer")
        await room.say(anna, range(3))
        await anna.leave()
        await room.heard.wait_for(lambda message: isinstance(message.item, End), timeout=10)
        again = await room.join("anna", role="interviewer")
        await room.say(again, range(3, 6))
        await again.leave()
        await room.heard.wait_until(
            lambda: sum(isinstance(one.item, End) for one in room.heard.messages) == 2, timeout=10
        )
        room.check_words()
        last = room.heard.messages[-1].item
        assert isinstance(last, End)
        assert last.words == 6
        listening = [one for one in room.heard.statuses if one == Status(State.LISTENING)]
        assert len(listening) >= 1


async def test_second_transcriber_goes_on_with_the_windows_of_the_first(
    livekit: LiveKit, tmp_path: Path
) -> None:
    """It takes the session over in mid window: the window has the words of both, under the next number."""
    one_window = {"WINDOW_SECONDS": "600", "WINDOW_OVERLAP_SECONDS": "0"}
    async with meeting(livekit, tmp_path, room="handed over", settings=one_window) as first:
        anna = await first.join("anna", role="interviewer")
        await first.say(anna, range(5))
        await first.all_written()
        async with meeting(livekit, tmp_path, room="handed over", settings=one_window) as second:
            await first.ended()
            await anna.microphone.heard(timeout=10)
            await second.say(anna, range(5, 10))
            await second.all_written()
        info = await first.store.find_session("handed over")
        assert info is not None
        ((_, window),) = await first.store.windows(info.session)
        assert window.get_text(include_speakers=False).split() == [*first.said.words, *second.said.words]


@pytest.mark.parametrize("ended", [False, True])
async def test_a_successor_to_whom_nobody_is_left_says_the_end(
    livekit: LiveKit, tmp_path: Path, ended: bool
) -> None:
    """Of the meeting that it took over, also when the one before had said it; a listener is no speaker."""
    async with meeting(livekit, tmp_path, room="left behind") as first:
        anna = await first.join("anna", role="interviewer")
        await first.say(anna, range(5))
        await first.all_written()
        if ended:
            await anna.leave()
            await first.heard.wait_for(lambda message: isinstance(message.item, End), timeout=10)
        first.transcriber.stop("the test goes on with another one")
        await first.ended()
        await anna.leave()
        async with meeting(livekit, tmp_path, room="left behind") as second:
            told = await second.heard.wait_for(lambda message: isinstance(message.item, End), timeout=10)
            info = await second.store.find_session("left behind")
        assert isinstance(told.item, End)
        assert told.item.words == 5
        assert all(sums.balanced for sums in told.item.accounting)
        assert info is not None
        assert info.ended_at is not None
