"""Each step on events: what it changes, what it keeps beside, what it marks."""

from __future__ import annotations

from typing import Any

import pytest

from tailorbird.base.time import parse_micros
from tailorbird.events import standardise as st
from tailorbird.events.event import Event
from tailorbird.events.refusal import Refusal
from tailorbird.events.standardise.names import ALIASES, ECOMMERCE
from tailorbird.events.standardise.plans import Demand, Expectation, Expected, Plan

AT = parse_micros("2026-03-01T12:20:00Z")
PLACE = {"country_code": "JP", "city": "Tokyo", "timezone": "Asia/Tokyo"}
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 16_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like"
    " Gecko) Version/16.1 Mobile/15E148 Safari/604.1"
)
GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"


def around(**given: Any) -> st.Surroundings:
    given.setdefault("timezone", "Europe/Zurich")
    return st.Surroundings(**given)


def event(call: str = "identify", **given: Any) -> Event:
    name = given.pop("name", "identified")
    return Event(type=call, name=name, message_id="m", timestamp=AT, order=1, **given)


def identified(traits: dict[str, Any], **given: Any) -> Event:
    made = event(properties=traits)
    assert st.standardise(made, around(**given)) is None
    return made


def viewed(context: dict[str, Any], **given: Any) -> Event:
    made = event("page", name="page_viewed", context=context)
    assert st.standardise(made, around(**given)) is None
    return made


def test_an_address_is_trimmed_and_its_domain_written_small() -> None:
    made = identified({"email": " Ada@Shop.EXAMPLE\n"})
    assert made.properties["email"] == "Ada@shop.example"
    assert made.as_sent == {"email": " Ada@Shop.EXAMPLE\n"}
    assert made.unfit is None


def test_a_good_address_leaves_no_trace() -> None:
    made = identified({"email": "ada@shop.example"})
    assert (made.as_sent, made.unfit) == (None, None)


@pytest.mark.parametrize(
    "given",
    ["ada", "ada@gmail", "a..b@shop.example", "ada@shop,example", "a@[192.0.2.1]", "@", "a b"],
)
def test_what_is_no_address_stays_and_is_marked(given: str) -> None:
    made = identified({"email": given})
    assert made.properties == {"email": given}
    assert made.unfit == {"email": "bad_email"}


@pytest.mark.parametrize(
    ("key", "value"),
    [("email", 7), ("email", ["ada@shop.example"]), ("phone", True), ("phone", {"a": 1})],
)
def test_what_is_no_text_is_marked(key: str, value: Any) -> None:
    assert identified({key: value}).unfit == {key: "not_text"}


@pytest.mark.parametrize("key", ["email", "phone", "country", "currency", "birthday", "timezone"])
@pytest.mark.parametrize("value", [None, ""])
def test_nothing_is_neither_changed_nor_marked(key: str, value: Any) -> None:
    made = identified({key: value})
    assert (made.properties, made.unfit) == ({key: value}, None)


@pytest.mark.parametrize(
    ("traits", "found"),
    [
        ({"phone": "+41 (44) 668-18-00"}, "+41446681800"),
        ({"phone": "044 668 18 00", "country": "Switzerland"}, "+41446681800"),
        ({"phone": "044 668 18 00", "country_code": "ch"}, "+41446681800"),
        ({"phone": "044 668 18 00", "address": {"country": "CHE"}}, "+41446681800"),
        ({"phone": "0041446681800"}, "+41446681800"),
        ({"phone": "030 123456"}, "+4930123456"),
    ],
)
def test_a_number_is_one_of_the_persons_country_else_of_the_setting(
    traits: dict[str, Any], found: str
) -> None:
    made = identified(traits, default_country="DE")
    assert made.properties["phone"] == found
    assert made.as_sent is not None
    assert "phone" in made.as_sent


def test_a_number_as_json_has_it_is_a_number() -> None:
    made = identified({"phone": 446681800}, default_country="CH")
    assert made.properties["phone"] == "+41446681800"
    assert made.as_sent == {"phone": 446681800}


