"""Names that people write for countries, zones and currencies, from a table beside this file.

`tables.json` is made of the Unicode CLDR by `tailorbird.testing.name_tables`; it is read when the
first name is asked for.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from importlib.resources import files

import msgspec

_APOSTROPHES = str.maketrans("", "", "'’ʼ`")


class Tables(msgspec.Struct, frozen=True):
    """Folded names of countries to ISO 3166 codes, other names of zones, signs of currencies.

    `made_with` names the versions of what the table was made of.
    """

    made_with: str
    countries: dict[str, str]
    zones: dict[str, str]
    signs: dict[str, str]


@cache
def tables() -> Tables:
    """Return the table, read once."""
    data = (files("tailorbird.events.standardise") / "tables.json").read_bytes()
    return msgspec.json.decode(data, type=Tables)


def folded(name: str) -> str:
    """Return a name without capitals, accents, and anything that is no letter or digit.

    Example:
        >>> folded("Côte d’Ivoire") == folded("COTE D'IVOIRE")
        True
    """
    text = unicodedata.normalize("NFKD", name.casefold()).translate(_APOSTROPHES)
    kept = (one if one.isalnum() else " " for one in text if not unicodedata.combining(one))
    return " ".join("".join(kept).split())
