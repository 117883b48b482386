"""Exports of mail services that are recognised by their columns: Mailchimp's and Klaviyo's.

Each gives the text of a mapping. Columns that a file lacks leave their lines out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from tailorbird.base.names import snake_case
from tailorbird.services.imports.writing import Lines, text_of

MARKETING = "marketing"
_MAILCHIMP = frozenset({"Email Address", "MEMBER_RATING", "LEID", "EUID"})
_KLAVIYO = frozenset({"Klaviyo ID", "Email Marketing Consent", "Email"})
_MAILCHIMP_OWN = frozenset(
    {
        *("Email Address", "First Name", "Last Name", "Phone Number", "Address", "Birthday"),
        *("MEMBER_RATING", "OPTIN_TIME", "OPTIN_IP", "CONFIRM_TIME", "CONFIRM_IP", "LATITUDE"),
        *("LONGITUDE", "GMTOFF", "DSTOFF", "TIMEZONE", "CC", "REGION", "LAST_CHANGED", "LEID"),
        *("EUID", "NOTES", "TAGS", "UNSUB_TIME", "UNSUB_REASON", "UNSUB_REASON_OTHER"),
        *("UNSUB_CAMPAIGN_TITLE", "UNSUB_CAMPAIGN_ID", "CLEAN_TIME", "CLEAN_CAMPAIGN_TITLE"),
        "CLEAN_CAMPAIGN_ID",
    }
)
_SUBSCRIBED = "[SUBSCRIBED, TRUE, 'YES']"
_UNSUBSCRIBED = "[UNSUBSCRIBED, FALSE, 'NO']"


def recognised(name: str, columns: Sequence[str]) -> str | None:
    """Return the mapping of a known export, None for any other table."""
    there = set(columns)
    if "Email Address" in there and len(_MAILCHIMP & there) >= 3:
        return _mailchimp(name, columns)
    if there >= _KLAVIYO:
        return _klaviyo(columns)
    return None


def _mailchimp(name: str, columns: Sequence[str]) -> str:
    there = set(columns)
    out = Lines(there)
    is_left, is_cleaned = "UNSUB_TIME" in there, "CLEAN_TIME" in there
    is_other = re.search(r"non-?_?subscri", name.lower()) is not None
    what = (
        "unsubscribed contacts"
        if is_left
        else "cleaned contacts"
        if is_cleaned
        else "contacts who never subscribed"
        if is_other
        else "subscribed contacts"
    )
    out.say(f"A Mailchimp audience export: {what}. Sure: its columns say so.")
    out.add("kind: people")
    out.say("Mailchimp exports times in UTC.")
    out.add("types:")
    for column in ("OPTIN_TIME", "CONFIRM_TIME", "LAST_CHANGED", "UNSUB_TIME", "CLEAN_TIME"):
        out.column(column, f"  {column}: timestamp")
    out.column("TAGS", "  TAGS: list")
    out.column("MEMBER_RATING", "  MEMBER_RATING: number")
    out.column("LAST_CHANGED", "timestamp: LAST_CHANGED")
    _traits(
        out,
        {
            "Email Address": "email",
            "First Name": "first_name",
            "Last Name": "last_name",
            "Phone Number": "phone",
            "Address": "address",
            "Birthday": "birthday",
            "TIMEZONE": "timezone",
            "CC": "country",
            "REGION": "region",
            "LATITUDE": "latitude",
            "LONGITUDE": "longitude",
            "NOTES": "notes",
            "TAGS": "tags",
            "MEMBER_RATING": "mailchimp_rating",
        },
    )
    for column in columns:
        if column not in _MAILCHIMP_OWN:
            out.add(f"  {snake_case(column)}: {text_of(column)}")
    if not is_other:
        _mailchimp_consent(out, is_left=is_left, is_cleaned=is_cleaned)
    else:
        out.say("No consent: these contacts never subscribed, and get no marketing mail.")
    return out.text()


def _mailchimp_consent(out: Lines, *, is_left: bool, is_cleaned: bool) -> None:
    times = [one for one in ("OPTIN_TIME", "CONFIRM_TIME") if one in out.columns]
    out.say("When and from where they agreed: the proof of their consent.")
    out.add("consent:")
    out.add(f"  {MARKETING}:")
    # A row of the unsubscribed has no consent any more, and the day it ended.
    out.add(f"    given: {'false' if is_left else 'true'}")
    if times:
        out.add(f"    at: [{', '.join(times)}]")
    if is_left:
        out.add("    withdrawn_at: UNSUB_TIME")
        out.column("UNSUB_REASON", "    reason: UNSUB_REASON")
    ips = [one for one in ("OPTIN_IP", "CONFIRM_IP") if one in out.columns]
    if ips:
        out.add(f"    ip: [{', '.join(ips)}]")
    out.column("CONFIRM_TIME", "    confirmed_at: CONFIRM_TIME")
    out.add("    source: \"'Mailchimp'\"")
    if is_cleaned:
        out.say("Cleaned: the address bounced. Nothing at all is sent to it.")
        out.add("suppressed:", "  when: 'true'", "  reason: \"'bounced'\"", "  at: CLEAN_TIME")


def _klaviyo(columns: Sequence[str]) -> str:
    out = Lines(set(columns))
    out.say("A Klaviyo profile export. Sure: its columns say so.")
    out.add("kind: people")
    out.say("Klaviyo exports times in UTC.")
    out.add("types:")
    times = (
        *("Email Marketing Consent Timestamp", "SMS Marketing Consent Timestamp"),
        *("Profile Created On", "Date Added", "Last Event", "Suppressed Timestamp"),
    )
    for column in times:
        out.column(column, f"  {text_of(column)}: timestamp")
    for column in ("Email Marketing Consent", "SMS Marketing Consent"):
        out.column(column, f"  {text_of(column)}: {{yes: {_SUBSCRIBED}, no: {_UNSUBSCRIBED}}}")
    for column in ("Suppressed", "Email Suppressed", "Global Suppressions"):
        out.column(column, f"  {text_of(column)}: {{yes: [TRUE, 'YES', '1', SUPPRESSED]}}")
    out.say("Each profile has an id at Klaviyo: who has no address is kept apart by it.")
    out.add("anonymous_id: Klaviyo ID")
    names = {
        "Email": "email",
        "First Name": "first_name",
        "Last Name": "last_name",
        "Phone Number": "phone",
        "Organization": "company",
        "Title": "title",
        "City": "city",
        "State / Region": "region",
        "Country": "country",
        "Zip Code": "postal_code",
        "Locale": "locale",
    }
    _traits(out, names)
    suppressed = [
        one
        for one in ("Suppressed", "Email Suppressed", "Global Suppressions")
        if one in out.columns
    ]
    own = {*names, *suppressed, *_KLAVIYO, "Initial Source"}
    for column in columns:
        if column not in own and not re.search(r"consent|suppress", column, re.IGNORECASE):
            out.add(f"  {snake_case(column)}: {text_of(column)}")
    out.say("Who never subscribed has neither agreed nor refused, and gets no marketing mail.")
    out.add("consent:")
    _klaviyo_topic(out, MARKETING, "Email Marketing Consent")
    if "SMS Marketing Consent" in out.columns:
        _klaviyo_topic(out, "sms", "SMS Marketing Consent")
    if suppressed:
        out.say("Suppressed at Klaviyo: bounced, complained or stopped by hand. Nothing is sent.")
        out.add("suppressed:", f"  when: {snake_case(suppressed[0])} = true")
        out.column("Suppressed Timestamp", "  at: Suppressed Timestamp")
    return out.text()


def _klaviyo_topic(out: Lines, topic: str, column: str) -> None:
    out.add(f"  {topic}:", f"    given: {column}")
    out.column(f"{column} Timestamp", f"    at: {column} Timestamp")
    out.column("Initial Source", "    source: Initial Source")


def _traits(out: Lines, names: dict[str, str]) -> None:
    out.add("traits:")
    for column, name in names.items():
        out.column(column, f"  {name}: {text_of(column)}")
