"""`python -m bench.play_vtt`: does a browser show what we write as WebVTT? Needs Chromium; no test runs it.

A page plays silence sixteen times as fast as it is, with the record as `<track>`, and notes each cue that the
browser shows: text as it is displayed, voice, times. The notes must be the record.
"""

from __future__ import annotations

import io
import json
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import wave
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from agent.core.exports import FORMATS, Record
from agent.core.exports.cues import cues
from agent.core.model import Gap, Reason, Segment, Speaker, Word

LIMIT_SECONDS = 90
SILENCE_SECONDS = 40
PAGE = """<!doctype html><meta charset=utf-8><link rel=icon href=data:,>
<audio id=a src=a.wav muted></audio><script>
const audio = document.getElementById("a"), seen = new Map();
const track = document.createElement("track");
track.kind = "captions"; track.src = "a.vtt"; track.default = true;
audio.append(track); track.track.mode = "showing";
const done = (why) => fetch("/notes", {method: "POST", body: JSON.stringify({why, cues: [...seen.values()],
  all: track.track.cues ? track.track.cues.length : 0})});
track.onerror = () => done("track refused");
track.track.oncuechange = () => { for (const cue of track.track.activeCues) {
  const shown = cue.getCueAsHTML(), voice = shown.querySelector("span[title]");
  seen.set(cue, {start: cue.startTime, end: cue.endTime, text: shown.textContent,
    voice: voice ? voice.title : ""}); } };
track.onload = () => { audio.playbackRate = 16; audio.play().catch((e) => done(String(e))); };
audio.onended = () => done("played");
</script>"""


def record() -> Record:
    """What is hard: markup, scripts of both directions, emoji, talking at once, a gap."""
    ada, bob = Speaker("ada", label="Q<A> & Co"), Speaker("bob", label="candidate")
    said = [
        (ada, 1.0, "R&D <b>AT&T</b> if a < b && c --> d &amp; <script>alert(1)</script>"),
        (bob, 3.0, "one\u2028two\u2029three\u0085four\nfive"),
        (bob, 8.0, "שלום, מה שלומך היום? أهلا وسهلا"),
        (ada, 12.0, "今日はとても良い天気ですね。散歩に行きましょう。そして映画を見ましょう。"),
        (bob, 16.0, "👩🏽‍💻 🇫🇷 " + "a sentence that goes on and on, longer than any cue may be, " * 4),
    ]
    segments = []
    for number, (speaker, start, text) in enumerate(said, start=1):
        parts = text.split()
        words = tuple(Word(part, start + 0.2 * at, start + 0.2 * at + 0.15) for at, part in enumerate(parts))
        segments.append(
            (number, Segment(f"{number}", 1, True, speaker, "", "", start, words[-1].end, text, words))
        )
    gap = Gap(bob, "", 30.0, 36.0, Reason.RECOGNIZER_UNREACHABLE)
    return Record("a", "RM_1", "", None, 6, None, tuple(segments), ((6, gap),))


def main() -> int:
    """0 when every cue was shown as it was written."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        print("Chromium is not installed")
        return 2
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        (folder / "a.html").write_text(PAGE, encoding="utf-8")
        (folder / "a.vtt").write_text(FORMATS["vtt"].render(record()), encoding="utf-8")
        (folder / "a.wav").write_bytes(_silence())
        shown = _played(chromium, folder)
    wanted = [
        {
            "start": cue.start_ms / 1000,
            "end": cue.end_ms / 1000,
            "text": "\n".join(cue.lines),
            "voice": cue.label,
        }
        for cue in cues(record())
    ]
    got = shown["cues"]
    for cue in wanted:
        print("shown " if cue in got else "MISSED", json.dumps(cue, ensure_ascii=False))
    print(f"{shown['why']}: {len(got)} cues shown, {shown['all']} read, {len(wanted)} written")
    return 0 if len(got) == len(wanted) and all(cue in got for cue in wanted) else 1


def _silence() -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(2 * 8000 * SILENCE_SECONDS))
    return file.getvalue()


class _Page(SimpleHTTPRequestHandler):
    """Serves the page and takes its notes."""

    notes: queue.Queue[dict[str, Any]] = queue.Queue()

    def do_POST(self) -> None:
        """The page has come to its end."""
        self.notes.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


def _played(chromium: str, folder: Path) -> dict[str, Any]:
    """What the page has noted at its end."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Page, directory=str(folder))) as server:
        serving = threading.Thread(target=server.serve_forever, name="serve the page")
        serving.start()
        browser = subprocess.Popen(
            [
                *(chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--mute-audio"),
                *("--autoplay-policy=no-user-gesture-required", f"--user-data-dir={folder / 'profile'}"),
                f"http://127.0.0.1:{server.server_port}/a.html",
            ],
            stderr=subprocess.DEVNULL,
        )
        try:
            return _Page.notes.get(timeout=LIMIT_SECONDS)
        finally:
            browser.terminate()
            browser.wait(LIMIT_SECONDS)
            server.shutdown()
            serving.join()


if __name__ == "__main__":
    sys.exit(main())
