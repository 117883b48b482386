"""Calls of queues and webhooks to records in the log: the way of `ingest`, without its answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import structlog

from tailorbird.base.problems import OperationalError
from tailorbird.events.decode import REQUEST_BYTES_MAX, Accepted, decode_item, spread
from tailorbird.events.identifiers import DEFAULT_RULES, IdentityRules
from tailorbird.events.refusal import Refusal
from tailorbird.ports.clock import Clock
from tailorbird.ports.dead_letters import MESSAGE, Refused
from tailorbird.ports.log_writer import ACCEPTED, DUPLICATE, NOISY, RETRY, LogWriter
from tailorbird.services.ingest import Keeping, Standardise, draft_of
from tailorbird.services.source_messages import Bad, Item

_log = structlog.get_logger("feed")


@dataclass(slots=True)
class Taken:
    """What became of some calls; with `is_retry` they are to be offered again, all of them."""

    accepted: int = 0
    duplicate: int = 0
    refusals: list[Refusal] = field(default_factory=list)
    is_retry: bool = False


class Feed:
    """Takes calls that a source of the workspace brought."""

    def __init__(
        self,
        writer: LogWriter,
        clock: Clock,
        dead_letters: Keeping,
        rules: Callable[[], IdentityRules] = lambda: DEFAULT_RULES,
        standardise: Standardise | None = None,
    ) -> None:
        """`rules` tells which identifiers count, asked once a batch; then come the steps."""
        self._writer = writer
        self._clock = clock
        self._dead_letters = dead_letters
        self._rules = rules
        self._standardise = standardise

    def now(self) -> int:
        """Return the present instant."""
        return self._clock.now()

    async def take(
        self, items: Sequence[Item | Bad], source: str, *, is_historical: bool = False
    ) -> Taken:
        """Append what is sound and keep what is bad among the dead letters."""
        now, rules = self._clock.now(), self._rules()
        decoded = [
            one.refusal
            if isinstance(one, Bad)
            else _decoded(one, now, source, rules, is_historical=is_historical)
            for one in items
        ]
        if self._standardise is not None:
            decoded = self._standardise(decoded, ip=None, rules=rules)
        good = [one for one in decoded if isinstance(one, Accepted)]
        spread(good)
        answers = await self._writer.write([draft_of(one, now) for one in good]) if good else []
        taken = Taken()
        for answer in answers:
            taken.accepted += answer.status in (ACCEPTED, NOISY)
            taken.duplicate += answer.status == DUPLICATE
            taken.is_retry |= answer.status == RETRY
        bad = [
            _refused(one, item, is_historical=is_historical)
            for one, item in zip(decoded, items, strict=True)
            if isinstance(one, Refusal)
        ]
        taken.refusals = [one.refusal for one in bad]
        if not taken.is_retry:
            taken.is_retry = not self._keep(now, source, bad)
        return taken

    def _keep(self, at: int, source: str, bad: Sequence[Refused]) -> bool:
        if not bad:
            return True
        try:
            self._dead_letters.keep(at, source, bad)
        except OperationalError as problem:
            _log.error("dead_letters_not_kept", source=source, reason=str(problem))
            return False
        return True


def _refused(refusal: Refusal, item: Item | Bad, *, is_historical: bool) -> Refused:
    if isinstance(item, Bad):
        call = f"{MESSAGE} {item.topic}".rstrip()
        return Refused(refusal, item.raw, call, is_historical=is_historical)
    return Refused(refusal, item.raw, fresh_id=item.fresh_id, is_historical=is_historical)


def _decoded(
    item: Item, now: int, source: str, rules: IdentityRules, *, is_historical: bool
) -> Accepted | Refusal:
    found = decode_item(
        item.raw,
        call=None,
        now=now,
        sent_at=None,
        fresh_id=item.fresh_id,
        source=source,
        is_historical=is_historical,
        rules=rules,
        # An order of many lines is as large as it is: its sender cannot send less.
        bytes_max=REQUEST_BYTES_MAX,
    )
    if isinstance(found, Refusal) or item.at is None:
        return found
    if item.at < found.event.timestamp == now:
        # It says no time, or one to come: it happened when the queue took it.
        found.event.timestamp = item.at
    return found
