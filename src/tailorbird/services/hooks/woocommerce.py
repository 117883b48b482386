"""What WooCommerce's webhooks mean: orders by their status, customers.

An order is told of at each change. It counts as completed once, when it is paid; a change that
comes long after the payment is only an update.
"""

from __future__ import annotations

from tailorbird.base.time import DAY, MICROSECONDS, parse_micros
from tailorbird.services.hooks.fields import Call, Json, amount, filled, inner, items, named, text

TOPICS = ("order.created", "order.updated", "customer.created", "customer.updated")
# A message is known for longer than this; later an order must not count again.
_FRESH = 5 * DAY
_AT_ONCE = 120 * MICROSECONDS
_NAMES = {"cancelled": "Order Cancelled", "refunded": "Order Refunded"}


def calls_of(topic: str, message: Json) -> list[Call] | None:
    """Return the calls of a message; None where its topic is none of ours."""
    if topic in ("order.created", "order.updated"):
        return _order(message)
    if topic in ("customer.created", "customer.updated"):
        return _customer(message)
    return None


def _order(message: Json) -> list[Call]:
    order_id, status = text(message, "id"), text(message, "status")
    changed = _utc(message, "date_modified") or _utc(message, "date_created")
    name = _name(status, message)
    is_paid = name == "Order Completed"
    occasion = "paid" if is_paid else changed if name == "Order Updated" else status
    customer = text(message, "customer_id")
    who = filled(
        userId="" if customer == "0" else customer,
        anonymousId=named("woocommerce-order", order_id),
    )
    paid_at = _utc(message, "date_paid") if is_paid else ""
    track = {
        "type": "track",
        "event": name,
        "timestamp": paid_at or changed or None,
        "properties": filled(
            order_id=order_id,
            order_number=text(message, "number"),
            status=status,
            total=amount(message.get("total")),
            revenue=_goods(message),
            tax=amount(message.get("total_tax")),
            shipping=amount(message.get("shipping_total")),
            discount=amount(message.get("discount_total")),
            currency=text(message, "currency"),
            coupon=next((text(one, "code") for one in items(message, "coupon_lines")), ""),
            products=[
                filled(
                    product_id=text(line, "product_id"),
                    variant="" if text(line, "variation_id") == "0" else text(line, "variation_id"),
                    sku=text(line, "sku"),
                    name=text(line, "name"),
                    price=amount(line.get("price")),
                    quantity=amount(line.get("quantity")),
                )
                for line in items(message, "line_items")
            ],
        ),
        **filled(messageId=named("woocommerce", order_id, occasion)),
        **who,
    }
    return [*_person(named("order", order_id), changed, inner(message, "billing"), who), track]


def _name(status: str, message: Json) -> str:
    if status in _NAMES:
        return _NAMES[status]
    paid, changed = _micros(message, "date_paid"), _micros(message, "date_modified")
    done = _micros(message, "date_completed")
    # What needs no sending, such as a download, is paid and completed in one step.
    is_at_once = done is not None and paid is not None and done - paid < _AT_ONCE
    if status == "processing" or (status == "completed" and is_at_once):
        is_fresh = paid is None or changed is None or changed - paid < _FRESH
        return "Order Completed" if is_fresh else "Order Updated"
    return "Order Updated"


def _goods(message: Json) -> float | int | None:
    rest = [message.get("total_tax"), message.get("shipping_total")]
    whole = amount(message.get("total"))
    if whole is None:
        return None
    left = whole - sum(one for one in map(amount, rest) if one is not None)
    return amount(f"{left:.4f}")


def _customer(message: Json) -> list[Call]:
    at = _utc(message, "date_modified") or _utc(message, "date_created")
    who = filled(userId=text(message, "id"))
    address = inner(message, "billing")
    person = {**address, **filled(**{key: text(message, key) for key in _OWN})}
    return _person(named("customer", text(message, "id")), at, person, who)


_OWN = ("email", "first_name", "last_name")


def _person(subject: str, at: str, person: Json, who: Call) -> list[Call]:
    traits = filled(
        email=text(person, "email"),
        phone=text(person, "phone"),
        first_name=text(person, "first_name"),
        last_name=text(person, "last_name"),
        city=text(person, "city"),
        country=text(person, "country"),
    )
    if not traits:
        return []
    identify = {
        "type": "identify",
        "timestamp": at or None,
        "traits": traits,
        **filled(messageId=named("woocommerce", subject, "person", at)),
    }
    return [{**identify, **who}]


def _utc(message: Json, key: str) -> str:
    found = text(message, f"{key}_gmt")
    return f"{found.removesuffix('Z')}Z" if found else ""


def _micros(message: Json, key: str) -> int | None:
    try:
        return parse_micros(_utc(message, key)) if _utc(message, key) else None
    except (ValueError, OverflowError):
        return None
