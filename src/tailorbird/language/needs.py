"""The cells that a program keeps and the constants that its generated source refers to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tailorbird.base.problems import TailorbirdError
from tailorbird.base.time import DAY, Duration
from tailorbird.language import decay, tree
from tailorbird.language.accumulators import LATEST_CAP, CellSpec, cell_id


@dataclass(frozen=True, slots=True, kw_only=True)
class PointsScore:
    """A score of points per event: (event, scaled points, filter).

    Points fade by `half_life`, or evenly over `fades_over`, both in microseconds; with neither they
    stay. `cap_per_day` (scaled) bounds the points of one UTC day.

    A score is *pooled* where it fades evenly or has a cap: the points of one UTC day are added up,
    stay whole until the day's end, and fade from there.
    """

    points: tuple[tuple[str, int, tree.Node | None], ...]
    half_life: int | None = None
    fades_over: int | None = None
    cap_per_day: int | None = None

    @property
    def glides(self) -> bool:
        """Whether the score changes while nothing happens."""
        return self.half_life is not None or self.fades_over is not None

    @property
    def is_pooled(self) -> bool:
        """Whether points are kept by day."""
        return self.fades_over is not None or self.cap_per_day is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Interest:
    """Weights of the values of a property: (event, scaled points, filter, path of the value).

    Each of the latest 1,000 matching events gives its points to its value (to each of a list);
    points fade by `half_life` in microseconds, or stay.
    """

    points: tuple[tuple[str, int, tree.Node | None, tuple[str, ...]], ...]
    half_life: int | None = None


class CompileError(TailorbirdError):
    """The expression is well formed but cannot be kept live; the message names the mend."""


@dataclass(slots=True)
class Scope:
    """What names in expressions stand for."""

    segments: Mapping[str, tree.Node]
    scores: Mapping[str, tree.Node | PointsScore]
    lists: Mapping[str, tuple[str, ...]]
    interests: Mapping[str, Interest] = field(default_factory=dict)


def horizon_of(window: Duration) -> int:
    """Return an age in microseconds beyond which a window certainly holds nothing."""
    return (window.months * 31 + 1) * DAY + window.micros if window.months else window.micros


class Needs:
    """The cells that a program keeps, and the constants that its source refers to."""

    def __init__(self) -> None:
        self.specs: dict[int, CellSpec] = {}
        self.constants: dict[str, Any] = {}
        self._names: dict[Any, str] = {}

    def constant(self, value: Any) -> str:
        """Return the name under which generated code finds a value."""
        key = (type(value), value if value.__hash__ else id(value))
        if key not in self._names:
            name = f"K{len(self._names)}"
            self._names[key] = name
            self.constants[name] = value
        return self._names[key]

    def window(self, duration: Duration | None) -> str:
        """Return source for a window: microseconds, or a constant for calendar months."""
        if duration is None:
            return "None"
        return self.constant(duration) if duration.months else str(duration.micros)

    def keep(self, spec: CellSpec) -> int:
        """Keep a cell; one cell serves all who ask for the same thing, with the longest need."""
        known = self.specs.get(spec.id)
        if known is not None:
            horizon = (
                None
                if known.horizon is None or spec.horizon is None
                else max(known.horizon, spec.horizon)
            )
            spec = replace(known, cap=max(known.cap, spec.cap), horizon=horizon)
        self.specs[spec.id] = spec
        return spec.id

    def latest(
        self,
        selector: tree.Selector,
        *,
        cap: int,
        window: Duration | None,
        path: tuple[str, ...] = (),
        has_values: bool = False,
        is_ordered: bool = False,
        is_item: bool = False,
    ) -> int:
        """Keep the latest `cap` matching events: when they happened, and the values if asked.

        `is_ordered` keeps each event's place among those of the same instant.
        """
        form = "latest" if has_values or is_ordered else "times"
        kind = "items" if is_item and has_values else form
        # A cell that holds more than others may count is no series of theirs.
        surplus = (cap,) if cap > LATEST_CAP else ()
        spec = CellSpec(
            id=cell_id(kind, selector.event, path, _text(selector.where), int(is_item), *surplus),
            kind=form,
            event=selector.event,
            path=path,
            where=selector.where,
            is_item=is_item,
            has_values=has_values,
            cap=cap,
            horizon=None if window is None else horizon_of(window),
        )
        return self.keep(spec)

    def number(self, kind: str, selector: tree.Selector, *, is_item: bool = False) -> int:
        """Keep a plain number: count, sum, min, max, first or last without a window."""
        spec = CellSpec(
            id=cell_id(kind, selector.event, selector.path, _text(selector.where), int(is_item)),
            kind=kind,
            event=selector.event,
            path=selector.path,
            where=selector.where,
            is_item=is_item,
        )
        return self.keep(spec)

    def points(self, score: PointsScore) -> list[int]:
        """Keep the cells of a points score: one for each event and filter, by half-life."""
        ids = []
        kind = "days" if score.is_pooled else "decay" if score.half_life else "sum"
        for event, points, where in score.points:
            span = score.fades_over or score.half_life or 0
            spec = CellSpec(
                id=cell_id(f"points-{kind}", event, (), _text(where), points, span),
                kind=kind,
                event=event,
                where=where,
                points=points,
                half_life=score.half_life or 0,
                horizon=decay.days_kept(score.half_life, score.fades_over)
                if kind == "days"
                else None,
            )
            ids.append(self.keep(spec))
        return ids

    def interest(self, interest: Interest) -> list[tuple[int, int]]:
        """Keep the series of an interest; return (cell, points) for each kind of event."""
        return [
            (
                self.latest(
                    tree.Selector(event=event, path=path, where=where),
                    cap=LATEST_CAP,
                    window=None,
                    path=path,
                    has_values=True,
                ),
                points,
            )
            for event, points, where, path in interest.points
        ]


def _text(where: tree.Node | None) -> str:
    # The representation leaves positions out: two spellings of one filter share a cell.
    return "" if where is None else repr(where)
