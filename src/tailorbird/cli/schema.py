"""`tailorbird schema learned`: what came of events and properties, and what the plan lacks."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from rich.text import Text

from tailorbird import bootstrap
from tailorbird.cli import output
from tailorbird.cli.output import OUTSIDE, Failure
from tailorbird.services.learned import Learned
from tailorbird.services.standardise import plan_of_version

app = App(name="schema", help="Show which events and properties came, planned or not.")

Json = Annotated[bool, Parameter(name="--json", negative="")]


@app.command
def learned(
    *,
    data: Path = Path("data"),
    as_yaml: Annotated[bool, Parameter(name="--yaml", negative="")] = False,
    as_json: Json = False,
) -> int:
    """List events and properties that came, those that schema.yaml does not list first.

    The server writes down what it learned every few seconds; values are never kept.

    ```
    tailorbird schema learned --data shop-data
    tailorbird schema learned --data shop-data --yaml
    ```

    Parameters
    ----------
    data
        The data folder of the server.
    as_yaml
        Print what to add to schema.yaml.
    as_json
        Print what `GET /v1/learned` answers.
    """
    if not (data / "control.db").is_file():
        raise Failure(
            f"{data} is no data folder of a server",
            "Give the one that `tailorbird serve --data` was given.",
            code=OUTSIDE,
        )
    with closing(bootstrap.open_control(data)) as control:
        found = Learned(control)
        version = control.get("live_version")
        if version is not None:
            found.expect(plan_of_version(control, version))
        shown = found.shown()
    if as_json:
        output.write_json(shown)
    elif as_yaml:
        text = shown["schema"].rstrip() or "# schema.yaml lists all that came"
        output.console().print(Text(text), soft_wrap=True)
    else:
        table = output.table("event", "property", "plan", "types", ">came", "last")
        for one in shown["events"]:
            last = one["last_at"][:16].replace("T", " ")
            table.add_row(one["event"], "", one["plan"], "", f"{one['count']:,}", last)
            for part in one["properties"]:
                told = f"{part['unfitting']:,} do not fit" if part["unfitting"] else ""
                table.add_row("", part["name"], part["plan"], ", ".join(part["types"]), told, "")
        output.console().print(table)
    return output.OK
