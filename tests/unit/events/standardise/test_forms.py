"""The functions that read one value: their examples, and the odd ones."""

from __future__ import annotations

import doctest
from importlib import import_module
from pathlib import Path

import babel
import pytest

from tailorbird.adapters.maxmind import places
from tailorbird.events import standardise as st
from tailorbird.events.standardise.tables import tables
from tailorbird.testing import name_tables

FOLDER = Path(st.__file__).parent
MODULES = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__")


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_hold(name: str) -> None:
    module = import_module(f"tailorbird.events.standardise.{name}")
    assert doctest.testmod(module).failed == 0


def test_the_examples_of_places_hold() -> None:
    assert doctest.testmod(places).failed == 0


@pytest.mark.skipif(
    f"babel {babel.__version__}" != tables().made_with,
    reason="the table was made with another version of babel",
)
def test_the_table_of_names_is_fresh() -> None:
    assert (FOLDER / "tables.json").read_bytes() == name_tables.text(), (
        "renew it: python -m tailorbird.testing.name_tables"
        " src/tailorbird/events/standardise/tables.json"
    )


def test_the_table_leads_to_what_there_is_and_not_in_circles() -> None:
    known = tables()
    assert len(known.countries) > 5_000
    assert {st.country(code) for code in known.countries.values()} == set(known.countries.values())
    for zone in known.zones.values():
        assert st.time_zone(zone) == zone
    for code in known.signs.values():
        assert st.currency(code) in (code, None)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Deutschland", "DE"),
        ("ALLEMAGNE", "DE"),
        ("Österreich", "AT"),
        ("OSTERREICH", "AT"),
        ("日本", "JP"),
        ("Россия", "RU"),
        ("The Netherlands", "NL"),
        ("Nederland", "NL"),
        ("Great Britain", "GB"),
        ("uk", "GB"),
        ("U.S.A.", "US"),
        ("Côte d’Ivoire", "CI"),
        ("Ivory Coast", "CI"),
        ("Republic of Korea", "KR"),
        ("Democratic Republic of the Congo", "CD"),
        ("The Bahamas", "BS"),
        ("The", None),
        ("Korea", None),
        ("Czech Republic", "CZ"),
        ("Türkiye", "TR"),
        ("Turkey", "TR"),
        ("x", None),
        ("", None),
        ("ZZ", None),
        ("Atlantis", None),
        ("D" * 600, None),
    ],
)
def test_countries(text: str, code: str | None) -> None:
    assert st.country(text) == code


@pytest.mark.parametrize(
    ("text", "code"),
    [("£", "GBP"), ("US$", "USD"), ("kr", None), ("DEM", None), ("XYZ", None), (" chf ", "CHF")],
)
def test_currencies(text: str, code: str | None) -> None:
    assert st.currency(text) == code


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("1990-01-31", "1990-01-31"),
        ("1990/1/31", "1990-01-31"),
        ("31 January 1990", "1990-01-31"),
        ("31st Jan 1990", "1990-01-31"),
        ("Sept. 3, 2001", "2001-09-03"),
        ("5/5/1990", "1990-05-05"),
        ("29.02.1990", None),
        ("31.1.90", None),
        ("1990", None),
        ("ma 3, 2001", None),
        ("1990-13-01", None),
        ("٣١.٠١.١٩٩٠", "1990-01-31"),
        ("9" * 100, None),
    ],
)
def test_dates(text: str, date: str | None) -> None:
    assert st.date(text) == date


@pytest.mark.parametrize(
    ("value", "instant"),
    [
        ("2026-01-31t10:00:00z", "2026-01-31T10:00:00Z"),
        ("2026-01-31 10:00", "2026-01-31T10:00:00Z"),
        ("31.01.2026", "2026-01-31T00:00:00Z"),
        ("Sat, 31 Jan 2026 11:00:00 +0100", "2026-01-31T10:00:00Z"),
        (1769853600.5, "2026-01-31T10:00:00.500000Z"),
        (1769853600123, "2026-01-31T10:00:00.123000Z"),
        (1769853600123456, "2026-01-31T10:00:00.123456Z"),
        ("20260131", "2026-01-31T00:00:00Z"),
        ("2026-01-31 10:00:00 UTC", "2026-01-31T10:00:00Z"),
        ("2026-01-31 UTC", None),
        ("9999-12-31T23:59:59-14:00", None),
        (True, None),
        (5, None),
        (float("nan"), None),
        (float("inf"), None),
        (10**30, None),
        ("02/03/2026", None),
        ("yesterday", None),
    ],
)
def test_instants(value: str | float, instant: str | None) -> None:
    assert st.instant(value) == instant


@pytest.mark.parametrize(
    ("text", "zone"),
    [
        ("utc", "UTC"),
        ("GMT+1", "Etc/GMT-1"),
        ("-05:00", "Etc/GMT+5"),
        ("+05:30", None),
        ("UTC+00:00", "UTC"),
        ("UTC+40", None),
        ("Eastern Standard Time", "America/New_York"),
        ("../../etc/passwd", None),
        ("", None),
    ],
)
def test_zones(text: str, zone: str | None) -> None:
    assert st.time_zone(text) == zone


def test_unusual_addresses_count_only_where_they_are_asked_for() -> None:
    for text in ('"ada lovelace"@shop.example', "ada@[192.0.2.1]"):
        assert st.email(text) is None
        assert st.email(text, unusual=True) is not None
    assert st.email("post@io") == "post@io"
    assert st.email("post@io", dotless=False) is None


def test_regions_of_other_countries_are_none() -> None:
    assert st.region("US-CA", "DE") is None
    assert st.region("Bayern", "DE") == "DE-BY"
    assert st.region("California") is None
    assert st.region("CA", "ZZ") is None
