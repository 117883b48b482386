"""Webhooks over HTTP: verified, read in each sender's own shape, counted once."""

from __future__ import annotations

import hmac
import json
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tailorbird.events.refusal import Refusal, Rule
from tailorbird.ports.dead_letters import Refused
from tailorbird.services.hooks import shopify, stripe, woocommerce
from tailorbird.testing.in_process import ADMIN, InProcessServer, Reply

SAMPLES = Path(__file__).parents[2] / "data" / "webhooks"
SHOPS = ("shopify", "stripe", "woocommerce")
SOURCES = {
    **{f"sources/{one}.yaml": f"kind: webhook\nsender: {one}\nsecret: ${{KEY}}\n" for one in SHOPS},
    "sources/own.yaml": (
        "kind: webhook\nsecret: ${KEY}\nwhen: test = false\nmap:\n  event: \"'Order Paid'\"\n"
        "  user_id: customer.id\n  message_id: id\n  timestamp: paid_at\n"
        "  properties: {total: total_cents / 100, lines: lines, first: lines.0.sku}\n"
    ),
    "sources/plain.yaml": "kind: webhook\nsecret: ${KEY}\n",
    "sources/unset.yaml": "kind: webhook\nsecret: ${NOBODY_SET_THIS}\n",
    "sources/queue.yaml": "kind: redis\nurl: redis://h\nstream: s\n",
}


@pytest.fixture
def hooks(server: InProcessServer) -> InProcessServer:
    server.control.save_version("with sources", SOURCES, 0)
    server.control.set("live_version", "with sources")
    server.secrets["KEY"] = "s3cret"
    return server


def mac(body: bytes) -> bytes:
    return hmac.digest(b"s3cret", body, sha256)


def sent(server: InProcessServer, name: str, body: bytes, topic: str = "") -> Reply:
    seconds = int(server.seconds)
    headers = {
        "shopify": {
            "x-shopify-hmac-sha256": b64encode(mac(body)).decode(),
            "x-shopify-topic": topic,
        },
        "woocommerce": {
            "x-wc-webhook-signature": b64encode(mac(body)).decode(),
            "x-wc-webhook-topic": topic,
        },
        "stripe": {
            "stripe-signature": f"t={seconds},v1={mac(f'{seconds}.'.encode() + body).hex()}"
        },
    }.get(name, {"x-signature": mac(body).hex()})
    return server.ask("POST", f"/v1/hooks/{name}", body, headers)


def sample(server: InProcessServer, path: Path) -> Reply:
    shop, _, topic = path.stem.partition("-")
    if shop == "shopify":
        topic = topic.replace("-", "/")
    return sent(server, shop, path.read_bytes(), topic)


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*.json")), ids=lambda path: path.stem)
def test_each_documented_message_is_read_and_counts_once(
    hooks: InProcessServer, path: Path
) -> None:
    first, again = sample(hooks, path), sample(hooks, path)
    assert first.status == 200, first.body
    assert first.json["accepted"] == len(hooks.events()) > 0
    assert (again.status, again.json["accepted"]) == (200, 0)
    assert again.json["duplicate"] == first.json["accepted"]
    assert {event.source for event in hooks.events()} == {path.stem.partition("-")[0]}


def test_all_topics_have_a_sample() -> None:
    found = {path.stem for path in SAMPLES.glob("*.json")}
    assert {f"shopify-{one.replace('/', '-')}" for one in shopify.TOPICS} <= found
    assert {f"woocommerce-{one}" for one in woocommerce.TOPICS} <= found
    for family in stripe.TOPICS:
        assert any(one.startswith(f"stripe-{family.removesuffix('*')}") for one in found)


def read(server: InProcessServer, *names: str) -> list[Any]:
    for name in names:
        assert sample(server, SAMPLES / f"{name}.json").status == 200
    return server.events()


