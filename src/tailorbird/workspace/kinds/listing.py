"""`lists/NAME.txt`: one text a line; empty lines and lines that begin with `#` are left out."""

from __future__ import annotations

import unicodedata

from tailorbird.workspace.source import Source

_ENTRIES_MAX = 100_000
_LENGTH_MAX = 1_000


def read_list(source: Source) -> tuple[str, ...]:
    """Read a list; an entry given twice counts once."""
    entries: dict[str, None] = {}
    offset = 0
    for line in source.text.split("\n"):
        entry = unicodedata.normalize("NFC", line.strip())
        if len(entry) > _LENGTH_MAX:
            source.note(
                f"this entry has {len(entry)} characters",
                f"An entry has at most {_LENGTH_MAX}; write one on each line.",
                offset=offset,
            )
        if entry and not entry.startswith("#"):
            entries[entry] = None
        offset += len(line) + 1
    if len(entries) > _ENTRIES_MAX:
        source.note(
            f"the list has {len(entries):,} entries, at most {_ENTRIES_MAX:,} are allowed",
            "Send what tells people apart as a trait instead.",
        )
    return tuple(entries)
