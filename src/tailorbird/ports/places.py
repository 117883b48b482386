"""Where an internet address is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from tailorbird.base.problems import OperationalError


class Places(Protocol):
    """Tells places of addresses; asked for each event, so it answers at once."""

    def look_up(self, text: str, /) -> Mapping[str, Any] | None:
        """Return what is known of the place of an address, which may be any text.

        Keys, each where it is known: `continent_code`, `country`, `country_code` (ISO 3166),
        `region`, `region_code` (ISO 3166-2), `city`, `postal_code`, `latitude` and `longitude`
        (degrees), `accuracy_km`, `timezone` (IANA), `network`, `asn`. Names are English. The answer
        is shared: nobody changes it. None where nothing is known; never raises.
        """
        ...


class PlacesProblem(OperationalError):
    """The source of places cannot be read."""
