"""Event names: the former and turned-about names of Segment's e-commerce calls get today's."""

from __future__ import annotations

from tailorbird.base.names import snake_case
from tailorbird.events.event import Event
from tailorbird.events.standardise.step import Surroundings

# The e-commerce calls of the spec's second version.
ECOMMERCE = (
    "products_searched",
    "product_list_viewed",
    "product_list_filtered",
    "promotion_viewed",
    "promotion_clicked",
    "product_clicked",
    "product_viewed",
    "product_added",
    "product_removed",
    "cart_viewed",
    "checkout_started",
    "checkout_step_viewed",
    "checkout_step_completed",
    "payment_info_entered",
    "order_updated",
    "order_completed",
    "order_refunded",
    "order_cancelled",
    "coupon_entered",
    "coupon_applied",
    "coupon_denied",
    "coupon_removed",
    "product_added_to_wishlist",
    "product_removed_from_wishlist",
    "wishlist_product_added_to_cart",
    "product_shared",
    "cart_shared",
    "product_reviewed",
)
# Names of the first version that are more than turned about.
_FORMER = {
    "viewed_product_category": "product_list_viewed",
    "added_product_to_wishlist": "product_added_to_wishlist",
    "removed_product_from_wishlist": "product_removed_from_wishlist",
    "added_wishlist_product_to_cart": "wishlist_product_added_to_cart",
}


def _turned(name: str) -> str:
    """Return the former order of words: the deed before the thing."""
    thing, _, deed = name.rpartition("_")
    return f"{deed}_{thing}"


ALIASES = {
    **{_turned(name): name for name in ECOMMERCE if name not in _FORMER.values()},
    **_FORMER,
    "viewed_product_list": "product_list_viewed",
}
_LENGTH_MAX = 512


def event_name(name: str) -> str:
    """Return the name by which an event is counted: snake case, and today's of the spec.

    Example:
        >>> event_name("Completed Order"), event_name("Viewed Product Category")
        ('order_completed', 'product_list_viewed')
        >>> event_name("Order Completed"), event_name("Hat Tried On")
        ('order_completed', 'hat_tried_on')
    """
    snake = snake_case(name[:_LENGTH_MAX])
    return ALIASES.get(snake, snake)


def standardise_name(event: Event, at: Surroundings) -> bool:
    """Give a track call today's name; `name_as_sent` keeps what was sent."""
    today = ALIASES.get(event.name)
    if today is None or event.name in at.plan.events:
        # Who lists a former name in schema.yaml means it.
        return False
    event.name = today
    return True
