"""The disk of a simulated folder: memory stores that survive processes; a power loss takes some.

The log, suppression and the ledger's standing of messages are on disk when a write returns, as
with SQLite's synchronous=FULL. States, identity, and of the ledger what may be repeated are not:
a power loss takes their last commits back, all stores independently.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from typing import Any, cast

import msgspec

from tailorbird.adapters.memory.control_store import MemoryControlStore
from tailorbird.adapters.memory.event_log import MemoryEventLog
from tailorbird.adapters.memory.identity_store import MemoryIdentityStore
from tailorbird.adapters.memory.ledger import MemoryLedger
from tailorbird.adapters.memory.seen_days import MemorySeenDays
from tailorbird.adapters.memory.state_store import MemoryStateStore
from tailorbird.adapters.memory.suppression_store import MemorySuppressionStore
from tailorbird.ports.control_store import ControlStore
from tailorbird.ports.event_log import EventLog, LogProblem
from tailorbird.ports.identity_store import IdentityStore
from tailorbird.ports.ledger import Ledger, Message
from tailorbird.ports.seen_days import SeenDays
from tailorbird.ports.state_store import StateStore
from tailorbird.ports.suppression_store import SuppressionStore
from tailorbird.testing.simulation.processes import DiskFull, Guarded, Life

ENGINES = 2
_COMMITS_MAX = 8
# The operating system writes by itself what is older.
_SECONDS_MAX = 30.0
_LEDGER_REPEATABLE = frozenset({"mark_reported"})
_LEDGER_DURABLE = frozenset({"take_over", "update", "postpone", "recover", "rendering"})


class _Soft:
    """A store whose last commits a power loss may take back."""

    def __init__(self, store: object, seconds: Callable[[], float]) -> None:
        self.store = store
        self._seconds = seconds
        self._earlier: deque[tuple[float, dict[str, Any]]] = deque(maxlen=_COMMITS_MAX)

    def remember(self) -> None:
        """A write comes."""
        self._earlier.append((self._seconds(), _copied(self.store.__dict__)))

    def sync(self) -> None:
        """All is on disk."""
        self._earlier.clear()

    def fall_back(self, rng: random.Random) -> int:
        """Lose some of the last commits; return how many."""
        since = self._seconds() - _SECONDS_MAX
        recent = [one for at, one in self._earlier if at >= since]
        count = rng.choice((0, len(recent), rng.randint(0, len(recent))))
        if count:
            self.store.__dict__.clear()
            self.store.__dict__.update(_copied(recent[-count]))
        self.sync()
        return count


class Disk:
    """The stores of one data folder."""

    def __init__(self, seconds: Callable[[], float]) -> None:
        self.log = MemoryEventLog()
        self.identity = MemoryIdentityStore()
        self.suppression = MemorySuppressionStore()
        self.control = MemoryControlStore()
        self.days = MemorySeenDays()
        self.ledger = MemoryLedger()
        self.states = [MemoryStateStore() for _ in range(ENGINES)]
        self.is_full = False
        self._soft_identity = _Soft(self.identity, seconds)
        self._soft_ledger = _Soft(self.ledger, seconds)
        self._soft_states = [_Soft(one, seconds) for one in self.states]

    def lose_power(self, rng: random.Random) -> str:
        """Lose what was not on disk; return what that was. All processes must be dead."""
        lost = [one.fall_back(rng) for one in self._soft()]
        return f"identity {lost[0]}, ledger {lost[1]}, states {lost[2:]} commits"

    def sync(self) -> None:
        """Bring everything to disk."""
        for one in self._soft():
            one.sync()

    def _soft(self) -> list[_Soft]:
        return [self._soft_identity, self._soft_ledger, *self._soft_states]

    # -- as a process opens them -----------------------------------------------------------------

    def open_log(self, life: Life) -> EventLog:
        """Open the log."""

        def before(_: str) -> None:
            if self.is_full:
                raise LogProblem("the disk is full", is_retry_safe=True)

        return cast(EventLog, Guarded(self.log, life, ("append",), before))

    def open_identity(self, life: Life) -> IdentityStore:
        """Open the identity store."""

        def before(_: str) -> None:
            self._need_room("")
            self._soft_identity.remember()

        return cast(IdentityStore, Guarded(self.identity, life, ("apply",), before))

    def open_suppression(self, life: Life) -> SuppressionStore:
        """Open the suppression store."""
        guarded = Guarded(self.suppression, life, ("apply",), self._need_room)
        return cast(SuppressionStore, guarded)

    def open_days(self, life: Life) -> SeenDays:
        """Open where the keys of days that are over lie."""
        return cast(
            SeenDays, Guarded(self.days, life, ("store", "forget", "keep"), self._need_room)
        )

    def open_control(self, life: Life) -> ControlStore:
        """Open the control store."""
        writes = ("save_version", "set")
        return cast(ControlStore, Guarded(self.control, life, writes, self._need_room))

    def open_state(self, life: Life, index: int) -> StateStore:
        """Open the state of an engine."""

        def before(_: str) -> None:
            self._need_room("")
            self._soft_states[index].remember()

        writes = ("commit", "number_outbox_after")
        return cast(StateStore, Guarded(self.states[index], life, writes, before))

    def open_ledger(self, life: Life) -> Ledger:
        """Open the ledger."""

        def before(name: str) -> None:
            self._need_room("")
            if name in _LEDGER_REPEATABLE:
                self._soft_ledger.remember()
            else:
                self._soft_ledger.sync()

        writes = _LEDGER_REPEATABLE | _LEDGER_DURABLE
        return cast(Ledger, Guarded(self.ledger, life, writes, before))

    def _need_room(self, _: str) -> None:
        if self.is_full:
            raise DiskFull("no space left on device")


def _copied(value: Any) -> Any:
    """Copy what the memory stores change in place; rows are never changed."""
    if isinstance(value, dict):
        return {key: _copied(one) for key, one in value.items()}
    if isinstance(value, (set, list)):
        return type(value)(_copied(one) for one in value)
    if isinstance(value, Message):
        return msgspec.structs.replace(value)
    return value
