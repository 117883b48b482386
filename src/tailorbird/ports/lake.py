"""Where history lies for questions about everybody: events as columns, sorted by time."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, Protocol

# Properties that get columns of their own beside the JSON, one for each type that a value has.
PROMOTED = frozenset(
    {
        "brand",
        "cart_id",
        "category",
        "currency",
        "name",
        "order_id",
        "path",
        "price",
        "product_id",
        "quantity",
        "revenue",
        "sku",
        "url",
    }
)


class LakeEvent(NamedTuple):
    """An event as a row. Instants are microseconds UTC; `properties` and the like are JSON.

    `record_offset`, `partition` and `now` are its place in the log, `known_at` is when it counts
    from: `now`, of imported history its timestamp. `promoted` are the values of the language
    (`language.values`) that properties in `PROMOTED` have, `lists` those of them that hold lists.
    """

    record_offset: int
    partition: int
    now: int
    known_at: int
    profile_id: int
    timestamp: int
    event_order: int
    event: str
    type: str
    message_id: str
    user_id: str | None
    anonymous_id: str | None
    name_as_sent: str | None
    original_timestamp: int | None
    source: str
    is_historical: bool
    properties: str
    context: str
    as_sent: str | None
    unfit: str | None
    promoted: Mapping[str, str | bool | int] = {}
    lists: tuple[str, ...] = ()


class LakeRecord(NamedTuple):
    """A record of another kind than event, with its body as it lies in the log."""

    record_offset: int
    partition: int
    now: int
    kind: str
    profile_id: int
    body: bytes


class Lake(Protocol):
    """One writer, any number of readers."""

    def offset(self) -> int:
        """Return the offset of the log up to which the lake holds everything."""
        ...

    def add(self, events: Sequence[LakeEvent], records: Sequence[LakeRecord], offset: int) -> None:
        """Add rows durably and move the offset on: both or none of it.

        Raises:
            OperationalError: the disk is full or fails; nothing was added.
        """
        ...

    def compact(self) -> int:
        """Make one file of many small ones; return how many files were made."""
        ...

    def forget(self, profile_ids: Collection[int], until: int) -> int:
        """Remove rows of profiles up to an offset of the log; return how many there were."""
        ...

    def drop_days(self, before: str) -> int:
        """Remove the days before a date (YYYY-MM-DD) for good; return how many rows there were."""
        ...
