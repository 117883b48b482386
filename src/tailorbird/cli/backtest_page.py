"""A backtest as one page with charts that needs nothing beside itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from html import escape
from typing import Any

from tailorbird.cli.page import (
    BELOW,
    COLOURS,
    HEIGHT,
    LEFT,
    WIDTH,
    bars,
    chart,
    coloured,
    key,
    page,
    table,
)

_DAYS_MAX = 240  # more become weeks


def page_of(found: Mapping[str, Any], name: str, timezone: str) -> str:
    """Return the HTML of what `services.backtest.to_json` gives."""
    would, really = (found[part]["by_journey"] for part in ("messages", "really_sent"))
    journeys = sorted({*would, *really})
    colours = coloured(journeys)
    days = _days(found)
    parts = [
        (
            f"<p>{found['events']:,} events from {found['from']} up to {found['to']},"
            f" {found['people']:,} people. Days and hours are those of {escape(timezone)};"
            f" each bar is a {'day' if _step(days) == 1 else 'week'}.</p>"
        ),
        f"<h2>{found['messages']['count']:,} messages would have left</h2>",
        bars(days, [(one, would.get(one, {})) for one in journeys], colours),
        f"<h2>{found['really_sent']['count']:,} messages really left</h2>",
        bars(days, [(one, really.get(one, {})) for one in journeys], colours),
        key(colours),
        table(
            ("journey", "would have left", "really left", "difference"),
            [_journey_row(one, would, really) for one in journeys],
        ),
        "<h2>By hour of the day</h2>",
        _hours(found["hours"]),
        "<h2>Segments</h2>",
        table(
            ("segment", "entered", "left", "members at the end"),
            [
                (one, *(_sum(parts[word]) for word in ("entered", "left")), f"{parts['members']:,}")
                for one, parts in found["segments"].items()
            ],
        ),
        "<h2>Messages of one person in one week</h2>",
        table(
            ("messages in the week", "times"),
            [(count, f"{times:,}") for count, times in found["weeks"].items()],
        ),
    ]
    if found["same_day"]:
        rows = [(" and ".join(one["journeys"]), f"{one['times']:,}") for one in found["same_day"]]
        parts += ["<h2>More than one on a day</h2>", table(("journeys", "times"), rows)]
    reasons = [*found["held"].items(), *found["stopped"].items()]
    if reasons:
        parts += ["<h2>Held or not sent</h2>", table(("why", "messages"), reasons)]
    parts += [
        "<h2>What this cannot tell</h2>",
        *(f"<p>{escape(one)}</p>" for one in found["limits"]),
    ]
    return page(f"Backtest of {name}", parts)


def _journey_row(
    name: str, would: Mapping[str, Any], really: Mapping[str, Any]
) -> tuple[str, str, str, str]:
    mine, theirs = (sum(part.get(name, {}).values()) for part in (would, really))
    return name, f"{mine:,}", f"{theirs:,}", f"{mine - theirs:+,}"


def _sum(days: Mapping[str, int]) -> str:
    return f"{sum(days.values()):,}"


def _days(found: Mapping[str, Any]) -> list[str]:
    """Return the first days of the bars: of each day, or of each week of a long period."""
    begin, end = (date.fromisoformat(found[word][:10]) for word in ("from", "to"))
    for part in ("messages", "really_sent"):
        for counts in found[part]["by_journey"].values():
            begin = min([begin, *map(date.fromisoformat, counts)])
    step = 1 if (end - begin).days <= _DAYS_MAX else 7
    return [
        (begin + timedelta(days=number)).isoformat()
        for number in range(0, max((end - begin).days, 1), step)
    ]


def _step(days: Sequence[str]) -> int:
    first, second, *_ = [*days, *days]
    return abs((date.fromisoformat(second) - date.fromisoformat(first)).days) or 1


def _hours(hours: Mapping[str, int]) -> str:
    highest = max(hours.values()) or 1
    each = (WIDTH - LEFT) / 24
    marks = []
    for hour, count in hours.items():
        tall = count / highest * (HEIGHT - BELOW - 12)
        left = LEFT + int(hour) * each
        marks.append(
            f'<rect x="{left:.1f}" y="{HEIGHT - BELOW - tall:.1f}" width="{each - 3:.1f}"'
            f' height="{tall:.1f}" fill="{COLOURS[0]}"><title>{hour}:00: {count:,}</title></rect>'
            f'<text x="{left + 4:.1f}" y="{HEIGHT - 5}">{hour}</text>'
        )
    return chart(marks, highest)
