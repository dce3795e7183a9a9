"""Our WebVTT as a `<track>` in a real Chromium: what the browser shows is what was written, and when."""

from __future__ import annotations

import asyncio
import io
import wave
from pathlib import Path

import pytest
from playwright.async_api import Page

from agent.core.exports.cues import cues
from agent.core.model import Gap, Item, Reason, Segment, Speaker, Word
from agent.store import open_store
from agent.store.protocol import Stored
from tests.contract.exports import record
from tests.contract.record import STARTED
from tests.integration.running_service import running_service

pytestmark = pytest.mark.browser

SILENCE_SECONDS = 40
PAGE = "<!doctype html><meta charset=utf-8><link rel=icon href=data:,><audio src=silence.wav muted></audio>"
PLAY = """async () => {
  const audio = document.querySelector("audio"), track = document.createElement("track"), shown = [];
  const once = (target, type) => new Promise((done, failed) => {
    target.addEventListener(type, done, {once: true});
    target.addEventListener("error", () => failed(new Error(`no ${type}`)), {once: true}); });
  Object.assign(track, {kind: "captions", default: true, src: "rooms/a/transcript?format=vtt"});
  audio.append(track);
  track.track.mode = "showing";
  await once(track, "load");
  for (const cue of track.track.cues) cue.onenter = () => {
    const text = cue.getCueAsHTML(), voice = text.querySelector("span[title]");
    shown.push([cue.startTime, cue.endTime, voice ? voice.title : "", text.textContent]); };
  audio.playbackRate = 16;
  audio.play();
  await once(audio, "ended");
  return shown;
}"""


def said(speaker: Speaker, start: float, text: str) -> Segment:
    """Five words a second."""
    parts = text.split()
    times = [start + 0.2 * place for place in range(len(parts))]
    words = tuple(Word(part, at, at + 0.15) for part, at in zip(parts, times, strict=True))
    return Segment(f"{start}", 1, True, speaker, "", "", start, words[-1].end, text, words)


ADA, BOB = Speaker("ada", label="Q<A> & Co"), Speaker("bob", label="candidate")
SEGMENTS = (
    said(ADA, 1.0, "R&D <b>AT&T</b> if a < b && c --> d &amp; <script>alert(1)</script>"),
    said(BOB, 3.0, "one\u2028two\u2029three\u0085four\nfive"),
    said(BOB, 8.0, "שלום, מה שלומך היום? أهلا وسهلا"),
    said(ADA, 12.0, "今日はとても良い天気ですね。散歩に行きましょう。そして映画を見ましょう。"),
    said(BOB, 16.0, "👩🏽‍💻 🇫🇷 " + "a sentence that goes on and on, longer than any cue may be, " * 4),
)
GAP = Gap(BOB, "", 30.0, 36.0, Reason.RECOGNIZER_UNREACHABLE)


async def test_every_cue_is_shown_as_it_was_written(page: Page, tmp_path: Path) -> None:
    """Markup as text, scripts of both directions, emoji, two at once, a gap: played, each at its time."""
    url = f"sqlite:///{tmp_path}/record.db"
    store = open_store(url)
    opened = await store.open_session("a", "RM_1", STARTED)
    items: tuple[Item, ...] = (*SEGMENTS, GAP)
    await store.write("RM_1", opened.epoch, [Stored(seq, item) for seq, item in enumerate(items, 1)])
    await store.aclose()
    async with running_service(tmp_path, DATABASE_URL=url) as service:
        base = f"http://127.0.0.1:{service.port}"
        await page.route(f"{base}/player", lambda route: route.fulfill(body=PAGE, content_type="text/html"))
        await page.route(
            f"{base}/silence.wav", lambda route: route.fulfill(body=silence(), content_type="audio/wav")
        )
        await page.goto(f"{base}/player")
        async with asyncio.timeout(60):
            shown = await page.evaluate(PLAY)
    assert shown == [
        [cue.start_ms / 1000, cue.end_ms / 1000, cue.label, "\n".join(cue.lines)]
        for cue in cues(record(*SEGMENTS, gaps=(GAP,)))
    ]


def silence() -> bytes:
    """As long as the record."""
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(2 * 8000 * SILENCE_SECONDS))
    return file.getvalue()
