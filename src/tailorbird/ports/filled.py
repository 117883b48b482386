"""History folded into accumulators before a version goes live: cells by person, up to a cut-off."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from tailorbird.language.accumulators import Cells, CellSpec


class Filled(Protocol):
    """What was folded, to be read."""

    @property
    def cutoff(self) -> int:
        """The offset of the last record that is in it."""
        ...

    def ids(self, partition: int) -> Iterable[int]:
        """Return the profiles of a partition that have any cells."""
        ...

    def get(self, profile_id: int) -> Cells | None:
        """Return the cells of a profile; they are the caller's to change."""
        ...


# Opens what has a name, if it is there and holds those cells; None where it does not.
OpenFilled = Callable[[str, Mapping[int, CellSpec]], Filled | None]


def open_nothing(name: str, specs: Mapping[int, CellSpec]) -> Filled | None:
    """Open nothing: all is folded from the log."""
    return None


class FillingWork(Protocol):
    """What is being folded. Whoever begins the same again goes on where it was left."""

    @property
    def cutoff(self) -> int:
        """The offset of the last record that is to be in it."""
        ...

    @property
    def offset(self) -> int:
        """The offset up to which it holds everything."""
        ...

    def get(self, profile_id: int) -> Cells | None:
        """Return the cells of a profile so far."""
        ...

    def add(self, cells: Mapping[int, Cells], offset: int) -> None:
        """Put cells in the place of those so far, and go on to an offset: both or none of it.

        Raises:
            OperationalError: the disk is full or fails.
        """
        ...

    def finish(self) -> str:
        """Close it for good, and return the name under which it is opened from here on."""
        ...
