"""Folds history into a version's new accumulators before it goes live.

The engines go on with the version that is live meanwhile. What is folded is a function of the log
up to a cut-off, so it may be stopped and begun again, be lost, or be made twice.
"""

from __future__ import annotations

from collections.abc import Callable

from tailorbird.base.problems import OperationalError
from tailorbird.language.accumulators import merge_into, reach_of
from tailorbird.ports.event_log import LogReader
from tailorbird.ports.filled import FillingWork
from tailorbird.reducer.reducer import Reducer
from tailorbird.services.backfill import People, backfill

# As many records an engine reads itself while it goes live: less than a second.
RECORDS_AT_ONCE = 50_000


class Cancelled(OperationalError):
    """Somebody does not want the version any more; what was live stays."""


def records_to_fold(log: LogReader, reducer: Reducer, only: frozenset[int]) -> int:
    """Return how many records can matter to those accumulators."""
    return log.end() - first_offset(log, reducer, only)


def first_offset(log: LogReader, reducer: Reducer, only: frozenset[int]) -> int:
    """Return the last offset before the records that can matter to those accumulators."""
    reach = reach_of(reducer.program.specs[one] for one in only)
    if not only:
        return log.end()
    return 0 if reach.age is None else log.offset_before(log.last_now() - reach.age)


def prepare(
    log: LogReader,
    reducer: Reducer,
    only: frozenset[int],
    work: FillingWork,
    *,
    tell: Callable[[int, int], None] = lambda done, all_: None,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> str:
    """Fold all that there is up to the cut-off; return the name of what was folded.

    Args:
        log: The history.
        reducer: Of the version that will go live.
        only: Its accumulators that are to be filled.
        work: Where it is kept; it may have come some way.
        tell: Told how many records are done, of how many.
        is_cancelled: Asked now and then.

    Raises:
        Cancelled: as it says.
        OperationalError: the disk is full or fails.
    """
    specs = reducer.program.specs
    people = People(log, work.cutoff + 1)
    first = work.offset
    while work.offset < work.cutoff:
        if is_cancelled():
            raise Cancelled("it was cancelled; what was live stays live", is_retry_safe=True)
        until = min(work.offset + RECORDS_AT_ONCE, work.cutoff)
        found = backfill(
            log, reducer, only, until + 1, lambda _: True, after=work.offset, people=people
        )
        for profile_id, cells in found.items():
            merge_into(cells, work.get(profile_id) or {}, specs)
        work.add(found, until)
        tell(until - first, work.cutoff - first)
    return work.finish()
