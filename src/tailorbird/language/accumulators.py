"""The bounded states behind aggregates: commutative monoids over one profile's events.

A cell is plain data that the state codec stores as it is. `CellSpec` says what a cell holds;
the functions here add an event, merge two cells and prune one. Reading them is `runtime`'s job;
which cells an expression needs is `compiler`'s.

Cells by kind:

========  ==========================================  =========================================
kind      cell                                        used by
========  ==========================================  =========================================
times     [timestamp ...]                             count any none since rate with a window
latest    [timestamps, orders] or [.., .., values]    windows over values, chains of events
count     n                                           count without window
sum       [number of values, total]                   sum and avg without window, points
min, max  packed scaled number                        min and max without window
first     [timestamp, order, value]                   first without window
last      [timestamp, order, value]                   last without window
decay     {half-life index: weighted points}          scores with a half-life
days      {UTC day: points}                           scores with a daily cap or linear decay
========  ==========================================  =========================================

Numbers inside cells are packed: integers beyond 64 bits are bytes, because msgpack has none.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tailorbird.base.hashing import hash32
from tailorbird.base.numbers import SCALE
from tailorbird.base.time import DAY
from tailorbird.language import decay
from tailorbird.language.tree import Node

Cell = Any
Cells = dict[int, Cell]

# An aggregate is taken over the latest N matching events, unless it has to count further.
LATEST_CAP = 1_000
NEVER = 1 << 62  # an instant after all instants
# Break points looked at before a deadline is set short of the true change.
LOOK_AHEAD = 64

_WORD = 1 << 63


@dataclass(frozen=True, slots=True)
class CellSpec:
    """What a cell accumulates. `cap` and `horizon` bound `times` and `latest`, the latter `days`.

    `horizon` is the age in microseconds beyond which an entry can never count again; None keeps
    entries whatever their age. `points` and `half_life` belong to scores.
    """

    id: int
    kind: str
    event: str
    path: tuple[str, ...] = ()
    where: Node | None = None
    is_item: bool = False  # `where` looks at the items of the list at `path`
    has_values: bool = False
    cap: int = LATEST_CAP
    horizon: int | None = None
    points: int = 0
    half_life: int = 0

    @property
    def unit(self) -> int:
        """What cells of points count in: whole points where they are, so that they fit a word."""
        return SCALE if self.points % SCALE == 0 else 1

    def covers(self, need: CellSpec) -> bool:
        """Say whether a cell kept to this spec answers everything that `need` asks."""
        return self.cap >= need.cap and (
            self.horizon is None or (need.horizon is not None and self.horizon >= need.horizon)
        )


@dataclass(frozen=True, slots=True)
class Reach:
    """Which events can matter to cells: those of some names, no older than `age` microseconds.

    An age of None is any age.
    """

    names: frozenset[str]
    age: int | None


def reach_of(specs: Iterable[CellSpec]) -> Reach:
    """Return which events some cells can be filled from."""
    names: set[str] = set()
    age: int | None = 0
    for spec in specs:
        names.add(spec.event)
        # Only series drop an entry by its age alone.
        horizon = spec.horizon if spec.kind in ("times", "latest") else None
        age = None if age is None or horizon is None else max(age, horizon)
    return Reach(frozenset(names), age)


def cell_id(kind: str, event: str, path: tuple[str, ...], where: str, *more: int | str) -> int:
    """Name a cell by what it means, so that it survives edits elsewhere in the workspace."""
    return hash32(kind, event, ".".join(path), where, *more)


def pack(value: Any) -> Any:
    """Make a value storable: integers beyond 64 bits become bytes, tuples are packed inside."""
    kind = type(value)
    if kind is int:
        if -_WORD <= value < _WORD:
            return value
        return value.to_bytes((value.bit_length() + 8) // 8, "big", signed=True)
    if kind is tuple or kind is list:
        return [pack(item) for item in value]
    return value


def unpack(value: Any) -> Any:
    """Undo `pack`; lists come back as tuples."""
    kind = type(value)
    if kind is bytes:
        return int.from_bytes(value, "big", signed=True)
    if kind is list:
        return tuple(unpack(item) for item in value)
    return value


def add_time(
    cells: Cells, spec_id: int, cap: int, horizon: int | None, timestamp: int, now: int
) -> None:
    """Insert a timestamp in order, keep the latest `cap` inside the horizon."""
    if horizon is not None and timestamp + horizon <= now:
        return
    times = cells.get(spec_id)
    if times is None:
        cells[spec_id] = [timestamp]
        return
    if timestamp >= times[-1]:
        times.append(timestamp)
    else:
        insort(times, timestamp)
    trim_times(times, cap, None if horizon is None else now - horizon)


def trim_times(times: list[int], cap: int, until: int | None) -> None:
    """Drop all but the latest `cap`, and what is not later than `until`."""
    surplus = len(times) - cap
    if until is not None and times[0] <= until:
        surplus = max(surplus, bisect_right(times, until))
    if surplus > 0:
        del times[:surplus]


def trim_latest(cell: list[list[Any]], cap: int, until: int | None) -> None:
    """Drop all but the latest `cap` entries, and those not later than `until`."""
    surplus = len(cell[0]) - cap
    if until is not None and cell[0][0] <= until:
        surplus = max(surplus, bisect_right(cell[0], until))
    if surplus > 0:
        for column in cell:
            del column[:surplus]


def add_latest(
    cells: Cells,
    spec_id: int,
    cap: int,
    horizon: int | None,
    timestamp: int,
    order: int,
    now: int,
    value: Any = None,
    has_value: bool = False,
) -> None:
    """Insert an event in the total order, keep the latest `cap` inside the horizon."""
    if horizon is not None and timestamp + horizon <= now:
        return
    cell = cells.get(spec_id)
    if cell is None:
        cells[spec_id] = [[timestamp], [order], [value]] if has_value else [[timestamp], [order]]
        return
    timestamps = cell[0]
    orders = cell[1]
    if timestamp > timestamps[-1]:
        position = len(timestamps)
    else:
        position = bisect_left(timestamps, timestamp)
        while (
            position < len(timestamps)
            and timestamps[position] == timestamp
            and orders[position] < order
        ):
            position += 1
    timestamps.insert(position, timestamp)
    orders.insert(position, order)
    if has_value:
        cell[2].insert(position, value)
    trim_latest(cell, cap, None if horizon is None else now - horizon)


def add_sum(cells: Cells, spec_id: int, value: Any) -> None:
    """Add one scaled number, or a tuple of values of which the numbers count."""
    values = [number for number in value if type(number) is int] if type(value) is tuple else None
    if values is None:
        if type(value) is not int:
            return
        values = [value]
    if not values:
        return
    cell = cells.get(spec_id)
    count, total = (0, 0) if cell is None else (cell[0], unpack(cell[1]))
    cells[spec_id] = [count + len(values), pack(total + sum(values))]


def add_extreme(cells: Cells, spec_id: int, kind: str, value: Any) -> None:
    """Keep the least or greatest scaled number."""
    pick = min if kind == "min" else max
    numbers = value if type(value) is tuple else (value,)
    for number in numbers:
        if type(number) is int:
            known = cells.get(spec_id)
            cells[spec_id] = number if known is None else pick(unpack(known), number)
    if spec_id in cells:
        cells[spec_id] = pack(cells[spec_id])


def add_edge(cells: Cells, spec_id: int, kind: str, timestamp: int, order: int, value: Any) -> None:
    """Keep the first or last event's place in the total order and its value."""
    known = cells.get(spec_id)
    place = [timestamp, order]
    if known is None or (place < known[:2] if kind == "first" else place > known[:2]):
        cells[spec_id] = [timestamp, order, value]


