"""What Shopify's webhooks mean: orders, refunds, customers, checkouts.

The message ids come from the content, which is signed; the headers are not. Each order is also
known under an anonymous id of its own, by which a refund, that names nobody, finds the person.
"""

from __future__ import annotations

from collections.abc import Callable

from tailorbird.services.hooks.fields import (
    Call,
    Json,
    amount,
    filled,
    inner,
    items,
    named,
    text,
    total,
)


def calls_of(topic: str, message: Json) -> list[Call] | None:
    """Return the calls of a message; None where its topic is none of ours."""
    read = _TOPICS.get(topic)
    return None if read is None else read(topic, message)


def _order_completed(topic: str, message: Json) -> list[Call]:
    return _order(topic, message, "Order Completed", text(message, "created_at"))


def _order_cancelled(topic: str, message: Json) -> list[Call]:
    return _order(topic, message, "Order Cancelled", text(message, "cancelled_at"))


def _order(topic: str, message: Json, name: str, at: str) -> list[Call]:
    order_id = text(message, "id")
    who = filled(
        userId=text(message, "customer", "id"),
        anonymousId=named("shopify-order", order_id),
    )
    properties = filled(
        order_id=order_id,
        order_number=text(message, "name"),
        total=amount(message.get("total_price")),
        revenue=amount(message.get("subtotal_price")),
        tax=amount(message.get("total_tax")),
        discount=amount(message.get("total_discounts")),
        shipping=amount(inner(message, "total_shipping_price_set", "shop_money").get("amount")),
        currency=text(message, "currency"),
        coupon=next((text(one, "code") for one in items(message, "discount_codes")), ""),
        reason=text(message, "cancel_reason"),
        products=_products(items(message, "line_items")),
    )
    track = {
        "type": "track",
        "event": name,
        "timestamp": at or None,
        "properties": properties,
        **filled(messageId=named("shopify", topic, order_id)),
        **who,
    }
    person = {"email": text(message, "email"), "phone": text(message, "phone")}
    return [*_person(topic, message, inner(message, "customer"), who, person), track]


def _refund(topic: str, message: Json) -> list[Call]:
    lines = items(message, "refund_line_items")
    paid = [one for one in items(message, "transactions") if text(one, "kind") == "refund"]
    goods = total(line.get("subtotal") for line in lines)
    back = total(one.get("amount") for one in paid)
    return [
        {
            "type": "track",
            "event": "Order Refunded",
            "timestamp": text(message, "created_at") or None,
            "properties": filled(
                order_id=text(message, "order_id"),
                refund_id=text(message, "id"),
                total=back if back is not None else goods,
                revenue=goods if goods is not None else back,
                currency=next((text(one, "currency") for one in paid), ""),
                products=[
                    {**product, **filled(quantity=amount(line.get("quantity")))}
                    for line in lines
                    for product in _products([inner(line, "line_item")])
                ],
            ),
            **filled(
                messageId=named("shopify", topic, text(message, "id")),
                anonymousId=named("shopify-order", text(message, "order_id")),
            ),
        }
    ]


def _customer(topic: str, message: Json) -> list[Call]:
    who = filled(userId=text(message, "id"))
    return _person(topic, message, message, who, {})


def _checkout(topic: str, message: Json) -> list[Call]:
    token = text(message, "token")
    who = filled(
        userId=text(message, "customer", "id"),
        anonymousId=named("shopify-checkout", token),
    )
    is_new = topic == "checkouts/create"
    at = text(message, "created_at" if is_new else "updated_at")
    track = {
        "type": "track",
        "event": "Checkout Started" if is_new else "Checkout Updated",
        "timestamp": at or None,
        "properties": filled(
            checkout_id=token,
            cart_id=text(message, "cart_token"),
            total=amount(message.get("total_price")),
            revenue=amount(message.get("subtotal_price")),
            currency=text(message, "currency"),
            url=text(message, "abandoned_checkout_url"),
            products=_products(items(message, "line_items")),
        ),
        **filled(messageId=named("shopify", topic, token, *([] if is_new else [at]))),
        **who,
    }
    person = {"email": text(message, "email"), "phone": text(message, "phone")}
    return [*_person(topic, message, inner(message, "customer"), who, person), track]


def _person(topic: str, message: Json, customer: Json, who: Call, usual: Call) -> list[Call]:
    """What a message tells of the person; nothing where it tells nothing."""
    address = inner(customer, "default_address")
    traits = filled(
        email=text(customer, "email") or usual.get("email"),
        phone=text(customer, "phone") or usual.get("phone"),
        first_name=text(customer, "first_name"),
        last_name=text(customer, "last_name"),
        locale=text(message, "customer_locale") or text(customer, "locale"),
        city=text(address, "city"),
        country=text(address, "country_code"),
        tags=[one.strip() for one in text(customer, "tags").split(",") if one.strip()],
        consent=_consent(customer),
    )
    if not traits:
        return []
    at = text(message, "updated_at") or text(message, "created_at")
    subject = text(message, "id") or text(message, "token")
    identify = {
        "type": "identify",
        "timestamp": at or None,
        "traits": traits,
        **filled(messageId=named("shopify", topic, subject, "person", at)),
    }
    return [{**identify, **who}]


def _consent(customer: Json) -> Call:
    state = text(customer, "email_marketing_consent", "state")
    if state == "subscribed" or (not state and customer.get("accepts_marketing") is True):
        return {"marketing": True}
    # Who was never asked has neither agreed nor refused.
    return {"marketing": False} if state in ("unsubscribed", "redacted") else {}


def _products(lines: list[Json]) -> list[Call]:
    return [
        filled(
            product_id=text(line, "product_id"),
            variant=text(line, "variant_id"),
            sku=text(line, "sku"),
            name=text(line, "title") or text(line, "name"),
            brand=text(line, "vendor"),
            price=amount(line.get("price")),
            quantity=amount(line.get("quantity")),
        )
        for line in lines
    ]


_TOPICS: dict[str, Callable[[str, Json], list[Call]]] = {
    "orders/create": _order_completed,
    "orders/cancelled": _order_cancelled,
    "refunds/create": _refund,
    "customers/create": _customer,
    "customers/update": _customer,
    "checkouts/create": _checkout,
    "checkouts/update": _checkout,
}
TOPICS = tuple(_TOPICS)
