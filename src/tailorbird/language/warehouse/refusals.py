"""What a warehouse is not asked yet, or reads otherwise: the matrix of the reference page."""

from __future__ import annotations

# Construct and reason. Each is refused by a `WarehouseError`, while compiling or while asking.
REFUSED: tuple[tuple[str, str, str], ...] = (
    (
        "interests",
        "interest('categories') = 'hats'",
        "weights over 200 half-lives do not fit into the engine's whole numbers",
    ),
    (
        "scores that fade or have a cap",
        "score('fading') > 5",
        "not written yet; scores of points that stay, and scores that are expressions, are asked",
    ),
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
