"""What strangers try on a running service: bytes on a connection, and what is to be answered to them."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from datetime import timedelta
from math import inf
from typing import Any
from urllib.parse import quote

import jwt
from livekit import api

from tests.http.service import KEY, SECRET, participant, token

SPOKEN = "confidential utterance"
"""Said in the rooms a and b, and in `SPLITTING`."""
SPLITTING = 'x"\r\nSet-Cookie: stolen=1\r\n\r\n<script>'
"""A room's name that would end a header."""

OPEN = "open"
"""An attempt on a service without a key."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One row of docs/security.md."""

    what: str
    answer: str
    """Statuses, with `or` between them where a server may choose."""
    request: bytes
    service: str = "keyed"


def call(
    target: str,
    *credentials: str,
    method: str = "GET",
    body: bytes = b"",
    host: str = "localhost",
    headers: dict[str, str] | None = None,
) -> bytes:
    """A whole request, byte for byte as it is said here."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", "Connection: close"]
    lines += [f"Authorization: {one}" for one in credentials]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if body and not {"Content-Length", "Transfer-Encoding"} & set(headers or {}):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def made(algorithm: str = "HS256", secret: str = SECRET, **claims: Any) -> str:
    """A bearer token with these claims in place of the good ones; None leaves one out."""
    good = {"iss": "APIkey", "sub": "anna", "exp": 4e9, "video": {"roomJoin": True, "room": "a"}}
    chosen = {name: value for name, value in {**good, **claims}.items() if value is not None}
    with warnings.catch_warnings(category=jwt.InsecureKeyLengthWarning, action="ignore"):
        return f"Bearer {jwt.encode(chosen, secret, algorithm)}"


def _changed(bearer: str) -> str:
    """The token with another room, and the signature that it had."""
    head, _, tail = bearer.split(".")
    body = made(video={"roomJoin": True, "room": "b"}).split(".")[1]
    return f"{head}.{body}.{tail}"


BY_KEY = f"Bearer {KEY}"
ANNA = f"Bearer {participant('a')}"
A, B = "/rooms/a/transcript", "/rooms/b/transcript"
JSON = {"Content-Type": "application/json"}
CHUNKED = {**JSON, "Transfer-Encoding": "chunked"}
FOREIGN = {"Origin": "https://evil.example"}


def _token_call(body: bytes, **changes: str) -> bytes:
    return call("/tokens/generate", BY_KEY, method="POST", body=body, headers={**JSON, **changes})


CREDENTIALS = [
    Attempt("no credential", "401", call(A)),
    Attempt("a wrong key", "401", call(A, "Bearer not-the-key")),
    Attempt("a key without its last letter", "401", call(A, BY_KEY[:-1])),
    Attempt("a key in another scheme", "401", call(A, f"Basic {KEY}")),
    Attempt("a key in the address", "401", call(f"/rooms/a/stream?access_token={KEY}")),
    Attempt("a right and a wrong credential", "401", call(A, BY_KEY, "Bearer x")),
    Attempt("a wrong and a right credential", "401", call(A, "Bearer x", BY_KEY)),
    Attempt("a participant's token for another room", "403", call(B, ANNA)),
    Attempt("the same, for a room that is not there", "403", call("/rooms/nowhere/transcript", ANNA)),
    Attempt("the same, in the address", "403", call(f"/rooms/b/stream?access_token={participant('a')}")),
    Attempt("another room's session under one's own room", "404", call(f"{A}?session=RM_b", ANNA)),
    Attempt("an expired token", "401", call(A, f"Bearer {token().with_ttl(timedelta(seconds=-1)).to_jwt()}")),
    Attempt("a token that is not valid yet", "401", call(A, made(nbf=3.9e9))),
    Attempt("a token whose end is a list", "401", call(A, made(exp=[4e9]))),
    Attempt("a token that ends beyond all numbers", "401", call(A, made(exp=inf))),
    Attempt("a token that never expires", "401", call(A, made(exp=None))),
    Attempt("a token of algorithm `none`", "401", call(A, made("none", ""))),
    Attempt("a token of another algorithm", "401", call(A, made("HS512"))),
    Attempt("a token signed with another secret", "401", call(A, made(secret="x" * 40))),
    Attempt("a token of another API key", "401", call(A, made(iss="APIother"))),
    Attempt("a token whose room was changed after signing", "401", call(B, _changed(ANNA))),
    Attempt("a token that lets nobody join", "401", call(A, made(video={"room": "a", "roomAdmin": True}))),
    Attempt("a token for no room in particular", "401", call(A, made(video={"roomJoin": True}))),
    Attempt("a token whose room is a list", "401", call(A, made(video={"roomJoin": True, "room": ["a"]}))),
    Attempt("half a token", "401", call(A, ANNA[: len(ANNA) // 2])),
    Attempt("a participant lists all rooms", "403", call("/rooms", ANNA)),
    Attempt("a participant lists all transcripts", "403", call("/transcripts", ANNA)),
    Attempt("a participant erases its own transcript", "403", call(A, ANNA, method="DELETE")),
    Attempt("a participant closes its own room", "403", call("/rooms/a", ANNA, method="DELETE")),
    Attempt(
        "a participant makes itself an interviewer",
        "403",
        call(
            "/tokens/generate",
            ANNA,
            method="POST",
            body=b'{"room_name": "a", "participant_identity": "anna", "role": "interviewer"}',
            headers=JSON,
        ),
    ),
    Attempt(
        "a webhook that LiveKit did not sign", "401", call("/webhook", BY_KEY, method="POST", body=b"{}")
    ),
    Attempt(
        "a webhook with another body than was signed",
        "401",
        call("/webhook", api.AccessToken("APIkey", SECRET).to_jwt(), method="POST", body=b"{}"),
    ),
]

TOO_LARGE = b" " * 65_537
ENDLESS = (b"400\r\n" + b" " * 1024 + b"\r\n") * 100
"""100 KiB in chunks."""
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def _stranger(body: bytes, *credentials: str, path: str = "/tokens/generate", **changes: str) -> bytes:
    return call(path, *credentials, method="POST", body=body, headers={**JSON, **changes})


STRANGERS = [
    Attempt("no credential, and a body that is no JSON", "401", _stranger(b"{")),
    Attempt("no credential, and no body", "401", _stranger(b"")),
    Attempt("no credential, and a form", "401", _stranger(b"room_name=a", **FORM)),
    Attempt("no credential, and opening brackets", "401", _stranger(b"[" * 60_000, path="/rooms/create")),
    Attempt("no credential, and a chunked body of 100 KiB", "401", _stranger(ENDLESS, **CHUNKED)),
    Attempt("no credential, and a body of 64 KiB and one byte", "413", _stranger(TOO_LARGE)),
    Attempt("a wrong key, and a body that is no JSON", "401", _stranger(b"{", "Bearer not-the-key")),
    Attempt("a participant's token, and a body that is no JSON", "403", _stranger(b"{", ANNA)),
    Attempt("a webhook of nobody, chunked, 100 KiB", "401", _stranger(ENDLESS, path="/webhook", **CHUNKED)),
    Attempt(
        "a foreign page's form, which is no JSON",
        "403",
        _stranger(b"{", path="/rooms/create", **FOREIGN, **FORM),
        OPEN,
    ),
]

PATHS = [
    Attempt("`..` between rooms", "403", call("/rooms/a/../b/transcript", ANNA)),
    Attempt("`..` before the rooms", "403", call("/rooms/../rooms/b/transcript", ANNA)),
    Attempt("`..` with an encoded slash", "403", call("/rooms/a%2F..%2Fb/transcript", ANNA)),
    Attempt("encoded dots", "422", call("/rooms/%2e%2e/transcript", BY_KEY)),
    Attempt("a slash encoded twice", "403", call("/rooms/a%252F..%252Fb/transcript", ANNA)),
    Attempt("a call hidden behind an encoded slash", "405", call("/rooms/a%2Ftranscript", ANNA)),
    Attempt("a call after the call", "403", call("/rooms/a/transcript/b/transcript", ANNA)),
    Attempt("NUL behind one's own room", "403", call("/rooms/a%00/transcript", ANNA)),
    Attempt("NUL in a room", "422", call("/rooms/a%00b/transcript", BY_KEY)),
    Attempt("NUL in a session", "422", call(f"{A}?session=RM%00a", BY_KEY)),
    Attempt(
        "NUL in `Last-Event-ID`",
        "200",
        call("/rooms/a/stream", BY_KEY, method="HEAD", headers={"Last-Event-ID": "1@%00"}),
    ),
    Attempt("a path that is no UTF-8", "400", call("/rooms/%C0%AE/transcript", BY_KEY)),
    Attempt("two slashes first", "404", call(f"/{A}", ANNA)),
    Attempt("a slash last", "404", call("/tokens/generate/", BY_KEY, method="POST", host="evil.example")),
    Attempt("a whole address as path", "404", call(f"http://evil.example{B}", ANNA)),
    Attempt("a file of the system", "404", call("/docs/..%2f..%2f..%2fetc/passwd")),
    Attempt("a file as format", "422", call(f"{A}?format=../../../etc/passwd", ANNA)),
    Attempt("SQL in a session", "422", call(f"{A}?session={quote(chr(39))}%20OR%201=1--", BY_KEY)),
    Attempt("a room's name of 300 bytes", "422", call(f"/rooms/{'x' * 300}/transcript", BY_KEY)),
    Attempt(
        "line breaks in a room's name, exported",
        "200",
        call(f"/rooms/{quote(SPLITTING, safe='')}/transcript?format=srt", BY_KEY),
    ),
    Attempt(
        "line breaks in a room's name, as JSON",
        "200",
        call(f"/rooms/{quote(SPLITTING, safe='')}/transcript", BY_KEY),
    ),
]

PROTOCOL = [
    Attempt(
        "another method by a header",
        "405",
        call("/rooms/a", BY_KEY, headers={"X-HTTP-Method-Override": "DELETE"}),
    ),
    Attempt("another method by the query", "405", call("/rooms/a?_method=DELETE", BY_KEY, method="POST")),
    Attempt("TRACE", "405", call(A, BY_KEY, method="TRACE")),
    Attempt("CONNECT to another host", "404", call("evil.example:443", method="CONNECT")),
    Attempt("a method that nobody knows", "405", call(A, method="PROPFIND")),
    Attempt(
        "an upgrade to WebSocket",
        "401",
        call(
            "/rooms/a/stream",
            headers={
                "Connection": "Upgrade",
                "Upgrade": "websocket",
                "Sec-WebSocket-Version": "13",
                "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
            },
        ).replace(b"Connection: close\r\n", b""),
    ),
    Attempt(
        "an upgrade to HTTP/2",
        "401",
        call(A, headers={"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c"}).replace(
            b"Connection: close\r\n", b""
        ),
    ),
    Attempt("TLS on a plain port", "400", bytes.fromhex("160301020001000001fc0303") + b"\0" * 500),
    Attempt("no `Host`", "400", f"GET {A} HTTP/1.1\r\n\r\n".encode()),
    Attempt("two `Host`s", "400", call(A, BY_KEY, headers={"host": "evil.example"})),
    Attempt("a line break inside a header", "400", call(A, headers={"X": "a\rAuthorization: " + BY_KEY})),
    Attempt(
        "two lengths of one body",
        "400",
        _token_call(b"{}", **{"Content-Length": "2", "content-length": "40"}),
    ),
    Attempt("a length below 0", "400", _token_call(b"{}", **{"Content-Length": "-1"})),
    Attempt(
        "a second call hidden in a chunked body that also has a length",
        "422",
        _token_call(b"2\r\n{}\r\n0\r\n\r\n", **{"Transfer-Encoding": "chunked", "content-length": "2"}),
    ),
    Attempt(
        "a transfer encoding that nobody knows",
        "400 or 501",
        _token_call(b"{}", **{"Transfer-Encoding": "gzip, chunked"}),
    ),
]

SIZES = [
    Attempt("a body of 64 KiB and one byte", "413", _token_call(TOO_LARGE)),
    Attempt("a body that is said to be endless", "413", _token_call(b"{}", **{"Content-Length": "9" * 19})),
    Attempt("a chunked body of 100 KiB", "413", _token_call(ENDLESS, **CHUNKED)),
    Attempt("a body of opening brackets", "400", _token_call(b"[" * 60_000)),
    Attempt("a number of 60,000 digits", "400", _token_call(b'{"room_name": ' + b"9" * 60_000 + b"}")),
    Attempt(
        "a compressed body",
        "400",
        _token_call(b"\x1f\x8b\x08\0" + b"\0" * 100, **{"Content-Encoding": "gzip"}),
    ),
    Attempt(
        "a form in place of JSON",
        "422",
        _token_call(b"room_name=a", **FORM),
    ),
    Attempt("a header of 20 KiB", "400 or 431", call(A, headers={"X": "x" * 20_480})),
    Attempt(
        "2,000 headers", "400 or 431", call(A, headers={f"X-{number}": "xxxxx" for number in range(2000)})
    ),
    Attempt("a path of 20 KiB", "400 or 431", call(f"/rooms/{'x' * 20_480}/transcript", BY_KEY)),
    Attempt("a query of 20 KiB", "400 or 431", call(f"{A}?x={'x' * 20_480}", BY_KEY)),
    Attempt("a page of a million sessions", "422", call("/transcripts?limit=1000000", BY_KEY)),
    Attempt("a search of 5,000 letters", "422", call(f"/transcripts?q={'x' * 5000}", BY_KEY)),
    Attempt("a cursor that was made up", "422", call("/transcripts?cursor=x", BY_KEY)),
    Attempt("a number beyond all numbers", "422", call(f"{A}?after={'9' * 400}", BY_KEY)),
    Attempt(
        "a `Last-Event-ID` of 5 KiB",
        "200",
        call("/rooms/a/stream", BY_KEY, method="HEAD", headers={"Last-Event-ID": "1@" + "x" * 5000}),
    ),
]

BROWSERS = [
    Attempt(
        "a foreign page asks before it deletes",
        "400",
        call("/rooms/a", method="OPTIONS", headers={**FOREIGN, "Access-Control-Request-Method": "DELETE"}),
    ),
    Attempt(
        "a foreign page reads with a participant's token",
        "200, without leave to read it",
        call(A, ANNA, headers=FOREIGN),
    ),
    Attempt("a page of a name that leads to loopback", "403", call(A, host="evil.example"), OPEN),
    Attempt("a name that begins like loopback", "403", call(A, host="127.0.0.1.evil.example"), OPEN),
    Attempt(
        "a foreign page's form makes a room",
        "403",
        call("/rooms/create", method="POST", headers=FOREIGN),
        OPEN,
    ),
    Attempt(
        "a sandboxed page's form makes a room",
        "403",
        call("/rooms/create", method="POST", headers={"Origin": "null"}),
        OPEN,
    ),
    Attempt(
        "somebody elsewhere, by a proxy", "403", call(A, headers={"X-Forwarded-For": "203.0.113.9"}), OPEN
    ),
    Attempt(
        "a webhook of somebody on this machine", "401", call("/webhook", method="POST", body=b"{}"), OPEN
    ),
]

TITLES: dict[str, list[Attempt]] = {
    "Credentials": CREDENTIALS,
    "Bodies of strangers": STRANGERS,
    "Paths and names": PATHS,
    "Protocol": PROTOCOL,
    "Sizes": SIZES,
    "Pages and proxies": BROWSERS,
}
ATTEMPTS = [attempt for attempts in TITLES.values() for attempt in attempts]
