"""Currencies, to ISO 4217."""

from __future__ import annotations

from collections import Counter
from functools import cache, lru_cache
from typing import Any

from tailorbird.events.event import Event
from tailorbird.events.standardise.step import TEXT_LENGTH_MAX, Surroundings, Unfit
from tailorbird.events.standardise.tables import folded, tables


def currency(text: str) -> str | None:
    """Return the ISO 4217 code of a currency, None where the text names none.

    Takes codes, numeric codes, English names, and signs that mean one currency.

    Example:
        >>> currency("eur"), currency("€"), currency("978"), currency("Swiss franc"), currency("$")
        ('EUR', 'EUR', 'EUR', 'CHF', None)
    """
    text = text.strip()
    return _currency(text) if 0 < len(text) <= TEXT_LENGTH_MAX else None


@lru_cache(maxsize=1_024)
def _currency(text: str) -> str | None:
    codes = _codes()
    return codes.get(text.upper()) or tables().signs.get(text) or codes.get(folded(text) or "-")


@cache
def _codes() -> dict[str, str]:
    # Imported when the first amount comes.
    import pycountry

    often = Counter(folded(one.name) for one in pycountry.currencies)
    names = {
        name: one.alpha_3
        for one in pycountry.currencies
        if often[name := folded(one.name)] == 1  # an old and a new one may share a name
    }
    codes = {
        code: one.alpha_3 for one in pycountry.currencies for code in (one.alpha_3, one.numeric)
    }
    return {**names, **codes}


CURRENCIES = frozenset({"currency", "products"})

# Codes found to be standard; there are fewer than two hundred.
_fine: set[str] = set()


def standardise_currency(event: Event, at: Surroundings) -> bool:
    """Standardise `currency` of properties and traits, and of each of `products`."""
    properties = event.properties
    is_concerned = "currency" in properties and _standardise(properties, "currency", at)
    products = properties.get("products")
    if products.__class__ is list:
        for index, item in enumerate(products):
            if item.__class__ is dict and "currency" in item:
                is_concerned |= _standardise(item, f"products.{index}.currency", at)
    return is_concerned


def _standardise(part: dict[str, Any], place: str, at: Surroundings) -> bool:
    given = part["currency"]
    if given.__class__ is str and given in _fine:
        return True
    if given is None or given == "":
        return False
    found = currency(given) if isinstance(given, str) else None
    if found is None:
        at.mark(place, Unfit.UNKNOWN_CURRENCY)
    elif found != given:
        at.replaced(place, given)
        part["currency"] = found
    else:
        _fine.add(found)
    return True
