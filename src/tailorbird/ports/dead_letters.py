"""Where refused items wait, with reason and bytes, to be looked at, mended and replayed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import msgspec

from tailorbird.events.refusal import Refusal

# Values of `Letter.call` beside Segment's calls and "": a whole request, and a message of a source
# that its definition has not made a call of.
BATCH, MESSAGE = "batch", "message"

# What may become of a letter, and the names of the counts in `totals`.
REPLAYED, DROPPED, EXPIRED = "replayed", "dropped", "expired"


class Refused(NamedTuple):
    """An item that was not accepted: why, its bytes, and how these are to be read.

    `call` is the call that a path named, "" where the item's own `type` says it, `BATCH` for a
    request's body, `MESSAGE` for what a source brought, then a space and its topic if it has one.
    `sent_at` is when the client says that it
    sent it (microseconds UTC). `fresh_id` is the message id that it has where it names none; of a
    whole request the beginning of its items' ids.
    """

    refusal: Refusal
    raw: bytes
    call: str = ""
    sent_at: int | None = None
    fresh_id: str = ""
    is_historical: bool = False


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """A refused item as it is kept; `at` is when it was received, microseconds UTC.

    `is_cut`: it was too large, and `raw` is only its beginning.
    """

    id: int
    at: int
    source: str
    call: str
    sent_at: int | None
    rule: str
    field: str
    value: str
    detail: str
    raw: bytes
    is_cut: bool
    fresh_id: str
    is_historical: bool


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Letters of one rule, field and source; `latest` is the newest of them."""

    rule: str
    field: str
    source: str
    count: int
    first_at: int
    last_at: int
    latest: Letter


class Which(msgspec.Struct, frozen=True, kw_only=True):
    """Which letters are meant: all that fit everything that is given.

    `since` and `before` are microseconds UTC; `text` stands anywhere in the bytes.
    """

    ids: tuple[int, ...] = ()
    rule: str = ""
    field: str = ""
    source: str = ""
    since: int | None = None
    before: int | None = None
    text: str = ""


class DeadLetters(Protocol):
    """One store for all roles of a data folder."""

    def keep(self, at: int, source: str, items: Sequence[Refused]) -> None:
        """Keep refused items, durably enough to survive the process.

        Raises:
            OperationalError: the disk is full or fails; nothing was kept.
        """
        ...

    def groups(self, which: Which) -> list[Group]:
        """Return groups of letters, the largest first."""
        ...

    def letters(self, which: Which, *, after: int = 0, limit: int = 100) -> list[Letter]:
        """Return letters in the order in which they came, those with a higher id than `after`."""
        ...

    def settle(
        self,
        ids: Sequence[int],
        how: str,
        rests: Sequence[tuple[Letter, Sequence[Refused]]] = (),
    ) -> None:
        """Take letters away that were replayed or dropped, and count them, all in one commit.

        Of `rests`, letters among them, the items that are given stay as letters of their own.
        """
        ...

    def refuse_again(self, letter_id: int, refusal: Refusal) -> None:
        """Note the reason for which a letter was refused when it was tried again."""
        ...

    def retain(self, before: int, bytes_max: int) -> int:
        """Take letters away that came before an instant, and the oldest beyond a size."""
        ...

    def counts(self) -> dict[str, int]:
        """Return the number of letters by rule."""
        ...

    def totals(self) -> dict[str, int]:
        """Return how many were ever kept, replayed, dropped and expired, and the bytes kept now."""
        ...

    def erase(self, values: Sequence[str]) -> int:
        """Remove letters that name one of these values as a JSON text; return how many."""
        ...
