"""Properties of e-commerce events: former names get today's beside them, in `products` as well."""

from __future__ import annotations

from typing import Any

from tailorbird.events.event import Event
from tailorbird.events.standardise.names import ALIASES, ECOMMERCE
from tailorbird.events.standardise.step import Surroundings

# The spec's first version wrote properties in camel case; what an `id` names depended on the event.
_FORMER = {
    "productId": "product_id",
    "orderId": "order_id",
    "cartId": "cart_id",
    "checkoutId": "checkout_id",
    "couponId": "coupon_id",
    "promotionId": "promotion_id",
    "listId": "list_id",
    "wishlistId": "wishlist_id",
    "imageUrl": "image_url",
    "shippingMethod": "shipping_method",
    "paymentMethod": "payment_method",
}
_ID_OF = {"product": "product_id", "order": "order_id", "promotion": "promotion_id"}
# Where an event has none of these, there is nothing to do.
FORMER = frozenset(("id", "products", *_FORMER))
EVENTS = frozenset((*ECOMMERCE, *ALIASES))


def standardise_commerce(event: Event, at: Surroundings) -> bool:
    """Put today's names beside former ones; whoever lists a former name in schema.yaml means it."""
    properties = event.properties
    if FORMER.isdisjoint(properties):
        return False
    expected = at.plan.events.get(event.name)
    for former, today in _names_of(event.name, properties):
        is_planned = expected is not None and (
            former in expected.names or (expected.refuses_unknown and today not in expected.names)
        )
        if not is_planned:
            properties[today] = properties[former]
    products = properties.get("products")
    if products.__class__ is list:
        for item in products:
            if item.__class__ is dict:
                for former, today in _names_of("product_in_list", item):
                    item[today] = item[former]
    return True


def _names_of(name: str, properties: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the former names that are there, with today's that are not."""
    found = [(one, _FORMER[one]) for one in properties if one in _FORMER]
    if "id" in properties:
        kind = "product" if name == "wishlist_product_added_to_cart" else name.partition("_")[0]
        if name != "product_list_viewed" and name != "product_list_filtered" and kind in _ID_OF:
            found.append(("id", _ID_OF[kind]))
    return [(former, today) for former, today in found if today not in properties]
