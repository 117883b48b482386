"""`tailorbird segment list|show|members`: who belongs where."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from cyclopts.validators import Number
from rich.text import Text

from tailorbird.cli import output
from tailorbird.cli.reading import open_query, unknown

app = App(name="segment", help="List segments, show one, list its members.")

Json = Annotated[bool, Parameter(name="--json", negative="")]
Data = Path("data")


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
