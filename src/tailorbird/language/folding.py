"""Source that folds events into cells and keeps the truth of standing conditions.

Generated functions use these names: `cells`, `e` (the event), `p` (properties), `x` (context),
`ts` and `o` (its place in the total order), `now`; where they settle also `members`, `deadlines`
and `changes`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from tailorbird.base.numbers import SCALE
from tailorbird.language import decay
from tailorbird.language.accumulators import NEVER, CellSpec

# Texts are passed over: they are what people wrote, and may look like code.
_TEXT = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\""""
_READ_CELL = re.compile(rf"{_TEXT}|\bcells\.get\(([0-9]+)\)")
_READ_PROPERTY = re.compile(rf"{_TEXT}|\bp\.get\(('[A-Za-z0-9_ -]+')\)")
_READ_SUMS = re.compile(rf"{_TEXT}|\bsummable\(cells\.get\(([0-9]+)\)\)")
# What a generated function reads of its event, and the name by which its lines show that they do.
_READ_EVENT = {"p": "e.properties", "x": "e.context", "ts": "e.timestamp", "o": "e.order"}
_WORD = 1 << 63


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
    return _decay_lines(spec)


def _decay_lines(spec: CellSpec) -> list[str]:
    one, points = spec.id, spec.points // spec.unit
    # Nearly all points fall into the half-life of those before them.
    return [
        *decay.weigh_lines(spec.half_life),
        f"c = cells.get({one}); k = None if c is None else c.get(i)",
        f"if type(k) is int and {-_WORD} <= (k := k + {points} * w) < {_WORD}: c[i] = k",
        f"else: add_decay(cells, {one}, ts, {points}, {spec.half_life}, now)",
    ]


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
    edge = _EDGE.fullmatch(f"{truth} {flip}")
    if edge is not None:
        return _settle_edge(name, edge["edge"], is_until=edge["op"] == ">")
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


def edge_of(edge: str, *, is_until: bool) -> tuple[str, str]:
    """Source of a truth that holds until an instant, or from it on, and of when it flips."""
    return f"({edge} {'>' if is_until else '<='} now)", f"({edge} if {edge} > now else {NEVER})"


_EDGE = re.compile(
    rf"\((?P<edge>u[0-9]+) (?P<op>>|<=) now\) \((?P=edge) if (?P=edge) > now else {NEVER}\)"
)


def _settle_edge(name: str, edge: str, *, is_until: bool) -> list[str]:
    """The same as `settle_lines` in half the steps: one comparison tells all."""
    enters = (
        f"if {name!r} not in members: members[{name!r}] = now; changes.append(({name!r}, True))"
    )
    leaves = f"if {name!r} in members: del members[{name!r}]; changes.append(({name!r}, False))"
    return [
        f"if {edge} > now:",
        f"    if {edge} < {NEVER}: deadlines[{name!r}] = {edge}",
        f"    elif {name!r} in deadlines: del deadlines[{name!r}]",
        f"    {enters if is_until else leaves}",
        "else:",
        f"    if {name!r} in deadlines: del deadlines[{name!r}]",
        f"    {leaves if is_until else enters}",
    ]


def share_cells(lines: Sequence[str]) -> list[str]:
    """Let lines that read the same cells read each once: evaluating changes none."""
    read = _found(_READ_CELL, lines)
    often = {one: f"h{one}" for one in sorted(read) if read[one] > 1}
    return [
        *(f"{name} = cells.get({one})" for one, name in often.items()),
        *_named(_READ_CELL, lines, often),
    ]


def share_sums(lines: Sequence[str]) -> list[str]:
    """Let lines that sum up the same series do it once, before them all."""
    summed = {one: f"s{one}" for one in sorted(_found(_READ_SUMS, lines))}
    return [
        *(f"{name} = summable(cells.get({one}))" for one, name in summed.items()),
        *_named(_READ_SUMS, lines, summed),
    ]


def read_event(lines: Sequence[str]) -> list[str]:
    """Put what lines read of the event `e` before them; what several ask is read once."""
    asked = _found(_READ_PROPERTY, lines)
    often = {one: f"p{n}" for n, one in enumerate(one for one in asked if asked[one] > 1)}
    body = [
        *(f"{name} = p.get({one})" for one, name in often.items()),
        *_named(_READ_PROPERTY, lines, often),
    ]
    read = [
        f"{name} = {source}"
        for name, source in _READ_EVENT.items()
        if any(re.search(rf"\b{name}\b", line) for line in body)
    ]
    return ["; ".join(read), *body] if read else body


def _found(pattern: re.Pattern[str], lines: Iterable[str]) -> Counter[str]:
    """Count what a pattern finds outside of texts."""
    return Counter(one for line in lines for one in pattern.findall(line) if one)


def _named(
    pattern: re.Pattern[str], lines: Iterable[str], names: Mapping[str, str]
) -> Iterator[str]:
    """Put names in the place of what a pattern finds outside of texts."""
    return (pattern.sub(lambda found: names.get(found[1], found[0]), line) for line in lines)


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
