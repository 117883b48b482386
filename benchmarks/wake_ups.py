"""How often a deadline is announced for each change that really comes: at most 1.2 times.

Each kind of condition alone, on the same random people; a wake-up is one deadline that fires, a
change one membership that time changes. The baseline asks every minute, as polling would.
"""

from __future__ import annotations

from benchmarks.reducer import records
from benchmarks.table import Table
from tailorbird.base.time import DAY
from tailorbird.profiles.state import ProfileState
from tailorbird.reducer.reducer import Reducer
from tailorbird.testing.building import points, workspace_of

EVENTS = 20_000
PEOPLE = 200
KINDS = {
    "count": "count(product_viewed within 2d) > 3",
    "count of items with a filter": "count(product_viewed where category = 'shoes' within 5d) >= 2",
    "none": "none(page_viewed within 1d)",
    "since": "since(order_completed) > 3d",
    "calendar month": "since(cart_added) > 1mo",
    "abandoned": "abandoned(cart_added, order_completed after 30m)",
    "abandoned by key": "abandoned(cart_added, order_completed by category after 30m)",
    "sum": "sum(order_completed.revenue within 7d) >= 200",
    "avg": "avg(product_viewed.revenue within 2d) > 110",
    "max": "max(product_viewed.revenue within 2d) > 190",
    "rate": "rate(order_completed, product_viewed within 7d) > 12%",
    "most": "most(product_viewed by category within 1d) > 2",
    "distinct": "distinct(product_viewed.category within 1d) >= 4",
    "favourite": "favourite(product_viewed.category within 3d) = 'shoes'",
    "followed": "followed(product_viewed, order_completed within 1h over 7d)",
    "sequence": "sequence(page_viewed, product_viewed, cart_added within 6h over 3d)",
    "score with half-life": "score('engagement') > 30",
    "and": "count(product_viewed within 2d) > 3 and none(order_completed within 5d)",
    "or": "since(order_completed) > 9d or sum(order_completed.revenue within 3d) > 150",
    "in segment": "in segment('base') and not any(cart_added within 1d)",
}


def run() -> None:
    """Print wake-ups and changes by time for each kind."""
    log = records(EVENTS, PEOPLE)
    span = (log[-1].now - log[0].now) // 60_000_000 * PEOPLE
    table = Table(
        "Wake-ups per change by time",
        ["condition", "wake-ups", "changes", "wake-ups/change"],
        note=f"{EVENTS:,} events of {PEOPLE} people over {(log[-1].now - log[0].now) // DAY} days",
    )
    total = [0, 0]
    for kind, condition in KINDS.items():
        woken, changed = _count(condition, log)
        total = [total[0] + woken, total[1] + changed]
        table.add(kind, woken, changed, woken / max(changed, 1))
    table.add("all", *total, total[0] / total[1])
    table.add("polling each minute", span * len(KINDS), total[1], span * len(KINDS) / total[1])
    table.print()


def _count(condition: str, log: list) -> tuple[int, int]:
    conditions = {"base": "count(product_viewed within 2d) > 3"} if "'base'" in condition else {}
    scores = (points("engagement", {"product_viewed": 1, "order_completed": 20}, 3),)
    reducer = Reducer(workspace_of({**conditions, "asked": condition}, scores=scores))
    states: dict[int, ProfileState] = {}
    woken = changed = 0
    for record in log:
        state = states.get(record.profile_id)
        while state is not None and (at := state.deadlines.get("asked", record.now)) < record.now:
            out = reducer.fire(state, at)
            woken += 1
            changed += sum(1 for one in out.memberships if one.segment == "asked")
        states[record.profile_id] = reducer.reduce(state, record).state
    return woken, changed


if __name__ == "__main__":
    run()
