"""Signatures: those of the specification, and of its library's example."""

from __future__ import annotations

import base64

import pytest

from agent.core.signature import headers, key_of

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ID, AT, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, b'{"test": 2432232314}'


def test_the_vector_of_the_specification() -> None:
    """Id, time and body with full stops between them; HMAC SHA-256 with the decoded secret; Base64."""
    assert headers([key_of(SECRET)], ID, AT, BODY) == {
        "webhook-id": ID,
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_two_keys_give_two_signatures() -> None:
    """While a secret is changed, receivers with either of them believe what they get."""
    other = key_of("whsec_" + base64.b64encode(bytes(range(32))).decode())
    both = headers([key_of(SECRET), other], ID, AT, BODY)["webhook-signature"].split(" ")
    assert both == [headers([key], ID, AT, BODY)["webhook-signature"] for key in (key_of(SECRET), other)]


def test_the_prefix_may_be_left_out() -> None:
    """It only says what the text is."""
    assert key_of(SECRET) == key_of(SECRET.removeprefix("whsec_"))


@pytest.mark.parametrize("length", [0, 23, 65])
def test_keys_of_a_wrong_length_are_refused(length: int) -> None:
    """Short ones can be guessed."""
    with pytest.raises(ValueError, match=f"{length} bytes"):
        key_of("whsec_" + base64.b64encode(bytes(length)).decode())


@pytest.mark.parametrize("secret", ["whsec_no base64 at all!", "whsec_MfKQ9", "whsec_ü"])
def test_what_is_no_base64_is_refused(secret: str) -> None:
    """A secret that was copied in part, for example; the message does not quote it."""
    with pytest.raises(ValueError, match=r"Base64|ASCII") as caught:
        key_of(secret)
    assert secret not in str(caught.value)
