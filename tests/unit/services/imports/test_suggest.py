"""Mappings are suggested from names and values, and hold for the tables that they are made of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tailorbird.adapters.tables import open_file
from tailorbird.events.refusal import Refusal
from tailorbird.services.imports.calls import Call, calls_of
from tailorbird.services.imports.mapping import read_mapping
from tailorbird.services.imports.suggest import suggest

MAILCHIMP = (
    "Email Address,First Name,Last Name,Shoe Size,MEMBER_RATING,OPTIN_TIME,OPTIN_IP,"
    "CONFIRM_TIME,CONFIRM_IP,LATITUDE,LAST_CHANGED,LEID,EUID,NOTES,TAGS"
)
SUBSCRIBED = (
    f"{MAILCHIMP}\n"
    "Ada@Shop.example,Ada,Lovelace,38,4,2020-01-02 03:04:05,192.0.2.7,2020-01-02 03:05:00,"
    '192.0.2.7,,2024-05-06 07:08:09,1,aa,,"""vip"",""uk"""\n'
)
UNSUBSCRIBED = (
    f"{MAILCHIMP},UNSUB_TIME,UNSUB_CAMPAIGN_TITLE,UNSUB_CAMPAIGN_ID,UNSUB_REASON\n"
    "bob@shop.example,Bob,,,2,2019-01-01 00:00:00,192.0.2.8,,,,2021-01-01 00:00:00,2,bb,,,"
    "2021-01-01 00:00:00,May,c1,No longer interested\n"
)
CLEANED = (
    f"{MAILCHIMP},CLEAN_TIME,CLEAN_CAMPAIGN_TITLE,CLEAN_CAMPAIGN_ID\n"
    "cy@shop.example,Cy,,,1,,,2018-01-01 00:00:00,192.0.2.9,,2022-02-02 00:00:00,3,cc,,,"
    "2022-02-02 00:00:00,May,c1\n"
)
KLAVIYO = (
    "Email,Klaviyo ID,First Name,Phone Number,Country,Email Marketing Consent,"
    "Email Marketing Consent Timestamp,Initial Source,Date Added,Suppressed,Loyalty Points\n"
    "di@shop.example,01A,Di,+447700900123,United Kingdom,SUBSCRIBED,2023-01-01 10:00:00,"
    "Footer form,2022-12-31 00:00:00,FALSE,120\n"
    "ed@shop.example,01B,Ed,,,UNSUBSCRIBED,2023-02-01 10:00:00,,2022-12-31 00:00:00,FALSE,\n"
    "flo@shop.example,01C,Flo,,,NEVER_SUBSCRIBED,,,2022-12-31 00:00:00,TRUE,\n"
)


def table_of(folder: Path, name: str, text: str) -> tuple[str, list[Any], list[str]]:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    table = open_file(path)
    rows = list(table.rows())
    return suggest(table, [row.values for row in rows]), rows, list(table.columns)


def imported(folder: Path, name: str, text: str) -> list[list[Call]]:
    suggested, rows, columns = table_of(folder, name, text)
    mapping = read_mapping(name, suggested, columns)
    found = []
    for row in rows:
        calls = calls_of(mapping, row)
        assert not isinstance(calls, Refusal), calls
        found.append(calls)
    return found


def test_mailchimps_subscribers_come_with_their_proof(tmp_path: Path) -> None:
    ((identify, consent),) = imported(tmp_path, "subscribed_members_export_1.csv", SUBSCRIBED)
    assert identify["type"] == "identify"
    assert identify["timestamp"] == "2024-05-06T07:08:09Z"
    assert identify["traits"] == {
        "email": "Ada@Shop.example",
        "first_name": "Ada",
        "last_name": "Lovelace",
        "tags": ["vip", "uk"],
        "mailchimp_rating": 4,
        "shoe_size": "38",
    }
    assert consent["event"] == "consent_given"
    assert consent["timestamp"] == "2020-01-02T03:04:05Z"
    assert consent["anonymousId"] == identify["anonymousId"]
    assert consent["properties"] == {
        "topic": "marketing",
        "email": "Ada@Shop.example",
        "ip": "192.0.2.7",
        "confirmed_at": "2020-01-02T03:05:00Z",
        "source": "Mailchimp",
    }


def test_mailchimps_addresses_and_notes_come_too(tmp_path: Path) -> None:
    text = (
        "NOTES,LEID,EUID,Address,Email Address,LATITUDE\n"
        "met at the fair,1,aa,1 High St  London  SW1 UK,ada@shop.example,51.5\n"
    )
    ((identify, _),) = imported(tmp_path, "subscribed_members_export_1.csv", text)
    assert identify["traits"] == {
        "email": "ada@shop.example",
        "address": "1 High St  London  SW1 UK",
        "notes": "met at the fair",
        "latitude": "51.5",
    }


def test_mailchimps_unsubscribed_agreed_once_and_left(tmp_path: Path) -> None:
    ((_, agreed, left),) = imported(tmp_path, "unsubscribed_members_export_1.csv", UNSUBSCRIBED)
    assert (agreed["event"], agreed["timestamp"]) == ("consent_given", "2019-01-01T00:00:00Z")
    assert (left["event"], left["timestamp"]) == ("unsubscribed", "2021-01-01T00:00:00Z")
    assert left["properties"]["reason"] == "No longer interested"


def test_mailchimps_cleaned_have_bounced(tmp_path: Path) -> None:
    ((_, agreed, bounced),) = imported(tmp_path, "cleaned_members_export_1.csv", CLEANED)
    assert agreed["timestamp"] == "2018-01-01T00:00:00Z"  # confirmed; when they opted in is empty
    assert (bounced["event"], bounced["timestamp"]) == ("email_bounced", "2022-02-02T00:00:00Z")


def test_who_never_subscribed_gets_no_consent(tmp_path: Path) -> None:
    ((identify,),) = imported(tmp_path, "nonsubscribed_members_export_1.csv", SUBSCRIBED)
    assert identify["type"] == "identify"


def test_klaviyos_profiles(tmp_path: Path) -> None:
    di, ed, flo = imported(tmp_path, "profiles.csv", KLAVIYO)
    assert di[0]["anonymousId"] == "01A"
    assert di[0]["traits"]["loyalty_points"] == "120"
    assert [one.get("event") for one in di] == [None, "consent_given"]
    assert di[1]["properties"]["source"] == "Footer form"
    assert di[0]["traits"]["date_added"] == "2022-12-31T00:00:00Z"
    # The instant is that of the answer: whoever said no then is not said to have agreed then.
    assert [one.get("event") for one in ed] == [None, "unsubscribed"]
    assert ed[1]["timestamp"] == "2023-02-01T10:00:00Z"
    assert [one.get("event") for one in flo] == [None, "email_bounced"]


EVENTS = [
    (
        (
            "InvoiceNo,StockCode,Quantity,InvoiceDate,UnitPrice,CustomerID\n"
            "536365,85123A,6,2010-12-01 08:26:00,2.55,17850\n"
        ),
        {
            "event": "order_completed",
            "userId": "17850",
            "timestamp": "2010-12-01T08:26:00Z",
            "properties": {
                "invoice_no": "536365",
                "stock_code": "85123A",
                "quantity": 6,
                "unit_price": 2.55,
            },
        },
    ),
    (
        (
            "event_time,event_type,product_id,price,user_id,user_session\n"
            "2019-10-01 00:00:00 UTC,view,44600062,35.79,541312140,72d76fde\n"
        ),
        {
            "event": "product_viewed",
            "userId": "541312140",
            "anonymousId": "72d76fde",
            "timestamp": "2019-10-01T00:00:00Z",
            "properties": {"product_id": "44600062", "price": 35.79},
        },
    ),
    (
        " customer_id  date number_of_cds  dollar_value\n 00001 19970101  1   11.77\n",
        {
            "event": "order_completed",
            "userId": "00001",
            "timestamp": "1997-01-01T00:00:00Z",
            "properties": {"number_of_cds": 1, "dollar_value": 11.77},
        },
    ),
    (
        "userId,movieId,rating,timestamp\n1,1,4.0,964982703\n",
        {
            "event": "events",
            "userId": "1",
            "timestamp": "2000-07-30T18:45:03Z",
            "properties": {"movie_id": "1", "rating": 4.0},
        },
    ),
]


@pytest.mark.parametrize(("text", "expected"), EVENTS)
def test_events_of_shops(tmp_path: Path, text: str, expected: dict[str, Any]) -> None:
    ((call,),) = imported(tmp_path, "events.csv", text)
    assert {
        key: value for key, value in call.items() if key not in ("type", "messageId")
    } == expected


def test_a_suggestion_says_what_it_is_not_sure_of(tmp_path: Path) -> None:
    text = "order_id,user_id,ordered_on\n1,u,01/02/2026\n2,,03/04/2026\n"
    suggested, _, _ = table_of(tmp_path, "a.csv", text)
    assert "# guessed: %m/%d/%Y fits as well" in suggested
    assert "50% of the rows have one" in suggested
    assert "Guessed: no column names the event" in suggested


def test_instants_of_typed_tables(tmp_path: Path) -> None:
    path = tmp_path / "clicks.jsonl"
    path.write_text('{"user_id": 7, "day": 3, "ts": 1700000000000, "page": "/"}\n')
    table = open_file(path)
    rows = list(table.rows())
    suggested = suggest(table, [row.values for row in rows], "events")
    calls = calls_of(read_mapping("m.yaml", suggested, table.columns), rows[0])
    assert not isinstance(calls, Refusal)
    assert calls[0]["timestamp"] == "2023-11-14T22:13:20Z"
    assert calls[0]["properties"] == {"day": 3, "page": "/"}


def test_rows_without_anybody_are_a_problem_that_is_named(tmp_path: Path) -> None:
    suggested, _, _ = table_of(tmp_path, "a.csv", "colour,size\nred,3\n")
    assert "# user_id: ..." in suggested