def add_decay(
    cells: Cells, spec_id: int, timestamp: int, points: int, half_life: int, now: int
) -> None:
    """Add points that halve each `half_life` microseconds."""
    index, weight = decay.weigh(timestamp, half_life)
    added = points * weight
    cell = cells.get(spec_id)
    if cell is None:
        cell = cells[spec_id] = {}
    known = cell.get(index)
    if known is not None:
        added += known if type(known) is int else unpack(known)
        cell[index] = added if -_WORD <= added < _WORD else pack(added)
        return
    newest = now // half_life
    cell[index] = pack(added)
    _drop_faded(cell, newest)
    if not cell:
        del cells[spec_id]
        return
    # One order of keys, whatever the order of arrival: equal states are equal bytes.
    if len(cell) > 1 and index != max(cell):
        cells[spec_id] = dict(sorted(cell.items()))


def add_day(
    cells: Cells, spec_id: int, timestamp: int, points: int, horizon: int, now: int
) -> None:
    """Add points to their UTC day."""
    day = timestamp // DAY
    cell = cells.get(spec_id)
    if cell is None:
        cell = cells[spec_id] = {}
    known = cell.get(day)
    if known is not None:
        cell[day] = pack(unpack(known) + points)
        return
    cell[day] = pack(points)
    _drop_days(cell, now - horizon)
    if not cell:
        del cells[spec_id]
    elif len(cell) > 1 and day != max(cell):
        cells[spec_id] = dict(sorted(cell.items()))


