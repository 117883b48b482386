"""Stable hashes: the same bytes give the same number on every machine and in every release."""

from __future__ import annotations

from hashlib import blake2b


def hash64(*parts: str | bytes | int) -> int:
    """Hash parts to a non-negative 63-bit integer (fits SQLite's and msgpack's signed integers).

    Parts are length-prefixed, so ("ab", "c") and ("a", "bc") differ.
    """
    # Copying a ready hash is cheaper than making one with its size: two of these an event.
    hasher = _EMPTY.copy()
    hasher.update(_joined(parts))
    return int.from_bytes(hasher.digest(), "big") >> 1


def hash64_both(first: str, second: str) -> tuple[int, int]:
    """Return `hash64(second)` and `hash64(first, second)` at half their cost: for each event."""
    one, two = first.encode(), second.encode()
    left, right = len(one), len(two)
    if left > 255 or right > 255:
        return hash64(two), hash64(one, two)
    two = _LENGTHS[right] + two
    alone, both = _copy_empty(), _copy_empty()
    alone.update(two)
    both.update(_LENGTHS[left] + one + two)
    return (
        _from_bytes(alone.digest(), "big") >> 1,
        _from_bytes(both.digest(), "big") >> 1,
    )


def hash32(*parts: str | bytes | int) -> int:
    """Hash parts to an unsigned 32-bit integer."""
    return int.from_bytes(_digest(parts, 4), "big")


def hash_text(*parts: str | bytes | int) -> str:
    """Hash parts to 32 hexadecimal digits (128 bits): ids of effects, versions, contents."""
    return _digest(parts, 16).hex()


def _digest(parts: tuple[str | bytes | int, ...], size: int) -> bytes:
    return blake2b(_joined(parts), digest_size=size).digest()


def _joined(parts: tuple[str | bytes | int, ...]) -> bytes:
    joined: list[bytes] = []
    for part in parts:
        data = part.encode() if type(part) is str else _bytes_of(part)
        length = len(data)
        joined += (_LENGTHS[length] if length < 256 else length.to_bytes(4, "big"), data)
    return b"".join(joined)


def _bytes_of(part: str | bytes | int) -> bytes:
    return part if isinstance(part, bytes) else str(part).encode()


_EMPTY = blake2b(digest_size=8)
_LENGTHS = [length.to_bytes(4, "big") for length in range(256)]
_copy_empty = _EMPTY.copy
_from_bytes = int.from_bytes
