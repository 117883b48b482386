"""What the tables of files share: opening them, packed or not, and telling contents apart."""

from __future__ import annotations

import gzip
import zlib
from hashlib import blake2b
from pathlib import Path
from typing import IO, cast

_CHUNK_BYTES = 1 << 20
# What reading a file raises, a packed one that is damaged included.
READ_FAULTS = (OSError, EOFError, zlib.error)


def open_bytes(path: Path) -> IO[bytes]:
    """Open a file for reading; what is packed with gzip is unpacked on the way."""
    with path.open("rb") as file:
        is_packed = file.read(2) == b"\x1f\x8b"
    return cast("IO[bytes]", gzip.open(path)) if is_packed else path.open("rb")


def content_hash(path: Path) -> str:
    """Return a hash of a file's bytes."""
    hasher = blake2b(digest_size=16)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            hasher.update(chunk)
    return hasher.hexdigest()


def ending_of(path: Path) -> str:
    """Return the ending that tells the kind of a file: `.csv` of `orders.csv.gz`."""
    name = path.with_suffix("") if path.suffix.lower() == ".gz" else path
    return name.suffix.lower()
