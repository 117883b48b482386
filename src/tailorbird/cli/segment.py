"""`tailorbird segment list|show|members`: who belongs where."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter
from cyclopts.validators import Number

from tailorbird.base.time import format_micros
from tailorbird.cli import output
from tailorbird.cli.reading import Reading, open_reading, public_id

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
    with open_reading(data) as reading:
        sizes = reading.sizes()
        segments = reading.workspace.segments
    if as_json:
        output.write_json(
            [
                {"name": name, "size": sizes[name], "title": one.title, "when": one.text}
                for name, one in segments.items()
            ]
        )
        return output.OK
    table = output.table("segment", ">members", "title", "when")
    for name, one in segments.items():
        table.add_row(name, f"{sizes[name]:,}", one.title, " ".join(one.text.split()))
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
    with open_reading(data) as reading:
        segment = reading.segment(name)
        size = reading.sizes()[name]
    if as_json:
        output.write_json(
            {
                "name": name,
                "size": size,
                "title": segment.title,
                "description": segment.description,
                "when": segment.text,
            }
        )
        return output.OK
    out = output.console()
    out.print(f"[bold]{segment.title}[/bold] ({name}): {size:,} members")
    if segment.description:
        out.print(segment.description)
    out.print(f"\n  {segment.text}", markup=False)
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
        Print a JSON object: members, next.
    """
    with open_reading(data) as reading:
        reading.segment(name)
        start = reading.profile_id(after) if after else -1
        found = reading.members(name, start, limit)
        rows: list[dict[str, Any]] = [
            {
                "id": public_id(profile_id),
                "since": format_micros(since),
                "identifiers": _identifiers(reading, profile_id),
            }
            for profile_id, since in found
        ]
    if as_json:
        last = public_id(found[-1][0]) if len(found) == limit else None
        output.write_json({"members": rows, "next": last})
        return output.OK
    table = output.table("id", "since", "known as")
    for row in rows:
        known = ", ".join(f"{one['kind']}:{one['value']}" for one in row["identifiers"])
        table.add_row(row["id"], row["since"], known)
    output.console().print(table)
    if len(found) == limit:
        output.console().print(f"\nMore: --after {public_id(found[-1][0])}")
    return output.OK


def _identifiers(reading: Reading, profile_id: int) -> list[dict[str, str]]:
    return [
        {"kind": kind, "value": value} for kind, value in reading.identity.identifiers(profile_id)
    ]
