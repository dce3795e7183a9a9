"""The room breaks under the transcriber: connections, servers, tracks come and go; the record stays true."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from livekit import rtc
from livekit.rtc._proto import room_pb2

from agent.core.model import Gap, Reason, State, Status
from agent.core.speakers import TRANSCRIBER
from agent.rtc.connect import connect
from agent.rtc.room import ask_to_leave
from local.livekit.server import LiveKitServer
from local.marked_speech import WORD_SECONDS, Clip
from local.speakers import participant_token
from local.tcp_proxy import TcpProxy
from tests.conftest import LiveKit
from tests.integration.meeting import Meeting, marked, meeting
from tests.integration.publisher import publisher
from tests.integration.record import Record, check_account, record_of, recorded

pytestmark = pytest.mark.live

LOST = Status(State.DEGRADED, Reason.CONNECTION_LOST)
LISTENING = Status(State.LISTENING)
STAYS = "a transcriber that is here stays"


@dataclass
class Breakable:
    """A meeting on a server of its own; only the transcriber reaches it through a proxy."""

    server: LiveKitServer
    proxy: TcpProxy
    room: Meeting

    async def wait_for_words(self, count: int) -> None:
        """Until so many words are recorded: the talk is under way."""
        await recorded(self.room, lambda record: len(record.words) >= count, timeout=20)


@asynccontextmanager
async def breakable(folder: Path) -> AsyncIterator[Breakable]:
    async with LiveKitServer(departure_timeout_seconds=5) as server, TcpProxy(server.port) as proxy:
        livekit = LiveKit(server.url, server.api_key, server.api_secret)
        async with meeting(livekit, folder, transcriber_url=proxy.url) as room:
            yield Breakable(server, proxy, room)


def long_talk(words: int) -> Clip:
    return marked(tuple(range(words)), words_per_sentence=4, pause=0.5)


def last_of(room: Meeting) -> str:
    return list(room.said.words)[-1]


def streams() -> int:
    """LiveKit's native audio streams that are open in this process."""
    gc.collect()
    return sum(isinstance(one, rtc.AudioStream) and not one._ffi_handle.disposed for one in gc.get_objects())


def lost_and_found(record: Record) -> bool:
    """The record tells that the connection was lost, and that it is back."""
    return LOST in record.statuses and LISTENING in record.statuses[record.statuses.index(LOST) :]


async def gap_after(room: Meeting, since: float) -> Gap:
    """The first one that ends after `since`, in room time: a slow join may have made one before."""

    def found() -> list[Gap]:
        return [gap for gap in room.heard.gaps if gap.end > since]

    await room.heard.wait_until(lambda: bool(found()), timeout=20)
    return found()[0]


async def test_signal_cut_and_resumed(tmp_path: Path) -> None:
    """The media goes on while the signalling is resumed: what it loses is told, and so is the break."""
    clip = long_talk(16)
    async with breakable(tmp_path) as own:
        anna = await own.room.join("anna", role="interviewer")
        saying = asyncio.create_task(own.room.say_clip(anna, clip))
        await own.wait_for_words(4)
        connections = own.proxy.connections
        own.proxy.cut()
        await saying
        record = await recorded(
            own.room, lambda one: last_of(own.room) in one.words and lost_and_found(one), timeout=15
        )
        assert own.proxy.connections > connections
        assert len(check_account(own.room, record)) <= 1, "resumed media may lack a quarter of a second"
        assert all(gap.end - gap.start < 1 for gap in record.breaks)
        assert streams() == 1