def test_a_number_without_a_country_says_why() -> None:
    assert identified({"phone": "044 668 18 00"}).unfit == {"phone": "phone_without_country"}
    assert identified({"phone": "+41 1"}).unfit == {"phone": "bad_phone"}


def test_codes_stand_beside_the_names() -> None:
    made = identified({"country": "Vereinigte Staaten", "state": "California"})
    assert made.properties == {
        "country": "Vereinigte Staaten",
        "state": "California",
        "country_code": "US",
        "region_code": "US-CA",
    }
    inner = identified({"address": {"country": "GB", "city": "London"}})
    assert inner.properties["address"]["country_code"] == "GB"


def test_an_unknown_country_takes_the_former_code_away() -> None:
    made = identified({"country": "Unspecified"})
    assert made.properties == {"country": "Unspecified", "country_code": None}
    assert made.unfit == {"country": "unknown_country"}


def test_a_region_needs_its_country() -> None:
    assert identified({"state": "CA"}).properties == {"state": "CA"}
    made = identified({"state": "Ruritania", "country": "US"})
    assert made.properties["region_code"] is None
    assert made.unfit == {"state": "unknown_region"}


def test_a_wrong_code_gives_way_to_the_name() -> None:
    made = identified({"country": "France", "country_code": "DE"})
    assert made.properties["country_code"] == "FR"
    assert made.as_sent == {"country_code": "DE"}


def test_a_state_of_an_order_is_no_region() -> None:
    made = event("track", name="order_updated", properties={"state": "open", "country": "US"})
    assert st.standardise(made, around()) is None
    assert made.properties == {"state": "open", "country": "US"}


def test_currencies_of_properties() -> None:
    made = event("track", name="order_completed", properties={"currency": "eur"})
    assert st.standardise(made, around()) is None
    assert (made.properties, made.as_sent) == ({"currency": "EUR"}, {"currency": "eur"})
    other = event("track", name="order_completed", properties={"currency": "$"})
    assert st.standardise(other, around()) is None
    assert other.unfit == {"currency": "unknown_currency"}


def test_birthdays_are_dates_and_beginnings_instants() -> None:
    made = identified({"birthday": "31.01.1990", "createdAt": 1769853600})
    assert made.properties == {"birthday": "1990-01-31", "createdAt": "2026-01-31T10:00:00Z"}
    assert made.as_sent == {"birthday": "31.01.1990", "createdAt": 1769853600}
    assert identified({"birthday": "01/02/1990"}).unfit == {"birthday": "ambiguous_date"}
    assert identified({"birthday": "soon"}).unfit == {"birthday": "bad_date"}


def test_zones_of_context_and_traits() -> None:
    made = viewed({"timezone": "us/pacific"})
    assert made.context["timezone"] == "America/Los_Angeles"
    assert made.as_sent == {"context.timezone": "us/pacific"}
    assert viewed({"timezone": "Atlantis"}).unfit == {"context.timezone": "unknown_time_zone"}
    assert identified({"timezone": "europe/zurich"}).properties["timezone"] == "Europe/Zurich"


def test_the_user_agent_tells_browser_system_and_device() -> None:
    made = viewed({"userAgent": IPHONE})
    assert made.context["browser"] == {"name": "Mobile Safari", "version": "16.1"}
    assert made.context["os"] == {"name": "iOS", "version": "16.1"}
    assert made.context["device"] == {"manufacturer": "Apple", "model": "iPhone", "type": "mobile"}
    assert "bot" not in made.context


def test_what_the_client_says_wins() -> None:
    given = {
        "userAgent": IPHONE,
        "os": {"name": "iPadOS", "version": "17"},
        "device": {"id": "d-1", "type": "tablet"},
        "browser": "Safari",
    }
    made = viewed(dict(given))
    assert made.context["os"] == given["os"]
    assert made.context["browser"] == "Safari"
    assert made.context["device"] == {
        "id": "d-1",
        "type": "tablet",
        "manufacturer": "Apple",
        "model": "iPhone",
    }


