"""Reading YAML with the place of everything: a `Section` is one mapping whose keys are known.

YAML is composed, not loaded: scalars stay the texts that people wrote, so that `no`, `1e3` and
`09:00` mean what they look like, and every fault can point at its characters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

import yaml

from tailorbird.base.names import nearest
from tailorbird.base.time import Duration
from tailorbird.workspace.durations import parse_duration, parse_time_of_day
from tailorbird.workspace.scalars import offset_in_file
from tailorbird.workspace.source import Source

_DEPTH_MAX = 40
_NODES_MAX = 50_000
_NULL = "tag:yaml.org,2002:null"
_EXAMPLE_SPANS = "Write a span such as 30m, 24h, 3d, 2w, 6mo or 1y."
_EXAMPLE_TIMES = 'Write a local time of day such as "09:00".'

T = TypeVar("T")


def compose(source: Source, text: str | None = None) -> yaml.MappingNode | None:
    """Parse the file as one YAML mapping; notes a problem and returns None where it is none.

    `text` is given where only the beginning of the file is YAML.
    """
    try:
        node = yaml.compose(source.text if text is None else text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        source.note(
            f"this is not valid YAML: {error.problem or error.context}",
            "Check indentation, colons and quotes at this place.",
            offset=mark.index if mark else None,
        )
        return None
    except yaml.reader.ReaderError as error:
        source.note(
            f"the file holds a character that YAML does not allow (code {error.character})",
            "Remove it; it may be invisible in your editor.",
            offset=error.position,
        )
        return None
    except RecursionError:
        source.note("the file is nested too deeply", f"Use at most {_DEPTH_MAX} levels.")
        return None
    if node is None:
        source.note("the file is empty", "Write its definition, or delete the file.")
        return None
    if not isinstance(node, yaml.MappingNode):
        source.note(
            "expected keys with values",
            "Begin with a line such as `title: My title`.",
            offset=node.start_mark.index,
        )
        return None
    if not _is_bounded(node):
        source.note(
            "the file is too large or nested too deeply",
            f"Use at most {_DEPTH_MAX} levels and {_NODES_MAX} values, and no recursive anchors.",
        )
        return None
    return node


def _is_bounded(root: yaml.Node) -> bool:
    """Tell whether the tree is small; anchors may make it recursive or blow it up."""
    count = 0
    waiting: list[tuple[yaml.Node, int]] = [(root, 1)]
    while waiting:
        node, depth = waiting.pop()
        count += 1
        if depth > _DEPTH_MAX or count > _NODES_MAX:
            return False
        if isinstance(node, yaml.MappingNode):
            for pair in node.value:
                waiting.extend((part, depth + 1) for part in pair)
        elif isinstance(node, yaml.SequenceNode):
            waiting.extend((part, depth + 1) for part in node.value)
    return True


class Scalar:
    """A text in the file; `note` places a fault at characters of its value."""

    def __init__(self, source: Source, node: yaml.ScalarNode) -> None:
        self.source = source
        self.node = node
        self.value = str(node.value)

    def note(
        self,
        message: str,
        mend: str,
        *,
        at: int = 0,
        length: int | None = None,
        is_warning: bool = False,
    ) -> None:
        """Note a problem at an offset into the value; without `length` the rest is underlined."""
        # What comes after the last word, such as an operand that is missing, is shown right there.
        at = min(at, len(self.value.rstrip()))
        start = offset_in_file(self.source.text, self.node, at)
        span = len(self.value) - at if length is None else length
        last = offset_in_file(self.source.text, self.node, at + max(span, 1) - 1)
        self.source.note(
            message, mend, offset=start, length=last - start + 1, is_warning=is_warning
        )


class Section:
    """One mapping of a definition: gives values by key and notes what is wrong with them.

    `what` names it in messages ("a segment"), `keys` are all that it may have.
    """

    def __init__(
        self, source: Source, node: yaml.MappingNode, what: str, keys: tuple[str, ...]
    ) -> None:
        self.source = source
        self.node = node
        self.what = what
        self._values: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        for key_node, value in node.value:
            self._take(key_node, value, keys)

    def _take(self, key_node: yaml.Node, value: yaml.Node, keys: tuple[str, ...]) -> None:
        if not isinstance(key_node, yaml.ScalarNode):
            self._note(key_node, "a key must be a word", "Write `key: value`.")
            return
        key = str(key_node.value)
        if key in self._values:
            self._note(key_node, f"`{key}` is given twice", "Keep one of the two.", length=len(key))
        elif key not in keys:
            close = nearest(key, keys)
            hint = f"Did you mean `{close}`? " if close else ""
            known = ", ".join(keys)
            self._note(
                key_node,
                f"{self.what} has no key `{key}`",
                f"{hint}Known keys: {known}.",
                length=len(key),
            )
        else:
            self._values[key] = (key_node, value)

    def __contains__(self, key: str) -> bool:
        found = self._values.get(key)
        return found is not None and found[1].tag != _NULL

    def note(self, message: str, mend: str, key: str | None = None) -> None:
        """Note a problem at a key of this section, or at its beginning."""
        if key is not None and key in self._values:
            self._note(self._values[key][0], message, mend, length=len(key))
        else:
            self._note(self.node, message, mend)

    def scalar(self, key: str) -> Scalar | None:
        """Return the text under a key; None where there is none or it is no text (noted)."""
        if key not in self:
            return None
        value = self._values[key][1]
        if isinstance(value, yaml.ScalarNode):
            return Scalar(self.source, value)
        self._note(value, f"`{key}` must be a text", f"Write `{key}: ...` on one line.")
        return None

    def text(self, key: str, default: str = "") -> str:
        """Return the text under a key, stripped."""
        found = self.scalar(key)
        return default if found is None else found.value.strip()

    def scalar_text(self, key: str) -> str:
        """Return the text under a key with its white space."""
        found = self.scalar(key)
        return "" if found is None else found.value

    def texts(self, key: str) -> list[Scalar]:
        """Return the text under a key, or the texts of a list."""
        if key not in self:
            return []
        value = self._values[key][1]
        parts = value.value if isinstance(value, yaml.SequenceNode) else [value]
        for part in parts:
            if not isinstance(part, yaml.ScalarNode):
                self._note(part, f"`{key}` must be a text", "Write a text, or a list of texts.")
        return [Scalar(self.source, part) for part in parts if isinstance(part, yaml.ScalarNode)]

    def required(self, key: str, example: str) -> Scalar | None:
        """Return the text under a key that must be there and not be empty."""
        if key not in self:
            self.note(f"{self.what} needs `{key}`", f"For example `{key}: {example}`.")
            return None
        found = self.scalar(key)
        if found is not None and not found.value.strip():
            self.note(f"`{key}` is empty", f"For example `{key}: {example}`.", key)
            return None
        return found

    def choice(self, key: str, options: tuple[str, ...], default: str) -> str:
        """Return one of a few words."""
        found = self.scalar(key)
        if found is None:
            return default
        if found.value in options:
            return found.value
        close = nearest(found.value, options)
        hint = f" Did you mean `{close}`?" if close else ""
        found.note(f"`{key}` cannot be `{found.value}`", f"Use one of: {', '.join(options)}.{hint}")
        return default

    def duration(self, key: str) -> Duration | None:
        """Return the span of time under a key."""
        return self._parsed(key, parse_duration, _EXAMPLE_SPANS)

    def time_of_day(self, key: str) -> int | None:
        """Return a local time of day in minutes after midnight."""
        return self._parsed(key, parse_time_of_day, _EXAMPLE_TIMES)

    def _parsed(self, key: str, parse: Callable[[str], T], mend: str) -> T | None:
        found = self.scalar(key)
        if found is None:
            return None
        try:
            return parse(found.value)
        except ValueError as error:
            found.note(str(error), mend)
            return None

    def section(self, key: str, what: str, keys: tuple[str, ...]) -> Section | None:
        """Return the mapping under a key."""
        if key not in self:
            return None
        value = self._values[key][1]
        if isinstance(value, yaml.MappingNode):
            return Section(self.source, value, what, keys)
        self._note(value, f"`{key}` must hold keys: {', '.join(keys)}", "Indent them below it.")
        return None

    def is_mapping(self, key: str) -> bool:
        """Tell whether the value under a key is a mapping."""
        return key in self and isinstance(self._values[key][1], yaml.MappingNode)

    def open_mapping(self, key: str) -> Iterator[tuple[Scalar, yaml.Node]]:
        """Give the pairs of a mapping whose keys are names that the author chose."""
        if key not in self:
            return
        value = self._values[key][1]
        if not isinstance(value, yaml.MappingNode):
            self._note(value, f"`{key}` must hold names", "Write one `name: ...` on each line.")
            return
        seen: set[str] = set()
        for name_node, part in value.value:
            if not isinstance(name_node, yaml.ScalarNode):
                self._note(name_node, "a name must be a word", "Write `name: ...`.")
                continue
            name = Scalar(self.source, name_node)
            if name.value in seen:
                name.note(f"`{name.value}` is given twice", "Keep one of the two.")
                continue
            seen.add(name.value)
            yield name, part

    def items(
        self, key: str, what: str, keys: tuple[str, ...], *, may_be_empty: bool = False
    ) -> list[Section]:
        """Return the mappings of the list under a key."""
        if key not in self:
            return []
        value = self._values[key][1]
        if not isinstance(value, yaml.SequenceNode):
            self._note(value, f"`{key}` must be a list", "Begin each item with `- `.")
            return []
        if not value.value and not may_be_empty:
            self.note(f"`{key}` is an empty list", "Give at least one item.", key)
        sections = []
        for part in value.value:
            if isinstance(part, yaml.MappingNode):
                sections.append(Section(self.source, part, what, keys))
            else:
                self._note(part, f"expected {what} with keys", f"Known keys: {', '.join(keys)}.")
        return sections

    def _note(self, node: yaml.Node, message: str, mend: str, length: int = 1) -> None:
        self.source.note(message, mend, offset=int(node.start_mark.index), length=length)
