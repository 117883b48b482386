"""Source that folds events into cells and keeps the truth of standing conditions.

Generated functions use these names: `cells`, `e` (the event), `p` (properties), `x` (context),
`ts` and `o` (its place in the total order), `now`; where they settle also `members`, `deadlines`
and `changes`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from tailorbird.base.numbers import SCALE
from tailorbird.language.accumulators import NEVER, CellSpec

_READ_CELL = re.compile(r"\bcells\.get\(([0-9]+)\)")
READ_EVENT = "p = e.properties; x = e.context; ts = e.timestamp; o = e.order"


def fold_lines(spec: CellSpec) -> list[str]:
    """Source that folds an event which matched into one cell."""
    one, value = spec.id, "pack(from_json(event_property(p, x, " + repr(spec.path) + ")))"
    if len(spec.path) == 1 and spec.path[0] not in ("context", "properties"):
        value = f"pack(from_json(p.get({spec.path[0]!r})))"
    if spec.is_item:
        value = f"n * {SCALE}"
    match spec.kind:
        case "latest" | "times":
            return _latest_lines(spec, value)
        case "count":
            return [f"cells[{one}] = cells.get({one}, 0) + 1"]
        case "sum":
            number = str(spec.points) if spec.points else f"unpack({value})"
            return [f"add_sum(cells, {one}, {number})"]
        case "min" | "max":
            return [f"add_extreme(cells, {one}, {spec.kind!r}, unpack({value}))"]
        case "first" | "last":
            return [f"add_edge(cells, {one}, {spec.kind!r}, ts, o, {value})"]
        case "days":
            points = spec.points // spec.unit
            return [f"add_day(cells, {one}, ts, {points}, {spec.horizon}, now)"]
    return [f"add_decay(cells, {one}, ts, {spec.points // spec.unit}, {spec.half_life}, now)"]


def _latest_lines(spec: CellSpec, value: str) -> list[str]:
    one, cap, horizon = spec.id, spec.cap, spec.horizon
    until = "None" if horizon is None else f"now - {horizon}"
    # Nearly all events arrive in order: append without a call.
    fresh = "" if horizon is None else f" and ts > {until}"
    if spec.kind == "times":
        last, first, columns, trim = "c[-1]", "c[0]", ["c.append(ts)"], "trim_times"
        size, full = "len(c)", f"add_time(cells, {one}, {cap}, {horizon}, ts, now)"
    else:
        last, first, trim = "c[0][-1]", "c[0][0]", "trim_latest"
        columns, size = ["c[0].append(ts)", "c[1].append(o)"], "len(c[0])"
        if spec.has_values:
            columns.append(f"c[2].append({value})")
        extra = f", {value}, True" if spec.has_values else ""
        full = f"add_latest(cells, {one}, {cap}, {horizon}, ts, o, now{extra})"
    has_surplus = f"{size} > {cap}" + ("" if horizon is None else f" or {first} <= {until}")
    return [
        f"c = cells.get({one})",
        f"if c is not None and ts > {last}{fresh}:",
        f"    {'; '.join(columns)}",
        f"    if {has_surplus}: {trim}(c, {cap}, {until})",
        "else:",
        f"    {full}",
    ]


def settle_lines(name: str, truth: str, flip: str) -> list[str]:
    """Source that notes a standing condition's truth and when to ask it again."""
    lines: list[str] = []
    if flip != str(NEVER):
        lines += [
            f"f = {flip}",
            f"if f < {NEVER}: deadlines[{name!r}] = f",
            f"elif {name!r} in deadlines: del deadlines[{name!r}]",
        ]
    return [
        *lines,
        f"if {truth}:",
        f"    if {name!r} not in members:",
        f"        members[{name!r}] = now; changes.append(({name!r}, True))",
        f"elif {name!r} in members:",
        f"    del members[{name!r}]; changes.append(({name!r}, False))",
    ]


def share_cells(lines: Sequence[str]) -> list[str]:
    """Let lines that read the same cells read each once: evaluating changes none."""
    read = Counter(one for line in lines for one in _READ_CELL.findall(line))
    often = {one for one, times in read.items() if times > 1}

    def local(found: re.Match[str]) -> str:
        return f"h{found[1]}" if found[1] in often else found[0]

    return [
        *(f"h{one} = cells.get({one})" for one in sorted(often)),
        *(_READ_CELL.sub(local, line) for line in lines),
    ]


def groups_of(specs: Iterable[CellSpec]) -> dict[str, list[CellSpec]]:
    """Put cells under one filter together; "" has none and comes first."""
    groups: dict[str, list[CellSpec]] = {"": []}
    for spec in specs:
        item = ".".join(spec.path) + "|" if spec.is_item else ""
        groups.setdefault(item + ("" if spec.where is None else repr(spec.where)), []).append(spec)
    return {group: found for group, found in groups.items() if found}


def indent(lines: Iterable[str]) -> list[str]:
    """Put lines one level deeper."""
    return ["    " + line for line in lines]
