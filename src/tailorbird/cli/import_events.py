"""`tailorbird import`: history from a file, through the way that every event goes."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from rich.progress import Progress, TextColumn

from tailorbird import bootstrap
from tailorbird.adapters.tables import read_rows
from tailorbird.cli import output
from tailorbird.cli.reading import clock_kind
from tailorbird.services.identity_rules import LiveRules
from tailorbird.services.import_events import HistoricalCollector, ImportReport, import_rows
from tailorbird.services.learned import Learned
from tailorbird.services.standardise import LiveStandardiser


def import_events(
    file: Path,
    /,
    *,
    kind: Annotated[Literal["events", "people"], Parameter(name="--type")],
    data: Path = Path("data"),
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Bring in events or people from a file, into a server that runs.

    What is imported is history: it fills profiles, segments and scores, and starts no journey. A
    row without a message id gets one from its content, so that a file imported again right away
    changes nothing. Columns are named as in Segment's calls (`userId` or `user_id`, `event`,
    `timestamp`, ...); all others become properties, or traits of people.

    ```
    tailorbird import orders.csv --type events --data shop-data
    tailorbird import people.jsonl --type people --data shop-data
    ```

    Parameters
    ----------
    file
        JSON lines (.jsonl), CSV or Parquet.
    kind
        `events`: one event a row. `people`: one person a row.
    data
        The data folder of the running server.
    as_json
        Print a JSON object: rows, counts, refusals.
    """
    if not data.is_dir() or not bootstrap.socket_path(data).exists():
        raise output.Failure(
            f"no server runs on {data}",
            "Start `tailorbird serve --data ...` first; its log takes what is imported.",
            code=output.OUTSIDE,
        )
    report = asyncio.run(_run(file, kind, data, is_quiet=as_json))
    is_complete = set(report.counts) <= {"ok", "duplicate"}
    if as_json:
        output.write_json(
            {
                "rows": report.row_count,
                "counts": dict(report.counts),
                "refusals": [{"row": row, "reason": why} for row, why in report.refusals],
            }
        )
    else:
        _show(report)
    return output.OK if is_complete else output.WRONG


async def _run(file: Path, kind: str, data: Path, *, is_quiet: bool) -> ImportReport:
    clock = bootstrap.open_clock(data, clock_kind(data))
    writer = bootstrap.open_writer_client(data)
    words = TextColumn("{task.completed:,} rows")
    control = bootstrap.open_control(data)
    rules, learned = LiveRules(control), Learned(control)
    standardise = LiveStandardiser(control, rules, partial(bootstrap.open_places, control), learned)
    with Progress(words, console=output.console(), transient=True, disable=is_quiet) as progress:
        task = progress.add_task("", total=None)
        try:
            return await import_rows(
                read_rows(file),
                kind,
                HistoricalCollector(writer, clock, rules=rules, standardise=standardise),
                progress=lambda report: progress.update(task, completed=report.row_count),
            )
        finally:
            learned.flush()
            control.close()
            await writer.close()


def _show(report: ImportReport) -> None:
    out = output.console()
    counts = report.counts
    out.print(
        f"{report.row_count:,} rows: {counts['ok']:,} new, {counts['duplicate']:,} known already, "
        f"{counts['refused']:,} refused."
    )
    if counts["retry"]:
        out.print(f"{counts['retry']:,} rows were not taken by the log: import the file again.")
    for row, why in report.refusals:
        out.print(f"  row {row}: {why}", markup=False)
    if counts["refused"] > len(report.refusals):
        out.print(f"  ... and {counts['refused'] - len(report.refusals):,} more.")
