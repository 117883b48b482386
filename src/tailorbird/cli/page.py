"""Parts of reports that are one page, which needs nothing beside itself: tables and charts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

COLOURS = ("#2f6f4f", "#d98e04", "#3d6fb6", "#b6493d", "#7a5aa6", "#4c9aa8", "#8a8a3c", "#a65a86")
WIDTH, HEIGHT, LEFT, BELOW = 960, 220, 48, 22
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


def page(title: str, parts: Iterable[str]) -> str:
    """Return the HTML of a report; its parts are HTML already."""
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style>"
        f"<body><h1>{escape(title)}</h1>{''.join(parts)}"
    )


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table; the first column stands left, numbers right."""
    lines = "".join(
        "<tr>" + "".join(f"<td>{escape(str(one))}</td>" for one in row) + "</tr>" for row in rows
    )
    names = "".join(f"<th>{escape(one)}</th>" for one in head)
    return f'<div class="scroll"><table><tr>{names}</tr>{lines}</table></div>'


def key(colours: Mapping[str, str]) -> str:
    """Return which colour stands for what."""
    items = (f'<i style="background:{value}"></i>{escape(name)}' for name, value in colours.items())
    return f'<p class="key">{"".join(items)}</p>'


def coloured(names: Iterable[str]) -> dict[str, str]:
    """Give each name a colour."""
    return {name: COLOURS[at % len(COLOURS)] for at, name in enumerate(names)}


def bars(
    begins: Sequence[str],
    series: Iterable[tuple[str, Mapping[str, int]]],
    colours: Mapping[str, str],
) -> str:
    """Return bars side by side, each from one place to the next, in which series lie stacked.

    Args:
        begins: Where each bar begins: dates, or dates with an hour, rising.
        series: For each name counts by place; a place between two belongs to the earlier.
        colours: By name.
    """
    stacks: list[list[tuple[str, int]]] = [[] for _ in begins]
    for name, counts in series:
        sums = [0] * len(begins)
        for day, count in counts.items():
            place = max((n for n, first in enumerate(begins) if first <= day), default=0)
            sums[place] += count
        for stack, count in zip(stacks, sums, strict=True):
            stack.append((name, count))
    highest = max((sum(count for _, count in stack) for stack in stacks), default=0) or 1
    each = (WIDTH - LEFT) / max(len(begins), 1)
    marks = []
    for number, stack in enumerate(stacks):
        above = float(HEIGHT - BELOW)
        for name, count in stack:
            tall = count / highest * (HEIGHT - BELOW - 12)
            above -= tall
            if count:
                marks.append(
                    f'<rect x="{LEFT + number * each:.1f}" y="{above:.1f}"'
                    f' width="{max(each - 1, 0.6):.1f}" height="{tall:.1f}"'
                    f' fill="{colours[name]}"><title>{begins[number]} {escape(name)}:'
                    f" {count:,}</title></rect>"
                )
    every = max(1, len(begins) // 8)
    marks += [
        f'<text x="{LEFT + n * each:.1f}" y="{HEIGHT - 5}">{_shown(begins[n])}</text>'
        for n in range(0, len(begins), every)
        if LEFT + n * each < WIDTH - 70
    ]
    return chart(marks, highest)


def _shown(begin: str) -> str:
    """Write a date, or a date with an hour, in no more room than a date takes."""
    return begin if "T" not in begin else f"{begin[5:10]} {begin[11:]}h"


def chart(marks: Iterable[str], highest: int) -> str:
    """Return a chart of marks over a line."""
    foot = HEIGHT - BELOW
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img">'
        f'<line x1="{LEFT}" x2="{WIDTH}" y1="{foot}" y2="{foot}"/>'
        f'<text x="0" y="14">{highest:,}</text><text x="0" y="{foot}">0</text>'
        f"{''.join(marks)}</svg>"
    )
