"""What a warehouse cannot be asked."""

from __future__ import annotations

from tailorbird.base.problems import TailorbirdError


class WarehouseError(TailorbirdError):
    """The expression or the data cannot be asked of a warehouse; the message names the mend."""


class FilesError(WarehouseError):
    """Files of events cannot be read: they are not there, cut short or damaged."""


class TooMuchError(WarehouseError):
    """The answer would take longer, or more memory, than was allowed."""
