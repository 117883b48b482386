"""`tailorbird backtest`: what these definitions would have done in a time that is over."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from cyclopts.validators import Number
from rich.progress import BarColumn, Progress, TextColumn

from tailorbird import bootstrap
from tailorbird.adapters.files import read_folder
from tailorbird.bootstrap.backtest import run_backtest
from tailorbird.cli import output
from tailorbird.cli.backtest_page import page_of
from tailorbird.cli.output import OUTSIDE, Failure
from tailorbird.language.calendar import instant_of, zone_of
from tailorbird.services.backtest import to_json
from tailorbird.services.publish import checked_workspace
from tailorbird.workspace.definitions import Workspace

# More messages than this in a week are told as many.
MANY_A_WEEK = 3


def backtest(
    *,
    begin: Annotated[str, Parameter(name="--from")],
    end: Annotated[str, Parameter(name="--to")],
    workspace: Path = Path(),
    data: Path = Path("data"),
    html: Path | None = None,
    processes: Annotated[int | None, Parameter(validator=Number(gte=1, lte=1_024))] = None,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Live the history of a data folder again by the definitions of a workspace folder.

    Nothing is sent and nothing is changed; a server may run on the data folder meanwhile. Told are
    entries and exits, messages by day and hour, who would have got many, and what really left.

    ```
    tailorbird backtest --from 2026-01-01 --to 2026-06-30 --workspace shop --data shop-data
    ```

    Parameters
    ----------
    begin
        First day of the period, in the workspace's time zone, or an instant (RFC 3339).
    end
        Last day of the period, included, or the instant at which it ends.
    workspace
        The folder with the definitions to try.
    data
        The data folder whose history is lived.
    html
        Write a page with charts to this file as well; it needs nothing beside itself.
    processes
        How many to use; by default as many as there are cores.
    as_json
        Print a JSON object.
    """
    definitions, files = _definitions(workspace)
    timezone = definitions.settings.timezone
    first, after = _period(begin, end, timezone)
    if html is not None and not html.parent.is_dir():
        raise Failure(f"there is no folder {html.parent}", "Make it first.", code=OUTSIDE)
    if not (data / "log").is_dir():
        raise Failure(
            f"{data} is no data folder of a server",
            "Give the one that `tailorbird serve --data` was given.",
            code=OUTSIDE,
        )
    with Progress(
        TextColumn("{task.completed:,} of {task.total:,} records"),
        BarColumn(),
        console=output.console(),
        transient=True,
        disable=as_json,
    ) as progress:
        with closing(bootstrap.open_log(data)) as log:
            task = progress.add_task("", total=log.end())
        tally = run_backtest(
            data,
            files,
            first,
            after,
            processes=processes,
            tell=lambda read, count: progress.update(task, completed=read, total=count),
        )
    found = to_json(tally, first, after)
    if html is not None:
        html.write_text(page_of(found, definitions.settings.name, timezone), "utf-8")
    if as_json:
        output.write_json(found)
    else:
        _show(found, html)
    return output.OK


def _definitions(folder: Path) -> tuple[Workspace, Mapping[str, str]]:
    files, unreadable = read_folder(folder)
    workspace, found = checked_workspace(files)
    problems = [*unreadable, *found]
    if workspace is None or any(problem.severity == "error" for problem in problems):
        output.show_problems(problems, is_failure=True)
        raise Failure(f"the workspace in {folder} is broken", "Mend what is listed above.")
    return workspace, files


def _period(begin: str, end: str, timezone: str) -> tuple[int, int]:
    first = _instant(begin, "--from", timezone, days=0)
    after = _instant(end, "--to", timezone, days=1)
    if first >= after:
        raise Failure(
            f"the period from {begin} to {end} is empty", "Let --from be before --to.", code=2
        )
    return first, after


def _instant(text: str, option: str, timezone: str, *, days: int) -> int:
    """Return the instant of a text; of a bare day its midnight, `days` later."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise Failure(
            f"{option} {text} is no date", "Write 2026-01-31 or 2026-01-31T09:00:00Z.", code=2
        ) from None
    if moment.tzinfo is not None:
        return int(moment.timestamp() * 1_000_000)
    if len(text.strip()) == len("2026-01-31"):
        moment += timedelta(days=days)
    return instant_of(zone_of(timezone), moment)


def _show(found: Mapping[str, Any], html: Path | None) -> None:
    out = output.console()
    out.print(
        f"{found['events']:,} events from {found['from']} up to {found['to']},"
        f" {found['people']:,} people.\n"
    )
    segments = output.table("segment", ">entered", ">left", ">members at the end")
    for name, one in found["segments"].items():
        counts = [sum(one[part].values()) for part in ("entered", "left")]
        segments.add_row(name, *(f"{count:,}" for count in (*counts, one["members"])))
    out.print(segments, "")
    journeys = output.table("journey", ">messages", ">really sent", ">difference")
    would, really = (found[part]["by_journey"] for part in ("messages", "really_sent"))
    for name in sorted({*would, *really}):
        mine, theirs = (sum(part.get(name, {}).values()) for part in (would, really))
        journeys.add_row(name, f"{mine:,}", f"{theirs:,}", f"{mine - theirs:+,}")
    out.print(journeys, "")
    for title, counts in (("Held first", found["held"]), ("Not sent", found["stopped"])):
        for reason, count in counts.items():
            out.print(f"{title}: {count:,} ({reason})", markup=False)
    weeks = {int(count): times for count, times in found["weeks"].items()}
    many = sum(times for count, times in weeks.items() if count > MANY_A_WEEK)
    out.print(
        f"More than {MANY_A_WEEK} mails in a week: {many:,} times."
        + (f" The most: {max(weeks)}." if weeks else "")
    )
    for one in found["same_day"][:5]:
        out.print(f"On one day: {' and '.join(one['journeys'])}, {one['times']:,} times.")
    out.print("\n[dim]" + "\n".join(found["limits"]) + "[/dim]")
    if html is not None:
        out.print(f"\nThe page with charts is {html}.")
