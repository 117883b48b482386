"""Suggests a mapping from the names of columns and some rows, with reasons and how sure they are.

The same rows give the same text: an import without a mapping file goes on by what it suggests.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from tailorbird.base.names import snake_case
from tailorbird.ports.table import Table
from tailorbird.services.imports.guesses import ADDRESS, Guess, guess, instants
from tailorbird.services.imports.known_exports import MARKETING, recognised
from tailorbird.services.imports.mapping import EVENTS, PEOPLE
from tailorbird.services.imports.writing import Lines, text_of

ROWS_LOOKED_AT = 2_000
_NAMES: Mapping[str, tuple[str, ...]] = {
    "user_id": (
        *("user_id", "userid", "customer_id", "customerid", "client_id", "member_id"),
        *("contact_id", "subscriber_id", "account_id", "person_id", "uid", "user"),
    ),
    "anonymous_id": (
        *("anonymous_id", "visitor_id", "cookie_id", "device_id", "session_id", "user_session"),
        "session",
    ),
    "event": ("event", "event_name", "event_type", "action", "activity"),
    "message_id": ("message_id", "messageid", "event_id", "eventid"),
    "timestamp": (
        *("timestamp", "original_timestamp", "occurred_at", "event_time", "event_timestamp", "ts"),
        *("time", "datetime", "date_time", "created_at", "order_date", "invoice_date"),
        *("purchase_date", "date", "day"),
    ),
    "call": ("type",),
    "context": ("context",),
}
_PEOPLE_IDS = ("id", "unique_id", "rec_id", "row_id")
_PEOPLE_TIMES = ("updated_at", "last_changed", "modified_at", "timestamp")
_TRAITS: Mapping[str, tuple[str, ...]] = {
    "email": ("email", "email_address", "e_mail", "mail"),
    "phone": ("phone", "phone_number", "mobile", "telephone", "mobile_phone"),
    "first_name": ("first_name", "firstname", "given_name", "fname"),
    "last_name": ("last_name", "lastname", "surname", "family_name", "lname"),
    "birthday": ("birthday", "dob", "date_of_birth", "birth_date"),
}
_CONSENT = (
    *("subscribed", "opt_in", "optin", "newsletter", "accepts_marketing", "marketing_consent"),
    *("email_consent", "consent", "is_subscribed"),
)
_ORDERS = ("invoice", "order_id", "revenue", "dollar", "amount", "total")
_STANDARD = {
    "view": "product_viewed",
    "cart": "cart_added",
    "add_to_cart": "cart_added",
    "addtocart": "cart_added",
    "remove_from_cart": "cart_removed",
    "purchase": "order_completed",
    "transaction": "order_completed",
}
_FILLED_MIN = 0.9999
_CALLS = {"track", "identify", "page", "screen", "group", "alias"}


@dataclass(frozen=True, slots=True)
class _Looked:
    columns: Sequence[str]
    guesses: Mapping[str, Guess]
    texts: Mapping[str, Sequence[str]]

    def named(self, names: Collection[str]) -> str | None:
        """Return the first column by these names, in their order."""
        by_name: dict[str, str] = {}
        for column in self.columns:
            by_name.setdefault(snake_case(column), column)
        return next((by_name[name] for name in names if name in by_name), None)


def suggest(table: Table, rows: Sequence[Mapping[str, Any]], kind: str = "") -> str:
    """Return the text of a mapping for a table.

    Args:
        table: The table.
        rows: Its first rows.
        kind: `events` or `people`; empty to tell by the columns.
    """
    columns = list(table.columns) or list(dict.fromkeys(key for row in rows for key in row))
    known = recognised(table.name, columns)
    if known is not None and kind != EVENTS:
        return known
    found = {column: [row.get(column) for row in rows] for column in columns}
    looked = _Looked(
        columns,
        {column: guess(cells) for column, cells in found.items()},
        {
            column: [str(one) for one in cells if isinstance(one, (str, int, float))]
            for column, cells in found.items()
        },
    )
    writer = _Writer(table, looked, is_same=_has_same_rows(rows))
    return writer.events() if (kind or _kind_of(looked)) == EVENTS else writer.people()


def _kind_of(looked: _Looked) -> str:
    if looked.named(_NAMES["event"]) or looked.named(_NAMES["message_id"]):
        return EVENTS
    is_person = looked.named(_TRAITS["email"]) or looked.named(_TRAITS["birthday"])
    has_time = looked.named(_NAMES["timestamp"]) or any(
        found.type == "timestamp" for found in looked.guesses.values()
    )
    return PEOPLE if is_person or not has_time else EVENTS


def _has_same_rows(rows: Sequence[Mapping[str, Any]]) -> bool:
    return len({repr(sorted(row.items(), key=repr)) for row in rows}) < len(rows)


class _Writer:
    def __init__(self, table: Table, looked: _Looked, *, is_same: bool) -> None:
        self._table = table
        self._looked = looked
        self._is_same = is_same
        self._out = Lines(looked.columns)
        self._used: set[str] = set()
        self._times: dict[str, Guess] = {}

    def events(self) -> str:
        out, looked = self._out, self._looked
        who = looked.named(_NAMES["user_id"])
        anonymous = looked.named(_NAMES["anonymous_id"])
        if who is None and anonymous is None:
            who = looked.named((*_PEOPLE_IDS, *_TRAITS["email"]))
        event, at = looked.named(_NAMES["event"]), self._time(_NAMES["timestamp"])
        call, context = looked.named(_NAMES["call"]), looked.named(_NAMES["context"])
        if call is not None and not set(looked.guesses[call].distinct) & _CALLS:
            call = None
        message = looked.named(_NAMES["message_id"])
        self._used = {one for one in (who, anonymous, event, at, call, context, message) if one}
        out.say(f"Suggested for {self._table.name}: look it through before you import.")
        out.add("kind: events")
        self._types()
        self._event(event, call)
        for key, column in (("user_id", who), ("anonymous_id", anonymous)):
            if column is not None:
                out.add(f"{key}: {text_of(column)}{self._filled(column)}")
        if who is None and anonymous is None:
            out.say("No column tells whose row it is: name it here.")
            out.add("# user_id: ...")
        if who is not None and anonymous is None and looked.guesses[who].filled < _FILLED_MIN:
            out.say("Rows without it are refused. To leave them out instead:")
            out.add(f"# when: {snake_case(who)} is not null")
        self._timestamp(at)
        if message is not None:
            out.add(f"message_id: {text_of(message)}")
        else:
            out.say("No column is an id: each row is known by all of its cells.")
            out.add(f"same_rows: {'each' if self._is_same else 'one'}{self._same()}")
        if context is not None:
            out.add(f"context: {text_of(context)}")
        self._rest("properties", call)
        return out.text()

    def people(self) -> str:
        out, looked = self._out, self._looked
        traits = {name: self._trait(name) for name in _TRAITS}
        who = looked.named((*_NAMES["user_id"], *_PEOPLE_IDS))
        at = self._time(_PEOPLE_TIMES)
        consent = looked.named(_CONSENT)
        if consent is not None and looked.guesses[consent].type not in ("boolean", "number"):
            consent = None
        self._used = {one for one in (who, at, consent) if one}
        out.say(f"Suggested for {self._table.name}: look it through before you import.")
        out.add("kind: people")
        self._types(booleans=(consent,) if consent else ())
        if who is not None:
            out.add(f"user_id: {text_of(who)}{self._filled(who)}")
        elif traits["email"] is None:
            out.say("No column tells who it is: name it here.")
            out.add("# user_id: ...")
        self._timestamp(at)
        self._rest("traits", None, {name: one for name, one in traits.items() if one})
        if consent is not None:
            out.say(f"Guessed from the name of `{consent}`: make sure that it is about mail.")
            out.add("consent:", f"  {MARKETING}:", f"    given: {text_of(consent)}")
        else:
            out.say("No column tells of consent: without it nobody gets marketing mail.")
        return out.text()

    def _trait(self, name: str) -> str | None:
        found = self._looked.named(_TRAITS[name])
        if found is None and name == "email":
            return next(
                (one for one, is_one in self._looked.guesses.items() if is_one.type == ADDRESS),
                None,
            )
        return found

    def _time(self, names: Sequence[str]) -> str | None:
        """Return the column that tells the time: by its name, else by its values."""
        looked = self._looked
        for column in dict.fromkeys(one for name in names if (one := looked.named((name,)))):
            if looked.guesses[column].type == "timestamp":
                return column
            cells = looked.texts[column]
            found = instants(cells)
            if found is not None:
                self._times[column] = found
                return column
        if names is _PEOPLE_TIMES:
            return None
        return next(
            (one for one, found in looked.guesses.items() if found.type == "timestamp"), None
        )

    def _types(self, booleans: Collection[str] = ()) -> None:
        is_text = self._table.is_text
        if is_text:
            self._out.say("What the texts of a column are; of all others: text.")
        self._out.add("types:")
        for column, found in self._looked.guesses.items():
            kind = self._type_of(column, found, column in booleans)
            # Other tables know their types, but may write instants in their own way.
            if kind and (is_text or self._times.get(column, found).form):
                self._out.add(f"  {text_of(column)}: {kind}")

    def _type_of(self, column: str, found: Guess, is_boolean: bool) -> str:
        found = self._times.get(column, found)
        if snake_case(column) in _TRAITS["birthday"]:
            return ""  # a day of the calendar, no instant
        share = "" if found.share > 0.9999 else f"  # {found.share:.1%} of the values are"
        if is_boolean or found.type == "boolean":
            return f"boolean{share}"
        if found.type == "timestamp":
            return self._timestamp_type(found)
        if column in self._used or _is_id(column):
            return ""
        words = {"number": "number", "price": "number", "decimal_comma": "{number: ','}"}
        return f"{words[found.type]}{share}" if found.type in words else ""

    def _timestamp_type(self, found: Guess) -> str:
        if found.form.startswith("unix"):
            return f"{{timestamp: {found.form}}}"
        why = ""
        if found.others:
            why = f"  # guessed: {found.others[0]} fits as well"
        elif not found.has_offset:
            why = "  # no offset in it: name the zone that it is in"
        if not found.form and found.has_offset:
            return "timestamp"
        form = f"'{found.form}'" if found.form else "iso"
        zone = "" if found.has_offset else ", zone: UTC"
        return f"{{timestamp: {form}{zone}}}{why}"

    def _event(self, event: str | None, call: str | None) -> None:
        out = self._out
        if call is not None:
            out.add(f"call: {text_of(call)}")
        if event is None:
            if call is None:
                words = " ".join(snake_case(one) for one in self._looked.columns)
                is_order = any(word in words for word in _ORDERS)
                stem = PurePath(self._table.name.removesuffix(".gz")).stem
                name = "order_completed" if is_order else snake_case(stem)
                out.say("Guessed: no column names the event. All rows are this one.")
                out.add(f"event: \"'{name}'\"")
            return
        out.add(f"event: {text_of(event)}")
        distinct = self._looked.guesses[event].distinct
        known = {
            one: _STANDARD[snake_case(one)] for one in distinct if snake_case(one) in _STANDARD
        }
        if known:
            out.say("Names of this file as Tailorbird's examples have them.")
            out.add("names:", *(f"  {text_of(old)}: {new}" for old, new in known.items()))

    def _timestamp(self, at: str | None) -> None:
        if at is not None:
            self._out.add(f"timestamp: {text_of(at)}")
        else:
            self._out.say("No column tells when it was: name it here.")
            self._out.add("# timestamp: ...")

    def _rest(self, part: str, call: str | None, named: Mapping[str, str] | None = None) -> None:
        whole = self._looked.named((part,))
        others = [one for one in self._looked.columns if one not in self._used]
        if whole is not None or call is not None:
            if whole is not None:
                self._out.add(f"{part}: {text_of(whole)}")
            self._out.add("others: keep")
            return
        named = named or {}
        if not self._table.columns:
            if named:
                self._out.add(f"{part}:", *(f"  {k}: {text_of(v)}" for k, v in named.items()))
            self._out.say("Whatever else an object holds is kept.")
            self._out.add("others: keep")
            return
        self._out.add(f"{part}:")
        by_column = {column: name for name, column in named.items()}
        for column in others:
            name = by_column.get(column) or snake_case(column)
            self._out.add(f"  {name}: {text_of(column)}")

    def _filled(self, column: str) -> str:
        filled = self._looked.guesses[column].filled
        return "" if filled > _FILLED_MIN else f"  # {filled:.0%} of the rows have one"

    def _same(self) -> str:
        return "  # rows occur that are equal in all cells" if self._is_same else ""


def _is_id(column: str) -> bool:
    words = snake_case(column).split("_")
    return words[-1] in ("id", "no", "code", "zip", "postcode", "phone", "sku") or words[0] == "zip"
