"""Whatever bytes arrive on whatever route: an answer below 500 in the one shape of errors."""

from __future__ import annotations

import gzip
import random
from typing import Any

import pytest

from tailorbird.testing.in_process import ADMIN, WRITE, InProcessServer
from tailorbird.web.collect import CALLS

SEED = 20_261_123
BAD_HEADERS = (
    {"authorization": "Basic \xff"},
    {"authorization": "Basic =="},
    {"authorization": "Basic d2s6"},
    {"authorization": "Bearer "},
    {"authorization": "Bearer \xe9\xff"},
    {"authorization": "\x00"},
    {"cookie": "tailorbird_session=\xb2.\xe9"},
    {"cookie": "tailorbird_session=" + "9" * 5_000 + ".aa"},
    {"cookie": '"=;;;\xff'},
    {"content-length": "\xb2"},
    {"content-length": "9" * 5_000},
    {"content-encoding": "gzip"},
    {"content-encoding": "br"},
    {"x-request-id": "\xff" * 300},
    {"accept": "\x00\xff"},
    {"content-type": "\xff/\xff; charset=nonsense"},
)
PATHS = (
    "/v1/profiles/{}",
    "/v1/profiles/{}/why-not",
    "/v1/segments/{}/members",
    "/v1/messages",
    "/v1/messages/{}",
    "/v1/messages/{}/explanation",
    "/v1/messages/{}/html",
    "/v1/projects/{}/settings",
    "/v1/sending/{}",
    "/v1/clock",
    "/v1/status",
    "/v1/overview",
    "/v1/journeys",
    "/t/o/{}.gif",
    "/t/c/{}",
    "/u/{}",
    "/static/{}",
    "/{}",
    "{}",
)
WORDS = (
    "",
    "user_id:1",
    "p_ffffffffffffffff",
    "p_-1",
    "p_" + "f" * 400,
    "email:\x00",
    "\ud800",
    "profile_id:x",
    "profile_id:" + "9" * 40,
    "profile_id:" + "9" * 5_000,
    "a" * 5_000,
    "..",
    "../../etc/passwd",
    "%00%ff",
    "é" * 90,
    ":",
    "'; DROP TABLE message; --",
)
QUERIES = (
    b"",
    b"limit=0",
    b"limit=-1",
    b"limit=" + b"9" * 5_000,
    b"limit=x&profile=user_id:\xff",
    b"after=p_zz",
    b"after=p_" + b"f" * 40,
    b"journey=%00%ff&journey=2",
    b"journey=welcome",
    b"profile=profile_id:" + b"9" * 30,
    b"profile=p_ffffffffffffffff",
    b"seconds=nan",
    b"&&==%%%",
    b"key=\xff",
    b"status=\x00",
)


def garbage(rng: random.Random) -> bytes:
    """Bytes of many kinds: noise, broken JSON, JSON of wrong shapes, packed noise."""
    noise = rng.randbytes(rng.randrange(60))
    valid = b'{"batch":[{"type":"track","event":"x","userId":"u","properties":{"a":[1,2.5,null]}}]}'
    kinds: tuple[bytes, ...] = (
        b"",
        noise,
        b"[" * rng.randrange(1, 3_000),
        b'{"batch":' + b"[" * rng.randrange(1, 400_000 // 2),
        b'{"batch":[' + noise + b"]}",
        gzip.compress(noise),
        gzip.compress(valid)[: rng.randrange(1, 60)],
        b"\x1f\x8b" + noise,
        valid[: rng.randrange(len(valid))],
        flipped(valid, rng),
        flipped(b'{"now":"2026-01-06T00:00:00Z"}', rng),
        b'{"event":"x","userId":"u","properties":{"n":1.00000000000000000001e999}}',
        b'{"event":"x","userId":"u","properties":{"n":' + b"9" * rng.randrange(1, 9_000) + b"}}",
        b'{"event":"x","userId":"u","sentAt":"0001-01-01","timestamp":"9999-12-31T23:59:59Z"}',
        b'{"event":"x","userId":"u","timestamp":"0001-01-01T00:00:00+23:59"}',
        b'{"now":"9999-12-31T23:59:59-23:59"}',
        b'{"now":5}',
        b'{"event":"\\ud800","userId":"u"}',
        b"\xef\xbb\xbf{}",
        "{}".encode("utf-16"),
    )
    return rng.choice(kinds)


def flipped(data: bytes, rng: random.Random) -> bytes:
    """Change a few bytes."""
    changed = bytearray(data)
    for _ in range(rng.randrange(1, 4)):
        changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


@pytest.mark.parametrize("part", range(6))
def test_garbage_gets_an_answer_below_500_that_says_why(server: InProcessServer, part: int) -> None:
    rng = random.Random(SEED + part)
    server.publish()
    server.ask("POST", "/v1/identify", {"userId": "1", "traits": {"country": "CH"}}, WRITE)
    server.settle()
    for _ in range(500):
        if rng.random() < 0.5:
            path = "/v1/" + rng.choice(list(CALLS))
        else:
            path = rng.choice(PATHS).format(rng.choice(WORDS))
        method = rng.choice(("POST", "POST", "GET", "GET", "PUT", "DELETE", "OPTIONS", "HEAD", "X"))
        headers: dict[str, str] = dict(rng.choice(({}, WRITE, ADMIN, ADMIN)))
        if rng.random() < 0.3:
            headers |= rng.choice(BAD_HEADERS)
        body, query = garbage(rng), rng.choice(QUERIES)
        reply = server.ask(method, path, body, headers, query, chunks=rng.randrange(1, 4))
        told: Any = (method, path, body[:200], headers, query[:200], reply)
        assert reply.status < 500, told
        if reply.status >= 400 and reply.headers["content-type"].startswith("application/json"):
            assert reply.json["request_id"], told
            assert {"field", "value", "rule", "message", "mend"} <= set(reply.error), told
    assert server.ask("GET", "/health").status == 200
