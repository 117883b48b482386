"""`tailorbird import`: history from files or a database, through the way that every event goes."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from contextlib import AsyncExitStack
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tailorbird import bootstrap
from tailorbird.adapters.tables import CsvOptions, files_of, open_file, open_query
from tailorbird.base.problems import ProblemsError
from tailorbird.bootstrap.importing import open_import
from tailorbird.cli import output
from tailorbird.ports.table import Table
from tailorbird.services.imports.mapping import ImportMapping, file_options, read_mapping
from tailorbird.services.imports.run import (
    KNOWN,
    LEFT_OUT,
    NEW,
    REFUSED,
    Importer,
    ImportReport,
)
from tailorbird.services.imports.suggest import ROWS_LOOKED_AT, suggest

URL_VARIABLE = "TAILORBIRD_IMPORT_URL"


def import_events(
    files: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    /,
    *,
    mapping: Path | None = None,
    kind: Annotated[Literal["events", "people"] | None, Parameter(name="--type")] = None,
    sql: str = "",
    url: str = "",
    data: Path = Path("data"),
    suggest_mapping: Annotated[bool, Parameter(name="--suggest", negative="")] = False,
    dry_run: Annotated[bool, Parameter(negative="")] = False,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Bring in events or people from files or a database; the server may run or rest.

    What is imported is history: it fills profiles, segments and scores, and no mail is sent for
    it. A mapping says what the columns mean; `--suggest` prints one with its reasons, which you
    look through and edit. Without one the import goes on by what it would suggest. An import that
    was stopped goes on where it was when the same command is given again; one that is finished
    brings nothing more. Rows that are refused are kept among the dead letters, with their line.

    ```
    tailorbird import orders.csv --suggest > orders.yaml
    tailorbird import orders.csv --mapping orders.yaml --dry-run
    tailorbird import orders.csv --mapping orders.yaml --data shop-data
    tailorbird import --sql "SELECT * FROM orders" --url postgresql+psycopg://db/shop --type events
    ```

    Parameters
    ----------
    files
        JSON lines, CSV (both may be packed with gzip) or Parquet: files, folders or patterns.
    mapping
        The mapping file.
    kind
        Without a mapping: `events`, one event a row; `people`, one person a row.
    sql
        A query whose answer is imported, instead of files.
    url
        The database, as SQLAlchemy writes it, or duckdb:///FILE. TAILORBIRD_IMPORT_URL does the
        same and keeps a password out of the list of processes.
    data
        The data folder.
    suggest_mapping
        Print a mapping for the first table and stop.
    dry_run
        Tell what would come of it, and write nothing.
    as_json
        Print a JSON object: tables with rows, counts, refusals.
    """
    text = _text_of(mapping)
    tables = _tables(files, sql, url or os.environ.get(URL_VARIABLE, ""), str(mapping or ""), text)
    if suggest_mapping:
        output.console().file.write(suggest(tables[0], _first_rows(tables[0]), kind or ""))
        return output.OK
    if mapping is None and kind is None:
        raise output.Failure(
            "nothing says what the rows mean",
            "Give `--mapping FILE` (`--suggest` prints one), or `--type events` or people.",
            code=output.USAGE,
        )
    if not (data / "control.db").is_file():
        raise output.Failure(
            f"{data} is no data folder",
            "`tailorbird serve --data ...` makes it; name it with --data.",
            code=output.OUTSIDE,
        )
    plans = [(one, _mapping_of(one, str(mapping or ""), text, kind or "")) for one in tables]
    reports = asyncio.run(_run(plans, data, is_dry=dry_run, is_quiet=as_json))
    if as_json:
        output.write_json(_as_json(reports, is_dry=dry_run))
    else:
        for report in reports:
            _show(report, is_dry=dry_run)
    return output.WRONG if any(one.counts[REFUSED] for one in reports) else output.OK


def _text_of(mapping: Path | None) -> str:
    if mapping is None:
        return ""
    try:
        return mapping.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise output.Failure(
            f"the mapping {mapping} cannot be read: {problem}",
            "`--suggest` prints one to begin with.",
            code=output.USAGE,
        ) from problem


