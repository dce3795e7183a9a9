"""What is said in a room, line by line as it is said, without a worker: the library joins by itself.

    python examples/live_terminal.py ROOM TOKEN

TOKEN is the `agent_token` that `POST /rooms/create` gave for ROOM. LIVEKIT_URL and ELEVENLABS_API_KEY are as
for the worker; ELEVENLABS_BASE_URL leads elsewhere, to `python -m local.recognizer` for instance. Ctrl-C
ends it.
"""

import asyncio
import os
import signal
import sys

from agent import AudioPipeline

SHOWS = sys.stdout.isatty()


async def main(room: str, token: str) -> None:
    pipeline = AudioPipeline(
        livekit_url=os.environ["LIVEKIT_URL"],
        livekit_room=room,
        livekit_token=token,
        elevenlabs_api_key=os.environ["ELEVENLABS_API_KEY"],
        elevenlabs_base_url=os.environ.get("ELEVENLABS_BASE_URL", ""),
        language=os.environ.get("STT_LANGUAGE", ""),
    )
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, stopped.set)

    async def stop() -> None:
        await stopped.wait()
        await pipeline.stop()  # the last words still come

    async with asyncio.TaskGroup() as group:
        stopping = group.create_task(stop())
        async for line in pipeline.start_transcription():
            if line.is_final and line.text:
                minutes, milliseconds = divmod(line.start_ms, 60_000)
                at = f"{minutes:02}:{milliseconds // 1000:02}"
                print(f"{CLEAR}{at} {line.speaker}: {line.text}", flush=True)
            elif SHOWS:  # so far; the next line takes its place
                print(f"{CLEAR}      {line.speaker}: {line.text[-70:]}", end="", flush=True)
        stopping.cancel()


CLEAR = "\r\033[K" if SHOWS else ""

if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    asyncio.run(main(*sys.argv[1:]))
