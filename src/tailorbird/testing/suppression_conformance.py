"""What every suppression store must do. Each check takes one empty store; see `CHECKS`."""

from __future__ import annotations

from collections.abc import Callable

from tailorbird.ports.suppression_store import SuppressionChange, SuppressionStore


def change(topic: str, at: int, reason: str = "", *, lifts: bool = False) -> SuppressionChange:
    """Return a change for address 1."""
    return SuppressionChange(1, topic, not lifts, reason or f"at {at}", at)


def check_a_topic_is_suppressed_by_itself(store: SuppressionStore) -> None:
    """Other topics and other addresses are free."""
    store.apply([change("offers", 5)], 9)
    assert store.reason(1, "offers") == "at 5"
    assert store.reason(1, "news") is None
    assert store.reason(2, "offers") is None
    assert store.offset() == 9


def check_everything_stands_above_topics(store: SuppressionStore) -> None:
    """Lifting a topic does not lift everything."""
    store.apply([change("*", 5, "bounced"), change("offers", 6, lifts=True)], 1)
    assert store.reason(1, "offers") == "bounced"
    assert store.reason(1, "news") == "bounced"
    store.apply([change("*", 7, lifts=True)], 2)
    assert store.reason(1, "news") is None


def check_the_later_change_wins(store: SuppressionStore) -> None:
    """Whatever the order in which they come; of two at once the one that comes last."""
    store.apply([change("offers", 5), change("offers", 4, lifts=True)], 1)
    assert store.reason(1, "offers") == "at 5"
    store.apply([change("offers", 5, lifts=True)], 2)
    assert store.reason(1, "offers") is None


def check_an_offset_may_be_noted_alone(store: SuppressionStore) -> None:
    """So that a restart reads on from there."""
    store.apply((), 50)
    assert store.offset() == 50


CHECKS: tuple[Callable[[SuppressionStore], None], ...] = (
    check_a_topic_is_suppressed_by_itself,
    check_everything_stands_above_topics,
    check_the_later_change_wins,
    check_an_offset_may_be_noted_alone,
)