def test_an_order_of_shopify(hooks: InProcessServer) -> None:
    person, order = read(hooks, "shopify-orders-create")
    assert (order.name, order.user_id) == ("order_completed", "207119551")
    assert order.properties["total"] == 199.65
    assert order.properties["revenue"] == 179.5
    assert order.properties["coupon"] == "WELCOME"
    assert order.properties["products"][1]["quantity"] == 2
    assert person.properties["email"] == "bob@shop.example"
    assert person.properties["consent"] == {"marketing": True}


def test_a_broken_message_is_read_once_it_is_written_anew(hooks: InProcessServer) -> None:
    path = SAMPLES / "shopify-orders-create.json"
    whole = path.read_text()
    assert sent(hooks, "shopify", whole[:-20].encode(), "orders/create").status == 400
    (letter,) = hooks.ask("GET", "/v1/dead-letters", headers=ADMIN).json["letters"]
    assert (letter["call"], letter["rule"]) == ("message orders/create", "not_json")
    wanted = {"ids": [letter["id"]], "raw": whole}
    told = hooks.ask("POST", "/v1/dead-letters/replay", wanted, ADMIN).json
    assert told["counts"] == {"accepted": 1}
    person, order = hooks.events()
    assert (person.name, order.name) == ("identified", "order_completed")
    again = sample(hooks, path).json
    assert (again["accepted"], again["duplicate"]) == (0, 2)


def test_an_order_of_hundreds_of_lines_is_taken_whole(hooks: InProcessServer) -> None:
    order = json.loads((SAMPLES / "shopify-orders-create.json").read_text())
    line = order["line_items"][0]
    order["line_items"] = [{**line, "id": number, "title": "x" * 200} for number in range(300)]
    assert sent(hooks, "shopify", json.dumps(order).encode(), "orders/create").json["accepted"] == 2
    assert len(hooks.events()[-1].properties["products"]) == 300


@pytest.mark.parametrize(
    ("source", "counts"), [("shopify", {"accepted": 1}), ("api", {"refused": 1})]
)
def test_what_was_too_large_of_a_source_can_be_replayed(
    hooks: InProcessServer, source: str, counts: dict[str, int]
) -> None:
    call = {"type": "track", "userId": "u", "event": "e", "properties": {"text": "x" * 100_000}}
    refusal = Refusal(Rule.TOO_LARGE, "event", "100000 bytes")
    hooks.dead_letters.keep(0, source, [Refused(refusal, json.dumps(call).encode())])
    told = hooks.ask("POST", "/v1/dead-letters/replay", {"rule": "too_large"}, ADMIN).json
    assert told["counts"] == counts


def test_a_shop_is_not_told_that_it_should_send_otherwise(hooks: InProcessServer) -> None:
    order = json.loads((SAMPLES / "shopify-orders-create.json").read_text())
    order["name"] = order["line_items"][0]["title"] = "x" * 1_000
    order["created_at"] = order["processed_at"] = order["updated_at"] = "yesterday"
    reply = sent(hooks, "shopify", json.dumps(order).encode(), "orders/create")
    assert reply.status == 200
    assert reply.json["refused"] == sum(hooks.dead_letters.counts().values()) > 0


def test_a_refund_of_shopify_finds_the_person_of_its_order(hooks: InProcessServer) -> None:
    events = read(hooks, "shopify-orders-create", "shopify-refunds-create")
    assert events[-1].name == "order_refunded"
    assert events[-1].properties["total"] == 158
    people = {one.profile_id for one in hooks.log.read(0, 100) if one.kind == "event"}
    assert len(people) == 1


def test_consent_follows_the_customer(hooks: InProcessServer) -> None:
    events = read(hooks, "shopify-customers-create", "shopify-customers-update")
    assert [event.properties["consent"]["marketing"] for event in events] == [True, False]


