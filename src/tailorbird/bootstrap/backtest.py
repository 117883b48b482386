"""Backtests on all cores: each process lives a share of the people from the same log."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor, wait
from contextlib import closing
from multiprocessing import get_context
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path

from tailorbird.bootstrap.stores import open_log
from tailorbird.reducer.reducer import Facts, Reducer
from tailorbird.services.backfill import refold
from tailorbird.services.backtest import Backtest, Tally
from tailorbird.services.lives import Families, lives
from tailorbird.workspace.loader import parse_workspace

# Fewer records than this are lived sooner than another process starts.
RECORDS_PER_PROCESS = 50_000
_TELL_SECONDS = 0.2
_read: Synchronized[int] | None = None


def run_backtest(
    data: Path,
    files: Mapping[str, str],
    begin: int,
    end: int,
    *,
    until: int | None = None,
    processes: int | None = None,
    tell: Callable[[int, int], None] = lambda read, count: None,
) -> Tally:
    """Live the history of a data folder by other definitions; see `services.backtest`.

    Args:
        data: Read only; a server may run on it.
        files: Path -> text of sound definitions.
        begin: First instant that counts, microseconds UTC.
        end: First instant that counts no more.
        until: Last offset of the log that is read, its end where None.
        processes: How many; where None as many as there are cores and the history is worth.
        tell: Told how many records have been read, and how many there are.
    """
    with closing(open_log(data)) as log:
        offset = log.end() if until is None else min(until, log.end())
    worth = -(-offset // RECORDS_PER_PROCESS)
    count = processes or max(1, min(os.cpu_count() or 1, worth))
    context = get_context("spawn")
    read: Synchronized[int] = context.Value("q", 0)
    if count == 1:
        _share(read)
        tally = _live(data, files, begin, end, offset, 0, 1)
        tell(offset, offset)
        return tally
    tally = Tally()
    with ProcessPoolExecutor(count, context, _share, (read,)) as pool:
        shares = [
            pool.submit(_live, data, files, begin, end, offset, index, count)
            for index in range(count)
        ]
        while wait(shares, _TELL_SECONDS).not_done:
            tell(min(read.value // count, offset), offset)
        for share in shares:
            tally.add(share.result())
    tell(offset, offset)
    return tally


def _share(read: Synchronized[int]) -> None:
    global _read
    _read = read


def _live(
    data: Path, files: Mapping[str, str], begin: int, end: int, until: int, index: int, count: int
) -> Tally:
    workspace, _ = parse_workspace(files)
    assert workspace is not None, "the caller has checked the files"
    reducer = Reducer(workspace)

    def tell(records: int) -> None:
        assert _read is not None
        with _read.get_lock():
            _read.value += records

    with closing(open_log(data)) as log:

        def facts_of(profile_id: int, before: int) -> Facts | None:
            return refold(log, reducer, before, profile_id.__eq__).get(profile_id)

        backtest = Backtest(reducer, begin, end, facts_of)
        for moments in lives(log, Families(log, until), index=index, count=count, tell=tell):
            backtest.live(moments)
    return backtest.tally