def test_what_is_shared_is_never_changed() -> None:
    first = viewed({"userAgent": IPHONE, "device": {"id": "d-1"}}).context
    second = viewed({"userAgent": IPHONE}).context
    assert "id" not in second["device"]
    assert first["browser"] is second["browser"]


def test_a_bot_is_marked_and_kept() -> None:
    made = viewed({"userAgent": GOOGLEBOT})
    assert made.context["bot"] is True
    assert "device" not in made.context


@pytest.mark.parametrize(
    ("agent", "is_one"),
    [
        (GOOGLEBOT, True),
        ("curl/8.4.0", True),
        ("python-requests/2.31", True),
        ("Mozilla/5.0 (X11; Linux x86_64) HeadlessChrome/120.0.0.0 Safari/537.36", True),
        ("facebookexternalhit/1.1", True),
        (IPHONE, False),
        ("Mozilla/5.0 (Linux; Android 10; CUBOT NOTE 20) Chrome/90 Mobile Safari/537.36", False),
        ("", False),
        (
            "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Firefox/11.0 (via ggpht.com GoogleImageProxy)",
            True,
        ),
        ("Mediapartners-Google", True),
        ("ChatGPT-User/1.0", True),
    ],
)
def test_bots(agent: str, is_one: bool) -> None:
    assert st.is_bot(agent) is is_one


@pytest.mark.parametrize(
    ("agent", "kind"),
    [
        (IPHONE, "mobile"),
        (
            "Mozilla/5.0 (iPad; CPU OS 16_0 like Mac OS X) Version/16.0 Mobile/1 Safari/604",
            "tablet",
        ),
        ("Mozilla/5.0 (Linux; Android 13; SM-T970) Chrome/120.0 Safari/537.36", "tablet"),
        ("Mozilla/5.0 (Linux; Android 13; Pixel 7) Chrome/120.0 Mobile Safari/537.36", "mobile"),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/120.0.0.0 Safari/537.36", "desktop"),
        ("Mozilla/5.0 (SMART-TV; Linux; Tizen 6.0) SamsungBrowser/3.0 TV Safari/537.36", "tv"),
        ("something", None),
    ],
)
def test_kinds_of_devices(agent: str, kind: str | None) -> None:
    assert st.device_type(agent) == kind


def test_the_place_of_the_address_and_its_hour() -> None:
    asked: list[str] = []

    def look_up(ip: str) -> dict[str, str] | None:
        asked.append(ip)
        return PLACE if ip.startswith("203.") else None

    made = viewed({"ip": "203.0.113.7"}, look_up=look_up)
    assert made.context["geo"] == PLACE
    assert made.context["local"] == {"hour": 21, "time_of_day": "evening"}
    assert "geo" not in viewed({"ip": "198.51.100.1"}, look_up=look_up).context
    assert viewed({"ip": "nowhere"}, look_up=look_up).unfit == {"context.ip": "bad_ip"}
    own = viewed({"ip": "203.0.113.7", "geo": {"city": "Bern"}}, look_up=look_up)
    assert own.context["geo"] == {"city": "Bern"}
    assert asked == ["203.0.113.7", "198.51.100.1", "nowhere"]


def test_the_senders_address_counts_for_browsers_that_send_none() -> None:
    given: dict[str, Any] = {"look_up": lambda _: PLACE, "ip": "203.0.113.7"}
    made = viewed({"userAgent": IPHONE}, **given)
    assert made.context["geo"] == PLACE
    assert "ip" not in made.context
    assert "geo" not in viewed({"library": {"name": "analytics-python"}}, **given).context


def test_the_hour_is_of_the_contexts_zone_else_of_the_workspaces() -> None:
    assert viewed({"timezone": "Asia/Kolkata"}).context["local"]["hour"] == 17
    assert viewed({"locale": "de-CH"}).context["local"] == {"hour": 13, "time_of_day": "afternoon"}
    assert viewed({"timezone": "Atlantis"}).context["local"]["hour"] == 13