async def test_full_reconnect(tmp_path: Path) -> None:
    """All is made anew: the same track comes back as another object, what was said meanwhile is one gap."""
    clip = long_talk(24)
    async with breakable(tmp_path) as own:
        anna = await own.room.join("anna", role="interviewer")
        await own.room.join("ben", role="candidate")
        saying = asyncio.create_task(own.room.say_clip(anna, clip))
        await own.wait_for_words(4)
        await own.room.transcriber_room.simulate_scenario(room_pb2.SIMULATE_FULL_RECONNECT)
        await saying
        record = await recorded(
            own.room, lambda one: last_of(own.room) in one.words and len(one.breaks) == 2, timeout=15
        )
        missing = check_account(own.room, record)
        assert len(missing) <= 4
        assert lost_and_found(record)
        assert {gap.speaker.label for gap in record.breaks} == {"interviewer", "candidate"}
        assert all(gap.reason is Reason.CONNECTION_LOST for gap in record.breaks)
        assert all(0.1 < gap.end - gap.start < 2 for gap in record.breaks)
        assert len({segment.track_sid for segment in record.segments}) == 1
        assert streams() == 2
        await own.room.delete_room()
        await own.room.ended()
        (end,) = (await record_of(own.room)).ends
        assert all(sums.balanced for sums in end.accounting)


async def test_refused_for_a_while_and_somebody_joins_meanwhile(tmp_path: Path) -> None:
    """Cut off for seconds: who was there and who came in between are both missed until they are heard."""
    first, second = long_talk(24), marked(tuple(range(100, 124)), words_per_sentence=4, pause=0.5)
    async with breakable(tmp_path) as own:
        anna = await own.room.join("anna", role="interviewer")
        saying = asyncio.create_task(own.room.say_clip(anna, first))
        await own.wait_for_words(4)
        own.proxy.refuse()
        own.proxy.cut()
        ben = await own.room.join("ben", role="candidate", until_heard=False)
        answering = asyncio.create_task(own.room.say_clip(ben, second))
        await asyncio.sleep(2.5)
        own.proxy.accept()
        await asyncio.gather(saying, answering)
        record = await recorded(
            own.room,
            lambda one: (
                {first.words[-1].text, second.words[-1].text} <= set(one.words) and len(one.breaks) == 2
            ),
            timeout=15,
        )
        assert check_account(own.room, record)
        assert not record.ends
        assert {gap.reason for gap in record.breaks} == {Reason.CONNECTION_LOST}
        assert {gap.speaker.label for gap in record.breaks} == {"interviewer", "candidate"}


@pytest.mark.timeout(150)
async def test_server_stopped_and_started_again(tmp_path: Path) -> None:
    """The room has another sid and the tracks as well: the session goes on until another one comes."""
    clip = long_talk(32)
    async with breakable(tmp_path) as own:
        anna = await own.room.join("anna", role="interviewer")
        saying = asyncio.create_task(own.room.say_clip(anna, clip))
        await own.wait_for_words(4)
        await own.server.stop()
        await own.server.start()
        await saying
        record = await recorded(
            own.room, lambda one: last_of(own.room) in one.words and one.breaks, timeout=30
        )
        assert check_account(own.room, record)
        assert lost_and_found(record)
        assert not record.ends
        assert {gap.reason for gap in record.breaks} == {Reason.CONNECTION_LOST}
        assert {segment.speaker.label for segment in record.segments} == {"interviewer"}
        session = await own.room.store.find_session(own.room.room)
        async with meeting(own.room.livekit, tmp_path, room=own.room.room) as other:
            await own.room.ended()
            after = await own.room.store.find_session(own.room.room)
            assert session is not None
            assert after is not None
            assert after.session != session.session
            await anna.microphone.heard(timeout=10)
            await other.say(anna, range(200, 203))
            await other.all_written()


async def agrees_to_leave(own: Breakable, identity: str, caplog: pytest.LogCaptureFixture) -> bool:
    """What the transcriber does when `identity` asks it, in the room, to leave."""
    keys, room = own.room.livekit, rtc.Room()
    token = participant_token(
        keys.api_key, keys.api_secret, room=own.room.room, identity=identity, kind="agent"
    )
    asked = own.room.transcriber_room.local_participant.identity
    await connect(room, keys.url, token)
    caplog.clear()
    try:
        await own.room.eventually(lambda: asked in room.remote_participants)
        await ask_to_leave(room)
    finally:
        await room.disconnect()
    refusals = [one.__dict__["detail"] for one in caplog.records if one.message == STAYS]
    assert set(refusals) <= {"this transcriber stays"}, "neither yes nor no"
    return not refusals


