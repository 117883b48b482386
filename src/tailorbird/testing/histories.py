"""Hypothesis strategies of random histories for the world of `expressions`.

Events come late, reordered, at equal instants, exactly one span apart; values are missing or of the
wrong type now and then.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tailorbird.base.time import DAY, parse_micros
from tailorbird.events.event import Event, order_of
from tailorbird.language.oracle import Known
from tailorbird.testing.expressions import CITIES, EVENTS, TEXTS

# The month ends lie within reach, so that missing days come up.
STARTS = (
    parse_micros("2024-01-29T23:59:59.999999Z"),
    parse_micros("2024-01-31T00:00:00Z"),
    parse_micros("2023-12-30T12:00:00Z"),
)
GAPS = (0, 0, 1, 10_000_000, 9_999_999, 3_600_000_000, DAY, 2 * DAY, 29 * DAY, 31 * DAY)
DELAYS = (0, 0, 0, 1, 10_000_000, DAY, 5 * DAY)
ZONES = ("UTC", "America/New_York", "Pacific/Auckland", "nowhere")

_numbers = st.sampled_from((1, 1, 2, 2, 3, 0, 0.5, 1.5, -1, 0.1, 1e-9, 1e11))
_odd: st.SearchStrategy[Any] = st.sampled_from((None, True, False, "1", [], {}, 1e15, float("nan")))
_texts = st.sampled_from((*TEXTS, "X", "é"))
_scalars = st.one_of(_numbers, _numbers, _texts, _odd)


def _object(**values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=values)


_items = st.one_of(
    st.lists(
        st.one_of(
            _object(n=_numbers | _odd, k=_texts | _odd),
            _object(n=_numbers | _odd, k=_texts | _odd),
            st.none(),
            _scalars,
        ),
        max_size=3,
    ),
    _object(n=_numbers, k=_texts),
    _odd,
)
properties = st.fixed_dictionaries(
    {"p": st.one_of(_numbers, _numbers, _numbers, _scalars), "q": _texts | _texts | _scalars},
    optional={"xs": st.lists(_scalars, max_size=3) | _scalars, "items": _items},
)
traits = _object(
    n=_numbers | _scalars,
    city=st.sampled_from(CITIES) | _scalars,
    tags=st.lists(_texts, max_size=2) | _scalars,
    home=_object(city=st.sampled_from(CITIES)),
    born=st.sampled_from(("2000-02-29", "1990-01-31", "1990-02-01", "soon", None)),
    joined=st.sampled_from(("2024-01-31", "2023-12-31T12:00:00Z", "2024-02-01", "soon", 5)),
    timezone=st.sampled_from(ZONES),
)
contexts = _object(
    os=st.sampled_from(("ios", "x")), geo=_object(region=st.sampled_from(("x", "y")))
)


@st.composite
def histories(draw: st.DrawFn, *, size_max: int = 12) -> list[Known]:
    """Draw events in the order in which they become known."""
    at = draw(st.sampled_from(STARTS))
    found: list[Known] = []
    sizes = [size for size in (0, 1, 2, 3, 5, 8, 12) if size <= size_max]
    for index in range(draw(st.sampled_from(sizes))):
        at += draw(st.sampled_from(GAPS))
        delay = draw(st.sampled_from(DELAYS))
        found.append(Known(at + delay, draw(_events(index, at))))
    return sorted(found, key=lambda known: known.known_at)


@st.composite
def _events(draw: st.DrawFn, index: int, timestamp: int) -> Event:
    is_identify = draw(st.sampled_from((False,) * 5 + (True,)))
    # Orders go against the list as often as with it.
    order = order_of(f"message {index} {draw(st.integers(0, 3))}")
    return Event(
        type="identify" if is_identify else "track",
        name="identified" if is_identify else draw(st.sampled_from((*EVENTS, "a"))),
        message_id=f"message {index}",
        timestamp=timestamp,
        order=order,
        properties=draw(traits if is_identify else properties),
        context=draw(st.just({}) | contexts),
    )
