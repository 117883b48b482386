"""Whose address a request comes from, with and without a proxy."""

from __future__ import annotations

from typing import Any

import pytest

from tailorbird.web.collect import sender_ip


@pytest.mark.parametrize(
    ("peer", "forwarded", "found"),
    [
        ("203.0.114.7", None, "203.0.114.7"),
        ("203.0.114.7", "198.51.101.1", "203.0.114.7"),
        ("127.0.0.1", None, None),
        ("127.0.0.1", "203.0.114.7", "203.0.114.7"),
        ("10.0.0.2", "1.1.1.1, 203.0.114.7, 10.0.0.3", "203.0.114.7"),
        ("::1", "2001:4860::8888", "2001:4860::8888"),
        ("127.0.0.1", "10.1.1.1", None),
        ("127.0.0.1", "what, ever", None),
        ("127.0.0.1", "," * 5_000, None),
        ("not an address", "203.0.114.7", "203.0.114.7"),
    ],
)
def test_the_last_public_address_counts(
    peer: str, forwarded: str | None, found: str | None
) -> None:
    headers = [] if forwarded is None else [(b"x-forwarded-for", forwarded.encode())]
    scope: dict[str, Any] = {"client": (peer, 1), "headers": headers}
    assert sender_ip(scope) == found


def test_a_socket_without_an_address_has_none() -> None:
    assert sender_ip({"client": None, "headers": []}) is None
