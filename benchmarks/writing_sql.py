"""Compiling previews of segments to the SQL of each engine: members, as the editor asks for them.

The segments are those of `preview`, and chains that stand beside two more aggregates.
"""

from __future__ import annotations

import statistics
import time

from benchmarks.preview import NOW, SEGMENTS
from benchmarks.table import Table
from tailorbird.language.oracle import Person
from tailorbird.language.parser import parse
from tailorbird.language.warehouse.engines import ENGINES, Engine
from tailorbird.language.warehouse.frame import Frame
from tailorbird.language.warehouse.query import members_query

ROUNDS = 5
BESIDE = "count(order_completed within 30d) > 5 and avg(order_completed.price within 90d) > 80 and "
CHAINS = (
    "sequence(product_viewed, cart_added, order_completed within 1d)",
    "sequence(product_viewed, cart_added, order_completed within 1d by category over 30d)",
    "followed(product_viewed, cart_added within 1h over 30d)",
    "abandoned(cart_added, order_completed after 30m by category over 30d)",
)
TEXTS = (*SEGMENTS, *(BESIDE + chain for chain in CHAINS))
# As the demo's lake has them, and as a lake is before any property has a column.
FRAMES = (
    Frame(now=NOW, promoted={"category": ("text",), "price": ("number",)}),
    Frame(now=NOW),
)


def run() -> None:
    """Print milliseconds for each engine."""
    table = Table(
        "Compiling a preview's expression to SQL",
        ["engine", "median ms", "most ms", "most of"],
        note=f"CPU time, best of {ROUNDS} each; {len(TEXTS)} segments, properties with columns of"
        " their own and without",
    )
    for engine in ENGINES.values():
        spent = {(text, at): _best(text, FRAMES[at], engine) for text in TEXTS for at in (0, 1)}
        most = max(spent, key=lambda one: spent[one])
        median = statistics.median(spent.values())
        table.add(engine.name, round(median, 1), round(spent[most], 1), most[0].split(" and ")[-1])
    table.print()


def _best(text: str, frame: Frame, engine: Engine) -> float:
    node, person, times = parse(text), Person(), []
    for _ in range(ROUNDS):
        begun = time.process_time()
        members_query(node, frame, person).text(engine)
        times.append((time.process_time() - begun) * 1_000)
    return min(times)


if __name__ == "__main__":
    run()
