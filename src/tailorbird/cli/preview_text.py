"""A preview of a segment on a terminal."""

from __future__ import annotations

from typing import Any

from rich.text import Text

from tailorbird.cli import output
from tailorbird.services.question import Preview

_OVERLAPS_SHOWN = 8
# Eight heights of a bar.
_BARS = "▁▂▃▄▅▆▇█"


def show_preview(seen: Preview) -> None:
    """Print a preview: size and reach, parts, members, near misses, overlaps, days."""
    out = output.console()
    about = "about " if seen.estimate else ""
    within = f" (± {seen.error:,})" if seen.estimate else ""
    out.print(
        f"[bold]{about}{seen.size:,}[/bold]{within} of {seen.people:,} people,"
        f" {seen.reachable:,} can be mailed ({seen.without_consent:,} without consent,"
        f" {seen.without_address:,} without address, {seen.suppressed:,} suppressed)."
    )
    if seen.capped:
        out.print(f"{seen.capped:,} of those had their share of marketing mail for today.")
    out.print()
    if len(seen.funnel) > 1:
        table = output.table("condition by condition", ">people left")
        for text, size in seen.funnel:
            table.add_row(Text(text), f"{size:,}")
        out.print(table, "")
    if seen.overlaps:
        table = output.table("shares with", ">people", ">of")
        for name, both, size in seen.overlaps[:_OVERLAPS_SHOWN]:
            table.add_row(name, f"{both:,}", f"{size:,}")
        out.print(table, "")
    if seen.days:
        _show_days(seen)
    _show_people("members", seen.members)
    _show_people("near misses", seen.near_misses)


def _show_days(seen: Preview) -> None:
    (first, at_first), (last, at_last) = seen.days[0], seen.days[-1]
    most = max(size for _, size in seen.days) or 1
    bars = "".join(_BARS[size * (len(_BARS) - 1) // most] for _, size in seen.days)
    about = "about " if seen.days_estimated else ""
    output.console().print(
        f"{bars}  {about}{at_first:,} on {first}, {about}{at_last:,} on {last}.\n"
    )


def _show_people(title: str, people: list[dict[str, Any]]) -> None:
    if not people:
        return
    table = output.table(title, "values")
    for one in people:
        values = Text()
        for asked in one["conditions"]:
            style = "" if asked["holds"] else "red"
            for value in asked["values"]:
                shown = "missing" if value["value"] is None else str(value["value"])
                comma = ", " if values else ""
                values.append(comma).append(f"{value['text']} = {shown}", style)
        table.add_row(Text(", ".join(one["known_as"]) or one["id"]), values)
    output.console().print(table, "")