def _drop_days(cell: dict[int, Any], until: int) -> None:
    for day in [day for day in cell if (day + 1) * DAY <= until]:
        del cell[day]


def _drop_faded(cell: dict[int, Any], newest: int) -> None:
    for index in [index for index in cell if index < newest - decay.KEPT]:
        del cell[index]


def merge_cell(spec: CellSpec, left: Cell, right: Cell) -> Cell:
    """Merge two cells of one spec: the same as adding the union of their events."""
    if spec.kind == "times":
        return sorted([*left, *right])[-spec.cap :]
    if spec.kind == "latest":
        rows = sorted(zip(*left, strict=True), key=_place) + sorted(
            zip(*right, strict=True), key=_place
        )
        rows.sort(key=_place)
        return [list(column) for column in zip(*rows[-spec.cap :], strict=True)]
    if spec.kind == "count":
        return left + right
    if spec.kind == "sum":
        return [left[0] + right[0], pack(unpack(left[1]) + unpack(right[1]))]
    if spec.kind in ("min", "max"):
        pick = min if spec.kind == "min" else max
        return pack(pick(unpack(left), unpack(right)))
    if spec.kind == "first":
        return min(left, right, key=lambda edge: edge[:2])
    if spec.kind == "last":
        return max(left, right, key=lambda edge: edge[:2])
    return {
        index: pack(unpack(left.get(index, 0)) + unpack(right.get(index, 0)))
        for index in sorted(left.keys() | right.keys())
    }


def merge_into(cells: Cells, others: Cells, specs: Mapping[int, CellSpec]) -> None:
    """Merge other cells into some, in place."""
    for one, cell in others.items():
        cells[one] = merge_cell(specs[one], cells[one], cell) if one in cells else cell


def _place(row: tuple[Any, ...]) -> tuple[int, int]:
    return row[0], row[1]


def prune_cell(spec: CellSpec, cell: Cell, now: int) -> Cell | None:
    """Drop what can never count again after `now`; None where nothing is left."""
    if spec.kind == "times":
        trim_times(cell, spec.cap, None if spec.horizon is None else now - spec.horizon)
        return cell or None
    if spec.kind == "latest":
        trim_latest(cell, spec.cap, None if spec.horizon is None else now - spec.horizon)
        return cell if cell[0] else None
    if spec.kind == "days":
        _drop_days(cell, now - (spec.horizon or 0))
        return cell or None
    if spec.kind == "decay":
        _drop_faded(cell, now // spec.half_life)
        return cell or None
    return cell
