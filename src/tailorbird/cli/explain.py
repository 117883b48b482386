"""`tailorbird explain`: why a mail was sent, or why a person did not get one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from rich.text import Text

from tailorbird.cli import output
from tailorbird.cli.reading import nobody, open_query, open_query_then, reference_of, unknown
from tailorbird.services.explain import as_text


def explain(
    message: str = "",
    /,
    *,
    why_not: Annotated[tuple[str, str] | None, Parameter(consume_multiple=True)] = None,
    at: str = "",
    data: Path = Path("data"),
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Show why a mail was sent; or why a person did not get the mail of a journey.

    ```
    tailorbird explain 3f2a90c4d1e85b7740aa19d2c6f0e813 --data shop-data
    tailorbird explain --why-not user_id:17850 win-back --data shop-data
    tailorbird explain --why-not user_id:17850 win-back --at 2026-01-31T10:00:00Z
    ```

    Parameters
    ----------
    message
        Id of a message: 32 hexadecimal digits, as the page, the API and the log show it.
    why_not
        A person (see `tailorbird profile`) and the name of a journey.
    at
        With --why-not: as things stood at this instant, by default now.
    data
        The data folder of the server.
    as_json
        Print a JSON object.
    """
    if bool(message) == (why_not is not None):
        raise output.Failure(
            "explain needs either the id of a message or --why-not PERSON JOURNEY",
            "Try `tailorbird explain --help`.",
            code=output.USAGE,
        )
    if why_not is not None:
        return _why_not(data, *why_not, at, as_json=as_json)
    if at:
        raise output.Failure(
            "--at belongs to --why-not: a message is explained as it was decided",
            "Leave it out.",
            code=output.USAGE,
        )
    return _message(data, message, as_json=as_json)


def _why_not(data: Path, person: str, journey: str, at: str, *, as_json: bool) -> int:
    with open_query_then(data, person, at) as query:
        journeys = [one["name"] for one in query.journeys()]
        if journey not in journeys:
            raise unknown("journey", journey, journeys)
        found = query.why_not(reference_of(person), journey)
    if found is None:
        raise nobody(person)
    if as_json:
        output.write_json(found)
        return output.OK
    out = output.console()
    first = found["stopped_by"]
    if first is None:
        out.print("Nothing stops it: every condition holds now.\n")
    else:
        out.print(Text(f"Stopped at {first['step']}: {first['text']} does not hold.", "bold"))
        change = found["smallest_change"]
        said = change["text"] if change else "nothing that this person does from now on"
        if change and not change["verified"]:
            said = f"nothing that was tried; what would have to be: {said}"
        out.print(Text(f"What would change that: {said}.\n"))
    table = output.table("", "asked at", "condition", "values")
    for one in found["conditions"]:
        values = ", ".join(f"{part['text']} = {_value(part['value'])}" for part in one["values"])
        sign = Text("yes", style="green") if one["holds"] else Text("no", style="red")
        table.add_row(sign, one["step"], Text(one["text"]), Text(values))
    out.print(table)
    return output.OK


def _value(value: Any) -> str:
    return "missing" if value is None else str(value)


def _message(data: Path, message_id: str, *, as_json: bool) -> int:
    with open_query(data) as query:
        found = query.explanation(message_id)
        if found is None:
            raise output.Failure(
                f"there is no message `{message_id}`",
                "The page and GET /v1/messages show the ids of messages.",
            )
    if as_json:
        output.write_json(found)
    else:
        output.console().print(as_text(found), markup=False)
    return output.OK
