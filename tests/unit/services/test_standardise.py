"""The steps with the live version's settings and plan: over HTTP, in import, counted, learned."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from tailorbird.adapters.memory.control_store import MemoryControlStore
from tailorbird.adapters.tables import open_file
from tailorbird.base.time import format_micros, from_micros, parse_micros
from tailorbird.bootstrap import WORKSPACE_FOLDER
from tailorbird.events.decode import Accepted, decode_item
from tailorbird.events.event import Event
from tailorbird.events.refusal import Refusal
from tailorbird.events.standardise import STEPS
from tailorbird.ports.log_writer import ACCEPTED, Answer, EventDraft
from tailorbird.services.identity_rules import LiveRules
from tailorbird.services.imports.mapping import read_mapping
from tailorbird.services.imports.run import Importer, Ways
from tailorbird.services.learned import EVENTS_MAX, LEARNED, PROPERTIES_MAX, Learned
from tailorbird.services.standardise import (
    SHAPES_MAX,
    TIMED_EVERY,
    LiveStandardiser,
    Standardiser,
)
from tailorbird.testing.building import START
from tailorbird.testing.in_process import ADMIN, WRITE, InProcessServer

DATA = Path(__file__).parents[2] / "data"
NOW = parse_micros("2026-03-01T12:00:00Z")
SCHEMA = """
unknown_events: refuse
events:
  order_completed:
    properties:
      order_id: {type: string, rule: demand}
      revenue: {type: number, rule: type}
      card_number: {rule: forbid}
      currency: string
  order_refunded:
    unknown: refuse
    properties: {order_id: string}
traits:
  email: {type: string, rule: type}
  visits: number
