"""A backtest as one page with charts that needs nothing beside itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from html import escape
from typing import Any

_COLOURS = ("#2f6f4f", "#d98e04", "#3d6fb6", "#b6493d", "#7a5aa6", "#4c9aa8", "#8a8a3c", "#a65a86")
_WIDTH, _HEIGHT, _LEFT, _BELOW = 960, 220, 48, 22
_DAYS_MAX = 240  # more become weeks
_STYLE = """
:root{color-scheme:light dark;--text:#1d2a24;--soft:#5c6b63;--line:#dfe5e1;--back:#fff}
@media(prefers-color-scheme:dark){:root{--text:#e6ece8;--soft:#9fb0a6;--line:#33413a;--back:#151c18}}
body{font:16px/1.5 system-ui,sans-serif;color:var(--text);background:var(--back);max-width:64rem;
margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem;margin:0}h2{font-size:1.15rem;margin:2rem 0 .5rem}p{color:var(--soft)}
.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%}
th,td{text-align:right;padding:.3rem .6rem;border-bottom:1px solid var(--line);white-space:nowrap}
th:first-child,td:first-child{text-align:left}svg{max-width:100%;height:auto}
svg text{fill:var(--soft);font-size:12px}svg line{stroke:var(--line)}
.key i{display:inline-block;width:.8em;height:.8em;border-radius:2px;margin:0 .35em 0 1em}
"""


def page_of(found: Mapping[str, Any], name: str, timezone: str) -> str:
    """Return the HTML of what `services.backtest.to_json` gives."""
    would, really = (found[part]["by_journey"] for part in ("messages", "really_sent"))
    journeys = sorted({*would, *really})
    colours = {journey: _COLOURS[n % len(_COLOURS)] for n, journey in enumerate(journeys)}
    days = _days(found)
    parts = [
        f"<h1>Backtest of {escape(name)}</h1>",
        (
            f"<p>{found['events']:,} events from {found['from']} up to {found['to']},"
            f" {found['people']:,} people. Days and hours are those of {escape(timezone)};"
            f" each bar is a {'day' if _step(days) == 1 else 'week'}.</p>"
        ),
        f"<h2>{found['messages']['count']:,} messages would have left</h2>",
        _bars(days, [(one, would.get(one, {})) for one in journeys], colours),
        f"<h2>{found['really_sent']['count']:,} messages really left</h2>",
        _bars(days, [(one, really.get(one, {})) for one in journeys], colours),
        _key(colours),
        _table(
            ("journey", "would have left", "really left", "difference"),
            [_journey_row(one, would, really) for one in journeys],
        ),
        "<h2>By hour of the day</h2>",
        _hours(found["hours"]),
        "<h2>Segments</h2>",
        _table(
            ("segment", "entered", "left", "members at the end"),
            [
                (one, *(_sum(parts[word]) for word in ("entered", "left")), f"{parts['members']:,}")
                for one, parts in found["segments"].items()
            ],
        ),
        "<h2>Messages of one person in one week</h2>",
        _table(
            ("messages in the week", "times"),
            [(count, f"{times:,}") for count, times in found["weeks"].items()],
        ),
    ]
    if found["same_day"]:
        rows = [(" and ".join(one["journeys"]), f"{one['times']:,}") for one in found["same_day"]]
        parts += ["<h2>More than one on a day</h2>", _table(("journeys", "times"), rows)]
    reasons = [*found["held"].items(), *found["stopped"].items()]
    if reasons:
        parts += ["<h2>Held or not sent</h2>", _table(("why", "messages"), reasons)]
    parts += [
        "<h2>What this cannot tell</h2>",
        *(f"<p>{escape(one)}</p>" for one in found["limits"]),
    ]
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>Backtest of {escape(name)}</title><style>{_STYLE}</style><body>{''.join(parts)}"
    )


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


def _bars(
    days: Sequence[str],
    series: Iterable[tuple[str, Mapping[str, int]]],
    colours: Mapping[str, str],
) -> str:
    stacks: list[list[tuple[str, int]]] = [[] for _ in days]
    for name, counts in series:
        sums = [0] * len(days)
        for day, count in counts.items():
            place = max((n for n, first in enumerate(days) if first <= day), default=0)
            sums[place] += count
        for stack, count in zip(stacks, sums, strict=True):
            stack.append((name, count))
    highest = max((sum(count for _, count in stack) for stack in stacks), default=0) or 1
    each = (_WIDTH - _LEFT) / max(len(days), 1)
    marks = []
    for number, stack in enumerate(stacks):
        above = float(_HEIGHT - _BELOW)
        for name, count in stack:
            tall = count / highest * (_HEIGHT - _BELOW - 12)
            above -= tall
            if count:
                marks.append(
                    f'<rect x="{_LEFT + number * each:.1f}" y="{above:.1f}"'
                    f' width="{max(each - 1, 0.6):.1f}" height="{tall:.1f}"'
                    f' fill="{colours[name]}"><title>{days[number]} {escape(name)}:'
                    f" {count:,}</title></rect>"
                )
    every = max(1, len(days) // 8)
    marks += [
        f'<text x="{_LEFT + n * each:.1f}" y="{_HEIGHT - 5}">{days[n]}</text>'
        for n in range(0, len(days), every)
        if _LEFT + n * each < _WIDTH - 70
    ]
    return _chart(marks, highest)


def _hours(hours: Mapping[str, int]) -> str:
    highest = max(hours.values()) or 1
    each = (_WIDTH - _LEFT) / 24
    marks = []
    for hour, count in hours.items():
        tall = count / highest * (_HEIGHT - _BELOW - 12)
        left = _LEFT + int(hour) * each
        marks.append(
            f'<rect x="{left:.1f}" y="{_HEIGHT - _BELOW - tall:.1f}" width="{each - 3:.1f}"'
            f' height="{tall:.1f}" fill="{_COLOURS[0]}"><title>{hour}:00: {count:,}</title></rect>'
            f'<text x="{left + 4:.1f}" y="{_HEIGHT - 5}">{hour}</text>'
        )
    return _chart(marks, highest)


def _chart(marks: Iterable[str], highest: int) -> str:
    foot = _HEIGHT - _BELOW
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">'
        f'<line x1="{_LEFT}" x2="{_WIDTH}" y1="{foot}" y2="{foot}"/>'
        f'<text x="0" y="14">{highest:,}</text><text x="0" y="{foot}">0</text>'
        f"{''.join(marks)}</svg>"
    )


def _key(colours: Mapping[str, str]) -> str:
    items = (f'<i style="background:{value}"></i>{escape(name)}' for name, value in colours.items())
    return f'<p class="key">{"".join(items)}</p>'


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = "".join(
        "<tr>" + "".join(f"<td>{escape(str(one))}</td>" for one in row) + "</tr>" for row in rows
    )
    names = "".join(f"<th>{escape(one)}</th>" for one in head)
    return f'<div class="scroll"><table><tr>{names}</tr>{lines}</table></div>'
