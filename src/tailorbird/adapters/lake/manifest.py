"""Which files of a lake count: one small JSON document, replaced in one step."""

from __future__ import annotations

from typing import Any

import msgspec

MANIFEST = "manifest.json"
QUARANTINE = "quarantine"


class LakeFile(msgspec.Struct, frozen=True):
    """A file that counts; `lists` are promoted names that hold lists.

    `day` is the first day in it (YYYY-MM-DD), "" for records; `until` the last, "" if the same.
    What is settled was merged, and is compressed well.
    """

    path: str  # in the folder
    day: str
    first: int  # offsets
    last: int
    rows: int
    size: int  # bytes
    lists: tuple[str, ...] = ()
    until: str = ""
    is_settled: bool = False

    @property
    def last_day(self) -> str:
        """Return the last day in it."""
        return self.until or self.day


class Manifest(msgspec.Struct, frozen=True):
    """What counts, and up to which offset of the log.

    `since` is the day from which on history is held, "" for all of it.
    """

    offset: int = 0
    files: tuple[LakeFile, ...] = ()
    since: str = ""


decode = msgspec.json.Decoder(Manifest).decode
encode = msgspec.json.Encoder().encode


def to_json(manifest: Manifest) -> dict[str, Any]:
    """Return what there is, for people: offset, since, days, files, rows, bytes, bytes an event."""
    events = [one for one in manifest.files if one.day]
    rows, size = sum(one.rows for one in events), sum(one.size for one in events)
    return {
        "offset": manifest.offset,
        "since": manifest.since or min((one.day for one in events), default=None),
        "files": len(manifest.files),
        "events": rows,
        "bytes": sum(one.size for one in manifest.files),
        "bytes_per_event": round(size / rows, 1) if rows else None,
    }
