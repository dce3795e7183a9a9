"""Signatures of webhooks after the Standard Webhooks specification: HMAC SHA-256 over id, time and body."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence

PREFIX = "whsec_"
"""A secret may begin with it; what follows is Base64."""
KEY_BYTES = (24, 64)
"""A key has from so many bytes to so many."""


def key_of(secret: str) -> bytes:
    """The key that a secret like `whsec_MfKQ9r8G…` stands for, 24 to 64 bytes.

    Raises:
        ValueError: it is no Base64, or of another length.
    """
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError("it is no Base64") from error
    if not KEY_BYTES[0] <= len(key) <= KEY_BYTES[1]:
        raise ValueError(f"it stands for {len(key)} bytes")
    return key


def headers(keys: Sequence[bytes], message_id: str, unix_seconds: int, body: bytes) -> dict[str, str]:
    """What the receiver needs to know the sender: one signature for each key, the same id at each try."""
    signed = b".".join([message_id.encode(), b"%d" % unix_seconds, body])
    digests = [hmac.new(key, signed, hashlib.sha256).digest() for key in keys]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(unix_seconds),
        "webhook-signature": " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests),
    }
