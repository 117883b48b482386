"""`tailorbird profile show`: all that is known of a person, and how they came to be one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tailorbird.base.time import format_micros, from_micros, parse_micros
from tailorbird.cli import output
from tailorbird.cli.output import Failure
from tailorbird.cli.reading import nobody, open_query, open_query_then, reference_of

app = App(name="profile", help="Show what is known of a person.")


@app.command
def show(
    person: str,
    /,
    *,
    data: Path = Path("data"),
    at: str = "",
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Show a person's identifiers and where they come from, segments, traits, scores and consent.

    Consent is shown with its proof: when, from where, by which event; and below it, which mail the
    person's addresses must not get.

    ```
    tailorbird profile show user_id:17850 --data shop-data
    ```

    Parameters
    ----------
    person
        KIND:VALUE, such as user_id:17850 or email:ada@shop.example; a bare user id; or p_...
    data
        The data folder of the server.
    at
        As they were known at this instant (RFC 3339): segments, traits, scores, journeys of then.
        Identifiers are those of today.
    as_json
        Print a JSON object.
    """
    reference = reference_of(person)
    with open_query(data) as query:
        profile = query.profile(reference)
        if profile is not None:
            profile.update(query.consent(reference))
    if at and profile is not None:
        profile = _profile_then(data, reference, at, profile)
    if profile is None:
        raise nobody(person)
    if as_json:
        output.write_json(profile)
    else:
        _Page(profile).show()
    return output.OK


def _profile_then(data: Path, reference: str, at: str, today: dict[str, Any]) -> dict[str, Any]:
    with open_query_then(data, reference, at) as query:
        found = query.profile(reference)
    instant = parse_micros(at)
    if found is None:
        raise Failure(
            f"nobody was known as `{reference}` at {at}",
            f"They are known since {today['created_at']}.",
        )
    known = {
        part: [one for one in today[part] if parse_micros(one[when]) <= instant]
        for part, when in (("consent_proofs", "at"), ("suppressed", "since"))
    }
    return {**found, **known, "at": format_micros(instant)}


class _Page:
    """A person on a terminal; instants in words, in the zone of the workspace."""

    def __init__(self, profile: dict[str, Any]) -> None:
        self._profile = profile
        self._zone = ZoneInfo(profile["timezone"])
        self._out: Console = output.console()

    def show(self) -> None:
        """Print all parts that have something to say."""
        profile = self._profile
        self._out.print(Text(profile["id"], "bold"))
        self._out.print(
            f"known since {self._at(profile['created_at'])},"
            f" last change {self._at(profile['updated_at'])}"
        )
        self._identity(profile["identity"])
        self._segments()
        self._pairs("Traits", profile["traits"])
        self._pairs("Without a standard form", profile["unfit"])
        self._pairs("Scores", profile["scores"])
        self._pairs(
            "Interests",
            {
                name: ", ".join(f"{one['value']} {one['weight']:g}" for one in weights) or None
                for name, weights in profile["interests"].items()
            },
        )
        self._pairs(
            "Journeys",
            {
                run["journey"]: f"at {run['step']}, goes on {self._at(run['goes_on_at'])}"
                for run in profile["journeys"]
            },
        )
        self._consent()

    def _consent(self) -> None:
        proofs = {one["topic"]: one for one in self._profile["consent_proofs"]}
        table = _plain_table()
        for topic, is_given in sorted(self._profile["consents"].items()):
            table.add_row(Text(topic), "given" if is_given else "withdrawn")
            proof = proofs.get(topic)
            if proof is not None:
                table.add_row("", self._reason(proof["at"], {"event": proof["by"], **proof}))
                known = ("topic", "is_given", "at", "by", "message_id")
                said = [f"{name}: {value}" for name, value in proof.items() if name not in known]
                table.add_row("", Text(", ".join(said), "dim"))
        if table.row_count:
            self._part("Consent", table)
        table = _plain_table()
        for one in self._profile["suppressed"]:
            what = "all mail" if one["topic"] == "*" else one["topic"]
            table.add_row(
                Text(one["address"]), f"no {what}: {one['reason']}, {self._at(one['since'])}"
            )
        if table.row_count:
            self._part("Suppressed", table)

    def _identity(self, identity: dict[str, Any]) -> None:
        table = _plain_table()
        for one in identity["identifiers"]:
            table.add_row(one["kind"], Text(one["value"]))
            table.add_row("", self._reason(one["first_seen"], one["linked_by"]))
        self._part("Identifiers", table)
        if not identity["merged"]:
            return
        table = _plain_table()
        for one in identity["merged"]:
            both = " and ".join(f"{pair['kind']} {pair['value']}" for pair in one["shared"])
            table.add_row(one["id"], Text(f"shared {both}" if both else "said to be the same"))
            table.add_row("", self._reason(one["at"], one["merged_by"]))
        self._part("Merged into this person", table)

    def _segments(self) -> None:
        since = {one["name"]: one["since"] for one in self._profile["memberships"]}
        changes = {one["segment"]: one["at"] for one in self._profile["next_changes"]}
        if not since and not changes:
            return
        table = output.table("segment", "", "member since", "asked again")
        for name in sorted(since) + sorted(set(changes) - set(since)):
            sign = Text("in", "green") if name in since else Text("not in", "dim")
            again = self._at(changes[name]) if name in changes else "at the next event"
            table.add_row(name, sign, self._at(since[name]) if name in since else "", again)
        self._part("Segments", table)

    def _pairs(self, title: str, values: dict[str, Any]) -> None:
        if not values:
            return
        table = _plain_table()
        for name, value in sorted(values.items()):
            table.add_row(Text(name), Text("none" if value is None else str(value)))
        self._part(title, table)

    def _part(self, title: str, table: Table) -> None:
        self._out.print()
        self._out.print(Text(title, "bold"))
        self._out.print(table)

    def _reason(self, at: str | None, cause: dict[str, Any] | None) -> Text:
        if at is None or cause is None:
            return Text("the log does not tell when and by what", "dim")
        return Text(f"{self._at(at)}, by {cause['event']} {cause['message_id']}", "dim")

    def _at(self, instant: str) -> str:
        moment = from_micros(parse_micros(instant)).astimezone(self._zone)
        return f"{moment.day} {moment:%b %Y, %H:%M %Z}"


def _plain_table() -> Table:
    table = output.table("", "")
    table.show_header = False
    # Ids are there to be copied: a long one is broken, never cut short.
    table.columns[1].overflow = "fold"
    return table
