"""AWS Lambda: set the handler to `tailorbird.adapters.functions.aws.handler`.

It takes API Gateway (REST and HTTP APIs), function URLs, load balancers, and SQS.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from tailorbird.adapters.functions.forward import (
    Forward,
    Reply,
    Request,
    from_environment,
    hand_on,
    headers_of,
)


class UnknownEvent(ValueError):
    """An event of a service that is not handed on."""


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Hand on one invocation."""
    return handle(event, from_environment())


def handle(event: Mapping[str, Any], forward: Forward) -> dict[str, Any]:
    """Hand on one invocation by way of `forward`.

    Raises:
        UnknownEvent: it comes from a service that is none of the above.
    """
    if "Records" in event:
        return _queue(event["Records"], forward)
    if "http" in (event.get("requestContext") or {}):
        return _answer(forward(_second(event)))
    if "httpMethod" in event:
        return _answer(forward(_first(event)))
    keys = ", ".join(sorted(map(str, event))) or "none"
    raise UnknownEvent(
        f"the event has the keys {keys}; events of API Gateway, function URLs, load balancers and"
        " SQS are handed on"
    )


def _first(event: Mapping[str, Any]) -> Request:
    """REST APIs (payload version 1.0) and load balancers."""
    query = event.get("multiValueQueryStringParameters") or {
        name: [value] for name, value in (event.get("queryStringParameters") or {}).items()
    }
    headers = event.get("headers") or {
        name: values[-1] for name, values in (event.get("multiValueHeaders") or {}).items()
    }
    words = urlencode(query, doseq=True)
    path = event.get("path") or "/"
    return Request(
        event["httpMethod"], f"{path}?{words}" if words else path, headers_of(headers), _body(event)
    )


def _second(event: Mapping[str, Any]) -> Request:
    """HTTP APIs (payload version 2.0) and function URLs: the path holds a stage that has a name."""
    context = event["requestContext"]
    stage = f"/{context.get('stage', '$default')}"
    path = event.get("rawPath") or "/"
    if path.startswith(f"{stage}/"):
        path = path.removeprefix(stage)
    words = event.get("rawQueryString") or ""
    return Request(
        context["http"]["method"],
        f"{path}?{words}" if words else path,
        headers_of(event.get("headers")),
        _body(event),
    )


def _body(event: Mapping[str, Any]) -> bytes:
    body = event.get("body") or ""
    return b64decode(body) if event.get("isBase64Encoded") else str(body).encode()


def _answer(reply: Reply) -> dict[str, Any]:
    kept = ("content-type", "retry-after", "x-request-id")
    return {
        "statusCode": reply.status,
        "headers": {
            name: value
            for name, value in reply.headers.items()
            if name in kept or name.startswith("access-control-")
        },
        "body": reply.body.decode("utf-8", "replace"),
        "isBase64Encoded": False,
    }


def _queue(records: list[Mapping[str, Any]], forward: Forward) -> dict[str, Any]:
    """SQS, with partial batch responses: only what was not taken is delivered again."""
    strange = next((one for one in records if one.get("eventSource") != "aws:sqs"), None)
    if strange is not None:
        raise UnknownEvent(
            f"the records come from {json.dumps(strange.get('eventSource'))}; SQS is handed on"
        )
    failed = set(
        hand_on([(f"sqs-{one['messageId']}", one["body"].encode()) for one in records], forward)
    )
    ids = [one["messageId"] for one in records]
    kept = [one for one in ids if f"sqs-{one}" in failed]
    if kept and str(records[0].get("eventSourceARN", "")).endswith(".fifo"):
        # An ordered queue must not go on behind what was not taken.
        kept = ids[ids.index(kept[0]) :]
    return {"batchItemFailures": [{"itemIdentifier": one} for one in kept]}