@pytest.mark.timeout(90)
async def test_leaves_for_a_transcriber_and_only_after_a_restart(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Who has the room by right stays whoever asks, and nobody but a transcriber can send one away."""
    caplog.set_level(logging.INFO, "agent.rtc.room")
    async with breakable(tmp_path) as own:
        await own.room.join("anna", role="interviewer")
        await recorded(own.room, lambda one: LISTENING in one.statuses, timeout=10)
        assert not await agrees_to_leave(own, f"{TRANSCRIBER}2", caplog), "the server was not restarted"
        await own.server.stop()
        await own.server.start()
        await recorded(own.room, lost_and_found, timeout=30)
        await own.room.eventually(lambda: "anna" in own.room.transcriber_room.remote_participants)
        for identity in ("ben", f"not-{TRANSCRIBER}2", TRANSCRIBER.removesuffix("-")):
            assert not await agrees_to_leave(own, identity, caplog)
        assert not own.room.running.done()
        assert await agrees_to_leave(own, f"{TRANSCRIBER}2", caplog)
        await own.room.ended()
        (*_, last) = (await record_of(own.room)).statuses
        assert (last.state, last.reason) == (State.STOPPED, Reason.TRANSCRIBER_LOST)


async def test_server_that_hangs_for_seconds(tmp_path: Path) -> None:
    """No event, and frames go on, made up: what was not received is told, and so is that nothing comes."""
    clip = long_talk(32)
    async with breakable(tmp_path) as own:
        anna = await own.room.join("anna", role="interviewer")
        saying = asyncio.create_task(own.room.say_clip(anna, clip))
        await own.wait_for_words(4)
        own.server.suspend()
        await asyncio.sleep(5)
        own.server.resume()
        await saying
        record = await recorded(
            own.room, lambda one: last_of(own.room) in one.words and one.breaks, timeout=15
        )
        # what the network held back is heard later than it was said: here words are counted, not timed
        assert check_account(own.room, record, tolerance=5.5)
        assert sum(gap.end - gap.start for gap in record.breaks) > 2
        stalled = [one for one in record.statuses if one.speaker is not None]
        assert [one.state for one in stalled] == [State.DEGRADED, State.LISTENING]
        assert stalled[0].reason is Reason.STALLED
        assert streams() == 1


async def test_killed_publisher_comes_back_while_its_ghost_is_there(livekit: LiveKit, tmp_path: Path) -> None:
    """It vanishes without a leave and rejoins: one label, no word lost or doubled, the time between a gap."""
    async with meeting(livekit, tmp_path) as room:
        token = participant_token(
            livekit.api_key, livekit.api_secret, room=room.room, identity="anna", role="interviewer"
        )
        async with publisher("talk", livekit.url, token, "0") as first:
            before = json.loads(await first.line(timeout=30)) | json.loads(await first.line(timeout=30))
            created = room.transcriber_room.creation_time.timestamp()
            await recorded(room, lambda record: set(before) <= set(record.words), timeout=10)
            killed_at = time.time() - created
            first.kill()
        await asyncio.sleep(2.5)
        assert "anna" in room.heard.room.remote_participants, "the server still lists the ghost"
        again = await room.join("anna", role="interviewer")
        came_at = time.time() - created
        await room.say(again, range(100, 106))
        record = await recorded(room, lambda one: last_of(room) in one.words and one.breaks, timeout=15)
        for text, wall in before.items():
            room.said.words[text] = "anna", wall - created
        unfinished = set(record.words) - set(room.said.words)
        for text in unfinished:  # words of the sentence that it died in
            room.said.words[text] = "anna", record.words[text].start
        assert check_account(room, record) == []
        assert {segment.speaker.label for segment in record.segments} == {"interviewer"}
        (gap,) = record.breaks
        assert gap.reason is Reason.STALLED
        assert gap.start == pytest.approx(killed_at, abs=0.5)
        assert gap.end == pytest.approx(came_at, abs=1.0)
        assert streams() == 1


async def test_second_join_evicts_the_first(livekit: LiveKit, tmp_path: Path) -> None:
    """Somebody opens the call in another tab in mid utterance: the tail is committed, the label stays."""
    clip, other = long_talk(8), marked(tuple(range(100, 104)))
    async with meeting(livekit, tmp_path) as room:
        first = await room.join("anna", role="interviewer")
        saying = asyncio.create_task(first.say(clip.pcm, 48_000))
        await recorded(room, lambda record: len(record.words) >= 4, timeout=10)
        second = await room.join("anna", role="interviewer")
        await room.say_clip(second, other)
        await first.leave()
        spoken = await saying
        record = await recorded(room, lambda one: last_of(room) in one.words, timeout=10)
        room.said.note(first, clip, spoken)
        evicted_at = max(record.words[word.text].end for word in clip.words if word.text in record.words)
        room.said.words = {
            text: (who, at)
            for text, (who, at) in room.said.words.items()
            if text in record.words or at < evicted_at
        }
        assert check_account(room, record) == []
        assert {segment.speaker.label for segment in record.segments} == {"interviewer"}
        assert len({segment.track_sid for segment in record.segments}) == 2
        assert streams() == 1


async def test_mute_unmute_and_another_source_in_mid_utterance(livekit: LiveKit, tmp_path: Path) -> None:
    """Every change cuts the utterance and loses nothing that was said outside the mute; no stream is left."""
    clip = long_talk(12)
    async with meeting(livekit, tmp_path) as room:
        anna = await room.join("anna", role="interviewer")
        saying = asyncio.create_task(room.say_clip(anna, clip))
        await recorded(room, lambda record: len(record.words) >= 4, timeout=10)
        muted_at = time.time()
        anna.mute()
        await asyncio.sleep(1.0)
        anna.unmute()
        unmuted_at = time.time()
        await saying
        screen = await anna.publish("screen_share_audio")
        await anna.unpublish("microphone")
        await screen.heard(timeout=10)
        shared = marked(tuple(range(100, 105)))
        spoken = await screen.say(shared.pcm, 48_000)
        room.said.note(anna, shared, spoken)
        secret = (muted_at - anna.created_at_wall, unmuted_at - anna.created_at_wall)
        cut = {
            text
            for text, (_, at) in room.said.words.items()
            if at + WORD_SECONDS > secret[0] - 0.1 and at < secret[1] + 0.4
        }
        record = await recorded(room, lambda one: last_of(room) in one.words, timeout=10)
        for text in cut - set(record.words):
            del room.said.words[text]
        assert check_account(room, record) == []
        assert not record.breaks
        assert {segment.source for segment in record.segments} == {"microphone", "screen_share_audio"}
        assert {segment.speaker.label for segment in record.segments} == {"interviewer"}
        assert len(cut) >= 2
        assert streams() == 1


async def test_audio_that_was_taken_away_is_asked_for_again(livekit: LiveKit, tmp_path: Path) -> None:
    """LiveKit ends a subscription and says no more: it is heard again, and the time between is a gap."""
    async with meeting(livekit, tmp_path) as room:
        anna = await room.join("anna", role="interviewer")
        await room.say(anna, range(5))
        await room.all_written()
        (publication,) = room.transcriber_room.remote_participants["anna"].track_publications.values()
        taken_at = time.time() - anna.created_at_wall
        publication.set_subscribed(False)
        gap = await gap_after(room, taken_at)
        await room.say(anna, range(5, 10))
        await room.all_written()
        room.check_words()
        assert 0 < gap.end - gap.start < 7, "the first look asks"
        assert streams() == 1


async def test_audio_that_the_client_does_not_know_is_given_back_and_asked_for(
    livekit: LiveKit, tmp_path: Path
) -> None:
    """LiveKit sends a track and its client has lost it: asking alone would bring nothing."""
    async with meeting(livekit, tmp_path) as room:
        anna = await room.join("anna", role="interviewer")
        (publication,) = room.transcriber_room.remote_participants["anna"].track_publications.values()
        await room.eventually(lambda: publication.track is not None)
        lost_at = time.time() - anna.created_at_wall
        publication._track = None
        await room.eventually(lambda: publication.track is not None, timeout=20)
        await gap_after(room, lost_at)
        await room.say(anna, range(3))
        await room.all_written()
        room.check_words()
        assert streams() == 1
