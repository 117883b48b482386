"""`tailorbird profile show`: all that is known of a person."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from tailorbird.cli import output
from tailorbird.cli.reading import nobody, open_query, reference_of

app = App(name="profile", help="Show what is known of a person.")


@app.command
def show(
    person: str,
    /,
    *,
    data: Path = Path("data"),
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Show a person's identifiers, traits, segments, scores and consent.

    ```
    tailorbird profile show user_id:17850 --data shop-data
    ```

    Parameters
    ----------
    person
        KIND:VALUE, such as user_id:17850 or email:ada@shop.example; a bare user id; or p_...
    data
        The data folder of the server.
    as_json
        Print a JSON object.
    """
    with open_query(data) as query:
        profile = query.profile(reference_of(person))
    if profile is None:
        raise nobody(person)
    if as_json:
        output.write_json(profile)
    else:
        _show(profile)
    return output.OK


def _show(profile: dict[str, Any]) -> None:
    out = output.console()
    out.print(f"[bold]{profile['id']}[/bold]")
    rows = output.table("", "", "")
    for identifier in profile["identifiers"]:
        rows.add_row("identifier", identifier["kind"], identifier["value"])
    for name, value in sorted(profile["traits"].items()):
        rows.add_row("trait", name, str(value))
    for membership in profile["memberships"]:
        rows.add_row("segment", membership["name"], f"since {membership['since']}")
    for name, value in sorted(profile["scores"].items()):
        rows.add_row("score", name, "none" if value is None else str(value))
    for name, weights in sorted(profile["interests"].items()):
        told = ", ".join(f"{one['value']} {one['weight']:g}" for one in weights)
        rows.add_row("interest", name, told or "none yet")
    for run in profile["journeys"]:
        at = f"at {run['step']}, goes on {run['goes_on_at']}"
        rows.add_row("journey", run["journey"], at)
    for topic, is_given in sorted(profile["consents"].items()):
        rows.add_row("consent", topic, "given" if is_given else "withdrawn")
    rows.add_row("first seen", "", profile["created_at"])
    rows.add_row("last change", "", profile["updated_at"])
    rows.show_header = False
    out.print(rows)
