"""`tailorbird explain`: why a mail was sent, or why a person did not get one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from rich.text import Text

from tailorbird.base.names import nearest
from tailorbird.base.time import format_micros
from tailorbird.cli import output
from tailorbird.cli.reading import Reading, open_reading
from tailorbird.profiles.state import Condition
from tailorbird.reducer.reducer import Reducer


def explain(
    message: str = "",
    /,
    *,
    why_not: Annotated[tuple[str, str] | None, Parameter(consume_multiple=True)] = None,
    data: Path = Path("data"),
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Show why a mail was sent; or why a person did not get the mail of a journey.

    ```
    tailorbird explain 3f2a90c4d1e85b7740aa19d2c6f0e813 --data shop-data
    tailorbird explain --why-not user_id:17850 win-back --data shop-data
    ```

    Parameters
    ----------
    message
        Id of a message: 32 hexadecimal digits, as the page, the API and the log show it.
    why_not
        A person (see `tailorbird profile`) and the name of a journey.
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
        return _why_not(data, *why_not, as_json=as_json)
    return _message(data, message, as_json=as_json)


def _why_not(data: Path, person: str, journey: str, *, as_json: bool) -> int:
    with open_reading(data) as reading:
        _refuse_unknown_journey(reading, journey)
        state = reading.state(reading.profile_id(person))
        if state is None:
            raise output.Failure(f"nothing about `{person}` has been reduced yet")
        asked = Reducer(reading.workspace).why_not(state, journey, reading.clock.now())
    first = next((one for one in asked if not one.holds), None)
    if as_json:
        output.write_json(
            {
                "profile": person,
                "journey": journey,
                "stopped_by": None if first is None else _condition(first),
                "conditions": [_condition(one) for one in asked],
            }
        )
        return output.OK
    out = output.console()
    if first is None:
        out.print("Nothing stops it: every condition holds now.\n")
    else:
        out.print(Text(f"Stopped at {first.step}: {first.text} does not hold.\n", style="bold"))
    table = output.table("", "asked at", "condition", "values")
    for one in asked:
        values = ", ".join(f"{name} = {_value(value)}" for name, value in one.values)
        sign = Text("yes", style="green") if one.holds else Text("no", style="red")
        table.add_row(sign, one.step, Text(one.text), Text(values))
    out.print(table)
    return output.OK


def _refuse_unknown_journey(reading: Reading, journey: str) -> None:
    journeys = reading.workspace.journeys
    if journey in journeys:
        return
    close = nearest(journey, journeys)
    known = ", ".join(journeys) or "none"
    raise output.Failure(
        f"there is no journey `{journey}`",
        f"Did you mean `{close}`?" if close else f"Known: {known}.",
    )


def _condition(one: Condition) -> dict[str, Any]:
    return {
        "step": one.step,
        "text": one.text,
        "holds": one.holds,
        "values": [{"text": name, "value": value} for name, value in one.values],
        "at": format_micros(one.at),
    }


def _value(value: Any) -> str:
    return "missing" if value is None else str(value)


def _message(data: Path, message: str, *, as_json: bool) -> int:
    raise NotImplementedError
