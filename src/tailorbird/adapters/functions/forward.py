"""Handing calls on to a Tailorbird server, and what its answers mean for a queue."""

from __future__ import annotations

import http.client
import json
import os
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 20.0
# Below the server's limit of a request, with room for the frame around the calls.
BATCH_BYTES_MAX = 450 * 1024
BATCH_ITEMS_MAX = 2_500


@dataclass(frozen=True, slots=True)
class Request:
    """A request to hand on; `path` may hold a query."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Reply:
    """The server's answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes


Forward = Callable[[Request], Reply]


class NotConfigured(RuntimeError):
    """An environment variable is missing or wrong; the text says which and how to set it."""


class NotTaken(RuntimeError):
    """The server did not take everything: the same message is to be delivered again."""


def from_environment() -> Forward:
    """Return what hands on to TAILORBIRD_URL with TAILORBIRD_WRITE_KEY.

    Raises:
        NotConfigured: one of the two is missing or wrong.
    """
    url = os.environ.get("TAILORBIRD_URL", "")
    key = os.environ.get("TAILORBIRD_WRITE_KEY", "")
    if not key:
        raise NotConfigured(
            "TAILORBIRD_WRITE_KEY is not set; `tailorbird init` printed the write key"
        )
    return http_forward(url, key)


def http_forward(url: str, write_key: str) -> Forward:
    """Return what hands requests on to a server; those without a key of their own get ours.

    Raises:
        NotConfigured: the URL is none.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise NotConfigured(
            f"TAILORBIRD_URL is {url!r}, which is no URL; set it such as https://events.shop.example"
        )
    prefix = parts.path.rstrip("/")
    basic = "Basic " + b64encode(f"{write_key}:".encode()).decode()

    def forward(request: Request) -> Reply:
        make = (
            http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        )
        connection = make(parts.hostname or "", parts.port, timeout=TIMEOUT_SECONDS)
        try:
            headers = {"authorization": basic, **request.headers}
            connection.request(request.method, prefix + request.path, request.body, headers)
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Reply(response.status, found, response.read())
        except (OSError, http.client.HTTPException) as problem:
            error = {
                "rule": "unreachable",
                "message": f"the Tailorbird server does not answer ({type(problem).__name__})",
                "mend": "Send the same request again; look at TAILORBIRD_URL if it goes on.",
            }
            headers = {"content-type": "application/json", "retry-after": "1"}
            return Reply(503, headers, json.dumps({"error": error}).encode())
        finally:
            connection.close()

    return forward


# What belongs to the way to us, not to the way from us on.
_OWN_HEADERS = frozenset(
    {"connection", "content-length", "host", "keep-alive", "te", "transfer-encoding", "upgrade"}
)


def headers_of(given: Mapping[str, Any] | None) -> dict[str, str]:
    """Return a request's headers to hand on, names in small letters."""
    found = {name.lower(): str(value) for name, value in (given or {}).items()}
    return {name: value for name, value in found.items() if name not in _OWN_HEADERS}


def hand_on(messages: Sequence[tuple[str, bytes]], forward: Forward) -> list[str]:
    """Hand messages of a queue on, in order; return the ids of those that were not taken.

    Each is a Segment call, or an object with `batch`. Ids name messages where they do not name
    themselves, so that a message that comes again counts once. What the server refuses counts as
    taken: it lies among its dead letters.
    """
    failed: list[str] = []
    waiting: list[tuple[str, bytes]] = []
    size = 0
    for message_id, data in messages:
        call = _call(message_id, data)
        if call is None:
            failed += _send(waiting, forward)
            waiting, size = [], 0
            failed += _send_alone(message_id, data, forward)
            continue
        if waiting and (size + len(call) > BATCH_BYTES_MAX or len(waiting) == BATCH_ITEMS_MAX):
            failed += _send(waiting, forward)
            waiting, size = [], 0
        waiting.append((message_id, call))
        size += len(call) + 1
    return failed + _send(waiting, forward)


def _call(message_id: str, data: bytes) -> bytes | None:
    """Return one call with an id; None for batches and for what is no call."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    if "batch" in found:
        return None
    if found.get("messageId"):
        return data.strip()
    return json.dumps({**found, "messageId": message_id}).encode()


def _send(calls: Sequence[tuple[str, bytes]], forward: Forward) -> list[str]:
    if not calls:
        return []
    body = b'{"batch":[' + b",".join(data for _, data in calls) + b"]}"
    reply = forward(_request(body))
    items = _items(reply)
    if items is None or len(items) != len(calls):
        if reply.status in (400, 413):
            # Refused as a whole, for the sake of one: each for itself, so that it is that one.
            if len(calls) == 1:
                return []
            return [one for call in calls for one in _send([call], forward)]
        return [message_id for message_id, _ in calls] if reply.status != 200 else []
    return [
        message_id
        for (message_id, _), item in zip(calls, items, strict=True)
        if item.get("status") == "retry"
    ]


def _send_alone(message_id: str, data: bytes, forward: Forward) -> list[str]:
    reply = forward(_request(_with_ids(message_id, data)))
    return [] if reply.status in (200, 400, 413) else [message_id]


def _with_ids(message_id: str, data: bytes) -> bytes:
    """Give the calls of a batch ids by their places."""
    try:
        found = json.loads(data)
        calls = found["batch"]
        named = [
            {**call, "messageId": call.get("messageId") or f"{message_id}-{index}"}
            if isinstance(call, dict)
            else call
            for index, call in enumerate(calls)
        ]
        return json.dumps({**found, "batch": named}).encode()
    except (ValueError, KeyError, TypeError, RecursionError):
        return data  # the server tells what is wrong with it, and keeps it


def _request(body: bytes) -> Request:
    return Request("POST", "/v1/batch", {"content-type": "application/json"}, body)


def _items(reply: Reply) -> list[dict[str, Any]] | None:
    try:
        items = json.loads(reply.body)["items"]
    except (ValueError, KeyError, TypeError):
        return None
    return items if isinstance(items, list) else None
