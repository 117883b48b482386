"""Files of places that come, go and are replaced while the server runs."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tailorbird.adapters.maxmind.places import LOOK_SECONDS, MaxmindPlaces, place_of
from tailorbird.ports.places import PlacesProblem

DATA = Path(__file__).parents[2] / "data" / "maxmind-db"
CITY, NETWORKS = DATA / "GeoIP2-City-Test.mmdb", DATA / "GeoLite2-ASN-Test.mmdb"
BOXFORD = "2.125.160.216"


class Time:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_a_place_in_the_words_of_the_port() -> None:
    assert MaxmindPlaces(CITY).look_up(BOXFORD) == {
        "continent_code": "EU",
        "country": "United Kingdom",
        "country_code": "GB",
        "region": "England",
        "region_code": "GB-ENG",
        "city": "Boxford",
        "postal_code": "OX1",
        "latitude": 51.75,
        "longitude": -1.25,
        "accuracy_km": 100,
        "timezone": "Europe/London",
    }


def test_networks() -> None:
    found = MaxmindPlaces(NETWORKS).look_up("1.128.0.0")
    assert found == {"asn": 1221, "network": "Telstra Pty Ltd"}


@pytest.mark.parametrize("text", ["", "nowhere", "1.2.3", "x" * 5_000, "192.0.2.1", "::", "\0"])
def test_nothing_is_known_of_other_texts(text: str) -> None:
    assert MaxmindPlaces(CITY).look_up(text) is None


def test_written_in_another_way_it_is_the_same_address() -> None:
    places = MaxmindPlaces(CITY)
    assert places.look_up(f"::ffff:{BOXFORD}") == places.look_up(f" {BOXFORD} ")
    assert places.look_up(BOXFORD) is not None


def test_a_name_of_no_known_type_is_a_problem_and_no_crash(tmp_path: Path) -> None:
    # MaxMind's own reader in C ends the process here.
    path, intact = tmp_path / "city.mmdb", CITY.read_bytes()
    path.write_bytes(intact.replace(b"\x44city", b"\x00city"))
    assert path.read_bytes() != intact
    places = MaxmindPlaces(path)
    with pytest.raises(PlacesProblem):
        places.record(BOXFORD)
    assert places.look_up(BOXFORD) is None
    assert places.problem is not None


def test_an_address_of_the_sixth_version_is_unknown_to_files_of_the_fourth() -> None:
    places = MaxmindPlaces(DATA / "MaxMind-DB-test-ipv4-24.mmdb")
    assert places.record("2001:db8::1") is None
    assert places.record("1.1.1.1") == {"ip": "1.1.1.1"}


def test_a_missing_file_is_told_and_taken_up_when_it_comes(tmp_path: Path) -> None:
    time, path = Time(), tmp_path / "places.mmdb"
    places = MaxmindPlaces(path, monotonic=time)
    assert places.look_up(BOXFORD) is None
    assert "places.mmdb" in (places.problem or "")
    with pytest.raises(PlacesProblem, match=r"places\.mmdb"):
        places.record(BOXFORD)
    shutil.copy(CITY, path)
    time.seconds += LOOK_SECONDS
    assert places.look_up(BOXFORD) is not None
    assert places.problem is None


def test_a_file_that_is_replaced_is_read_anew_and_a_broken_one_is_not(tmp_path: Path) -> None:
    time, path, next_path = Time(), tmp_path / "places.mmdb", tmp_path / "next"
    shutil.copy(NETWORKS, path)
    places = MaxmindPlaces(path, monotonic=time)
    assert places.look_up(BOXFORD) is None
    shutil.copy(CITY, next_path)
    next_path.replace(path)
    assert places.look_up(BOXFORD) is None
    time.seconds += LOOK_SECONDS
    assert (places.look_up(BOXFORD) or {}).get("city") == "Boxford"
    next_path.write_bytes(b"no database")
    next_path.replace(path)
    time.seconds += LOOK_SECONDS
    assert (places.look_up(BOXFORD) or {}).get("city") == "Boxford"
    assert places.problem is not None
    places.close()


@pytest.mark.parametrize(
    "record",
    [None, 7, "text", [], {}, {"country": 7}, {"subdivisions": [7]}, {"city": {"names": []}}],
)
def test_records_of_other_shapes_tell_nothing(record: object) -> None:
    assert place_of(record) is None
