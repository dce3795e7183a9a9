"""Posts what the record holds and receivers have not got: each session in order, several sessions at once.

Runs beside the token service, and reads only the database: whatever becomes of the worker, what it stored is
delivered, and whatever becomes of the receiver, no meeting waits for it. Several services share the work by
claims in the store (`agent.store.deliveries`). A session that fails steps back and is claimed again when its
next try is due, so it holds no place meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import socket
from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

from agent.core import delivery as rules
from agent.core.delivery import Figures, Verdict
from agent.core.signature import headers, key_of
from agent.errors import StoreError
from agent.settings import Settings
from agent.store import open_store
from agent.store.deliveries import Deliveries, Delivery
from agent.store.memory import MemoryStore
from agent.store.protocol import Stored
from agent.webhooks.post import Answer, Poster

log = logging.getLogger(__name__)

AT_ONCE = 8
"""Sessions that are delivered at the same time."""
TURN_ITEMS = 20
"""After so many items a session lets others come first."""
POLL_SECONDS = 1.0
HOLD_SECONDS = 30.0
"""A claim that is not renewed for so long is over: longer than one post with reading and noting takes."""
STOP_SECONDS = 2.0
AWAY_SECONDS = 5.0
"""When the database does not answer, it is asked again after so long."""


class Courier:
    """Of one process; `run` until cancelled."""

    def __init__(self, settings: Settings) -> None:
        """`settings.webhook_url` is set, and with it at least one secret."""
        self.figures = Figures()
        """What has been delivered so far."""
        self._database_url = settings.database_url
        self._url = settings.webhook_url
        self._keys = [key_of(secret) for secret in settings.webhook_secret]
        self._name = f"{socket.gethostname()} {os.getpid()} {uuid4().hex[:8]}"
        self._wake = asyncio.Event()
        self._under_way = 0
        self._trouble = ""

    @property
    def is_held_up(self) -> bool:
        """True while the database does not answer."""
        return bool(self._trouble)

    async def run(self) -> None:
        """Deliver from the database of the settings."""
        # loading the database's library takes half a second
        store = await asyncio.to_thread(open_store, self._database_url)
        if isinstance(store, MemoryStore):
            log.warning("no webhooks: nobody else sees this store", extra={"action": "webhooks_idle"})
            return
        try:
            await self.deliver(store)
        finally:
            await store.aclose()

    async def deliver(self, store: Deliveries) -> None:
        """Deliver from a store, until cancelled or until the receiver is gone (410)."""
        log.info("webhooks are delivered", extra={"action": "webhooks_started"})
        try:
            async with Poster(self._url, AT_ONCE) as poster, asyncio.TaskGroup() as group:
                while not self.figures.gone:
                    self._wake.clear()
                    claimed = await self._claim(store)
                    for one in claimed:
                        self._under_way += 1
                        group.create_task(self._turn(store, poster, one), name="deliver a session")
                    if not claimed:
                        await self._wait(AWAY_SECONDS if self._trouble else POLL_SECONDS)
        finally:
            await self._release(store)

    async def _wait(self, seconds: float) -> None:
        """For a free place, or a while."""
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _claim(self, store: Deliveries) -> list[Delivery]:
        free = AT_ONCE - self._under_way
        if not free:
            return []
        try:
            claimed = await store.claim_deliveries(self._name, free, HOLD_SECONDS)
        except StoreError as exc:
            self._note_trouble(exc)
            return []
        self._trouble = ""
        return claimed

    async def _release(self, store: Deliveries) -> None:
        """Let others go on now; when that cannot be said in time, the claims run out."""
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await store.release_deliveries(self._name)
        except (StoreError, TimeoutError) as exc:
            self._note_trouble(exc)

    async def _turn(self, store: Deliveries, poster: Poster, one: Delivery) -> None:
        """Deliver what waits of a session, as long as it is its turn."""
        began = asyncio.get_running_loop().time()
        try:
            for number in range(1, TURN_ITEMS + 1):
                # read one by one, just before it is sent: what has been erased is not sent any more
                stored = await store.next_to_deliver(one.session, one.after)
                if stored is None or self.figures.gone:
                    await store.note_delivery(self._name, one)
                    return
                answer = await self._post(poster, one, stored)
                elapsed = asyncio.get_running_loop().time() - began
                noted, pause = self._judge(one, stored, answer, elapsed)
                again = noted.after > one.after and number < TURN_ITEMS
                hold = HOLD_SECONDS if again else 0.0
                if not await store.note_delivery(self._name, noted, hold_seconds=hold, pause_seconds=pause):
                    return
                if not again:
                    return
                one = noted
        except StoreError as exc:
            self._note_trouble(exc)  # what was not noted is posted again, with the same id
        finally:
            self._under_way -= 1
            self._wake.set()

    async def _post(self, poster: Poster, one: Delivery, stored: Stored) -> Answer:
        body = rules.body(stored.item, room=one.room, session=one.session, seq=stored.seq)
        name = rules.message_id(one.session, stored.seq)
        return await poster.post(body, headers(self._keys, name, int(datetime.now(UTC).timestamp()), body))

    def _judge(self, one: Delivery, stored: Stored, answer: Answer, elapsed: float) -> tuple[Delivery, float]:
        """Where the session is after an answer, and how long it has to wait."""
        extra = {"room": one.room, "session": one.session, "seq": stored.seq, "status": answer.status}
        done = replace(one, after=stored.seq, failures=0, failing_seconds=0.0)
        match rules.verdict(answer.status) if answer.status else Verdict.LATER:
            case Verdict.DELIVERED:
                self.figures.delivered += 1
                self._note_health(one, failing=False)
                return done, 0.0
            case Verdict.REFUSED:
                self.figures.refused += 1
                log.warning("webhook refused for good", extra={"action": "webhook_refused", **extra})
                self._note_health(one, failing=False)
                return done, 0.0
            case Verdict.GONE:
                self.figures.gone = True
                log.error("the receiver wants no more webhooks", extra={"action": "webhooks_gone", **extra})
                return one, 0.0
        self.figures.failed += 1
        if not one.failures:
            log.warning(
                "webhook not delivered, is tried again",
                extra={"action": "webhook_failed", "reason": answer.reason, **extra},
            )
        self._note_health(one, failing=True)
        failed = replace(one, failures=one.failures + 1)
        if one.failures and one.failing_seconds + elapsed >= rules.GIVE_UP_SECONDS:
            self.figures.given_up += 1
            log.error("webhook given up", extra={"action": "webhook_given_up", **extra})
            return replace(failed, after=stored.seq), 0.0
        return failed, rules.pause_seconds(failed.failures, random.random(), answer.retry_after_seconds)

    def _note_health(self, one: Delivery, *, failing: bool) -> None:
        self.figures.failing = failing
        if one.failures and not failing:
            extra = {"action": "webhook_recovered", "room": one.room, "session": one.session}
            log.info("webhooks of a session are delivered again", extra=extra)

    def _note_trouble(self, exc: Exception) -> None:
        """One line for each change of what is wrong."""
        trouble = str(exc) or type(exc).__name__
        if trouble != self._trouble:
            self._trouble = trouble
            log.warning("webhooks are held up", extra={"action": "webhooks_held_up", "error": trouble})
