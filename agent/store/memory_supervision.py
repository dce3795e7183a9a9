"""Supervision in this process's memory: the same promises, for one process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from time import monotonic

from agent.core.succession import Marks
from agent.core.supervision import Watched
from agent.core.text import clean_text
from agent.store.clean import clean
from agent.store.supervision import ABANDONED, LEASE_SECONDS, PRESENT_SECONDS, Abandoned, Duty


@dataclass(slots=True)
class Life:
    """Of one session's transcriber; moments of the monotonic clock."""

    beat_at: float | None = None
    leaving_at: float | None = None
    marks: Marks | None = None
    erased: bool = False


@dataclass(slots=True)
class _Calls:
    called_at: float | None = None
    coming_at: float | None = None
    arrived_at: float | None = None
    stamp: int = 0
    calls: int = 0


class MemorySupervision:
    """See `agent.store.supervision.Supervision`; a store adds the lives of its sessions."""

    def __init__(self) -> None:
        self._calls: dict[str, _Calls] = {}
        self._workers: dict[str, tuple[str, bool, float]] = {}
        self._leases: dict[str, tuple[str, float]] = {}

    def _running(self) -> list[tuple[Abandoned, Life]]:
        """Sessions without an end, newest first."""
        raise NotImplementedError

    def _life(self, session: str, epoch: int | None = None) -> Life | None:
        """The life of a session, None when it is unknown; with an epoch only for its holder."""
        raise NotImplementedError

    def _own_life(self, session: str, epoch: int) -> Life:
        life = self._life(session, epoch)
        assert life is not None
        return life

    async def beat(self, session: str, epoch: int, marks: Marks | None) -> None:
        """See `Supervision.beat`."""
        life = self._own_life(session, epoch)
        life.beat_at = monotonic()
        life.marks = life.marks if marks is None else clean(marks)

    async def leave(self, session: str, epoch: int) -> None:
        """See `Supervision.leave`."""
        self._own_life(session, epoch).leaving_at = monotonic()

    async def release(self, session: str, epoch: int, marks: Marks) -> None:
        """See `Supervision.release`."""
        life = self._own_life(session, epoch)
        life.beat_at, life.marks = None, clean(marks)
        life.leaving_at = monotonic() if life.leaving_at is None else life.leaving_at

    async def announce(self, session: str) -> None:
        """See `Supervision.announce`."""
        self._called(session).coming_at = monotonic()

    async def arrive(self, session: str) -> None:
        """See `Supervision.arrive`."""
        self._called(session).arrived_at = monotonic()

    async def watched(self, sessions: Sequence[str]) -> dict[str, Watched]:
        """See `Supervision.watched`."""
        now = monotonic()

        def age(moment: float | None) -> float | None:
            return None if moment is None else now - moment

        found = {}
        for session in map(clean_text, sessions):
            life = self._life(session) or Life()
            calls = self._calls.get(session, _Calls())
            found[session] = Watched(
                beat_age=age(life.beat_at),
                leaving_age=age(life.leaving_at),
                coming_age=age(calls.coming_at),
                arrived_age=age(calls.arrived_at),
                call_age=age(calls.called_at),
                calls=calls.calls,
                call_stamp=calls.stamp,
                erased=life.erased,
            )
        return found

    async def call(self, session: str, stamp: int, calls: int) -> bool:
        """See `Supervision.call`."""
        known = self._called(session)
        if known.stamp != stamp:
            return False
        known.called_at, known.calls, known.stamp = monotonic(), calls, stamp + 1
        return True

    async def abandoned(self, silent_seconds: float) -> list[Abandoned]:
        """See `Supervision.abandoned`."""
        now = monotonic()
        seen = [
            (session, max(life.beat_at or 0.0, life.leaving_at or 0.0)) for session, life in self._running()
        ]
        return [
            replace(session, silent_seconds=now - at if at else None)
            for session, at in seen
            if at < now - silent_seconds
        ][:ABANDONED]

    async def check_in(self, supervisor: str, agent_name: str, *, takes_jobs: bool, may_lead: bool) -> Duty:
        """See `Supervision.check_in`."""
        now = monotonic()
        self._workers[supervisor] = agent_name, takes_jobs, now
        holder, until = self._leases.get(agent_name, (supervisor, now))
        leads = may_lead and (holder == supervisor or until < now)
        if leads:
            self._leases[agent_name] = supervisor, now + LEASE_SECONDS
        return Duty(leads, await self.takers(agent_name))

    async def check_out(self, supervisor: str) -> None:
        """See `Supervision.check_out`."""
        self._workers.pop(supervisor, None)
        self._leases = {name: lease for name, lease in self._leases.items() if lease[0] != supervisor}

    async def takers(self, agent_name: str) -> int:
        """See `Supervision.takers`."""
        now = monotonic()
        return sum(
            name == agent_name and takes_jobs and now - seen < PRESENT_SECONDS
            for name, takes_jobs, seen in self._workers.values()
        )

    def _called(self, session: str) -> _Calls:
        return self._calls.setdefault(clean_text(session), _Calls())
