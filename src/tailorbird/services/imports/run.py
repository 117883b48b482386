"""Goes through a table: rows become calls, calls go the way that every event goes, as history.

After each chunk it is noted how far the import has come and what it brought. So an import goes on
where it was killed; one that is finished brings nothing more; and rows that another import has
brought are known again, however long ago that was: the log by itself knows seven days.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import msgspec

from tailorbird.base.hashing import hash_text
from tailorbird.base.problems import OperationalError
from tailorbird.events.decode import Accepted, decode_item, spread
from tailorbird.events.identifiers import DEFAULT_RULES, IdentityRules
from tailorbird.events.refusal import Refusal
from tailorbird.ports.clock import Clock
from tailorbird.ports.dead_letters import Refused
from tailorbird.ports.import_store import ImportProgress, ImportStore
from tailorbird.ports.log_writer import DUPLICATE, RETRY, EventDraft, LogWriter
from tailorbird.ports.table import Row, Table
from tailorbird.services.imports.calls import Call, calls_of
from tailorbird.services.imports.mapping import ImportMapping
from tailorbird.services.ingest import Keeping, Standardise, draft_of

ROWS_AT_ONCE = 1_000
NEW, KNOWN, LEFT_OUT, REFUSED = "new", "known", "left_out", "refused"
SOURCE = "import"
_SHOWN_MAX = 20
_SAMPLES_MAX = 3
_ATTEMPTS_MAX = 12
_PAUSE_SECONDS_MAX = 5.0
# A chunk is offered to the log for no longer than this before the import gives up.
_CHUNK_MICROS_MAX = 15 * 60 * 1_000_000


class LogAway(OperationalError):
    """The log does not take what is offered; the same import goes on later."""

    def __init__(self, row_count: int) -> None:
        super().__init__(
            f"the log does not take events now; {row_count:,} rows are done."
            " Give the same command again: it goes on from there",
            is_retry_safe=True,
        )


@dataclass(slots=True)
class ImportReport:
    """What became of the rows of one run.

    `resumed` counts rows that an earlier run has done. `refusals` are the first few as (number of
    the row, why); `samples` the first calls, of a dry run. `calls` counts the new ones by name.
    """

    name: str
    resumed: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)
    refusals: list[tuple[int, str]] = field(default_factory=list)
    samples: list[Call] = field(default_factory=list)
    was_finished: bool = False

    @property
    def row_count(self) -> int:
        """Return the number of rows that this run read."""
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """What an import works with. `taken_since` yields the keys of what the log took at or after
    an instant, with its stamp, newest first. A dry run has neither `writer` nor `letters`."""

    clock: Clock
    store: ImportStore | None = None
    writer: LogWriter | None = None
    letters: Keeping | None = None
    taken_since: Callable[[int], Iterable[tuple[int, int]]] = lambda at: ()
    rules: Callable[[], IdentityRules] = lambda: DEFAULT_RULES
    standardise: Standardise | None = None
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep


@dataclass(slots=True)
class _Taken:
    """One row on its way: what it came to."""

    row: Row
    bad: list[tuple[Refusal, bytes]] = field(default_factory=list)
    good: list[Accepted] = field(default_factory=list)


class Importer:
    """Imports tables one after the other."""

    def __init__(self, ways: Ways, *, progress: Callable[[ImportReport], None]) -> None:
        """`progress` is called after each chunk."""
        self._ways = ways
        self._tell = progress

    async def run(self, table: Table, mapping: ImportMapping) -> ImportReport:
        """Import one table, from where an earlier run came.

        Raises:
            LogAway: the log does not take events; what is done stays done.
            OperationalError: the table cannot be read on; what is done stays done.
        """
        store, report = self._ways.store, ImportReport(table.name)
        key = hash_text("import", table.fingerprint(), mapping.digest)
        done = ImportProgress(key=key, name=table.name)
        if store is not None:
            done = store.progress(key) or done
        if done.is_finished and table.has_order:
            report.resumed, report.was_finished = done.rows, True
            return report
        if done.rows:
            done = self._recovered(done)
        rows = iter(table.rows())
        if table.has_order:
            report.resumed = done.rows
            # Reading is quick against all else; so no place in a packed file needs to be kept.
            next(islice(rows, done.rows - 1, done.rows), None) if done.rows else None
        else:
            done = msgspec.structs.replace(done, rows=0, counts={})
        while chunk := list(islice(rows, ROWS_AT_ONCE)):
            done = await self._take(chunk, mapping, report, done)
            self._tell(report)
        if store is not None and self._ways.writer is not None:
            store.commit(msgspec.structs.replace(done, is_finished=True), ())
        return report

    def _recovered(self, done: ImportProgress) -> ImportProgress:
        """Note what the log took after the last note: the import may have been killed then."""
        store, until = self._ways.store, done.at + _CHUNK_MICROS_MAX
        if store is not None and self._ways.writer is not None:
            found = (key for at, key in self._ways.taken_since(done.at) if at <= until)
            while keys := list(islice(found, 100_000)):
                store.commit(done, keys)
        return done

    async def _take(
        self,
        chunk: Sequence[Row],
        mapping: ImportMapping,
        report: ImportReport,
        done: ImportProgress,
    ) -> ImportProgress:
        now = self._ways.clock.now()
        taken = self._decoded(chunk, mapping, now, report)
        fresh, known = self._sorted_out(taken)
        drafts = [draft_of(one, now) for one in fresh]
        statuses = await self._write(drafts, done.rows)
        known |= {
            draft.dedup
            for draft, status in zip(drafts, statuses, strict=True)
            if status == DUPLICATE
        }
        counts = self._count(taken, known, report)
        self._keep(report.name, taken, now)
        done = msgspec.structs.replace(
            done,
            rows=done.rows + len(chunk),
            counts=dict(Counter(done.counts) + counts),
            at=now,
        )
        if self._ways.store is not None and self._ways.writer is not None:
            self._ways.store.commit(done, [draft.dedup for draft in drafts])
        return done

    def _decoded(
        self, chunk: Sequence[Row], mapping: ImportMapping, now: int, report: ImportReport
    ) -> list[_Taken]:
        rules = self._ways.rules()
        taken = [_Taken(row) for row in chunk]
        places: list[tuple[_Taken, bytes]] = []
        decoded: list[Accepted | Refusal] = []
        for one in taken:
            calls = calls_of(mapping, one.row)
            if isinstance(calls, Refusal):
                one.bad.append((calls, one.row.raw or _encode(one.row.values)))
                continue
            if self._ways.writer is None and len(report.samples) < _SAMPLES_MAX:
                report.samples += calls
            for call in calls:
                raw = msgspec.json.encode(call)
                places.append((one, raw))
                decoded.append(_history(raw, now, rules))
        if self._ways.standardise is not None:
            decoded = self._ways.standardise(decoded, ip=None, rules=rules)
        for (one, raw), found in zip(places, decoded, strict=True):
            if isinstance(found, Refusal):
                one.bad.append((found, raw))
            else:
                one.good.append(found)
        spread([found for one in taken for found in one.good])
        return taken

    def _sorted_out(self, taken: Sequence[_Taken]) -> tuple[list[Accepted], set[int]]:
        """Return what no import has brought yet, each once, and the keys of what is known."""
        store = self._ways.store
        everything = [found for one in taken for found in one.good]
        known = set() if store is None else store.known({one.dedup for one in everything})
        fresh = {one.dedup: one for one in everything if one.dedup not in known}
        return list(fresh.values()), known

    async def _write(self, drafts: Sequence[EventDraft], row_count: int) -> list[str]:
        writer = self._ways.writer
        if writer is None or not drafts:
            return [""] * len(drafts)
        statuses = [RETRY] * len(drafts)
        waiting = list(range(len(drafts)))
        for attempt in range(_ATTEMPTS_MAX):
            if attempt:
                await self._ways.pause(min(0.05 * 2**attempt, _PAUSE_SECONDS_MAX))
            # In order: an event is never overtaken by a later one of the same person.
            answers = await writer.write([drafts[index] for index in waiting])
            for index, answer in zip(waiting, answers, strict=True):
                statuses[index] = answer.status
            waiting = [index for index in waiting if statuses[index] == RETRY]
            if not waiting:
                return statuses
        raise LogAway(row_count)

    def _count(
        self, taken: Sequence[_Taken], known: set[int], report: ImportReport
    ) -> Counter[str]:
        counts: Counter[str] = Counter()
        seen = set(known)
        for one in taken:
            new = [found for found in one.good if found.dedup not in seen]
            seen.update(found.dedup for found in new)
            report.calls.update(found.event.name for found in new)
            counts[REFUSED if one.bad else NEW if new else KNOWN if one.good else LEFT_OUT] += 1
            for refusal, _ in one.bad:
                if len(report.refusals) < _SHOWN_MAX:
                    report.refusals.append((one.row.number, complaint(refusal)))
        report.counts += counts
        return counts

    def _keep(self, name: str, taken: Sequence[_Taken], now: int) -> None:
        letters = self._ways.letters
        if letters is None:
            return
        bad = [
            Refused(_placed(name, one.row, refusal), raw, is_historical=True)
            for one in taken
            for refusal, raw in one.bad
        ]
        if bad:
            letters.keep(now, SOURCE, bad)


def complaint(refusal: Refusal) -> str:
    """Return why a row was refused; the value stays out: it may be personal."""
    facts = refusal.to_json()
    if refusal.rule.name == "NOT_JSON":
        return str(facts["message"])
    return f"{facts['message']}. {facts['mend']}"


def _placed(name: str, row: Row, refusal: Refusal) -> Refusal:
    detail = f"{name}:{row.number}: {refusal.detail or refusal.rule.value}"
    return Refusal(refusal.rule, refusal.field, refusal.value, detail)


def _history(raw: bytes, now: int, rules: IdentityRules) -> Accepted | Refusal:
    return decode_item(
        raw,
        call=None,
        now=now,
        sent_at=None,
        fresh_id="",
        source=SOURCE,
        is_historical=True,
        rules=rules,
    )


def _encode(values: dict[str, Any]) -> bytes:
    return msgspec.json.encode(values, enc_hook=str)
