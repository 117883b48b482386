"""A plan on a terminal: effects first, the text of the files last and folded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.text import Text

from tailorbird.cli import output

_REACH = {
    "none": "changes nothing for anybody",
    "forward": "acts from now on",
    "rewrites": "counts the past anew",
}


def show_plan(plan: Mapping[str, Any], *, is_full: bool = False) -> None:
    """Print a plan as `services.plan.plan_of` gives it."""
    out = output.console()
    if not plan["changes"]:
        out.print("Nothing would change: these definitions are live.")
        return
    out.print(Text(f"Plan {plan['plan']}", "bold"), end="")
    out.print(
        f" for {plan['people']:,} people, at offset {plan['offset']:,}, {plan['at']}:"
        f" {_REACH[plan['reach']]}.\n"
    )
    _segments(out, plan)
    _journeys(out, plan)
    _messages(out, plan)
    _warnings(out, plan)
    out.print(Text("Definitions", "bold"))
    for one in plan["changes"]:
        out.print(f"  {one['what']} {one['kind']} {one['name']}: {_REACH[one['reach']]}")
    lines = plan["text"]
    if not is_full:
        count = sum(line[:1] in "+-" and line[:3] not in ("+++", "---") for line in lines)
        out.print(f"  {count} lines of text; `--text` shows them.")
        return
    for line in lines:
        style = {"+": "green", "-": "red", "@": "dim"}.get(line[:1], "")
        out.print(Text(f"  {line}", style))


def _segments(out: Console, plan: Mapping[str, Any]) -> None:
    if not plan["segments"]:
        out.print("No segment gains or loses anybody.\n")
        return
    table = output.table(
        "segment", ">now", ">then", ">enter", ">leave", ">in 7 days: enter", ">leave"
    )
    for name, one in plan["segments"].items():
        ahead = plan["ahead"]["segments"].get(name, {}).get("planned", {})
        table.add_row(
            name,
            *(f"{one[part]:,}" for part in ("before", "after", "entering", "leaving")),
            *(f"{ahead.get(part, 0):,}" for part in ("entering", "leaving")),
        )
    out.print(table)
    out.print(
        "[dim]Who enters or leaves by the change itself does so quietly: no journey starts.[/]"
    )
    for name, one in plan["segments"].items():
        for part in ("entering", "leaving"):
            known = [(one["known_as"] or [one["id"]])[0] for one in one[f"{part}_sample"]]
            if known:
                out.print(Text(f"  {part} {name}: {', '.join(known)} ..."))
    out.print()


def _journeys(out: Console, plan: Mapping[str, Any]) -> None:
    if not plan["journeys"]:
        return
    table = output.table(
        "journey", ">inside", ">go on", ">finish the old", ">leave", ">mailed at once"
    )
    for name, one in plan["journeys"].items():
        parts = ("inside", "go_on", "finish_former", "leave", "mailed_at_once")
        table.add_row(name, *(f"{one[part]:,}" for part in parts))
    out.print(table, "")


def _messages(out: Console, plan: Mapping[str, Any]) -> None:
    ahead, past = plan["ahead"]["messages"], plan["past"]
    names = sorted({*ahead, *(past["messages"] if past else ())})
    if not names:
        return
    columns = ["messages", ">next 7 days", ">as it is"]
    if past:
        columns += [f">last {past['days']} days", ">as it is"]
    table = output.table(*columns)
    for name in names:
        cells = _counts(ahead.get(name))
        if past:
            cells += _counts(past["messages"].get(name))
        table.add_row(name, *cells)
    out.print(table)
    out.print("[dim]The next days: what is known today already, if nothing more happens.[/]\n")


def _counts(one: Mapping[str, Mapping[str, int]] | None) -> list[str]:
    if one is None:
        return ["0", "0"]
    return [f"{sum(one[part].values()):,}" for part in ("planned", "live")]


def _warnings(out: Console, plan: Mapping[str, Any]) -> None:
    said = []
    for one in plan["clashes"]:
        who = (one["profile"]["known_as"] or [one["profile"]["id"]])[0]
        journeys = ", ".join(one["journeys"])
        said.append(f"{who} would get {len(one['journeys'])} mails on {one['day']}: {journeys}")
    past = plan["past"] or {"same_day": ()}
    said += [
        f"{' and '.join(one['journeys'])} on one day, {one['times']:,} times"
        for one in past["same_day"]
    ]
    for one in plan["templates"]:
        people = one["people"]
        said += [
            f"{one['template']}: {value} is missing for {count} of {people} people"
            for value, count in one["missing"].items()
        ]
        said += [
            f"{one['template']}: {fault} ({count} of {people} people)"
            for fault, count in one["faults"].items()
        ]
    for one in plan["problems"]:
        place = f"{one['file']}:{one['line']} " if one["file"] else ""
        said.append(f"{place}{one['message']}")
    if said:
        out.print(Text("To look at", "bold"))
        for line in said:
            out.print(Text(f"  {line}", "yellow"))
        out.print()
