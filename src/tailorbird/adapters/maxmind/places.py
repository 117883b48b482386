"""Reads one .mmdb file: GeoLite2, GeoIP2, DB-IP and others of the format.

A file that is replaced by another is noticed within `LOOK_SECONDS`; replace it by renaming, as
geoipupdate does: it is mapped into memory.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import maxminddb
import structlog

from tailorbird.events.standardise import ip
from tailorbird.ports.places import PlacesProblem

LOOK_SECONDS = 60.0
_KNOWN_MAX = 32_768
_TEXT_LENGTH_MAX = 64

_log = structlog.get_logger("places")
# The reader in Python, though that in C takes 7 microseconds for an address that is not known yet
# and this one 90: one wrong byte in the name of a value, and the one in C ends its process.
_MODE = maxminddb.MODE_MMAP
# What the reader raises at broken files, besides its own error.
_BROKEN = (
    *(maxminddb.InvalidDatabaseError, OSError, ValueError, TypeError, LookupError),
    *(ArithmeticError, AttributeError, RecursionError, MemoryError, struct.error),
)


class MaxmindPlaces:
    """Answers from one file. A file that is missing or broken is told once; nothing is known then.

    `problem` says what is wrong with the file at present.
    """

    def __init__(self, path: Path, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._monotonic = monotonic
        self._reader: maxminddb.Reader | None = None
        self._mark: tuple[int, int, int] | None = None
        self._next_look = 0.0
        self.problem: str | None = None
        self._known = lru_cache(maxsize=_KNOWN_MAX)(self._find)

    def look_up(self, text: str, /) -> Mapping[str, Any] | None:
        """Return the place of an address; see the port."""
        now = self._monotonic()
        if now >= self._next_look:
            self._next_look = now + LOOK_SECONDS
            self._look()
        return self._known(text) if len(text) <= _TEXT_LENGTH_MAX else None

    def record(self, address: str) -> Any:
        """Return what the file itself says of an address, None where it says nothing.

        Raises:
            PlacesProblem: the file is missing or broken at this place.
        """
        if self._mark is None:
            self._look()
        if self._reader is None:
            raise PlacesProblem(self.problem or "the file was not read", is_retry_safe=True)
        if ":" in address and self._reader.metadata().ip_version == 4:
            return None
        try:
            return self._reader.get(address)
        except _BROKEN as error:
            raise PlacesProblem(f"{self._path}: {error}", is_retry_safe=False) from error

    def close(self) -> None:
        """Close the file."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _find(self, text: str) -> Mapping[str, Any] | None:
        address = ip(text)
        if address is None:
            return None
        try:
            return place_of(self.record(address))
        except PlacesProblem as problem:
            self._complain(str(problem))
            return None

    def _look(self) -> None:
        try:
            status = self._path.stat()
            mark = (status.st_ino, status.st_size, status.st_mtime_ns)
            if mark == self._mark and self._reader is not None:
                return
            reader = maxminddb.open_database(self._path, _MODE)
        except _BROKEN as error:
            # What was open stays in use: a file half written is not a reason to know nothing.
            self._complain(f"the file of places {self._path} cannot be read: {error}")
            return
        self.close()
        self._reader, self._mark, self.problem = reader, mark, None
        self._known.cache_clear()
        _log.info("places_opened", path=str(self._path), kind=reader.metadata().database_type)

    def _complain(self, problem: str) -> None:
        if problem != self.problem:
            _log.error("places_failed", reason=problem)
        self.problem = problem


def place_of(record: Any) -> dict[str, Any] | None:
    """Return a record of the file in the words of the port, None where it says nothing.

    Example:
        >>> place_of({"country": {"iso_code": "GB", "names": {"en": "United Kingdom"}}})
        {'country': 'United Kingdom', 'country_code': 'GB'}
    """
    if not isinstance(record, dict):
        return None
    country = _part(record, "country") or _part(record, "registered_country")
    regions = record.get("subdivisions")
    region = regions[0] if isinstance(regions, list) and regions else {}
    location = _part(record, "location")
    code = country.get("iso_code")
    region_code = region.get("iso_code") if isinstance(region, dict) else None
    found = {
        "continent_code": _part(record, "continent").get("code"),
        "country": _name(country),
        "country_code": code,
        "region": _name(region),
        "region_code": f"{code}-{region_code}" if code and region_code else None,
        "city": _name(_part(record, "city")),
        "postal_code": _part(record, "postal").get("code"),
        "latitude": location.get("latitude"),
        "longitude": location.get("longitude"),
        "accuracy_km": location.get("accuracy_radius"),
        "timezone": location.get("time_zone"),
        "asn": record.get("autonomous_system_number"),
        "network": record.get("autonomous_system_organization"),
    }
    kept = {key: value for key, value in found.items() if isinstance(value, str | int | float)}
    return kept or None


def _part(record: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = record.get(key)
    return found if isinstance(found, dict) else {}


def _name(part: Any) -> str | None:
    names = part.get("names") if isinstance(part, dict) else None
    name = names.get("en") if isinstance(names, dict) else None
    return name if isinstance(name, str) else None
