"""What Stripe's webhooks mean: charges, invoices, checkout sessions, customers.

A customer of Stripe is known under the anonymous id `stripe-cus_...`; who the shop says it is
(`metadata.user_id`, `client_reference_id`) is the user.
"""

from __future__ import annotations

from typing import Any

from tailorbird.base.time import MICROSECONDS, format_micros
from tailorbird.services.hooks.fields import Call, Json, amount, filled, inner, items, named, text

# Currencies without a hundredth part, and those whose smallest unit is the thousandth.
_NO_DECIMALS = frozenset(
    {"bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga"}
    | {"pyg", "rwf", "ugx", "vnd", "vuv", "xaf", "xof", "xpf"}
)
_THREE_DECIMALS = frozenset({"bhd", "jod", "kwd", "omr", "tnd"})
_SECONDS_MAX = 253_402_300_799
TOPICS = ("charge.*", "checkout.session.*", "customer.*", "invoice.*")
_FAMILIES = tuple(topic.removesuffix("*") for topic in TOPICS)


def calls_of(topic: str, message: Json) -> list[Call] | None:
    """Return the calls of a message; None where its type is none of ours."""
    if not topic.startswith(_FAMILIES):
        return None
    thing = inner(message, "data", "object")
    if topic in ("customer.created", "customer.updated"):
        return _identify(message, thing, text(thing, "id"))
    family = topic.partition(".")[0]
    track = {
        "type": "track",
        "event": _name(topic, thing),
        "timestamp": _at(message),
        "properties": filled(**_properties(family, thing)),
        **filled(messageId=_message_id(topic, message, thing)),
        **_who(thing),
    }
    return [*_identify(message, _contact(thing), _customer(thing) or text(thing, "id")), track]


def _name(topic: str, thing: Json) -> str:
    if topic == "charge.refunded":
        return "Order Refunded"
    if topic == "checkout.session.async_payment_succeeded" or (
        # Unpaid: the money comes later, and with it the message above.
        topic == "checkout.session.completed" and text(thing, "payment_status") != "unpaid"
    ):
        return "Order Completed"
    return topic.replace(".", "_")


def _message_id(topic: str, message: Json, thing: Json) -> str:
    if _name(topic, thing) == "Order Completed":
        return named("stripe", text(thing, "id"))
    return named("stripe", text(message, "id"))


def _properties(family: str, thing: Json) -> Call:
    currency = text(thing, "currency")
    is_refund = bool(thing.get("amount_refunded"))
    key = {"charge": "amount", "invoice": "total", "checkout": "amount_total"}.get(family, "amount")
    paid = _major(thing.get(key), currency)
    back = _major(thing.get("amount_refunded"), currency) if is_refund else None
    return {
        "order_id": text(thing, "metadata", "order_id") or text(thing, "id"),
        "stripe_id": text(thing, "id"),
        "status": text(thing, "status"),
        "total": back if back is not None else paid,
        "revenue": back if back is not None else _net(thing, paid, currency),
        "currency": currency.upper(),
        "invoice_number": text(thing, "number"),
        "failure": text(thing, "failure_code"),
        "plan": text(thing, "plan", "id") or text(thing, "plan", "nickname"),
        "products": [
            filled(
                name=text(line, "description"),
                quantity=amount(line.get("quantity")),
                price=_major(line.get("amount"), currency),
            )
            for line in items(thing, "lines", "data")
        ],
    }


def _net(thing: Json, paid: float | int | None, currency: str) -> float | int | None:
    net = _major(thing.get("amount_subtotal", thing.get("subtotal")), currency)
    return paid if net is None else net


def _major(value: Any, currency: str) -> float | int | None:
    """Stripe counts in the currency's smallest unit."""
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    code = currency.lower()
    places = 0 if code in _NO_DECIMALS else 3 if code in _THREE_DECIMALS else 2
    return amount(f"{value}e-{places}")


def _who(thing: Json) -> Call:
    user = text(thing, "metadata", "user_id") or text(thing, "client_reference_id")
    return filled(userId=user, anonymousId=named("stripe", _customer(thing) or text(thing, "id")))


def _customer(thing: Json) -> str:
    return text(thing, "customer") or text(thing, "customer", "id")


def _contact(thing: Json) -> Json:
    """What a thing tells of the person, under the names that a customer has."""
    details = inner(thing, "customer_details") or inner(thing, "billing_details")
    return {
        "email": text(details, "email")
        or text(thing, "customer_email")
        or text(thing, "receipt_email"),
        "name": text(details, "name") or text(thing, "customer_name"),
        "phone": text(details, "phone"),
        "address": inner(details, "address"),
        "metadata": {"user_id": _who(thing).get("userId", "")},
    }


def _identify(message: Json, person: Json, customer: str) -> list[Call]:
    traits = filled(
        email=text(person, "email"),
        name=text(person, "name"),
        phone=text(person, "phone"),
        city=text(person, "address", "city"),
        country=text(person, "address", "country"),
    )
    if not traits:
        return []
    return [
        {
            "type": "identify",
            "timestamp": _at(message),
            "traits": traits,
            **filled(
                messageId=named("stripe", text(message, "id"), "person"),
                userId=text(person, "metadata", "user_id"),
                anonymousId=named("stripe", customer),
            ),
        }
    ]


def _at(message: Json) -> str | None:
    seconds = message.get("created")
    if isinstance(seconds, bool) or not isinstance(seconds, int):
        return None
    return format_micros(seconds * MICROSECONDS) if 0 <= seconds <= _SECONDS_MAX else None
