"""The log as the lake holds it: the other source that states can be made of."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import chain
from pathlib import Path

from tailorbird.adapters.sqlite.event_log import SqliteEventLog
from tailorbird.base.problems import OperationalError
from tailorbird.bootstrap.lake_keeper import alone, open_lake
from tailorbird.bootstrap.stores import open_log
from tailorbird.events.event import Record
from tailorbird.ports.event_log import LogReader
from tailorbird.services.lake import record_of

_BATCH = 5_000


@contextmanager
def open_log_of_lake(data: Path) -> Iterator[LogReader]:
    """Yield the records that the lake holds, and after its end those of the log.

    They are copied into a log of their own, which takes as much room as the log until it is closed.
    What was erased is missing there, where the log has stubs.

    Raises:
        OperationalError: the lake cannot be read, or does not keep everything.
        StorageProblem: the log cannot be read, or somebody else is at the lake for too long.
    """
    with tempfile.TemporaryDirectory(prefix=".log-of-lake-", dir=data) as folder:
        place = Path(folder, "log")
        with alone(data), closing(open_log(data)) as log:
            lake = open_lake(data)
            manifest = lake.manifest()
            if manifest.since:
                raise OperationalError(
                    f"the lake holds the days from {manifest.since} on, and the log all of them:"
                    " leave --from lake out",
                    is_retry_safe=True,
                )
            rest = _records_after(log, manifest.offset)
            SqliteEventLog.write_copy(place, chain(map(record_of, lake.rows()), rest))
        with closing(SqliteEventLog(place)) as copy:
            yield copy


def _records_after(log: LogReader, offset: int) -> Iterator[Record]:
    while records := log.read(offset, _BATCH):
        yield from records
        offset = records[-1].offset
