"""Standard forms hold against other people's cases: a piece is in tests/data, the whole beside.

TAILORBIRD_CONFORMANCE names the folder of the whole suites, by default ../shared/conformance.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections import Counter
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest

from tailorbird.adapters.maxmind.places import MaxmindPlaces, place_of
from tailorbird.events import standardise
from tailorbird.ports.places import PlacesProblem

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "data"
WHOLE = Path(os.environ.get("TAILORBIRD_CONFORMANCE", ROOT.parent / "shared" / "conformance"))

is_whole_here = pytest.mark.skipif(
    not WHOLE.is_dir(),
    reason="the whole suites are not here; TAILORBIRD_CONFORMANCE names their folder",
)
pieces = pytest.mark.parametrize(
    "folder", [pytest.param(DATA, id="piece"), pytest.param(WHOLE, id="whole", marks=is_whole_here)]
)


def read(*path: str | Path) -> Any:
    return json.loads(Path(*path).read_text(encoding="utf-8"))


@pieces
def test_addresses(folder: Path) -> None:
    cases = read(folder, "email-address", "isemail_tests.json")["tests"]
    assert len(cases) >= 80
    for case in cases:
        found = standardise.email(case["address_decoded"])
        match case["category"]:
            case "ISEMAIL_VALID_CATEGORY" | "ISEMAIL_DNSWARN":
                assert found is not None, case
            case "ISEMAIL_ERR" | "ISEMAIL_CFWS" | "ISEMAIL_DEPREC" | "ISEMAIL_RFC5322":
                assert found is None, case
            case "ISEMAIL_RFC5321":
                # Quoted parts, literals, numeric domains: right by SMTP, and nobody's in a shop.
                assert found is None, case
            case other:
                raise AssertionError(other)


@pieces
def test_telephone_numbers(folder: Path) -> None:
    cases = read(folder, "phone-numbers", "vectors.json")
    assert len(cases) >= 100
    for case in cases:
        expected = case["e164"] if case["valid"] else None
        assert standardise.phone(case["input"], case["region"]) == expected, case
        if expected:
            assert standardise.phone(expected) == expected


def user_agents(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    if folder == DATA:
        for kind, cases in read(DATA, "uap-core", "cases.json").items():
            yield from ((kind, case) for case in cases)
        return
    for kind, name in (
        ("user_agent", "test_ua.json"),
        ("user_agent", "firefox_user_agent_strings.json"),
        ("user_agent", "opera_mini_user_agent_strings.json"),
        ("user_agent", "podcasting_user_agent_strings.json"),
        ("os", "test_os.json"),
        ("device", "test_device.json"),
    ):
        yield from ((kind, case) for case in read(folder, "uap-core", name)["test_cases"])


@pieces
def test_user_agents(folder: Path) -> None:
    count = 0
    for kind, case in user_agents(folder):
        agent = standardise.user_agent(case["user_agent_string"])
        part: Any = {"user_agent": agent.browser, "os": agent.system, "device": agent.device}[kind]
        expected = {key: case[key] or None for key in part._fields}
        assert {key: value or None for key, value in part._asdict().items()} == expected, case
        count += 1
    assert count >= 150


@is_whole_here
def test_countries_regions_and_currencies() -> None:
    countries = read(WHOLE, "iso-codes", "iso3166-1.json")["3166-1"]
    codes = {one["alpha_2"] for one in countries}
    for one in countries:
        keys = ("alpha_2", "alpha_3", "numeric", "name", "official_name", "common_name")
        for key in keys:
            if key in one:
                assert standardise.country(one[key]) == one["alpha_2"], one
                assert standardise.country(one[key].upper()) == one["alpha_2"], one
    for one in read(WHOLE, "iso-codes", "iso3166-3.json")["3166-3"]:
        if one["alpha_2"] not in codes:
            assert standardise.country(one["alpha_2"]) is None, one
    regions = read(WHOLE, "iso-codes", "iso3166-2.json")["3166-2"]
    for one in regions:
        of, _, second = one["code"].partition("-")
        assert standardise.region(one["code"]) == one["code"]
        assert standardise.region(second.lower(), of) == one["code"]
        found = standardise.region(one["name"], of)
        assert found is not None, one
        same = {other["code"] for other in regions if other["name"] == one["name"]}
        if len(same) == 1 and found != one["code"]:
            # Names may differ by marks alone, as a city and its district do.
            other = next(other for other in regions if other["code"] == found)
            assert other["name"].casefold()[:3] == one["name"].casefold()[:3], (one, other)
    currencies = read(WHOLE, "iso-codes", "iso4217.json")["4217"]
    names = Counter(one["name"] for one in currencies)
    for one in currencies:
        assert standardise.currency(one["alpha_3"].lower()) == one["alpha_3"]
        assert standardise.currency(one["numeric"]) == one["alpha_3"]
        expected = one["alpha_3"] if names[one["name"]] == 1 else None
        assert standardise.currency(one["name"]) == expected, one


def databases(folder: Path) -> Iterator[tuple[Path, list[dict[str, Any]]]]:
    maxmind = folder / "maxmind-db"
    sources = maxmind if folder == DATA else maxmind / "source-data"
    files = maxmind if folder == DATA else maxmind / "test-data"
    for source in sorted(sources.glob("*.json")):
        if (files / f"{source.stem}.mmdb").exists():
            yield files / f"{source.stem}.mmdb", read(source)


@pieces
def test_places(folder: Path) -> None:
    count = 0
    for path, rows in databases(folder):
        places = MaxmindPlaces(path)
        # A network within another one has its own record.
        networks = [
            (ip_network(name, strict=False), record) for row in rows for name, record in row.items()
        ]
        for network, record in networks:
            address = network.network_address
            inner = [one for one, _ in networks if one != network and address in one]
            if any(one.prefixlen > network.prefixlen for one in inner):
                continue
            text = str(address)
            assert places.record(text) == record, (path.name, text)
            assert places.look_up(text) == place_of(record)
            count += 1
        places.close()
    assert count >= 20


@pieces
def test_broken_files_of_places_crash_nothing(folder: Path) -> None:
    bad = folder / "maxmind-db" / ("bad" if folder == DATA else "bad-data")
    paths = sorted(bad.rglob("*.mmdb"))
    assert len(paths) >= 8
    for path in paths:
        places = MaxmindPlaces(path)
        for text in ("1.1.1.1", "2.125.160.216", "255.255.255.255", "::1.1.1.1", "2001:218::"):
            assert ip_address(text)
            found = places.look_up(text)
            assert found is None or isinstance(found, dict)
            with contextlib.suppress(PlacesProblem):
                places.record(text)
        places.close()
