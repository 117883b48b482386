"""A shadow as one page with charts that needs nothing beside itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from html import escape
from typing import Any

from tailorbird.cli.page import bars, coloured, key, page, table

SIDES = ("draft", "live")
_BARS_MAX = 120  # more hours become days


def shadow_page(seen: Mapping[str, Any], name: str, limits: Iterable[str]) -> str:
    """Return the HTML of what `services.shadow.report_of` gives."""
    journeys = seen["journeys"]
    colours, begins = coloured(journeys), _begins(seen)
    each = "hour" if len(begins[0]) > len("2026-01-31") else "day"
    period = f"{seen['records']:,} records from {seen['from']} up to {seen['to']}"
    parts = [f"<p>{period}. Each bar is one {each} (UTC).</p>"]
    for side in SIDES:
        left = sum(one[side] for one in journeys.values())
        parts += [
            f"<h2>{left:,} messages would have left by the {side} definitions</h2>",
            bars(begins, [(one, journeys[one]["hours"][side]) for one in journeys], colours),
        ]
    parts += [
        key(colours),
        table(
            ("journey", "draft", "live", "only draft", "only live", "asked: draft", "asked: live"),
            [(one, *_counts(counts)) for one, counts in journeys.items()],
        ),
        *_reasons(seen),
        "<h2>Segments</h2>",
        table(
            ("segment", "draft", "live", "only draft", "only live", "draft: came, went",
             "live: came, went"),
            [_segment_row(one, counts) for one, counts in seen["segments"].items()],
        ),
        *_samples(journeys),
        "<h2>What this cannot tell</h2>",
        *(f"<p>{escape(one)}</p>" for one in limits),
    ]  # fmt: skip
    return page(f"Shadow of {name}", parts)


def reasons_of(seen: Mapping[str, Any]) -> list[tuple[str, int, int]]:
    """Return why messages were held, did not leave or wait, with counts of draft and live."""
    rows = []
    for word, what in (("held", "held first"), ("stopped", "not sent")):
        draft, live = (seen[word][side] for side in SIDES)
        rows += [
            (f"{what}: {reason}", draft.get(reason, 0), live.get(reason, 0))
            for reason in dict.fromkeys((*draft, *live))
        ]
    if any(seen["waiting"].values()):
        rows.append(("still waiting at the end", *(seen["waiting"][side] for side in SIDES)))
    return rows


def _reasons(seen: Mapping[str, Any]) -> list[str]:
    rows = [(why, f"{draft:,}", f"{live:,}") for why, draft, live in reasons_of(seen)]
    return ["<h2>Held or not sent</h2>", table(("why", *SIDES), rows)] if rows else []


def _counts(counts: Mapping[str, Any]) -> list[str]:
    plain = [counts[word] for word in (*SIDES, "only_draft", "only_live")]
    return [f"{one:,}" for one in (*plain, *(counts["asked"][side] for side in SIDES))]


def _segment_row(name: str, counts: Mapping[str, Any]) -> Sequence[str]:
    sizes = [f"{counts[side]['size']:,}" for side in SIDES]
    only = [f"{counts[f'only_{side}']:,}" for side in SIDES]
    moved = [f"+{counts[side]['entered']:,}, -{counts[side]['left']:,}" for side in SIDES]
    return name, *sizes, *only, *moved


def _samples(journeys: Mapping[str, Any]) -> list[str]:
    rows = [
        (f"only {side}", f"{name}/{one['step']}", _who(one), one["left_at"])
        for side in SIDES
        for name, counts in journeys.items()
        for one in counts[f"only_{side}_sample"]
    ]
    if not rows:
        return []
    return ["<h2>Some of whom one alone mails</h2>", table(("by", "step", "who", "when"), rows)]


def _who(one: Mapping[str, Any]) -> str:
    return ", ".join(one["known_as"]) or str(one["id"])


def _begins(seen: Mapping[str, Any]) -> list[str]:
    """Return where the bars begin: at each hour, or each day of a long shadow."""
    first, last = (datetime.fromisoformat(seen[word][:13] + ":00") for word in ("from", "to"))
    hours = int((last - first) / timedelta(hours=1)) + 1
    if hours <= _BARS_MAX:
        return [f"{first + timedelta(hours=at):%Y-%m-%dT%H}" for at in range(hours)]
    days = (last.date() - first.date()).days + 1
    return [f"{first + timedelta(days=at):%Y-%m-%d}" for at in range(days)]
