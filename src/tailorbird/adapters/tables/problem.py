"""What goes wrong with tables."""

from __future__ import annotations

from tailorbird.base.problems import OperationalError


class TableProblem(OperationalError):
    """A file or query cannot be read, or is not of a kind that we read."""

    def __init__(self, message: str) -> None:
        super().__init__(message, is_retry_safe=False)