def test_a_paid_session_of_stripe(hooks: InProcessServer) -> None:
    read(hooks, "stripe-charge.succeeded", "stripe-checkout.session.completed")
    events = read(hooks, "stripe-invoice.payment_failed")
    order = next(event for event in events if event.name == "order_completed")
    assert (order.user_id, order.properties["order_id"]) == ("user-42", "A-1001")
    assert (order.properties["total"], order.properties["revenue"]) == (23.98, 21.98)
    # Yen have no hundredth part.
    assert events[-1].properties["total"] == 1200
    people = {one.profile_id for one in hooks.log.read(0, 100) if one.kind == "event"}
    winners = {hooks.appender._identity.resolve(one) for one in people}  # type: ignore[attr-defined]
    assert len(winners) == 1


def test_an_order_of_woocommerce_is_completed_when_it_is_paid(hooks: InProcessServer) -> None:
    events = read(hooks, "woocommerce-order.created", "woocommerce-order.updated")
    names = [event.name for event in events if event.type == "track"]
    assert names == ["order_completed", "order_updated"]
    assert events[1].properties["revenue"] == 18
    late = json.loads((SAMPLES / "woocommerce-order.created.json").read_bytes())
    late["date_modified_gmt"] = "2025-11-30T00:00:00"
    sent(hooks, "woocommerce", json.dumps(late).encode(), "order.updated")
    assert [one.name for one in hooks.events() if one.type == "track"][-1] == "order_updated"


OWN = {
    "id": "d-1",
    "test": False,
    "customer": {"id": 7},
    "paid_at": "2025-11-03T10:00:00Z",
    "total_cents": 1999,
    "lines": [{"sku": "a"}],
}


def test_a_map_makes_an_event_of_a_message(hooks: InProcessServer) -> None:
    assert sent(hooks, "own", json.dumps(OWN).encode()).status == 200
    (event,) = hooks.events()
    assert (event.name, event.user_id, event.message_id) == ("order_paid", "7", "d-1")
    assert event.properties == {"total": 19.99, "lines": [{"sku": "a"}], "first": "a"}
    left_out = sent(hooks, "own", json.dumps({**OWN, "test": True}).encode())
    assert (left_out.status, left_out.json["ignored"]) == (200, "`when` does not hold for it")
    bad = sent(hooks, "own", json.dumps({"test": False, "id": "d-2"}).encode())
    assert (bad.status, bad.error["rule"]) == (400, "nobody")
    assert hooks.dead_letters.counts() == {"nobody": 1}


@pytest.mark.parametrize(
    ("body", "rule"), [(b"", "not_json"), (b"[]", "not_an_object"), (b'{"type": 3}', "wrong_type")]
)
def test_what_is_signed_but_no_call_is_kept_and_told(
    hooks: InProcessServer, body: bytes, rule: str
) -> None:
    reply = sent(hooks, "plain", body)
    assert (reply.status, reply.error["rule"]) == (400, rule)
    assert hooks.dead_letters.counts() == {rule: 1}


def test_calls_without_an_id_count_once_a_delivery(hooks: InProcessServer) -> None:
    body = json.dumps({"batch": [{"type": "track", "userId": "u", "event": "e"}] * 2}).encode()
    assert sent(hooks, "plain", body).json["accepted"] == 2
    assert sent(hooks, "plain", body).json == {
        "success": True,
        "accepted": 0,
        "duplicate": 2,
        "request_id": "fresh-2",
    }


@pytest.mark.parametrize(
    ("ask", "status", "rule", "said"),
    [
        (lambda s: s.ask("POST", "/v1/hooks/plain", b"{}"), 401, "unauthorised", "is missing"),
        (
            lambda s: s.ask("POST", "/v1/hooks/plain", b"{}", {"x-signature": "00"}),
            401,
            "unauthorised",
            "not that of this body",
        ),
        (lambda s: s.ask("POST", "/v1/hooks/nobody", b"{}"), 404, "unknown_source", "no webhook"),
        (lambda s: s.ask("POST", "/v1/hooks/queue", b"{}"), 404, "unknown_source", "is read"),
        (lambda s: s.ask("GET", "/v1/hooks/plain"), 405, "method_not_allowed", "GET"),
        (lambda s: sent(s, "unset", b"{}"), 503, "not_configured", "NOBODY_SET_THIS"),
        (lambda s: s.ask("POST", "/v1/hooks/plain", b" " * 600_000), 413, "too_large", "larger"),
    ],
)
def test_refusals_say_what_and_how_to_mend(
    hooks: InProcessServer,
    ask: Callable[[InProcessServer], Reply],
    status: int,
    rule: str,
    said: str,
) -> None:
    reply = ask(hooks)
    assert (reply.status, reply.error["rule"]) == (status, rule)
    assert said in reply.error["message"]
    assert reply.error["mend"]
    assert hooks.events() == []


