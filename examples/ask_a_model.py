"""Hand every window of an interview to a language model, while the interview goes on.

    python examples/ask_a_model.py ROOM

Follows `GET /rooms/ROOM/stream` of the token service (SERVICE_URL, API_KEY if it has one). MODEL_URL is the
base URL of any endpoint that speaks OpenAI's chat completions (MODEL_KEY, MODEL_NAME); without one the text
is echoed.
"""

import json
import os
import sys
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx

SERVICE = os.environ.get("SERVICE_URL", "http://127.0.0.1:8000")
MODEL = os.environ.get("MODEL_URL", "")
QUESTION = "In one sentence: what did the candidate show in this part of the interview?"


def events(room: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The record from its beginning, then live; goes on where it was when the connection breaks."""
    key = os.environ.get("API_KEY")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    with httpx.Client(base_url=SERVICE, headers=headers, timeout=httpx.Timeout(10, read=60)) as service:
        last = ""
        while True:
            more = {"Last-Event-ID": last} if last else {}
            event, data = "", {}
            try:
                with service.stream("GET", f"/rooms/{quote(room, safe='')}/stream", headers=more) as answer:
                    if answer.is_error:
                        raise SystemExit(f"the service refused: {answer.read().decode()}")
                    if answer.status_code == 204:  # over, and all of it told
                        return
                    for line in answer.iter_lines():
                        field, _, value = line.partition(": ")
                        if field == "event":
                            event = value
                        elif field == "data":
                            data = json.loads(value)
                        elif field == "id":
                            last = value
                        elif not line and event:
                            yield event, data
                            event = ""
            except httpx.TransportError as error:
                print(f"coming back: {error}", file=sys.stderr)
            time.sleep(1)


def ask(text: str) -> str:
    """The model's answer to one window."""
    messages = [{"role": "system", "content": QUESTION}, {"role": "user", "content": text}]
    if not MODEL:
        return f"(no MODEL_URL) {text}"
    key = os.environ.get("MODEL_KEY")
    answer = httpx.post(
        f"{MODEL}/chat/completions",
        headers={"Authorization": f"Bearer {key}"} if key else {},
        json={"model": os.environ.get("MODEL_NAME", "gpt-4o-mini"), "messages": messages},
        timeout=60,
    )
    answer.raise_for_status()
    return str(answer.json()["choices"][0]["message"]["content"])


def main(room: str) -> None:
    for event, item in events(room):
        if event == "window" and item["turns"]:
            text = "\n".join(f"{turn['speaker']['label']}: {turn['text']}" for turn in item["turns"])
            # a later revision has words that came late: it takes the earlier one's place
            print(f"[{item['start']:.0f} s, revision {item['revision']}] {ask(text)}", flush=True)
        elif event == "end" or (event == "closing" and not item["again"]):
            return


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    main(sys.argv[1])
