"""CSV and its like. Delimiter, encoding and header are found out unless they are given."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol

import msgspec

from tailorbird.adapters.tables.files import READ_FAULTS, content_hash, open_bytes
from tailorbird.adapters.tables.problem import TableProblem
from tailorbird.ports.table import Row

_DELIMITERS = ",;\t|"
_SAMPLE_BYTES = 256 * 1024
_SAMPLE_ROWS = 200
_CHUNK_BYTES = 1 << 20
_FIELD_CHARACTERS_MAX = 1 << 20
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# The first line of files that Excel is to open anywhere.
_SAYS_DELIMITER = re.compile(r'"?sep=(.)"?', re.IGNORECASE)
# What stands among the rows, not in a header: numbers, dates, addresses.
_DATUM = re.compile(r"[-+]?[\d.,:/ -]*\d[\d.,:/ -]*|\d{4}-\d\d-\d\dT.*|[^@\s]+@[^@\s]+\.\w+")


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvOptions:
    """How a file is written; empty where it is to be found out.

    `columns` are the names of a file without a header line.
    """

    delimiter: str = ""
    encoding: str = ""
    columns: tuple[str, ...] = ()


class _Reader(Protocol):
    line_num: int

    def __iter__(self) -> Iterator[list[str]]: ...

    def __next__(self) -> list[str]: ...


class _Lines:
    """Lines of a file, which remembers those that the row being read is made of."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)
        self._taken: list[str] = []
        self._size = 0
        self.is_over = False

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        try:
            line = next(self._lines)
        except StopIteration:
            self.is_over = True
            raise
        if self._size < _FIELD_CHARACTERS_MAX:
            self._taken.append(line)
            self._size += len(line)
        return line

    def take(self) -> bytes:
        """Return the lines of the row as one JSON text, long ones cut; the next row begins."""
        text = "".join(self._taken)[:_FIELD_CHARACTERS_MAX]
        self.begin()
        # As JSON: so the erasure of a person finds their values in it.
        return msgspec.json.encode([text])

    def begin(self) -> None:
        """Forget the lines: the next row begins."""
        self._taken.clear()
        self._size = 0


class CsvTable:
    """One file."""

    is_text = True
    has_order = True

    def __init__(self, path: Path, options: CsvOptions | None = None) -> None:
        options = options or CsvOptions()
        self._path = path
        self.name = path.name
        self.encoding = options.encoding or _encoding_of(path)
        sample = self._sample()
        said = _SAYS_DELIMITER.fullmatch(sample[0].rstrip()) if sample else None
        self._lines_before = 1 if said else 0
        sample = sample[self._lines_before :]
        self.delimiter = options.delimiter or (said[1] if said else _delimiter_of(sample))
        first = next(iter(self._records(sample)), [])
        self.has_header = not options.columns and not any(map(_is_datum, first))
        self._columns = options.columns or _names(first, has_header=self.has_header)

    @property
    def columns(self) -> Sequence[str]:
        """Return the names of the header, or those that were given or made."""
        return self._columns

    def fingerprint(self) -> str:
        """Return a hash of the file."""
        return content_hash(self._path)

    def rows(self) -> Iterator[Row]:
        """Yield the rows; `number` is the line that a row begins at."""
        columns, width = self._columns, len(self._columns)
        with self._open() as file:
            lines = _Lines(islice(file, self._lines_before, None))
            reader = self._reader(lines)
            is_first = self.has_header
            while True:
                line = reader.line_num + 1 + self._lines_before
                lines.begin()
                try:
                    cells = next(reader)
                except StopIteration:
                    return
                except csv.Error as error:
                    fault = f"this is no line of the table: {error}"
                    yield Row(line, fault=fault, raw=lines.take())
                    continue
                except READ_FAULTS as error:
                    raise TableProblem(f"{self.name} cannot be read: {error}") from error
                if lines.is_over:
                    # A row that is whole ends with its line; this one asked for more.
                    fault = "a quote that opens in the row is never closed: no row follows it"
                    yield Row(line, fault=fault, raw=lines.take())
                elif is_first or not any(cells):
                    is_first = is_first and not any(cells)
                elif len(cells) != width:
                    # As JSON: so the erasure of a person finds their values in it.
                    raw = msgspec.json.encode(cells)
                    fault = f"the line has {len(cells)} cells instead of {width}"
                    yield Row(line, fault=fault, raw=raw)
                else:
                    yield Row(line, dict(zip(columns, cells, strict=True)))

    def _open(self) -> io.TextIOWrapper:
        return io.TextIOWrapper(
            open_bytes(self._path), encoding=self.encoding, errors="replace", newline=""
        )

    def _sample(self) -> list[str]:
        with self._open() as file:
            text = file.read(_SAMPLE_BYTES)
        lines = text.splitlines(keepends=True)
        # The last line may be cut.
        return lines[:-1] if len(text) == _SAMPLE_BYTES and len(lines) > 1 else lines

    def _reader(self, lines: Iterator[str]) -> _Reader:
        csv.field_size_limit(_FIELD_CHARACTERS_MAX)
        if self.delimiter == " ":
            lines = (f"{line.strip()}\n" for line in lines)  # columns of fixed width
        return csv.reader(lines, delimiter=self.delimiter, skipinitialspace=True)

    def _records(self, lines: Sequence[str]) -> Iterator[list[str]]:
        return (cells for cells in self._reader(iter(lines)) if any(cells))


def _encoding_of(path: Path) -> str:
    """Tell by its mark or by all of its bytes; what is not UTF-8 is taken as Western Windows'."""
    try:
        with open_bytes(path) as file:
            head = file.read(4)
            for mark, encoding in _MARKS:
                if head.startswith(mark):
                    return encoding
            for zeros, encoding in ((head[1::2], "utf-16-le"), (head[::2], "utf-16-be")):
                if zeros == b"\0\0":  # every other byte of Western text
                    return encoding
            decoder = codecs.getincrementaldecoder("utf-8")()
            chunk = head
            while chunk:
                decoder.decode(chunk)
                chunk = file.read(_CHUNK_BYTES)
            decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return "cp1252"
    except READ_FAULTS as error:
        raise TableProblem(f"{path.name} cannot be read: {error}") from error
    return "utf-8"


def _delimiter_of(lines: Sequence[str]) -> str:
    """Return the delimiter that most rows agree upon, and by which they have most cells."""
    best, found = (0.0, 0), ","
    for delimiter in (*_DELIMITERS, " "):
        kept = [line.strip() for line in lines] if delimiter == " " else lines
        reader = csv.reader(iter(kept), delimiter=delimiter, skipinitialspace=True)
        try:
            widths = Counter(len(cells) for cells in islice(reader, _SAMPLE_ROWS) if cells)
        except csv.Error:
            continue
        if not widths:
            continue
        width, count = widths.most_common(1)[0]
        share = count / widths.total()
        # Words in sentences are many, but seldom equally many: only a table agrees on blanks.
        if width > 1 and (delimiter != " " or (share == 1 and best[1] == 0)):
            found, best = max((found, best), (delimiter, (share, width)), key=lambda one: one[1])
    return found


def _is_datum(cell: str) -> bool:
    return bool(_DATUM.fullmatch(cell.strip()))


def _names(first: Sequence[str], *, has_header: bool) -> tuple[str, ...]:
    """Return names for all columns, each once."""
    found: list[str] = []
    for place, cell in enumerate(first, 1):
        name = (cell.strip() if has_header else "") or f"column_{place}"
        found.append(f"{name}_{place}" if name in found else name)
    return tuple(found)
