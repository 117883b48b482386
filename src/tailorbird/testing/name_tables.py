"""Makes the table of names that `events.standardise.tables` reads, from the Unicode CLDR.

python -m tailorbird.testing.name_tables PATH
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from zoneinfo import available_timezones

import babel
import msgspec
import pycountry
from babel import Locale
from babel.core import get_global

from tailorbird.events.standardise.tables import Tables, folded

_LANGUAGES = (
    "en de fr es it pt nl da nb sv fi is et lv lt pl cs sk hu ro bg el hr sl sr mk sq uk ru tr "
    "ca eu gl cy ga he ar fa hi bn th vi id ms ja ko zh zh_Hant"
)
# Read by people in these ways, though CLDR has them in no language's list.
_SPOKEN = {"america": "US", "england": "GB", "scotland": "GB", "wales": "GB", "great britain": "GB"}
_SPOKEN |= {"northern ireland": "GB", "holland": "NL", "usa": "US", "u s a": "US", "u s": "US"}
_SPOKEN |= {"u k": "GB", "uae": "AE", "republic of ireland": "IE", "eire": "IE", "burma": "MM"}
_SPOKEN |= {"turkey": "TR", "swaziland": "SZ", "the netherlands": "NL", "the gambia": "GM"}


def made() -> Tables:
    """Return the table."""
    return Tables(
        made_with=f"babel {babel.__version__}",
        countries=_countries(),
        zones=_zones(),
        signs=_signs(),
    )


def text() -> bytes:
    """Return the table as its file holds it."""
    return msgspec.json.format(msgspec.json.encode(made()), indent=1) + b"\n"


def _countries() -> dict[str, str]:
    found: dict[str, str] = {}
    doubtful: set[str] = set()
    for language in _LANGUAGES.split():
        for code, name in Locale.parse(language).territories.items():
            if code != "XK" and pycountry.countries.get(alpha_2=code) is None:
                continue  # parts of the world, and islands without a code of ISO 3166
            key = folded(name)
            # A name that is two countries', in two languages, is nobody's.
            if found.setdefault(key, code) != code:
                doubtful.add(key)
    for key in doubtful:
        del found[key]
    return dict(sorted({**found, **_SPOKEN}.items()))


def _zones() -> dict[str, str]:
    known = available_timezones()
    aliases = get_global("zone_aliases")
    names = {**aliases, **get_global("windows_zone_mapping")}
    today = {name: aliases.get(zone, zone) for name, zone in sorted(names.items())}
    return {
        name.lower().replace(" ", "_"): zone
        for name, zone in today.items()
        # UTC and GMT stay what they are called.
        if zone in known and not (zone.startswith("Etc/") and "/" not in name)
    }


def _signs() -> dict[str, str]:
    symbols = {
        code: symbol
        for code, symbol in Locale.parse("en").currency_symbols.items()
        if symbol != code and symbol not in ("$", "¤")
    }
    often = Counter(symbols.values())
    signs = {symbol: code for code, symbol in symbols.items() if often[symbol] == 1}
    return dict(sorted({**signs, "US$": "USD", "C$": "CAD", "zł": "PLN", "Kč": "CZK"}.items()))


def main() -> None:
    """Write the table to the path given."""
    Path(sys.argv[1]).write_bytes(text())


if __name__ == "__main__":
    main()
