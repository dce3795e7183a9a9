"""One direction of a bad link: loss in bursts, delay, jitter, delay spikes, and a rate limit with a queue.

Pure: packets go in with the time, and come out when they are due.

    packet -> lost? -> rate limit (queue; full: lost) -> delay + jitter -> stall -> out, in order
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from random import Random
from typing import Final

QUEUE_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True)
class Conditions:
    """What one direction of a link does to packets. The default does nothing."""

    loss: float = 0.0
    """Share of the packets that is lost, 0 to 1."""
    burst_packets: float = 1.0
    """Mean number of packets lost in a row, 1 or more; 1: each packet is lost or not by itself."""
    delay_seconds: float = 0.0
    """One way."""
    jitter_seconds: float = 0.0
    """A packet takes up to this much longer; packets never overtake each other."""
    bits_per_second: float = 0.0
    """Rate limit; 0: none."""
    queue_seconds: float = QUEUE_SECONDS
    """A packet that would wait longer than this for the rate limit is lost."""
    spike_seconds: float = 0.0
    """Length of a delay spike: packets that come in it wait for its end."""
    spike_every_seconds: float = 0.0
    """Time from the start of one spike to the start of the next; 0: no spikes."""

    def __post_init__(self) -> None:
        """Raises ValueError when a number makes no sense."""
        if not 0 <= self.loss <= 1:
            raise ValueError(f"loss must be 0 to 1, got {self.loss}")
        if self.burst_packets < 1:
            raise ValueError(f"burst_packets must be 1 or more, got {self.burst_packets}")


class Lane:
    """One direction. Packets that are under way when the conditions change arrive as they would have."""

    def __init__(self, random: Random) -> None:
        self.conditions = Conditions()
        self.carried = 0
        """Packets let through so far."""
        self.carried_bytes = 0
        self.lost = 0
        self._random = random
        self._in_burst = False
        self._rate_free_at = float("-inf")
        self._under_way: deque[tuple[float, bytes]] = deque()
        self._spikes_since: float | None = None
        self._stalled_until = float("-inf")

    def worsen(self, conditions: Conditions, now: float) -> None:
        """From now on packets meet these conditions; the first delay spike begins now."""
        self.conditions = conditions
        self._in_burst = False
        self._rate_free_at = now
        self._spikes_since = now

    def stall(self, seconds: float, now: float) -> None:
        """Hold back what comes in the next `seconds`; then all of it arrives at once."""
        self._stalled_until = now + seconds

    def send(self, packet: bytes, now: float) -> None:
        """A packet enters the link."""
        conditions = self.conditions
        leaves = now
        lost = self._is_lost()
        if not lost and conditions.bits_per_second > 0:
            starts = max(now, self._rate_free_at)
            lost = starts - now > conditions.queue_seconds
            if not lost:
                leaves = self._rate_free_at = starts + len(packet) * 8 / conditions.bits_per_second
        if lost:
            self.lost += 1
            return
        self.carried += 1
        self.carried_bytes += len(packet)
        arrives = leaves + conditions.delay_seconds + self._random.random() * conditions.jitter_seconds
        arrives = max(arrives, self._spike_end(now), self._stalled_until)
        if self._under_way:
            arrives = max(arrives, self._under_way[-1][0])
        self._under_way.append((arrives, packet))

    def due(self, now: float) -> list[bytes]:
        """The packets that have arrived by `now`, each once."""
        arrived = []
        while self._under_way and self._under_way[0][0] <= now:
            arrived.append(self._under_way.popleft()[1])
        return arrived

    def next_due(self) -> float | None:
        """When `due` has the next packet; None while none is under way."""
        return self._under_way[0][0] if self._under_way else None

    def _is_lost(self) -> bool:
        """Two states (Gilbert): in a burst every packet is lost, outside none."""
        conditions = self.conditions
        if conditions.loss <= 0 or conditions.loss >= 1:
            return conditions.loss >= 1
        leave = min(1 / conditions.burst_packets, 1 - conditions.loss)
        enter = leave * conditions.loss / (1 - conditions.loss)
        chance = self._random.random()
        self._in_burst = chance >= leave if self._in_burst else chance < enter
        return self._in_burst

    def _spike_end(self, now: float) -> float:
        conditions = self.conditions
        if conditions.spike_every_seconds <= 0 or self._spikes_since is None:
            return now
        into = (now - self._spikes_since) % conditions.spike_every_seconds
        return now + max(conditions.spike_seconds - into, 0.0)
