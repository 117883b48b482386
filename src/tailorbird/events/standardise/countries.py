"""Countries and their regions, by ISO 3166.

The code stands beside the name that was sent, as `country_code` and `region_code`: segments and
mails may speak of "United Kingdom".
"""

from __future__ import annotations

from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

import msgspec

from tailorbird.events.event import Event
from tailorbird.events.standardise.step import TEXT_LENGTH_MAX, Surroundings, Unfit
from tailorbird.events.standardise.tables import folded, tables

# In use, and not in ISO 3166-1; Kosovo has a code that ISO leaves to users.
_OTHER_CODES = {"UK": "GB", "EL": "GR", "XK": "XK", "XKX": "XK"}
# What people and shops write, and neither ISO nor the CLDR.
_OTHER_NAMES = {
    "bosnia": "BA",
    "dr congo": "CD",
    "hongkong": "HK",
    "ivory coast": "CI",
    "macau": "MO",
    "macedonia": "MK",
    "palestine": "PS",
    "vatican": "VA",
}
COUNTRIES = frozenset({"country", "country_code", "address"})
_REGION_KEYS = ("region", "state", "province")


def country(text: str) -> str | None:
    """Return the ISO 3166 alpha-2 code of a country, None where the text names none.

    Takes alpha-2, alpha-3 and numeric codes, and names in some forty languages.

    Example:
        >>> country("Switzerland"), country("Schweiz"), country("che"), country("756")
        ('CH', 'CH', 'CH', 'CH')
    """
    text = text.strip()
    return _country(text) if 2 <= len(text) <= TEXT_LENGTH_MAX else None


@lru_cache(maxsize=4_096)
def _country(text: str) -> str | None:
    codes = _codes()
    upper = text.upper()
    if found := codes.get(upper) or _OTHER_CODES.get(upper):
        return found
    name = folded(text).removeprefix("the ")
    return _names().get(name) or tables().countries.get(name) or _OTHER_NAMES.get(name)


@cache
def _codes() -> dict[str, str]:
    # Imported when the first country comes, as all of pycountry here.
    import pycountry

    return {
        code: one.alpha_2
        for one in pycountry.countries
        for code in (one.alpha_2, one.alpha_3, one.numeric)
    }


@cache
def _names() -> dict[str, str]:
    import pycountry

    names = {
        name: one.alpha_2
        for one in pycountry.countries
        for key in ("name", "official_name", "common_name")
        if (name := getattr(one, key, None))
    }
    # "Korea, Republic of" is the Republic of Korea.
    turned = {" ".join(reversed(name.split(", ", 1))): code for name, code in names.items()}
    return {folded(name).removeprefix("the "): code for name, code in {**turned, **names}.items()}


def region(text: str, country: str | None = None) -> str | None:
    """Return the ISO 3166-2 code of a region, None where the text names none.

    Args:
        text: A whole code (US-CA), or with a country its second part (CA) or a name (California).
        country: The country's alpha-2 code.

    Example:
        >>> region("California", "US"), region("ca", "US"), region("us-ca"), region("ca")
        ('US-CA', 'US-CA', 'US-CA', None)
    """
    text = text.strip()
    if not text or len(text) > TEXT_LENGTH_MAX:
        return None
    return _region(text, country.upper() if country else "")


@lru_cache(maxsize=4_096)
def _region(text: str, of: str) -> str | None:
    codes, names = _regions()
    upper = text.upper()
    if upper in codes:
        return upper if not of or upper.startswith(f"{of}-") else None
    second = f"{of}-{upper}"
    return second if second in codes else names.get((of, folded(text)))


class _Subdivision(msgspec.Struct):
    code: str
    name: str
    parent: str | None = None


@cache
def _regions() -> tuple[frozenset[str], dict[tuple[str, str], str]]:
    """Return all codes, and codes by country and folded name."""
    # pycountry's objects of five thousand regions take 5 MB; its file, read once, takes none.
    data = (files("pycountry") / "databases" / "iso3166-2.json").read_bytes()
    listed = msgspec.json.decode(data, type=dict[str, list[_Subdivision]])["3166-2"]
    names: dict[tuple[str, str], str] = {}
    # A region and a province within may share a name: what stands higher is meant.
    regions = sorted(listed, key=lambda one: (one.parent is not None, one.code))
    for one in regions:
        names.setdefault((one.code[:2], folded(one.name)), one.code)
    for one in regions:
        for part in _parts(one.name):
            names.setdefault((one.code[:2], folded(part)), one.code)
    return frozenset(one.code for one in regions), names


def _parts(name: str) -> list[str]:
    # "Bolzano, Bozen", "Valencia / València [Valencia]": each of the names is one.
    for mark in "[],/(":
        name = name.replace(mark, "|")
    return [part for part in name.split("|") if part.strip()]


def standardise_country(event: Event, at: Surroundings) -> bool:
    """Put `country_code` and `region_code` beside the names in traits and in their `address`."""
    is_concerned = _beside(event.properties, "", at)
    address = event.properties.get("address")
    if isinstance(address, dict):
        is_concerned |= _beside(address, "address.", at)
    return is_concerned


def _beside(holder: dict[str, Any], place: str, at: Surroundings) -> bool:
    name = holder.get("country")
    if name is None or name == "":
        name = holder.get("country_code")
        if name is None or name == "":
            return False
    code = country(name) if isinstance(name, str) else None
    if code is None:
        at.mark(f"{place}country", Unfit.UNKNOWN_COUNTRY)
    if code is not None or name is not holder.get("country_code"):
        _set(holder, place, "country_code", code, at)
    key = next((key for key in _REGION_KEYS if holder.get(key)), None)
    if key is not None and code is not None:
        found = region(holder[key], code) if isinstance(holder[key], str) else None
        if found is None:
            at.mark(f"{place}{key}", Unfit.UNKNOWN_REGION)
        _set(holder, place, "region_code", found, at)
    return True


def _set(holder: dict[str, Any], place: str, key: str, code: str | None, at: Surroundings) -> None:
    """Write a code, so that it never belongs to another name than the one beside it."""
    if code is None and key not in holder:
        holder[key] = None
        return
    if holder.get(key) != code:
        if holder.get(key) is not None:
            at.replaced(f"{place}{key}", holder[key])
        holder[key] = code