"""


@pytest.fixture
def server(tmp_path: Any) -> Any:
    made = InProcessServer(tmp_path)
    yield made
    made.close()


def publish(server: InProcessServer, version: str, **files: str) -> None:
    texts = {f"{name}.{'toml' if name == 'tailorbird' else 'yaml'}": files[name] for name in files}
    server.control.save_version(version, texts, START)
    server.control.set("live_version", version)


def track(server: InProcessServer, event: str, **properties: Any) -> Any:
    message = {"userId": "u", "event": event, "properties": properties}
    return server.ask("POST", "/v1/track", message, WRITE)


def accepted(message: dict[str, Any]) -> Accepted:
    found = decode_item(
        msgspec.json.encode({"userId": "u", "timestamp": "2026-02-01T00:00:00Z", **message}),
        call=None,
        now=NOW,
        sent_at=None,
        fresh_id="f",
    )
    assert isinstance(found, Accepted)
    return found


REFUSED = [
    ({"revenue": 5}, "properties.order_id", "", "plan_missing"),
    ({"order_id": None}, "properties.order_id", "", "plan_missing"),
    ({"order_id": 7}, "properties.order_id", "7", "plan_type"),
    ({"order_id": "o", "revenue": "5"}, "properties.revenue", "5", "plan_type"),
    ({"order_id": "o", "card_number": "4111"}, "properties.card_number", "…", "plan_forbidden"),
]


@pytest.mark.parametrize(("properties", "field", "value", "rule"), REFUSED)
def test_a_plan_refuses_with_field_value_rule_and_mend(
    server: InProcessServer, properties: dict[str, Any], field: str, value: str, rule: str
) -> None:
    publish(server, "v1", schema=SCHEMA)
    reply = track(server, "Order Completed", **properties)
    assert reply.status == 400
    error = reply.json["error"]
    assert (error["field"], error["value"], error["rule"]) == (field, value, rule)
    assert "order_completed" in error["message"]
    assert "schema.yaml" in error["mend"] or "out" in error["mend"]
    assert server.dead_letters.counts() == {rule: 1}
    assert server.events() == []


def test_a_plan_lets_pass_what_it_only_watches(server: InProcessServer) -> None:
    publish(server, "v1", schema=SCHEMA)
    assert track(server, "Order Completed", order_id="o", currency="?").status == 200
    assert track(server, "Completed Order", order_id="o", new=1).status == 200
    assert track(server, "Order Refunded", order_id="o").status == 200
    refused = track(server, "Order Refunded", order_id="o", new=1)
    assert refused.json["error"]["field"] == "properties.new"
    assert refused.json["error"]["rule"] == "plan_unknown"
    unknown = track(server, "Hat Tried On")
    assert (unknown.json["error"]["field"], unknown.json["error"]["value"]) == (
        "event",
        "hat_tried_on",
    )
    shown = server.ask("GET", "/v1/learned", headers=ADMIN).json["events"]
    (completed,) = [one for one in shown if one["event"] == "order_completed"]
    assert (completed["count"], completed["is_expected"]) == (2, True)
    assert [one["name"] for one in completed["properties"]] == ["new", "currency", "order_id"]
    assert completed["properties"][1] == {
        "name": "currency",
        "is_expected": True,
        "plan": "watch",
        "types": ["string"],
        "unfitting": 1,
    }


def test_a_demanded_address_has_to_have_a_standard_form(server: InProcessServer) -> None:
    message = {"userId": "u", "traits": {"email": "nobody@"}}
    assert server.ask("POST", "/v1/identify", message, WRITE).status == 200
    publish(server, "v1", schema=SCHEMA)
    reply = server.ask("POST", "/v1/identify", message, WRITE)
    assert reply.json["error"]["field"] == "traits.email"
    assert "bad_email" in reply.json["error"]["message"]
    good = {"userId": "u", "traits": {"email": "ada@shop.example", "visits": "many"}}
    assert server.ask("POST", "/v1/identify", good, WRITE).status == 200


def test_no_plan_refuses_what_we_act_upon_ourselves(server: InProcessServer) -> None:
    publish(server, "v1", schema="unknown_events: refuse\nunknown_traits: refuse\n")
    assert track(server, "Consent Withdrawn", topic="offers").status == 200
    traits = {"consent": {"marketing": False}, "email": "ada@shop.example", "timezone": "UTC"}
    reply = server.ask("POST", "/v1/identify", {"userId": "u", "traits": traits}, WRITE)
    assert reply.status == 200
    other = server.ask("POST", "/v1/identify", {"userId": "u", "traits": {"hat": 1}}, WRITE)
    assert other.json["error"]["field"] == "traits.hat"
    assert track(server, "Order Completed").status == 400


def test_in_a_batch_only_what_the_plan_refuses_is_refused(server: InProcessServer) -> None:
    publish(server, "v1", schema=SCHEMA)
    batch = [
        {"type": "track", "userId": "u", "event": "Order Completed", "properties": one}
        for one in ({"order_id": "a"}, {}, {"order_id": "b"})
    ]
    reply = server.ask("POST", "/v1/batch", {"batch": batch}, WRITE)
    assert [one["status"] for one in reply.json["items"]] == ["ok", "refused", "ok"]
    assert len(server.events()) == 2


def test_settings_of_the_live_version_hold(server: InProcessServer) -> None:
    message = {"userId": "u", "traits": {"phone": "044 668 18 00"}, "context": {"page": {}}}
    server.ask("POST", "/v1/identify", message, WRITE)
    publish(server, "v1", tailorbird='timezone = "Asia/Tokyo"\n[collect]\ndefault_country = "CH"\n')
    server.ask("POST", "/v1/identify", message, WRITE)
    before, after = server.events()
    assert before.unfit == {"phone": "phone_without_country"}
    assert after.properties["phone"] == "+41446681800"
    assert before.context["local"]["hour"] != after.context["local"]["hour"]


def test_places_come_from_the_workspaces_file(server: InProcessServer, tmp_path: Path) -> None:
    shutil.copy(DATA / "maxmind-db" / "GeoIP2-City-Test.mmdb", tmp_path / "city.mmdb")
    server.control.set(WORKSPACE_FOLDER, str(tmp_path))
    publish(server, "v1", tailorbird='[collect]\nplace_file = "city.mmdb"\n')
    message = {"userId": "u", "context": {"ip": "2.125.160.216"}}
    server.ask("POST", "/v1/page", message, WRITE)
    publish(server, "v2", tailorbird='[collect]\nplace_file = "missing.mmdb"\n')
    assert server.ask("POST", "/v1/page", message, WRITE).status == 200
    with_place, without = server.events()
    assert with_place.context["geo"]["city"] == "Boxford"
    assert with_place.context["geo"]["region_code"] == "GB-ENG"
    london = from_micros(with_place.timestamp).astimezone(ZoneInfo("Europe/London"))
    assert with_place.context["local"]["hour"] == london.hour
    assert "geo" not in without.context


def test_a_standard_value_identifies_and_an_unfit_one_does_not() -> None:
    steps = Standardiser()
    (one,) = steps(
        [accepted({"type": "identify", "traits": {"email": " Ada@Shop.example", "phone": "+41 1"}})]
    )
    assert isinstance(one, Accepted)
    assert one.identifiers == [("user_id", "u"), ("email", "ada@shop.example")]
    (two,) = steps([accepted({"type": "identify", "traits": {"phone": "+41 44 668 18 00"}})])
    assert isinstance(two, Accepted)
    assert two.identifiers == [("user_id", "u"), ("phone", "+41446681800")]
    (three,) = steps([accepted({"type": "identify", "traits": {"email": "a..b@shop.example"}})])
    assert isinstance(three, Accepted)
    assert three.identifiers == [("user_id", "u")]


def test_refusals_pass_through_in_their_places() -> None:
    refusal = decode_item(b"[]", call=None, now=NOW, sent_at=None, fresh_id="f")
    assert isinstance(refusal, Refusal)
    found = Standardiser()([refusal, accepted({"type": "page"}), refusal])
    assert [isinstance(one, Refusal) for one in found] == [True, False, True]


def test_each_step_is_counted_and_some_events_timed() -> None:
    ticks = iter(range(10**6))
    steps = Standardiser(perf_counter=lambda: float(next(ticks)))
    agent = {"userAgent": "curl/8", "timezone": "Europe/Zurich"}
    events = [
        accepted({"type": "track", "event": "x", "context": agent, "properties": {"currency": "?"}})
        for _ in range(2 * TIMED_EVERY)
    ]
    steps(events)
    names = {step.name: number for number, step in enumerate(STEPS)}
    for name in ("currency", "time_zone", "agent", "hour"):
        assert steps.concerned[names[name]] == len(events)
        assert steps.seconds[names[name]] == steps.timed
    assert steps.concerned[names["email"]] == 0
    assert steps.timed == 2
    assert steps.unfit == {"unknown_currency": len(events)}


def test_measures_show_the_steps(server: InProcessServer) -> None:
    server.ask("POST", "/v1/identify", {"userId": "u", "traits": {"email": "no"}}, WRITE)
    text = server.ask("GET", "/metrics").body.decode()
    assert 'tailorbird_step_events_total{step="email"} 1.0' in text
    assert 'tailorbird_step_seconds_total{step="email"}' in text
    assert 'tailorbird_unfit_total{reason="bad_email"} 1.0' in text
    for step in STEPS:
        assert f'tailorbird_step_events_total{{step="{step.name}"}}' in text


def test_what_is_learned_survives_and_adds_up() -> None:
    control = MemoryControlStore()
    for day, properties in ((1, {"a": 1}), (2, {"a": "x", "b": [1]})):
        learned = Learned(control)
        steps = Standardiser(learned)
        at = f"2026-02-0{day}T00:00:00Z"
        message = {"type": "track", "event": "X", "properties": properties, "timestamp": at}
        steps([accepted(message), accepted(message)])
        learned.flush()
    (shown,) = Learned(control).shown()["events"]
    assert (shown["event"], shown["count"]) == ("x", 4)
    assert shown["first_at"] == "2026-02-01T00:00:00Z"
    assert shown["last_at"] == "2026-02-02T00:00:00Z"
    assert {one["name"]: one["types"] for one in shown["properties"]} == {
        "a": ["number", "string"],
        "b": ["list"],
    }


def test_made_up_names_fill_nothing() -> None:
    control = MemoryControlStore()
    learned = Learned(control)
    steps = Standardiser(learned)
    for number in range(SHAPES_MAX + 10):
        steps([accepted({"type": "track", "event": f"e{number}", "properties": {f"p{number}": 1}})])
    assert len(steps._shapes) <= SHAPES_MAX
    wide = {f"{number:05d}" * 10: 1 for number in range(400)}
    steps([accepted({"type": "track", "event": "e1", "properties": wide})])
    learned.flush()
    shown = learned.shown()["events"]
    assert len(shown) == EVENTS_MAX
    assert max(len(one["properties"]) for one in shown) == PROPERTIES_MAX
    (first,) = [one for one in shown if one["event"] == "e1"]
    assert first["count"] == 2
    assert len(control.get(LEARNED) or "") < 200_000


def test_a_new_plan_holds_for_known_shapes() -> None:
    control = MemoryControlStore()
    rules = LiveRules(control)
    live = LiveStandardiser(control, rules, lambda _: pytest.fail("no places were asked for"))
    message = {"type": "track", "event": "Order Completed"}
    rules()
    assert isinstance(live([accepted(message)])[0], Accepted)
    control.save_version("v1", {"schema.yaml": SCHEMA}, START)
    control.set("live_version", "v1")
    rules()
    assert isinstance(live([accepted(message)])[0], Refusal)


class Writer:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.drafts: list[EventDraft] = []

    async def write(self, events: list[EventDraft]) -> list[Answer]:
        self.drafts += events
        return [Answer(ACCEPTED)] * len(events)


class Clock:
    """Stands still."""

    def now(self) -> int:
        return NOW


def test_imported_people_take_the_same_steps(tmp_path: Path) -> None:
    control = MemoryControlStore()
    control.save_version("v1", {"tailorbird.toml": '[collect]\ndefault_country = "CH"\n'}, START)
    control.set("live_version", "v1")
    rules, writer = LiveRules(control), Writer()
    live = LiveStandardiser(control, rules, lambda _: pytest.fail("no places were asked for"))
    ways = Ways(
        clock=Clock(),
        writer=writer,  # type: ignore[arg-type]  # only its writing is asked
        rules=rules,
        standardise=live,
    )
    path = tmp_path / "people.jsonl"
    path.write_text('{"id": "u", "email": "Ada@Shop.EXAMPLE", "phone": "044 668 18 00"}\n')
    mapping = read_mapping("m.yaml", "kind: people\nuser_id: id\nothers: keep\n", ())
    report = asyncio.run(Importer(ways, progress=lambda _: None).run(open_file(path), mapping))
    assert report.counts == {"new": 1}
    (draft,) = writer.drafts
    assert ("phone", "+41446681800") in draft.identifiers


def test_instants_are_shown_as_people_write_them() -> None:
    learned = Learned(MemoryControlStore())
    learned.add("x", 1, NOW, NOW)
    (shown,) = learned.shown()["events"]
    assert shown["first_at"] == format_micros(NOW)


def test_events_of_one_shape_are_looked_at_once() -> None:
    looked: list[Event] = []
    learned = Learned(MemoryControlStore())
    learned.look = looked.append  # type: ignore[method-assign]  # counts the calls
    steps = Standardiser(learned)
    steps([accepted({"type": "track", "event": "x", "properties": {"a": 1}}) for _ in range(9)])
    assert len(looked) == 1
