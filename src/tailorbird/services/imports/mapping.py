"""The mapping file of an import: what the columns of a table mean. Read and checked, with places.

How it is applied to a row is told by `calls`. Its page: docs/how-to/import-history.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import yaml

from tailorbird.base.hashing import hash_text
from tailorbird.base.names import nearest, snake_case
from tailorbird.base.problems import ProblemsError
from tailorbird.language import tree
from tailorbird.language.calendar import is_zone, zone_of
from tailorbird.language.oracle import value_in
from tailorbird.services.imports import values
from tailorbird.services.imports.values import Convert
from tailorbird.services.source_messages import plain_value
from tailorbird.workspace.kinds.source import read_map_expression
from tailorbird.workspace.sections import Scalar, Section, compose
from tailorbird.workspace.source import Source

EVENTS, PEOPLE = "events", "people"
KINDS = (EVENTS, PEOPLE)
CONSENT_KEYS = ("given", "at", "withdrawn_at", "reason", "source", "ip", "text", "confirmed_at")
PROOF_KEYS = ("source", "ip", "text", "confirmed_at")
_SUPPRESSED_KEYS = ("when", "reason", "at")
_FILE_KEYS = ("delimiter", "encoding", "columns")
_TYPE_KEYS = ("timestamp", "zone", "yes", "no", "list", "number")
_WHO = ("user_id", "anonymous_id")
_WHAT = ("call", "event", "timestamp")
_OPEN = ("properties", "traits")
KEYS = (
    *("kind", "file", "types", "when", *_WHAT, "names", *_WHO, "message_id", "same_rows"),
    *(*_OPEN, "context", "others", "consent", "suppressed"),
)
_PATH = re.compile(r"[A-Za-z_$][A-Za-z0-9_$-]*(\.[A-Za-z0-9_$-]+)*")
_CONSTANT = re.compile(r"'[^'\\]*'")
_WORDS = ("true", "false", "null", "now")
_UTC = "UTC"


class Cells(dict[str, Any]):
    """The values of a row by column, and by the names that expressions have for them."""

    __slots__ = ("_named",)

    def named(self) -> dict[str, Any]:
        """Return the values by column, and by the column's name in snake case."""
        try:
            return self._named
        except AttributeError:
            self._named: dict[str, Any] = {
                **{snake_case(column): value for column, value in self.items()},
                **self,
            }
            return self._named


