"""Telephone numbers, to E.164."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from tailorbird.events.event import Event
from tailorbird.events.standardise.countries import country
from tailorbird.events.standardise.step import TEXT_LENGTH_MAX, Surroundings, Unfit


def phone(text: str, country: str | None = None) -> str | None:
    """Return a valid telephone number in E.164, None where the text is none.

    Args:
        text: The number as people write it.
        country: ISO 3166 code of the country whose national numbers are meant; numbers that begin
            with + (or, without a country, 00) say it themselves.

    Example:
        >>> phone("044 668 18 00", "CH"), phone("+41 (44) 668-18-00"), phone("044 668 18 00")
        ('+41446681800', '+41446681800', None)

    Source: ITU-T E.164; the ranges in use are those of libphonenumber.
    """
    text = text.strip()
    if not 3 <= len(text) <= TEXT_LENGTH_MAX:
        return None
    return _phone(text, country.upper() if country else None)


@lru_cache(maxsize=16_384)
def _phone(text: str, region: str | None) -> str | None:
    # Imported when the first number comes: its tables take memory of a process that may never
    # see one.
    import phonenumbers

    if region is None and text.startswith("00"):
        text = f"+{text[2:]}"
    try:
        number = phonenumbers.parse(text, region)
        if not phonenumbers.is_valid_number(number):
            return None
    except phonenumbers.NumberParseException:
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def standardise_phone(event: Event, at: Surroundings) -> bool:
    """Standardise `phone` of traits and properties, as one of the person's country."""
    properties = event.properties
    given = properties.get("phone")
    if given is None:
        return False
    if isinstance(given, int) and not isinstance(given, bool):
        given = str(given)
    if not isinstance(given, str):
        at.mark("phone", Unfit.NOT_TEXT)
        return True
    if not given.strip():
        return False
    region = _country_of(properties) or at.default_country or None
    found = phone(given, region)
    if found is None:
        is_local = region is None and not given.strip().startswith(("+", "00"))
        at.mark("phone", Unfit.PHONE_WITHOUT_COUNTRY if is_local else Unfit.BAD_PHONE)
    elif found != properties["phone"]:
        at.replaced("phone", properties["phone"])
        properties["phone"] = found
    return True


def _country_of(properties: dict[str, Any]) -> str | None:
    code = properties.get("country_code")
    if isinstance(code, str) and (found := country(code)):
        return found
    address = properties.get("address")
    for holder in (properties, address):
        if isinstance(holder, dict):
            name = holder.get("country")
            if isinstance(name, str) and (found := country(name)):
                return found
    return None
