"""What a warehouse is not asked yet, or reads otherwise: the matrix of the reference page."""

from __future__ import annotations

# Construct and reason. Each is refused by a `WarehouseError`, while compiling or while asking.
REFUSED: tuple[tuple[str, str, str], ...] = (
    (
        "`like` with a pattern that is no constant",
        "any(order_completed where coupon like code)",
        "engines differ in how a backslash at the end of a pattern is read",
    ),
    (
        "a list of the trigger",
        "event.properties.products contains 'a'",
        "the trigger is a constant of the query, and a query has no constant lists",
    ),
)
