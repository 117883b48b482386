"""No value breaks a step, and what is standard stays as it is."""

from __future__ import annotations

import copy
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from tailorbird.events import standardise as forms
from tailorbird.events.decode import Accepted, decode_item
from tailorbird.events.event import Event, encode
from tailorbird.events.refusal import Refusal
from tailorbird.events.standardise.plans import Demand, Expectation, Expected
from tailorbird.services.standardise import Standardiser

KEYS = (
    *("email", "phone", "country", "country_code", "state", "region", "address", "currency"),
    *("birthday", "createdAt", "timezone", "userAgent", "ip", "device", "os", "browser", "geo"),
    *("local", "bot", "location", "plain"),
)
TEXTS = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        [
            *("Ada@Shop.EXAMPLE", " a@b.example", "a@bücher.example", "a@b", "a@[::1]", "@"),
            *("044 668 18 00", "+41446681800", "0041446681800", "+1", "tel:+41446681800;ext=5"),
            *("Schweiz", "CH", "us", "Unspecified", "California", "US-CA", "eur", "€", "$"),
            *("31.01.1990", "01/02/1990", "1769853600", "2026-01-31T10:00:00+01:00"),
            *("europe/zurich", "UTC+2", "US/Pacific", "Mozilla/5.0 (iPad; CPU OS 16_0)"),
            *("curl/8", "203.0.113.7", "2001:DB8::1", "::ffff:1.2.3.4", "mobile"),
        ]
    ),
)
VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**63 - 1),
        st.floats(allow_nan=False),
        TEXTS,
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)
    ),
    max_leaves=6,
)
PARTS = st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=8)
EVENTS = st.builds(
    lambda call, name, properties, context, at: Event(
        type=call,
        name=name if call == "track" else "identified",
        message_id="m",
        timestamp=at,
        order=1,
        properties=properties,
        context=context,
        user_id="u",
    ),
    st.sampled_from(["track", "identify", "group", "page"]),
    st.sampled_from(["completed_order", "order_completed", "viewed_product", "x"]),
    PARTS,
    PARTS,
    st.integers(-62_135_596_800_000_000, 253_402_300_799_000_000),
)


def around(**given: Any) -> forms.Surroundings:
    return forms.Surroundings(
        default_country="CH",
        timezone="Europe/Zurich",
        look_up=lambda text: {"timezone": "Asia/Tokyo"} if forms.ip(text) else None,
        ip="203.0.113.9",
        **given,
    )


@settings(deadline=None)  # tables are read when first asked for
@given(event=EVENTS)
def test_standardising_twice_is_standardising_once(event: Event) -> None:
    assert forms.standardise(event, around()) is None
    once = msgspec.to_builtins(event)
    again = copy.deepcopy(event)
    assert forms.standardise(again, around()) is None
    assert msgspec.to_builtins(again) == once
    assert encode(again) == encode(event)


@settings(deadline=None)  # tables are read when first asked for
@given(event=EVENTS)
def test_what_was_sent_is_kept(event: Event) -> None:
    sent = copy.deepcopy(event)
    assert forms.standardise(event, around()) is None
    kept = event.as_sent or {}
    for key, value in sent.properties.items():
        if event.properties[key] != value and key != "address":
            assert kept[key] == value
    for key, value in sent.context.items():
        now = event.context[key]
        if now == value or key in ("browser", "os", "device", "local", "bot"):
            # These are filled up: what was there is there.
            if isinstance(value, dict) and key in ("browser", "os", "device"):
                assert value.items() <= now.items()
            continue
        assert kept.get(f"context.{key}", value) == value


@settings(deadline=None)  # tables are read when first asked for
@given(event=EVENTS, demand=st.sampled_from(Demand), kind=st.sampled_from(["string", "number"]))
def test_a_plan_refuses_or_keeps_and_never_breaks(event: Event, demand: Demand, kind: str) -> None:
    expectation = Expectation(
        properties=tuple(Expected(key, kind, demand) for key in KEYS[:4]), refuses_unknown=True
    )
    plan = forms.Plan(events={"order_completed": expectation}, traits=expectation)
    found = forms.standardise(event, around(plan=plan))
    if isinstance(found, Refusal):
        facts = found.to_json()
        assert facts["rule"].startswith("plan_")
        assert all(facts[key] for key in ("field", "rule", "message", "mend"))


@settings(deadline=None)  # tables are read when first asked for
@given(text=st.text(max_size=80))
def test_no_text_breaks_a_form(text: str) -> None:
    for form in (forms.email, forms.country, forms.currency, forms.date, forms.instant):
        found = form(text)
        assert found is None or form(found) in (found, f"{found[:10]}T00:00:00Z")
    for found in (forms.phone(text, "CH"), forms.phone(text)):
        assert found is None or forms.phone(found) == found
    for found in (forms.region(text, "US"), forms.time_zone(text), forms.ip(text)):
        assert found is None or found
    assert isinstance(forms.is_bot(text), bool)
    assert forms.user_agent(text).browser.family
    assert forms.event_name(forms.event_name(text)) == forms.event_name(text)


@settings(deadline=None)  # tables are read when first asked for
@given(traits=PARTS)
def test_values_without_a_standard_form_identify_nobody(traits: dict[str, Any]) -> None:
    body = msgspec.json.encode({"type": "identify", "userId": "u-1", "traits": traits})
    found = decode_item(body, call=None, now=10**15, sent_at=None, fresh_id="f")
    assert isinstance(found, Accepted)
    steps = Standardiser()
    steps.begin(around())
    (one,) = steps([found])
    assert isinstance(one, Accepted)
    for kind, value in one.identifiers:
        if kind == "email":
            assert forms.email(str(one.event.properties["email"])) is not None
            assert value == str(one.event.properties["email"]).lower()
        if kind == "phone":
            assert forms.phone(value) == value