def test_a_log_that_is_away_asks_for_the_same_again(hooks: InProcessServer) -> None:
    path = SAMPLES / "shopify-orders-create.json"
    hooks.is_down = True
    reply = sample(hooks, path)
    assert (reply.status, reply.error["rule"]) == (503, "retry")
    assert reply.headers["retry-after"] == "1"
    hooks.is_down = False
    assert sample(hooks, path).json["accepted"] == 2


def test_topics_that_are_none_of_ours_are_taken_and_left(hooks: InProcessServer) -> None:
    reply = sent(hooks, "shopify", b'{"id": 1}', "themes/publish")
    assert (reply.status, "themes/publish" in reply.json["ignored"]) == (200, True)
    ping = hooks.ask("POST", "/v1/hooks/woocommerce", b"webhook_id=12")
    assert (ping.status, ping.json["ignored"]) == (200, "a ping")
    assert hooks.events() == []


def test_a_sale_that_names_nobody_is_kept_aside_and_not_asked_for_again(
    hooks: InProcessServer,
) -> None:
    reply = sent(hooks, "shopify", b'{"id": 5, "customer": null}', "customers/update")
    assert (reply.status, reply.json["ignored"]) == (200, "it tells nothing of anybody")
    refund = sent(hooks, "shopify", b'{"id": 6, "order_id": null}', "refunds/create")
    assert (refund.status, refund.json["accepted"], refund.json["refused"]) == (200, 0, 1)
    assert hooks.dead_letters.counts() == {"nobody": 1}


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*.json")), ids=lambda path: path.stem)
def test_what_lacks_its_number_is_nobody_elses_and_no_double(
    hooks: InProcessServer, path: Path
) -> None:
    shop, _, topic = path.stem.partition("-")
    for total in (1, 2):
        nameless = without(json.loads(path.read_bytes()), {"id", "token", "order_id", "customer"})
        body = json.dumps({**nameless, "total": total}).encode()
        reply = sent(hooks, shop, body, topic.replace("-", "/") if shop == "shopify" else topic)
        assert reply.status == 200, reply.body
        assert not reply.json.get("duplicate")
    for event in hooks.events():
        assert not (event.anonymous_id or "").endswith("-"), "an id of everybody"


def without(value: Any, names: set[str]) -> Any:
    if isinstance(value, dict):
        return {key: without(one, names) for key, one in value.items() if key not in names}
    return [without(one, names) for one in value] if isinstance(value, list) else value


@pytest.mark.parametrize("shop", SHOPS)
def test_messages_of_any_shape_break_nothing(hooks: InProcessServer, shop: str) -> None:
    topics = {
        "shopify": shopify.TOPICS,
        "woocommerce": woocommerce.TOPICS,
        "stripe": ("charge.failed", "customer.created", "invoice.paid"),
    }[shop]
    odd: list[Any] = [None, 1, 1e308, "x", [], [1], {}, {"id": []}, True, "NaN", -(10**30)]
    base = json.loads(next(iter(sorted(SAMPLES.glob(f"{shop}-*.json")))).read_bytes())
    for topic in topics:
        for value in odd:
            for key in base:
                body = {**base, key: value}
                if shop == "stripe":
                    body = {**body, "type": topic, "data": {"object": {"id": "x", key: value}}}
                status = sent(hooks, shop, json.dumps(body).encode(), topic).status
                assert status in (200, 400), (topic, key, value)