Value = Callable[[Cells], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentRule:
    """What a row says of one topic: `given` is true, false or missing; `proof` by name."""

    topic: str
    parts: Mapping[str, Value]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportMapping:
    """What rows mean; `used` are the columns that are named, `digest` tells mappings apart."""

    kind: str
    digest: str
    file: Mapping[str, Any] = field(default_factory=dict)
    types: Mapping[str, Convert] = field(default_factory=dict)
    when: Value | None = None
    fields: Mapping[str, Value] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    message_id: Sequence[str] = ()
    counts_same_rows: bool = False
    open_part: Value | Mapping[str, Value] = field(default_factory=dict)
    context: Value | None = None
    keeps_others: bool = False
    used: frozenset[str] = frozenset()
    consent: Sequence[ConsentRule] = ()
    suppressed: Mapping[str, Value] = field(default_factory=dict)

    def convert(self, row: Mapping[str, Any]) -> Cells:
        """Return the values of a row by the types of their columns; empty ones are missing.

        Raises:
            ColumnProblem: a value is not of its type.
        """
        cells, types = Cells(), self.types
        for column, value in row.items():
            if value is None or value == "" or (value.__class__ is str and value.isspace()):
                continue
            try:
                found = types.get(column, values.plain)(value)
            except (ValueError, ArithmeticError) as error:
                raise ColumnProblem(column) from error
            if found is not None:
                cells[column] = found
        return cells


class ColumnProblem(Exception):
    """A value is not of the type of its column."""

    def __init__(self, column: str) -> None:
        super().__init__(column)
        self.column = column


def read_mapping(path: str, text: str, columns: Sequence[str]) -> ImportMapping:
    """Read a mapping for a table with these columns; empty where each row has its own.

    Raises:
        ProblemsError: all that is wrong with it, each with its place and mend.
    """
    source = Source(path, text)
    root = compose(source)
    found = None if root is None else _Reading(source, root, columns).read()
    if found is None or source.problems:
        raise ProblemsError(tuple(source.problems))
    return found


def file_options(path: str, text: str) -> dict[str, Any]:
    """Return how a mapping says that its file is written: needed before the columns are known."""
    source = Source(path, text)
    root = compose(source)
    if root is None:
        raise ProblemsError(tuple(source.problems))
    inner = Section(source, root, "a mapping", KEYS).section("file", "a file", _FILE_KEYS)
    if inner is None:
        return {}
    found: dict[str, Any] = {
        key: inner.scalar_text(key) for key in ("delimiter", "encoding") if key in inner
    }
    if "columns" in inner:
        found["columns"] = tuple(one.value for one in inner.texts("columns"))
    return found


class _Reading:
    def __init__(self, source: Source, root: yaml.MappingNode, columns: Sequence[str]) -> None:
        self._section = Section(source, root, "a mapping", KEYS)
        self._source = source
        self._columns = frozenset(columns)
        self._used: set[str] = set()

    def read(self) -> ImportMapping | None:
        section = self._section
        if section.required("kind", EVENTS) is None:
            return None
        kind = section.choice("kind", KINDS, "")
        if not kind:
            return None
        others = section.choice("others", ("keep", "drop"), "drop")
        same = section.choice("same_rows", ("one", "each"), "one")
        fields = {
            key: value
            for key in (*_WHAT, *_WHO)
            if (value := self._value(section, key)) is not None
        }
        part = "properties" if kind == EVENTS else "traits"
        wrong = _OPEN[kind == EVENTS]
        if wrong in section:
            section.note(f"{kind} have no `{wrong}`", f"Write `{part}:`.", wrong)
        self._check(kind, section)
        return ImportMapping(
            kind=kind,
            digest=hash_text("mapping", self._source.text),
            types=dict(self._types()),
            when=self._value(section, "when"),
            fields=fields,
            names=self._names(),
            message_id=[self._key_column(one) for one in section.texts("message_id")],
            counts_same_rows=same == "each",
            open_part=self._open_part(part),
            context=self._value(section, "context"),
            keeps_others=others == "keep",
            consent=self._consent(),
            suppressed=self._suppressed(),
            used=frozenset(self._used),
        )

    def _check(self, kind: str, section: Section) -> None:
        is_email = kind == PEOPLE and "traits" in section
        if not any(key in section for key in _WHO) and not is_email:
            section.note(
                "nothing says whose row it is", "Add `user_id: ...` or `anonymous_id: ...`."
            )
        if kind == EVENTS:
            if "timestamp" not in section:
                section.note(
                    "nothing says when it happened", "Add `timestamp: ...` with its column."
                )
            if "event" not in section and "call" not in section:
                section.note(
                    "nothing says what happened", "Add `event: \"'order_completed'\"` or a column."
                )
        for key in ("consent", "suppressed") if kind == EVENTS else ("event", "call", "names"):
            if key in section:
                section.note(f"{kind} have no `{key}`", "Take it out.", key)

    def _value(self, section: Section, key: str) -> Value | None:
        found = [one for scalar in section.texts(key) if (one := self._read(scalar)) is not None]
        return None if not found else found[0] if len(found) == 1 else partial(_first, found)

    def _read(self, scalar: Scalar) -> Value | None:
        """Read one side: a column is meant where one has that very name, else an expression."""
        text = scalar.value.strip()
        if text in self._columns:
            self._used.add(text)
            return partial(_cell, text)
        if text not in _WORDS and _PATH.fullmatch(text):
            return self._path(scalar, text)
        if _CONSTANT.fullmatch(text):
            return partial(_constant, text[1:-1])
        node = read_map_expression(scalar)
        return None if node is None else partial(_asked, node)

    def _path(self, scalar: Scalar, text: str) -> Value | None:
        parts = text.split(".")
        named = {snake_case(column): column for column in self._columns}
        column = named.get(parts[0], parts[0])
        if self._columns and column not in self._columns:
            self._unknown(scalar, text)
            return None
        self._used.add(column)
        return partial(_cell, column) if len(parts) == 1 else partial(_at, (column, *parts[1:]))

    def _unknown(self, scalar: Scalar, text: str) -> None:
        close = nearest(text, self._columns)
        known = ", ".join(sorted(self._columns)[:30])
        mend = f"Did you mean `{close}`? " if close else ""
        scalar.note(f"there is no column `{text}`", f"{mend}Columns: {known}.")

    def _key_column(self, scalar: Scalar) -> str:
        if self._columns and scalar.value not in self._columns:
            self._unknown(scalar, scalar.value)
        return scalar.value

    def _open_part(self, part: str) -> Value | Mapping[str, Value]:
        section = self._section
        if not section.is_mapping(part):
            return self._value(section, part) or {}
        return self._named(part, section)

    def _named(self, key: str, section: Section) -> dict[str, Value]:
        found = {}
        for name, node in section.open_mapping(key):
            value = self._scalar_value(name, node)
            if value is not None:
                found[name.value] = value
        return found

    def _scalar_value(self, name: Scalar, node: yaml.Node) -> Value | None:
        if not isinstance(node, yaml.ScalarNode):
            name.note(f"`{name.value}` must be a text", "Write a column or an expression.")
            return None
        return self._read(Scalar(self._source, node))

    def _names(self) -> dict[str, str]:
        found = {}
        for name, node in self._section.open_mapping("names"):
            if isinstance(node, yaml.ScalarNode):
                found[name.value] = str(node.value)
            else:
                name.note(f"`{name.value}` must be a text", "Write `name in the file: event`.")
        return found

    def _consent(self) -> list[ConsentRule]:
        found = []
        for topic, node in self._section.open_mapping("consent"):
            if not isinstance(node, yaml.MappingNode):
                topic.note("a topic has keys", f"Its keys: {', '.join(CONSENT_KEYS)}.")
                continue
            inner = Section(self._source, node, "a topic", CONSENT_KEYS)
            if "given" not in inner and "withdrawn_at" not in inner:
                inner.note("nothing says whether it was given", "Add `given: ...`.")
            parts = {
                key: value for key in CONSENT_KEYS if (value := self._value(inner, key)) is not None
            }
            found.append(ConsentRule(topic=topic.value, parts=parts))
        return found

    def _suppressed(self) -> dict[str, Value]:
        inner = self._section.section("suppressed", "a suppression", _SUPPRESSED_KEYS)
        if inner is None:
            return {}
        if "when" not in inner:
            inner.note("nothing says who must get no mail", "Add `when: ...`, a condition.")
        return {
            key: value for key in _SUPPRESSED_KEYS if (value := self._value(inner, key)) is not None
        }

    def _types(self) -> Sequence[tuple[str, Convert]]:
        found = []
        for column, node in self._section.open_mapping("types"):
            if self._columns and column.value not in self._columns:
                self._unknown(column, column.value)
                continue
            converter = self._type(column, node)
            if converter is not None:
                found.append((column.value, converter))
        return found

    def _type(self, column: Scalar, node: yaml.Node) -> Convert | None:
        if isinstance(node, yaml.ScalarNode):
            usual: dict[str, Convert] = {
                "text": str,
                "number": values.number(),
                "boolean": values.boolean(),
                "timestamp": values.timestamp(),
                "list": values.listed(),
                "json": values.json_value,
            }
            name = str(node.value)
            if name not in usual:
                scalar = Scalar(self._source, node)
                scalar.note(f"there is no type `{name}`", f"Types: {', '.join(usual)}.")
            return usual.get(name)
        if not isinstance(node, yaml.MappingNode):
            column.note("a type is a word or has keys", f"Words: {', '.join(values.TYPES)}.")
            return None
        inner = Section(self._source, node, "a type", _TYPE_KEYS)
        if "timestamp" in inner or "zone" in inner:
            return self._timestamp(inner)
        if "number" in inner:
            return values.number(inner.choice("number", (".", ","), "."))
        if "list" in inner:
            separator = inner.scalar_text("list")
            if len(separator) != 1:
                inner.note("a separator is one character", 'For example `list: "|"`.', "list")
                return None
            return values.listed(separator)
        return values.boolean(
            [one.value for one in inner.texts("yes")] or values.YES,
            [one.value for one in inner.texts("no")] or values.NO,
        )

    def _timestamp(self, inner: Section) -> Convert | None:
        zone = inner.text("zone", _UTC)
        if not is_zone(zone):
            inner.note(f"there is no zone `{zone}`", "Write a name such as Europe/London.", "zone")
            return None
        form = inner.scalar_text("timestamp").strip()
        if form and form not in values.UNIX and form != "iso" and "%" not in form:
            known = ", ".join(("iso", *values.UNIX))
            inner.note(
                f"`{form}` is no form of a time",
                f"Use one of: {known}; or a form such as %d/%m/%Y %H:%M.",
                "timestamp",
            )
            return None
        return values.timestamp("" if form == "iso" else form, zone_of(zone))


def _constant(value: str, cells: Cells) -> str:
    return value


def _cell(column: str, cells: Cells) -> Any:
    return cells.get(column)


def _at(parts: Sequence[str], cells: Cells) -> Any:
    value: Any = cells
    for part in parts:
        if isinstance(value, Mapping):
            value = value.get(part)
        elif isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            return None
    return value


def _first(found: Sequence[Value], cells: Cells) -> Any:
    return next((value for one in found if (value := one(cells)) is not None), None)


def _asked(node: tree.Node, cells: Cells) -> Any:
    return plain_value(value_in(node, cells.named(), 0))
