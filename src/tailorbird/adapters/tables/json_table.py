"""JSON lines: one object a line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from tailorbird.adapters.tables.files import READ_FAULTS, content_hash, open_bytes
from tailorbird.adapters.tables.problem import TableProblem
from tailorbird.ports.table import Row

_LINE_BYTES_MAX = 1 << 20


class JsonTable:
    """One file."""

    is_text = False
    has_order = True

    def __init__(self, path: Path) -> None:
        self._path = path
        self.name = path.name

    @property
    def columns(self) -> Sequence[str]:
        """Return nothing: each object has its own keys."""
        return ()

    def fingerprint(self) -> str:
        """Return a hash of the file."""
        return content_hash(self._path)

    def rows(self) -> Iterator[Row]:
        """Yield the objects; empty lines are passed over."""
        decode = msgspec.json.Decoder(dict[str, Any]).decode
        number = 0
        try:
            with open_bytes(self._path) as file:
                while line := file.readline(_LINE_BYTES_MAX):
                    number += 1
                    if len(line) == _LINE_BYTES_MAX and not line.endswith(b"\n"):
                        yield Row(number, fault=_too_long(), raw=line)
                        while line and not line.endswith(b"\n"):
                            line = file.readline(_LINE_BYTES_MAX)
                        continue
                    if number == 1:
                        line = line.removeprefix(b"\xef\xbb\xbf")
                    if not line.strip():
                        continue
                    try:
                        yield Row(number, decode(line))
                    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                        fault = f"the line is no JSON object: {error}"
                        yield Row(number, fault=fault, raw=line.rstrip(b"\r\n"))
        except READ_FAULTS as error:
            raise TableProblem(f"{self.name}:{number + 1} cannot be read: {error}") from error


def _too_long() -> str:
    return f"the line is longer than {_LINE_BYTES_MAX:,} bytes"
