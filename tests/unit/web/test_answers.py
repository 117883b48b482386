"""Bodies that are too large are read to their end, within a limit, before they are refused."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tailorbird.web.answers import (
    DISCARDED_BYTES_MAX,
    BodyTooLarge,
    content_length,
    header,
    read_body,
)

PART = b"x" * 1_000_000


@pytest.mark.parametrize("headers", [[], [(b"content-length", b"3000000")]])
def test_the_rest_of_a_body_that_is_too_large_is_taken_before_the_refusal(
    headers: list[tuple[bytes, bytes]],
) -> None:
    parts = [{"body": PART, "more_body": more} for more in (True, True, False)]
    assert read(headers, parts) == 3


def test_a_body_without_end_is_not_read_for_ever() -> None:
    parts = [{"body": PART, "more_body": True}] * 100
    assert read([], parts) < 3 + DISCARDED_BYTES_MAX // len(PART)


def read(headers: list[tuple[bytes, bytes]], parts: list[dict[str, Any]]) -> int:
    """Read a body with a limit of 500,000 bytes; return how many parts were asked for."""
    asked = 0

    async def receive() -> Any:
        nonlocal asked
        asked += 1
        return {"type": "http.request", **parts[asked - 1]}

    with pytest.raises(BodyTooLarge):
        asyncio.run(read_body({"headers": headers}, receive, 500_000))
    return asked


def test_a_body_is_whole_when_as_much_has_come_as_was_announced() -> None:
    left = [b"ab", b"cd"]

    async def receive() -> Any:
        return {"type": "http.request", "body": left.pop(0), "more_body": True}

    scope = {"headers": [(b"content-length", b"4")]}
    assert asyncio.run(read_body(scope, receive, 500_000)) == b"abcd"
    assert not left


@pytest.mark.parametrize(
    ("told", "length"),
    [
        (b"0", 0),
        (b"500000", 500_000),
        (b"9" * 18, 10**18 - 1),
        (b"9" * 5_000, 10**18),
        (b"", None),
        (b"-1", None),
        (b"1e3", None),
        ("²".encode("latin-1"), None),
    ],
)
def test_a_length_is_what_stands_in_plain_digits(told: bytes, length: int | None) -> None:
    assert content_length({"headers": [(b"Content-Length", told)]}) == length


def test_a_request_may_be_silent_about_its_length() -> None:
    assert content_length({"headers": []}) is None


def test_of_several_headers_of_a_name_the_first_counts() -> None:
    scope = {"headers": [(b"x-one", b"1"), (b"X-Two", b"2"), (b"x-one", b"3")]}
    assert [header(scope, name) for name in (b"x-one", b"x-two", b"x-three")] == ["1", "2", None]
