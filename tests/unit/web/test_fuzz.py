"""Whatever bytes arrive on whatever route: an answer below 500 in the one shape of errors."""

from __future__ import annotations

import gzip
import json
import os
import random
from typing import Any

import pytest

from tailorbird.testing.in_process import ADMIN, WRITE, InProcessServer
from tailorbird.web.collect import CALLS

SEED = int(os.environ.get("TAILORBIRD_SEED", "20261123"))
# 20,000 requests and items in the normal run, a million with TAILORBIRD_EFFORT=50.
EFFORT = int(os.environ.get("TAILORBIRD_EFFORT", "1"))
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
        gzip.compress(noise, mtime=0),
        gzip.compress(valid, mtime=0)[: rng.randrange(1, 60)],
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
    for _ in range(1_500 * EFFORT):
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


def strange_value(rng: random.Random, depth: int = 0) -> Any:
    """A value that some client might send for anything."""
    if depth < 4 and rng.random() < 0.2:
        items = [strange_value(rng, depth + 1) for _ in range(rng.randrange(4))]
        return items if rng.random() < 0.5 else {f"k{i}": one for i, one in enumerate(items)}
    return rng.choice(
        (
            None,
            True,
            "",
            " ",
            "null",
            0,
            -1,
            1 << 70,
            1.5,
            1e300,
            "track",
            "e\u0301",
            "\ud800",
            "\x00",
            "x" * rng.choice((10, 600, 40_000)),
            "2026-01-05T09:00:00Z",
            "0001-01-01",
            "99999-01-01",
            "a@b.example",
            "+41 44 668 18 00",
        )
    )


def strange_item(rng: random.Random) -> Any:
    """A call with some of its fields replaced, left out or added."""
    if rng.random() < 0.03:
        return strange_value(rng)
    item: dict[str, Any] = {
        "type": rng.choice(("track", "track", "identify", "page", "screen", "group", "alias")),
        "event": "Order Completed",
        "userId": f"u{rng.randrange(20)}",
        "anonymousId": f"a{rng.randrange(20)}",
        "messageId": f"m{rng.randrange(1 << 40)}",
        "timestamp": "2026-01-05T09:00:00Z",
        "properties": {"revenue": 12.5, "products": [{"product_id": "p", "price": 3}]},
        "traits": {"email": "a@b.example", "phone": "+41446681800"},
        "context": {"ip": "203.0.113.7", "userAgent": "Mozilla/5.0", "timezone": "Europe/Zurich"},
        "previousId": f"a{rng.randrange(20)}",
        "groupId": "g",
        "name": "Home",
    }
    for _ in range(rng.choice((0, 1, 1, 2, 4))):
        key = rng.choice((*item, "originalTimestamp", "sentAt", "integrations", "k"))
        if rng.random() < 0.3:
            item.pop(key, None)
        elif isinstance(item.get(key), dict) and rng.random() < 0.7:
            item[key][rng.choice((*item[key], "k"))] = strange_value(rng)
        else:
            item[key] = strange_value(rng)
    return item


@pytest.mark.parametrize("part", range(4))
def test_of_each_item_it_is_told_what_became_of_it(server: InProcessServer, part: int) -> None:
    """What is taken lies in the log, what is refused among the dead letters; nothing else is."""
    rng = random.Random(SEED + part)
    server.publish()
    for _ in range(140 * EFFORT):
        items = [strange_item(rng) for _ in range(rng.randrange(1, 40))]
        before_log, before_letters = server.log.end(), sum(server.dead_letters.counts().values())
        reply = server.ask("POST", "/v1/batch", json.dumps({"batch": items}).encode(), WRITE)
        if reply.status == 413:
            assert server.log.end() == before_log
            assert sum(server.dead_letters.counts().values()) == before_letters + 1
            continue
        assert reply.status in (200, 400), reply
        told = [one["status"] for one in reply.json["items"]]
        assert len(told) == len(items)
        refused = told.count("refused")
        assert (reply.status == 400) == (refused > 0)
        assert sum(server.dead_letters.counts().values()) - before_letters == refused
        stored = server.log.read(before_log, 1_000)
        assert sum(one.kind in ("event", "noisy") for one in stored) == told.count("ok")
        for one in reply.json["items"]:
            if one["status"] == "refused":
                assert {"field", "value", "rule", "message", "mend"} <= set(one), one
    server.settle()  # strictly: whatever was taken can be reduced
    assert server.ask("GET", "/health").status == 200