def test_no_context_gets_none() -> None:
    assert identified({"email": "ada@shop.example"}).context == {}


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        ("completed_order", "order_completed"),
        ("viewed_product", "product_viewed"),
        ("viewed_product_category", "product_list_viewed"),
        ("added_product", "product_added"),
        ("removed_product", "product_removed"),
        ("order_completed", "order_completed"),
        ("hat_tried_on", "hat_tried_on"),
    ],
)
def test_former_names_become_todays(sent: str, name: str) -> None:
    made = event("track", name=sent, name_as_sent=sent)
    assert st.standardise(made, around()) is None
    assert (made.name, made.name_as_sent) == (name, sent)


def test_every_ecommerce_name_is_reached_and_none_is_an_alias() -> None:
    assert set(ALIASES.values()) <= set(ECOMMERCE)
    assert not set(ALIASES) & set(ECOMMERCE)
    assert all(st.event_name(name) == name for name in ECOMMERCE)


def test_refusals_leave_nothing_for_the_next_event() -> None:
    plan = st.Plan(traits=Expectation(properties=(Expected("email", "string", Demand.DEMAND),)))
    surroundings = around(plan=plan)
    assert isinstance(st.standardise(event(properties={"email": "x"}), surroundings), Refusal)
    good = event(properties={"email": "ada@shop.example"})
    assert st.standardise(good, surroundings) is None
    assert (good.as_sent, good.unfit) == (None, None)


def bought(properties: dict[str, Any], name: str = "completed_order", **given: Any) -> Event:
    made = event("track", name=name, properties=properties)
    assert st.standardise(made, around(**given)) is None
    return made


def test_an_order_of_the_first_specification_gets_todays_names_beside() -> None:
    made = bought({"orderId": "o1", "products": [{"id": "p1", "imageUrl": "u"}, {"productId": 7}]})
    assert made.name == "order_completed"
    assert made.properties == {
        "orderId": "o1",
        "order_id": "o1",
        "products": [
            {"id": "p1", "product_id": "p1", "imageUrl": "u", "image_url": "u"},
            {"productId": 7, "product_id": 7},
        ],
    }


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("viewed_product", "product_id"),
        ("added_product", "product_id"),
        ("removed_product", "product_id"),
        ("product_added", "product_id"),
        ("added_wishlist_product_to_cart", "product_id"),
        ("completed_order", "order_id"),
        ("viewed_promotion", "promotion_id"),
    ],
)
def test_an_id_is_that_of_what_the_event_is_about(name: str, key: str) -> None:
    assert bought({"id": "x"}, name).properties == {"id": "x", key: "x"}


@pytest.mark.parametrize("name", ["viewed_product_category", "viewed_cart", "hat_tried_on"])
def test_an_id_of_another_thing_stays_alone(name: str) -> None:
    assert bought({"id": "x"}, name).properties == {"id": "x"}


def test_what_is_there_by_todays_name_wins() -> None:
    made = bought({"id": "old", "product_id": "new"}, "product_viewed")
    assert made.properties == {"id": "old", "product_id": "new"}


def test_a_former_name_that_the_plan_lists_stays_alone() -> None:
    expected = Expectation(properties=(Expected("orderId", "string"),), refuses_unknown=True)
    plan = Plan(events={"order_completed": expected})
    assert bought({"orderId": "o1"}, "order_completed", plan=plan).properties == {"orderId": "o1"}


def test_each_product_has_its_currency() -> None:
    products = [{"currency": "eur"}, {"currency": "CHF"}, {"currency": "$"}, 7, {"price": 1}]
    made = bought({"products": products, "currency": "€"}, "order_completed")
    assert [one["currency"] for one in made.properties["products"][:3]] == ["EUR", "CHF", "$"]
    assert made.as_sent == {"currency": "€", "products.0.currency": "eur"}
    assert made.unfit == {"products.2.currency": "unknown_currency"}
