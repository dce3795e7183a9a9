"""A receiver of webhooks: takes what is signed and recent, once. See docs/webhooks.md."""

import base64
import hashlib
import hmac
import json
import os
import threading
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOLERANCE_SECONDS = 300
MAX_BYTES = 10_000_000


def is_genuine(secret: str, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether the body, as it came, was signed with the secret a short while ago."""
    name, at = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not at.isdecimal() or abs(time.time() - int(at)) > TOLERANCE_SECONDS:
        return False  # somebody sends again what was sent long ago
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{name}.{at}.".encode() + body
    expected = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    # several while the secret is being changed
    given = headers.get("webhook-signature", "").split()
    return any(hmac.compare_digest(expected.encode(), one.encode()) for one in given)


def serve(port: int, secret: str, use: Callable[[dict[str, Any]], None]) -> ThreadingHTTPServer:
    """A server that calls `use` with each item once; `serve_forever` runs it."""
    seen: set[str] = set()  # yours outlives a restart: a unique column beside what you make of the item
    one_at_a_time = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_POST(self) -> None:
            length = self.headers.get("Content-Length", "")
            if not length.isdecimal() or int(length) > MAX_BYTES:
                return self.answer(413)
            body = self.rfile.read(int(length))
            if not is_genuine(secret, self.headers, body):
                return self.answer(401)
            with one_at_a_time:
                if self.headers["webhook-id"] not in seen:
                    use(json.loads(body))
                    seen.add(self.headers["webhook-id"])
            return self.answer(204)  # also to a repeat: 2xx means "I have it"

        def answer(self, status: int) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return ThreadingHTTPServer(("127.0.0.1", port), Handler)


if __name__ == "__main__":
    server = serve(
        int(os.environ.get("PORT", "9000")),
        os.environ["WEBHOOK_SECRET"],
        lambda item: print(item["type"], item["room"], item.get("text", "")),
    )
    server.serve_forever()