def _tables(files: Sequence[str], sql: str, url: str, path: str, text: str) -> list[Table]:
    if bool(files) == bool(sql):
        raise output.Failure(
            "name what is to be imported", "Give files, or `--sql` and `--url`.", code=output.USAGE
        )
    if sql:
        if not url:
            raise output.Failure(
                "nothing says which database is asked",
                f"Give `--url`, or set {URL_VARIABLE}.",
                code=output.USAGE,
            )
        return [open_query(url, sql)]
    options = CsvOptions(**file_options(path, text)) if text else None
    return [open_file(path, options) for place in files for path in files_of(place)]


def _first_rows(table: Table) -> list[dict[str, Any]]:
    return [row.values for row in islice(table.rows(), ROWS_LOOKED_AT) if not row.fault]


def _mapping_of(table: Table, path: str, text: str, kind: str) -> ImportMapping:
    if text:
        return read_mapping(path, text, table.columns)
    first = _first_rows(table)
    if not first:
        raise output.Failure(
            f"{table.name} has no row that can be read, to tell the meaning of columns from",
            "Is it the right file? With a `--mapping FILE` an empty one brings nothing.",
        )
    suggested = suggest(table, first, kind)
    try:
        return read_mapping("suggested mapping", suggested, table.columns)
    except ProblemsError as problem:
        raise output.Failure(
            f"the columns of {table.name} do not tell enough: {problem.problems[0].message}",
            "Write it into a mapping: `--suggest` prints one to begin with, then `--mapping FILE`.",
        ) from problem


async def _run(
    plans: Sequence[tuple[Table, ImportMapping]], data: Path, *, is_dry: bool, is_quiet: bool
) -> list[ImportReport]:
    opened = open_import(data, bootstrap.clock_kind(data), is_dry=is_dry)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(opened.close)
        bar = stack.enter_context(
            Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("rows"),
                TimeElapsedColumn(),
                console=output.console(),
                transient=True,
                disable=is_quiet,
            )
        )
        found = []
        for table, mapping in plans:
            task = bar.add_task(table.name, total=None)

            def tell(report: ImportReport, task: Any = task) -> None:
                bar.update(task, completed=report.resumed + report.row_count)

            found.append(await Importer(opened.ways, progress=tell).run(table, mapping))
        return found


def _as_json(reports: Sequence[ImportReport], *, is_dry: bool) -> dict[str, Any]:
    return {
        "is_dry_run": is_dry,
        "rows": sum(one.row_count for one in reports),
        "counts": {
            name: count
            for name in (NEW, KNOWN, LEFT_OUT, REFUSED)
            if (count := sum(one.counts[name] for one in reports))
        },
        "refusals": [
            {"table": one.name, "row": row, "reason": why}
            for one in reports
            for row, why in one.refusals
        ],
        "tables": [
            {
                "name": one.name,
                "rows": one.row_count,
                "resumed": one.resumed,
                "was_finished": one.was_finished,
                "counts": dict(one.counts),
                "events": dict(one.calls),
                "samples": one.samples,
            }
            for one in reports
        ],
    }


def _show(report: ImportReport, *, is_dry: bool) -> None:
    out, counts = output.console(), report.counts
    if report.was_finished:
        out.print(f"{report.name}: imported before, {report.resumed:,} rows. Nothing is new.")
        return
    if report.resumed:
        out.print(f"{report.name}: {report.resumed:,} rows were done before.")
    would = "would be " if is_dry else ""
    left = f", {counts[LEFT_OUT]:,} left out" if counts[LEFT_OUT] else ""
    out.print(
        f"{report.name}: {report.row_count:,} rows: {counts[NEW]:,} {would}new,"
        f" {counts[KNOWN]:,} known already{left}, {counts[REFUSED]:,} refused.",
        markup=False,
    )
    for name, count in report.calls.most_common(12):
        out.print(f"  {count:>11,} {name}", markup=False)
    for row, why in report.refusals:
        out.print(f"  row {row}: {why}", markup=False)
    if counts[REFUSED] > len(report.refusals):
        out.print(f"  ... and {counts[REFUSED] - len(report.refusals):,} more.")
    if report.samples:
        out.print("So the first rows would look:")
        for sample in report.samples:
            out.print_json(data=sample)
