"""Outgoing webhooks: a real record, real HTTP to a receiver on loopback, whatever that receiver does."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import sys
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from aiohttp import web
from sqlalchemy import Connection, inspect
from standardwebhooks import Webhook, WebhookVerificationError

from agent.core import delivery
from agent.core.delivery import message_id
from agent.core.fields import fields_of
from agent.core.signature import headers, key_of
from agent.store import migrations, open_store
from agent.store.migrations.versions.r0006_deliveries import down_revision
from agent.store.protocol import Store, Stored
from agent.store.sql import SqlStore
from agent.webhooks import courier as courier_module
from agent.webhooks import post as post_module
from agent.webhooks.courier import AT_ONCE, Courier
from examples import webhook_receiver
from examples.webhook_receiver import serve
from tests.contract.record import STARTED, ended_ago, gap, segment, window
from tests.integration.running_service import running_service
from tests.sqlite import locked
from tests.test_architecture import ROOT
from tests.webhooks import SECRET, Post, Receiver, courier, receiving, settings, until

pytestmark = pytest.mark.timeout(60)

SPOKEN = "xylophone"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses of hundredths of a second."""
    monkeypatch.setattr(courier_module, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(courier_module, "AWAY_SECONDS", 0.1)
    monkeypatch.setattr(delivery, "FIRST_PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(delivery, "LONGEST_PAUSE_SECONDS", 0.2)


@pytest_asyncio.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """A record in SQLite."""
    opened = open_store(f"sqlite:///{tmp_path}/record.db")
    yield opened
    await opened.aclose()


@pytest_asyncio.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """One that takes everything."""
    async with receiving() as one:
        yield one


async def record(store: Store, session: str, windows: int = 3) -> list[str]:
    """A session with windows, a gap and an end, among other items; the ids of what is posted."""
    await store.open_session(f"room of {session}", session, STARTED)
    items = [Stored(2 * number, window(number, text=SPOKEN)) for number in range(1, windows + 1)]
    items += [Stored(2 * number - 1, segment(SPOKEN)) for number in range(1, windows + 1)]
    last = 2 * windows
    items += [Stored(last + 1, gap()), Stored(last + 2, ended_ago())]
    await store.write(session, 1, sorted(items, key=lambda stored: stored.seq))
    return [message_id(session, seq) for seq in [*range(2, last + 1, 2), last + 1, last + 2]]


def of_session(receiver: Receiver, session: str) -> list[str]:
    """Ids that came, in order."""
    return [post.id for post in receiver.posts if post.item["session"] == session]


async def test_the_example_takes_each_item_once(store: Store) -> None:
    """What is posted passes its check and is what history hands out; a repeat is not used again."""
    taken: list[dict[str, Any]] = []
    server = serve(0, SECRET, taken.append)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    address = f"http://127.0.0.1:{server.server_address[1]}/"
    try:
        wanted = await record(store, "RM_1")
        async with courier(store, address) as one:
            await until_settled(one, len(wanted))
        wanted.append(await forget_all(store))
        async with courier(store, address) as one:
            await until_settled(one, len(wanted))
    finally:
        await asyncio.to_thread(server.shutdown)
        thread.join()
        server.server_close()
    assert [message_id(item["session"], item["seq"]) for item in taken] == wanted
    kept = {stored.seq: stored.item for stored in await store.items("RM_1")}
    for item in taken:
        assert (item["v"], item["room"]) == (1, "room of RM_1")
        assert {name: item[name] for name in fields_of(kept[item["seq"]])} == fields_of(kept[item["seq"]])


async def forget_all(store: Store) -> str:
    """One more gap, and as if nothing had been noted before; the gap's id."""
    opened = await store.open_session("room of RM_1", "RM_1", STARTED)
    await store.write("RM_1", opened.epoch, [Stored(900, gap())])
    [one] = await store.claim_deliveries("test", 1, 30.0)
    assert await store.note_delivery("test", replace(one, after=0))
    return message_id("RM_1", 900)


async def test_the_example_refuses_what_is_not_genuine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Changed on its way, signed by somebody else, sent again after long, too large, or no signature."""
    taken: list[dict[str, Any]] = []
    server = serve(0, SECRET, taken.append)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    now = int(datetime.now(UTC).timestamp())
    body = b'{"type":"gap"}'
    good = headers([key_of(SECRET)], "a-1", now, body)
    other = "whsec_" + "A" * 40
    cases: list[tuple[dict[str, str], bytes, int]] = [
        (good, body + b" ", 401),
        ({**good, "webhook-id": "a-2"}, body, 401),
        ({**good, "webhook-timestamp": str(now - 1)}, body, 401),
        (headers([key_of(other)], "a-1", now, body), body, 401),
        (headers([key_of(SECRET)], "a-1", now - 310, body), body, 401),
        (headers([key_of(SECRET)], "a-1", now + 310, body), body, 401),
        ({}, body, 401),
        ({**good, "webhook-signature": "v1,ü".encode().decode("latin-1")}, body, 401),
        ({**good, "webhook-timestamp": "²"}, body, 401),
        (headers([key_of(other), key_of(SECRET)], "a-1", now, body), body, 204),
        (good, body, 204),
    ]
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.server_address[1]}") as client:
            for sent, content, expected in cases:
                raw = [(name.encode(), value.encode("utf-8")) for name, value in sent.items()]
                answer = await client.post("/", content=content, headers=raw)
                assert answer.status_code == expected, sent
            monkeypatch.setattr(webhook_receiver, "MAX_BYTES", 100)
            assert (await client.post("/", content=bytes(101))).status_code == 413
    finally:
        await asyncio.to_thread(server.shutdown)
        thread.join()
        server.server_close()
    assert taken == [{"type": "gap"}]


async def test_what_is_sent_is_signed_at_each_try(store: Store, receiver: Receiver) -> None:
    """The specification's own library believes each of them; a second try has the same id."""
    answers = iter([503, 204])
    receiver.answer = lambda _post: next(answers, 204)
    await record(store, "RM_1", windows=1)
    async with courier(store, receiver.url):
        await receiver.until(lambda: len(receiver.posts) == 4)
    first, second = receiver.posts[:2]
    assert first.id == second.id == "RM_1-2"
    assert first.headers["content-type"] == "application/json"
    for post in receiver.posts:
        assert Webhook(SECRET).verify(post.body, post.headers) == post.item
        with pytest.raises(WebhookVerificationError):
            Webhook(SECRET).verify(post.body.replace(b"room", b"moor"), post.headers)


@pytest.mark.parametrize("status", [500, 503, 408, 409, 425, 429, 301, 307, 0])
async def test_a_failed_try_is_repeated_before_the_next_item(
    store: Store, receiver: Receiver, status: int
) -> None:
    """Also when the connection breaks (0), and for redirects, which are not followed."""

    async def refuse(post: Post) -> Any:
        if receiver.tries[post.id] > 2 or post.id != "RM_1-4":
            return 204
        if status == 0:
            raise ConnectionResetError
        return web.Response(status=status, headers={"Location": f"{receiver.url}?elsewhere"})

    receiver.answer = refuse
    wanted = await record(store, "RM_1")
    async with courier(store, receiver.url) as one:
        await receiver.until(lambda: len(receiver.posts) == len(wanted) + 2)
        await until_settled(one, len(wanted))
    assert receiver.ids == ["RM_1-2", *["RM_1-4"] * 3, *wanted[2:]]
    assert (one.figures.failed, one.figures.failing) == (2, False)


async def until_settled(one: Courier, count: int) -> None:
    """Until so many items are settled."""
    await until(lambda: one.figures.delivered + one.figures.refused + one.figures.given_up >= count)


@pytest.mark.parametrize("status", [400, 401, 404, 413, 422])
async def test_a_refused_item_is_never_sent_again(
    store: Store, receiver: Receiver, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    """The rest of the session goes on; a line says which item was refused."""
    receiver.answer = lambda post: status if post.id == "RM_1-2" else 204
    wanted = await record(store, "RM_1")
    async with courier(store, receiver.url) as one:
        await until_settled(one, len(wanted))
    assert receiver.ids == wanted
    assert (one.figures.delivered, one.figures.refused) == (len(wanted) - 1, 1)
    [line] = [line for line in caplog.records if getattr(line, "action", "") == "webhook_refused"]
    assert (vars(line)["session"], vars(line)["seq"], vars(line)["status"]) == ("RM_1", 2, status)


async def test_a_receiver_that_is_gone_is_left_alone_until_a_restart(
    store: Store, receiver: Receiver
) -> None:
    """After 410 nothing more is sent; the next start begins with the item that was answered so."""
    receiver.answer = lambda post: 410 if len(receiver.posts) == 2 else 204
    wanted = await record(store, "RM_1")
    one = Courier(settings(receiver.url))
    async with asyncio.timeout(10):
        await one.deliver(store)  # ends by itself
    assert (one.figures.gone, receiver.ids) == (True, wanted[:2])
    async with courier(store, receiver.url):
        await receiver.until(lambda: len(receiver.posts) == len(wanted) + 1)
    assert receiver.ids[2:] == wanted[1:]


async def test_what_the_receiver_asks_for_is_waited(store: Store, receiver: Receiver) -> None:
    """`retry-after` is longer than the pause would be."""
    receiver.answer = lambda _post: (
        web.Response(status=429, headers={"Retry-After": "1"}) if len(receiver.posts) == 1 else 204
    )
    await record(store, "RM_1")
    async with courier(store, receiver.url):
        await receiver.until(lambda: len(receiver.posts) == 2)
    assert receiver.posts[1].at - receiver.posts[0].at >= 1.0


async def test_a_slow_session_holds_up_nobody(
    store: Store, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its requests run into their time limit again and again; all others are delivered meanwhile."""
    monkeypatch.setattr(post_module, "REQUEST_SECONDS", 1.0)
    monkeypatch.setattr(courier_module, "TURN_ITEMS", 2)

    async def dawdle(post: Post) -> int:
        if post.item["session"] == "RM_slow":
            await asyncio.sleep(30)
        return 204

    receiver.answer = dawdle
    await record(store, "RM_slow")
    others = {f"RM_{number}": await record(store, f"RM_{number}") for number in range(20)}
    count = sum(map(len, others.values()))
    async with courier(store, receiver.url) as one:
        await until_settled(one, count)
        await receiver.until(lambda: receiver.tries["RM_slow-2"] >= 2)
    assert set(of_session(receiver, "RM_slow")) == {"RM_slow-2"}
    for session, wanted in others.items():
        assert list(dict.fromkeys(of_session(receiver, session))) == wanted
    assert receiver.most_open <= AT_ONCE
    assert one.figures.failed >= 1


async def test_each_item_is_posted_by_one_of_several_services(url: str, receiver: Receiver) -> None:
    """Three couriers share twelve sessions: nothing twice, nothing out of order, nothing left."""
    stores = [open_store(url) for _ in range(3)]
    wanted = {f"RM_{number}": await record(stores[0], f"RM_{number}") for number in range(12)}
    count = sum(map(len, wanted.values()))

    async def linger(_post: Post) -> int:
        await asyncio.sleep(0.005)
        return 204

    receiver.answer = linger
    try:
        async with (
            courier(stores[0], receiver.url) as a,
            courier(stores[1], receiver.url) as b,
            courier(stores[2], receiver.url) as c,
        ):
            await receiver.until(lambda: len(receiver.posts) >= count, seconds=20)
            await until(lambda: sum(one.figures.delivered for one in (a, b, c)) >= count)
    finally:
        for store in stores:
            await store.aclose()
    for session, ids in wanted.items():
        assert of_session(receiver, session) == ids


KILLED = """
import asyncio, sys
from agent.settings import Settings
from agent.webhooks import courier
courier.HOLD_SECONDS = 1.0
names = ("DATABASE_URL", "WEBHOOK_URL", "WEBHOOK_SECRET")
settings = Settings.from_env(dict(zip(names, sys.argv[1:], strict=True)))
asyncio.run(courier.Courier(settings).run())
"""


async def test_a_killed_service_loses_nothing(url: str, receiver: Receiver) -> None:
    """SIGKILL while the receiver has an item in its hands: the next service posts it again, under its id."""
    store = open_store(url)
    wanted = await record(store, "RM_1")

    async def hold_back(post: Post) -> int:
        if post.id == wanted[2] and receiver.tries[post.id] == 1:
            await asyncio.sleep(30)
        return 204

    receiver.answer = hold_back
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", KILLED, url, receiver.url, SECRET, cwd=ROOT
    )
    try:
        await receiver.until(lambda: wanted[2] in receiver.ids, seconds=20)
    finally:
        process.send_signal(signal.SIGKILL)
        await process.wait()
    try:
        async with courier(store, receiver.url):
            await receiver.until(lambda: wanted[-1] in receiver.ids)
    finally:
        await store.aclose()
    assert receiver.ids == [*wanted[:3], *wanted[2:]]


async def test_the_table_s_step_goes_down_and_up(url: str) -> None:
    """The record stays; delivery begins anew."""
    from alembic import command  # noqa: PLC0415 - slow to load
    from alembic.config import Config  # noqa: PLC0415

    def go(connection: Connection, step: Callable[[Config, str], None], revision: str) -> None:
        config = Config()
        config.set_main_option("script_location", str(Path(migrations.__file__).parent))
        config.attributes["connection"] = connection
        step(config, revision)

    store = SqlStore(url)
    await record(store, "RM_1")
    [one] = await store.claim_deliveries("test", 1, 30.0)
    assert await store.note_delivery("test", replace(one, after=99))
    items = await store.items("RM_1")
    async with store.database.engine.begin() as connection:
        await connection.run_sync(go, command.downgrade, down_revision)
        tables = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
        assert "deliveries" not in tables
    async with store.database.engine.begin() as connection:
        await connection.run_sync(go, command.upgrade, "head")
    assert await store.items("RM_1") == items
    assert [one.after for one in await store.claim_deliveries("test", 1, 30.0)] == [0]
    await store.aclose()


async def test_what_is_stored_meanwhile_is_posted(store: Store, receiver: Receiver) -> None:
    """A meeting that runs: each window soon after it was stored."""
    await store.open_session("room", "RM_1", STARTED)
    loop = asyncio.get_running_loop()
    async with courier(store, receiver.url):
        for seq in range(1, 6):
            await store.write("RM_1", 1, [Stored(seq, window(seq))])
            stored_at = loop.time()
            await receiver.until(lambda: len(receiver.posts) == seq)  # noqa: B023
            assert receiver.posts[-1].at - stored_at < 3.0


async def test_nobody_listens_for_a_while(store: Store, unused_tcp_port: int) -> None:
    """The receiver is down, then up: everything arrives, in order."""
    wanted = await record(store, "RM_1")
    async with courier(store, f"http://127.0.0.1:{unused_tcp_port}/hook") as one:
        await until(lambda: one.figures.failed >= 3)
        assert one.figures.failing
        came: list[str] = []

        async def take(request: web.Request) -> web.Response:
            came.append(request.headers["webhook-id"])
            return web.Response()

        app = web.Application()
        app.router.add_post("/hook", take)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", unused_tcp_port).start()
        await until_settled(one, len(wanted))
        await runner.cleanup()
    assert came == wanted


async def test_after_a_day_each_item_has_one_more_try(
    store: Store, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Items that fail for so long are given up one by one; when the receiver is back the rest arrives."""
    monkeypatch.setattr(delivery, "GIVE_UP_SECONDS", 0.3)
    receiver.answer = lambda post: 500 if post.id in wanted[:2] else 204
    wanted = await record(store, "RM_1")
    async with courier(store, receiver.url) as one:
        await until_settled(one, len(wanted))
    assert (one.figures.given_up, one.figures.delivered) == (2, len(wanted) - 2)
    assert receiver.tries[wanted[0]] > 2
    assert receiver.tries[wanted[1]] == 1


async def test_the_database_is_away_for_a_while(
    store: Store, receiver: Receiver, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One line says so; delivery goes on when it is back."""
    wanted = await record(store, "RM_1")
    async with courier(store, receiver.url) as one:
        with locked(tmp_path / "record.db"):
            await until(lambda: "webhooks_held_up" in actions(caplog), seconds=20)
        await until_settled(one, len(wanted))
    assert list(dict.fromkeys(receiver.ids)) == wanted


def actions(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The words of all lines."""
    return [str(vars(line)["action"]) for line in caplog.records if "action" in vars(line)]


async def test_logs_hold_nothing_of_what_is_sent(
    store: Store, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither words, nor the secret, nor the address, which may be one; one line for each change."""
    caplog.set_level(logging.INFO)
    receiver.answer = lambda post: (
        web.Response(status=500, text="what the receiver says") if receiver.tries[post.id] < 3 else 400
    )
    wanted = await record(store, "RM_1", windows=1)
    async with courier(store, f"{receiver.url}?token=abracadabra") as one:
        await until_settled(one, len(wanted))
    lines = "\n".join(f"{line.getMessage()} {json.dumps(vars(line), default=str)}" for line in caplog.records)
    for hidden in (SPOKEN, SECRET, SECRET[6:], "abracadabra", receiver.url, "what the receiver says"):
        assert hidden not in lines
    assert actions(caplog) == [
        "webhooks_started",
        *["webhook_failed", "webhook_refused", "webhook_recovered"] * 3,
    ]


async def test_a_stopping_courier_lets_others_go_on_at_once(store: Store, receiver: Receiver) -> None:
    """Its claims are released, also that of the post it was in."""
    receiver.answer = lambda _post: asyncio.sleep(30, 204)
    await record(store, "RM_1")
    async with courier(store, receiver.url):
        await receiver.until(lambda: receiver.ids == ["RM_1-2"])
    assert len(await store.claim_deliveries("test", 1, 30.0)) == 1


async def test_a_record_in_memory_is_said_to_be_alone(caplog: pytest.LogCaptureFixture) -> None:
    """No other process writes to it."""
    one = Courier(settings("http://127.0.0.1:9/hook").model_copy(update={"database_url": "memory:"}))
    await one.run()
    assert actions(caplog) == ["webhooks_idle"]


async def test_the_token_service_posts(store: Store, receiver: Receiver, tmp_path: Path) -> None:
    """As it is run: what is stored beside it arrives; a receiver that hangs does not hold up its stop."""
    await store.migrate()
    receiver.answer = lambda post: asyncio.sleep(30, 204) if post.id == "RM_2-2" else 204
    async with running_service(tmp_path, WEBHOOK_URL=receiver.url, WEBHOOK_SECRET=SECRET) as service:
        wanted = await record(store, "RM_1")
        await receiver.until(lambda: receiver.ids == wanted, seconds=20)
        await record(store, "RM_2")
        await receiver.until(lambda: receiver.ids == [*wanted, "RM_2-2"])
        assert await service.stop() == 0
    assert "action=webhooks_started" in "".join(service.lines)
    assert [one.after for one in await store.claim_deliveries("test", 1, 30.0)] == [0]
