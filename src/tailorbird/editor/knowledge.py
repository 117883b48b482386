"""What the files of a workspace name: read leniently, since a file being written is often broken.

`loader` says what is wrong with the files; here one broken file hides none of the names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tailorbird.workspace.kinds.schema import read_schema
from tailorbird.workspace.kinds.segment import read_segment
from tailorbird.workspace.layout import ENDINGS
from tailorbird.workspace.source import Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Knowledge:
    """The names that expressions may use: `files` by folder, and what `schema.yaml` expects."""

    files: Mapping[str, Mapping[str, str]]  # folder -> name -> path
    events: Mapping[str, Mapping[str, Any]]  # name -> {"description", "properties"}
    traits: Mapping[str, str]  # name -> type
    texts: Mapping[str, str]  # path -> text

    def condition(self, segment: str) -> tuple[str, str] | None:
        """Return title and condition of a segment as written, None where it cannot be read."""
        path = self.files.get("segments", {}).get(segment)
        if path is None:
            return None
        found = read_segment(Source(path, self.texts[path]), segment)
        if found is None or found.when is None:
            return None
        return found.title, found.when.text


def read_knowledge(texts: Mapping[str, str]) -> Knowledge:
    """Collect the names of a workspace from its files (path -> text)."""
    files: dict[str, dict[str, str]] = {}
    for path in texts:
        folder, _, file = path.partition("/")
        name, _, ending = file.rpartition(".")
        if name and "/" not in file and ending in ENDINGS.get(folder, ()):
            files.setdefault(folder, {})[name] = path
    schema = read_schema(Source("schema.yaml", texts.get("schema.yaml", "")))
    return Knowledge(
        files=files,
        events=schema.get("events", {}),
        traits=schema.get("traits", {}),
        texts=texts,
    )
