"""`tailorbird segment list|show|members|count|preview|verify`: who belongs where, who would."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Annotated

from cyclopts import App, Parameter
from cyclopts.validators import Number
from rich.text import Text

from tailorbird import bootstrap
from tailorbird.adapters.files import read_folder
from tailorbird.base.time import parse_micros
from tailorbird.cli import output
from tailorbird.cli.output import USAGE, Failure
from tailorbird.cli.preview_text import show_preview
from tailorbird.cli.reading import open_query, unknown
from tailorbird.language.errors import ExpressionError
from tailorbird.language.warehouse.errors import WarehouseError
from tailorbird.services.publish import checked_workspace
from tailorbird.services.query import read_profile_id
from tailorbird.services.question import Preview, Question, question_of
from tailorbird.workspace.definitions import Workspace

app = App(
    name="segment",
    help="List segments, show one, list its members; count who a condition holds for.",
)

Json = Annotated[bool, Parameter(name="--json", negative="")]
AtMost = Annotated[float, Parameter(validator=Number(gt=0, lte=3_600))]
Data = Path("data")
# What a question may take before a sample is asked.
SECONDS = 30.0


@app.command(name="list")
def list_segments(*, data: Path = Data, as_json: Json = False) -> int:
    """List the segments with their sizes.

    ```
    tailorbird segment list --data shop-data
    ```

    Parameters
    ----------
    data
        The data folder of the server.
    as_json
        Print a JSON list.
    """
    with open_query(data) as query:
        segments = query.segments()
    if as_json:
        output.write_json(segments)
        return output.OK
    table = output.table("segment", ">members", "title", "when")
    for one in segments:
        when = Text(" ".join(one["when"].split()))
        table.add_row(one["name"], f"{one['size']:,}", one["title"], when)
    output.console().print(table)
    return output.OK


@app.command
def show(name: str, /, *, data: Path = Data, as_json: Json = False) -> int:
    """Show a segment's condition and size.

    Parameters
    ----------
    name
        Name of the segment.
    data
        The data folder of the server.
    as_json
        Print a JSON object.
    """
    with open_query(data) as query:
        segments = {one["name"]: one for one in query.segments()}
    if name not in segments:
        raise unknown("segment", name, segments)
    segment = segments[name]
    if as_json:
        output.write_json(segment)
        return output.OK
    out = output.console()
    out.print(f"[bold]{segment['title']}[/bold] ({name}): {segment['size']:,} members")
    if segment["description"]:
        out.print(segment["description"], markup=False)
    out.print(f"\n  {segment['when']}", markup=False)
    return output.OK


@app.command
def members(
    name: str,
    /,
    *,
    data: Path = Data,
    limit: Annotated[int, Parameter(validator=Number(gte=1, lte=1_000_000))] = 100,
    after: str = "",
    as_json: Json = False,
) -> int:
    """List members of a segment, by rising id.

    Parameters
    ----------
    name
        Name of the segment.
    data
        The data folder of the server.
    limit
        Most members to list.
    after
        List only members after this id, to go on where the last list ended.
    as_json
        Print a JSON object: segment, members, next.
    """
    if after and read_profile_id(after) is None:
        raise Failure(
            f"--after {after!r} is not the id of a profile",
            "Give the id that ended the list before, such as p_0123456789abcdef.",
            code=USAGE,
        )
    with open_query(data) as query:
        page = query.members(name, after, limit)
        if page is None:
            raise unknown("segment", name, [one["name"] for one in query.segments()])
    if as_json:
        output.write_json(page)
        return output.OK
    table = output.table("id", "since", "known as")
    for member in page["members"]:
        known = ", ".join(f"{one['kind']}:{one['value']}" for one in member["identifiers"])
        table.add_row(member["id"], member["since"], Text(known))
    output.console().print(table)
    if page["next"]:
        output.console().print(f"\nMore: --after {page['next']}")
    return output.OK


@app.command
def count(
    expression: str,
    /,
    *,
    workspace: Path = Path(),
    data: Path = Data,
    at: str = "",
    at_most: AtMost = SECONDS,
    as_json: Json = False,
) -> int:
    """Count the people for whom a condition holds, by one query over all history.

    Nothing is changed; a server may run on the data folder.

    ```
    tailorbird segment count "count(order_completed within 30d) > 5" --workspace shop
    ```

    Parameters
    ----------
    expression
        A condition, as a segment has it under `when`.
    workspace
        The folder with the segments, scores and lists that it may name.
    data
        The data folder.
    at
        As known at this instant, by default now.
    at_most
        Seconds that the question may take; a longer one is asked of a sample, and says so.
    as_json
        Print a JSON object: size, seconds, estimate; of an estimate its error too.
    """
    asking, found = _asking("preview"), _definitions(workspace)
    question, now = _question(expression, found), _instant(at, data)
    seen = _asked(lambda: asking.count(data, question, now, seconds=at_most))
    if as_json:
        told = ("size", "seconds", "estimate", *(["error"] if seen.estimate else []))
        output.write_json({name: getattr(seen, name) for name in told})
    else:
        about = "About " if seen.estimate else ""
        output.console().print(f"{about}{seen.size:,} people, asked in {seen.seconds:.2f} s.")
    for warning in seen.warnings:
        output.complain(warning, is_warning=True)
    return output.OK


@app.command
def preview(
    expression: str,
    /,
    *,
    workspace: Path = Path(),
    data: Path = Data,
    at: str = "",
    at_most: AtMost = SECONDS,
    as_json: Json = False,
) -> int:
    """Tell what a segment with this condition would be, before there is one.

    Its size, and over the last 30 days; who of it can be mailed; how its parts narrow it down; some
    of its members; whom it shares with the segments there are.

    ```
    tailorbird segment preview "sum(order_completed.revenue within 365d) >= 1000"
    ```

    Parameters
    ----------
    expression
        A condition, as a segment has it under `when`.
    workspace
        The folder with the segments, scores and lists that it may name.
    data
        The data folder.
    at
        As known at this instant, by default now.
    at_most
        Seconds that each part of the answer may take; a longer question is asked of a sample.
    as_json
        Print a JSON object.
    """
    asking, found = _asking("preview"), _definitions(workspace)
    question, now = _question(expression, found), _instant(at, data)
    seen = _asked(lambda: asking.preview(data, question, found, now, seconds=at_most))
    if as_json:
        output.write_json(asdict(seen))
        return output.OK
    show_preview(seen)
    for warning in seen.warnings:
        output.complain(warning, is_warning=True)
    return output.OK


@app.command
def verify(
    *,
    data: Path = Data,
    people: Annotated[int, Parameter(validator=Number(gte=0))] = 1_000,
    as_json: Json = False,
) -> int:
    """Reckon live segments, scores and interests anew, and compare: the bar is no difference.

    The lake is asked each segment's condition, each score and each interest's heaviest value for a
    sample of people, as known when their state was written; what a warehouse cannot be asked is put
    to the plain interpreter. Each run takes other people. The process `lake` runs it by itself
    (`[lake] verify_hours`). Exits with 1 where somebody is missing or too many or has another
    value; `tailorbird refold` makes such a person anew.

    ```
    tailorbird segment verify --data shop-data
    ```

    Parameters
    ----------
    data
        The data folder; a server may run on it.
    people
        About how many people; 0 is everybody.
    as_json
        Print a JSON object.
    """
    equality = _asking("equality")
    _instant("", data)
    report = equality.verify(data, people=people)
    if as_json:
        output.write_json(report)
        return output.WRONG if report["mismatch"] else output.OK
    out = output.console()
    table = output.table("segment", ">people", ">members", ">missing", ">extra", "reckoned by")
    for one in report["segments"]:
        table.add_row(
            one["segment"],
            f"{one['people']:,}",
            f"{one['members']:,}",
            f"{one['missing']:,}",
            f"{one['extra']:,}",
            one["judge"],
        )
    out.print(table)
    if report["values"]:
        table = output.table("value", ">people", ">unequal", "reckoned by")
        for one in report["values"]:
            told = (f"{one['people']:,}", f"{one['unequal']:,}", one["judge"])
            table.add_row(f"{one['kind']} {one['name']}", *told)
        out.print(table)
    for one in (*report["segments"], *report["values"]):
        if one["examples"]:
            name = one.get("segment") or f"{one['kind']} {one['name']}"
            output.complain(f"{name}: look at {', '.join(one['examples'])}")
    if report["mismatch"]:
        return output.WRONG
    out.print(f"\nNo difference among {report['people']:,} people.")
    return output.OK


def _asking(module: str) -> ModuleType:
    try:
        # DuckDB is large, and only for those who ask.
        return import_module(f"tailorbird.bootstrap.{module}")
    except ModuleNotFoundError as error:
        raise output.Failure(
            f"{error.name} is not installed",
            "Run: pip install 'tailorbird[warehouse]'",
            code=output.OUTSIDE,
        ) from None


def _definitions(folder: Path) -> Workspace:
    files, unreadable = read_folder(folder)
    workspace, problems = checked_workspace(files)
    if workspace is None:
        output.show_problems([*unreadable, *problems], is_failure=True)
        raise output.Failure(f"the workspace in {folder} is broken", "Mend what is listed above.")
    return workspace


def _question(expression: str, workspace: Workspace) -> Question:
    try:
        return question_of(expression, workspace)
    except ExpressionError as error:
        output.show_problems([error.problem()], is_failure=True)
        raise output.Failure("the condition cannot be asked") from None


def _instant(text: str, data: Path) -> int:
    if not (data / "log").is_dir():
        raise output.Failure(
            f"{data} is no data folder of a server",
            "Give the one that `tailorbird serve --data` was given.",
            code=output.OUTSIDE,
        )
    if not text:
        return bootstrap.open_clock(data, bootstrap.clock_kind(data)).now()
    try:
        return parse_micros(text)
    except (ValueError, OverflowError):
        raise output.Failure(
            f"--at {text} is no instant", "Write one such as 2026-01-31T10:00:00Z.", code=2
        ) from None


def _asked(ask: Callable[[], Preview]) -> Preview:
    try:
        return ask()
    except WarehouseError as error:
        raise output.Failure(f"the history cannot be asked this: {error}") from None
