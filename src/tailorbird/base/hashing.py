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


def hash64_of(text: str) -> int:
    """Return `hash64(text)` at half its cost: asked for each event."""
    data = text.encode()
    length = len(data)
    hasher = _copy_empty()
    hasher.update((_LENGTHS[length] if length < 256 else length.to_bytes(4, "big")) + data)
    return _from_bytes(hasher.digest(), "big") >> 1


def hash64_of_two(first: str, second: str) -> int:
    """Return `hash64(first, second)` at half its cost: asked for each event."""
    one, two = first.encode(), second.encode()
    left, right = len(one), len(two)
    if left > 255 or right > 255:
        return hash64(one, two)
    hasher = _copy_empty()
    hasher.update(_LENGTHS[left] + one + _LENGTHS[right] + two)
    return _from_bytes(hasher.digest(), "big") >> 1


def hash32(*parts: str | bytes | int) -> int:
    """Hash parts to an unsigned 32-bit integer."""
    return int.from_bytes(_digest(parts, 4), "big")


def hash_text(*parts: str | bytes | int) -> str:
    """Hash parts to 32 hexadecimal digits (128 bits): ids of effects, versions, contents."""
    return _digest(parts, 16).hex()


def _digest(parts: tuple[str | bytes | int, ...], size: int) -> bytes:
    return blake2b(_joined(parts), digest_size=size).digest()


def _joined(parts: tuple[str | bytes | int, ...]) -> bytes:
    joined = b""
    for part in parts:
        data = part if isinstance(part, bytes) else str(part).encode()
        length = len(data)
        joined += (_LENGTHS[length] if length < 256 else length.to_bytes(4, "big")) + data
    return joined


_EMPTY = blake2b(digest_size=8)
_LENGTHS = [length.to_bytes(4, "big") for length in range(256)]
_copy_empty = _EMPTY.copy
_from_bytes = int.from_bytes
