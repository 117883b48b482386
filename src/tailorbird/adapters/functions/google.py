"""Google Cloud Functions: entry points `http`, `pubsub` (second generation), `pubsub_first`."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from typing import Any

from tailorbird.adapters.functions.forward import (
    Forward,
    NotTaken,
    Request,
    from_environment,
    hand_on,
    headers_of,
)


def http(request: Any) -> tuple[bytes, int, dict[str, str]]:
    """Hand on an HTTP request, as the functions framework gives it (a request of Flask's)."""
    return handle_http(request, from_environment())


def pubsub(cloud_event: Any) -> None:
    """Hand on a message of Pub/Sub, as the functions framework gives it (a CloudEvent).

    Raises:
        NotTaken: it is to come again; switch retries on for the function.
    """
    message = cloud_event.data["message"]
    handle_message(message, str(message.get("messageId") or cloud_event["id"]), from_environment())


def pubsub_first(event: Mapping[str, Any], context: Any) -> None:
    """Hand on a message of Pub/Sub in the first generation's shape.

    Raises:
        NotTaken: it is to come again; switch retries on for the function.
    """
    handle_message(event, str(context.event_id), from_environment())


def handle_http(request: Any, forward: Forward) -> tuple[bytes, int, dict[str, str]]:
    """Hand on an HTTP request by way of `forward`."""
    words = request.query_string.decode("latin-1")
    reply = forward(
        Request(
            request.method,
            f"{request.path}?{words}" if words else request.path,
            headers_of(dict(request.headers)),
            request.get_data(),
        )
    )
    kept = ("content-type", "retry-after", "x-request-id")
    headers = {
        name: value
        for name, value in reply.headers.items()
        if name in kept or name.startswith("access-control-")
    }
    return reply.body, reply.status, headers


def handle_message(message: Mapping[str, Any], message_id: str, forward: Forward) -> None:
    """Hand on one message by way of `forward`; its data are a Segment call or a batch.

    Raises:
        NotTaken: it is to come again.
    """
    data = b64decode(message.get("data") or "")
    if hand_on([(f"pubsub-{message_id}", data)], forward):
        raise NotTaken(f"message {message_id} was not taken; Pub/Sub delivers it again")
