"""Keys: several, each with a name that is all a log says of it; and what a service without one refuses."""

from __future__ import annotations

import logging

import pytest

from agent.errors import SettingsError
from agent.http.callers import check_guarded, keys_of, name_of_key
from agent.settings import Settings
from tests.http.service import KEY, bearer, calling, participant, settings
from token_service import serve

KEYS = "backend:key-of-the-backend,dash.board_1:key-of-the:dashboard"


def test_keys_have_names() -> None:
    """Both settings together; a colon may be in a key."""
    assert keys_of(settings(API_KEYS=KEYS)) == {
        "default": KEY,
        "backend": "key-of-the-backend",
        "dash.board_1": "key-of-the:dashboard",
    }
    assert keys_of(settings(API_KEY="")) == {}


@pytest.mark.parametrize(
    "value",
    [
        "swordfish",
        "a:",
        ":swordfish",
        "default:swordfish",
        "a:swordfish,a:y",
        "a:swordfish,b:swordfish",
        "ü:swordfish",
        "a b:swordfish",
        "a:swordfish ü",
        "-a:swordfish",
        f"{'a' * 41}:swordfish",
    ],
)
def test_keys_that_are_none(value: str) -> None:
    """Refused at the start, and not repeated."""
    with pytest.raises(SettingsError, match="API_KEYS must be name:key pairs") as error:
        settings(API_KEYS=value)
    assert "swordfish" not in str(error.value)


def test_a_key_is_found_whole_and_only_so() -> None:
    """Not by a piece of it, not by its name, not by the pair."""
    chosen = settings(API_KEYS=KEYS)
    assert name_of_key(chosen, "key-of-the-backend") == "backend"
    assert name_of_key(chosen, KEY) == "default"
    for wrong in (
        "",
        "backend",
        "key-of-the-backen",
        "backend:key-of-the-backend",
        KEYS,
        "KEY-OF-THE-BACKEND",
        "ü",
    ):
        assert name_of_key(chosen, wrong) is None


async def test_every_key_may_all_until_it_is_left_out() -> None:
    """A restart without it revokes it, and leaves the others."""
    for env, status in (({"API_KEYS": KEYS}, 200), ({"API_KEYS": "dashboard:key-of-the:dashboard"}, 401)):
        async with calling(credential="key-of-the-backend", **env) as client:
            body = {"room_name": "a", "participant_identity": "anna"}
            assert (await client.post("/tokens/generate", json=body)).status_code == status
    async with calling(credential="key-of-the-backend", API_KEY="", API_KEYS=KEYS) as client:
        assert (await client.get("/rooms/a/transcript")).status_code == 404
        answer = await client.get("/rooms/a/transcript", headers=bearer("x"))
        assert answer.status_code == 401, "named keys alone close the service, too"


async def test_the_log_names_the_key_and_nobody_else(caplog: pytest.LogCaptureFixture) -> None:
    """Of participants it says that they were some; never a credential, a room or an identity."""
    caplog.set_level(logging.INFO, "agent.http.boundary")
    token = participant("room-of-anna")
    async with calling(credential=None, API_KEYS=KEYS) as client:
        for credential in ("key-of-the-backend", KEY, token, "not-a-key"):
            await client.get("/rooms/room-of-anna/transcript", headers=bearer(credential))
        await client.get("/rooms", headers=bearer(token))
        await client.get("/rooms")
    async with calling(credential=None, API_KEY="") as client:
        await client.get("/rooms/room-of-anna/transcript")
    lines = [vars(line) for line in caplog.records if vars(line).get("action") == "call_answered"]
    assert [line["caller"] for line in lines] == [
        "key:backend",
        "key:default",
        "participant",
        "none",
        "participant",
        "none",
        "local",
    ]
    for secret in ("key-of-the", KEY, token, "anna", "not-a-key"):
        assert secret not in str(lines)


@pytest.mark.parametrize("order", [1, -1])
async def test_two_credentials_are_none(order: int) -> None:
    """A proxy may have checked the one that we would not read."""
    pair = [("Authorization", f"Bearer {KEY}"), ("Authorization", "Bearer x")][::order]
    for headers in (pair, [pair[0], pair[0]]):
        async with calling(credential=None) as client:
            assert (await client.get("/rooms/a/transcript", headers=headers)).status_code == 401
            assert (await client.get("/rooms/a/stream", headers=headers)).status_code == 401
            assert (await client.post("/webhook", headers=headers)).status_code == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 404),
        ({"Origin": "http://localhost"}, 404),
        ({"Origin": "https://app.example.com"}, 404),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "http://localhost:3000"}, 403),
        ({"Origin": "null"}, 403),
        ({"X-Forwarded-For": "203.0.113.9"}, 403),
        ({"Forwarded": "for=203.0.113.9"}, 403),
        ({"X-Real-IP": "203.0.113.9"}, 403),
        ({"X-Forwarded-Host": "transcripts.example.com"}, 403),
    ],
)
async def test_an_open_service_is_open_to_this_machine_only(headers: dict[str, str], status: int) -> None:
    """Not to another site's page, whose plain form a browser sends without asking, and not by a proxy."""
    async with calling(credential=None, API_KEY="", CORS_ORIGINS="https://app.example.com") as client:
        assert (await client.get("/rooms/a/transcript", headers=headers)).status_code == status
        if status == 403:
            assert (await client.post("/rooms/create", headers=headers)).status_code == 403
    async with calling() as client:
        answer = await client.get("/rooms/a/transcript", headers=headers)
        assert answer.status_code == 404, "a key may come from anywhere"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com"])
def test_a_network_is_never_served_without_a_good_key(host: str) -> None:
    """The program ends before it listens, and says what to do."""
    for env in ({"API_KEY": ""}, {"API_KEY": "fifteen-letters"}, {"API_KEYS": "backend:x"}):
        chosen = settings(HOST=host, **env)
        with pytest.raises(SettingsError, match="can be reached from a network") as error:
            serve(chosen)
        assert "fifteen-letters" not in str(error.value)
    check_guarded(settings(HOST=host))
    check_guarded(settings(HOST=host, API_KEY="", API_KEYS="backend:sixteen-letters-"))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_this_machine_needs_no_key(host: str) -> None:
    """And may have a short one."""
    check_guarded(Settings.from_env({"HOST": host}))
    check_guarded(Settings.from_env({"HOST": host, "API_KEY": "x"}))
