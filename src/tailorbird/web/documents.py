"""The OpenAPI document with the collect routes, and a readable page made of it without a CDN."""

from __future__ import annotations

import json
import re
from html import escape
from typing import Any

_CALLS = {
    "identify": "Say who somebody is: `userId` and/or `anonymousId`, `traits`.",
    "track": "Say what somebody did: `event`, `properties`.",
    "page": "Say which page somebody saw: `name`, `properties`.",
    "screen": "Say which screen of an app somebody saw.",
    "group": "Say to which group somebody belongs: `groupId`, `traits`.",
    "alias": "Say that `previousId` is the same person as `userId`.",
    "batch": "Many calls at once: `batch`, a list of messages with a `type` each.",
}
# Paths of links in mails: method, what it does, the status of a good answer.
_MAIL_LINKS = {
    "/t/o/{token}": ("get", "The pixel of a mail: tells that it was opened", 200),
    "/t/c/{token}": ("get", "A link of a mail: tells of the click and leads on", 302),
    "/u/{token}": ("post", "Leave a topic with one click (RFC 8058); GET only asks", 200),
}
_STYLE = """
:root{color-scheme:light dark;--ink:#1d2a33;--soft:#5d6b75;--line:#dfe3e6;--bg:#fff;--tint:#f5f7f8}
@media(prefers-color-scheme:dark){:root{--ink:#e7edf1;--soft:#9fb0bb;--line:#2e3b44;--bg:#141c21;
--tint:#1b252c}}
body{margin:0 auto;max-width:52rem;padding:3rem 1.25rem;font:16px/1.55 system-ui,sans-serif;
color:var(--ink);background:var(--bg)}h1{font-size:1.7rem}h2{margin:2.4rem 0 .6rem;font-size:1.1rem}
article{border:1px solid var(--line);border-radius:10px;margin:.6rem 0;padding:.75rem 1rem;
background:var(--tint)}code{font:14px ui-monospace,monospace}b.m{display:inline-block;width:3.6rem;
font:600 13px ui-monospace,monospace;color:#0f6b5c}p{margin:.3rem 0 0;color:var(--soft)}
td,th{text-align:left;padding:.1rem .9rem .1rem 0;font-size:.9rem;vertical-align:top}
"""


_HOOK = {
    "post": {
        "tags": ["collect"],
        "summary": "A webhook of the workspace's sources, signed as its sender signs.",
        "operationId": "post_hook",
        "security": [],
        "parameters": [
            {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}
        ],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"type": "object"}}},
        },
        "responses": {
            "200": {"description": "stored, known already, or none of ours"},
            "400": {"description": "no event; it is kept among the dead letters"},
            "401": {"description": "the signature is missing, wrong or too old"},
            "404": {"description": "there is no such webhook"},
            "413": {"description": "too large"},
            "503": {"description": "not stored, or its secret is not set; send again"},
        },
    }
}
_STREAM = {
    "get": {
        "tags": ["collect"],
        "summary": "A WebSocket on which each message is a call or a batch, answered one by one.",
        "operationId": "get_stream",
        "security": [],
        "parameters": [{"name": "write_key", "in": "query", "schema": {"type": "string"}}],
        "responses": {"101": {"description": "the WebSocket is open"}},
    }
}


def with_collect(schema: dict[str, Any]) -> dict[str, Any]:
    """Add the routes that stand before the framework; a summary is a sentence, not a name."""
    paths = schema.setdefault("paths", {})
    for methods in paths.values():
        for operation in methods.values():
            first = re.split(r"[.:;,] |[.:;,]$", operation.get("description", ""), maxsplit=1)[0]
            operation["summary"] = first.replace("`", "") or operation.get("summary", "")
    for call, text in _CALLS.items():
        paths[f"/v1/{call}"] = {
            "post": {
                "tags": ["collect"],
                "summary": text.replace("`", ""),
                "operationId": f"post_{call}",
                "security": [{"write": []}, {"admin": []}],
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": {"type": "object"}}},
                },
                "responses": {
                    "200": {"description": "stored, or known already"},
                    "400": {"description": "refused: field, value, rule and mend are named"},
                    "401": {"description": "the write key is missing or unknown"},
                    "413": {"description": "too large"},
                    "503": {"description": "not stored; send again after Retry-After seconds"},
                },
            }
        }
    _add_mail_links(paths)
    for path, text in (("/health", "Whether everything is ready"), ("/metrics", "Prometheus")):
        paths[path] = {
            "get": {
                "tags": ["operation"],
                "summary": text,
                "operationId": path[1:],
                "security": [],
                "responses": {"200": {"description": text}},
            }
        }
    paths["/v1/live"] = {
        "get": {
            "tags": ["operation"],
            "summary": "The overview once a second, as server-sent events",
            "operationId": "get_live",
            "responses": {
                "200": {"description": "a stream", "content": {"text/event-stream": {}}},
                "401": {"description": "the admin key is missing or unknown"},
                "429": {"description": "too many streams are open"},
            },
        }
    }
    paths["/v1/hooks/{name}"] = _HOOK
    paths["/v1/stream"] = _STREAM
    clock = paths.get("/v1/clock", {}).get("post")
    if clock is not None:
        properties = {"now": {"type": "string", "format": "date-time"}}
        body = {"type": "object", "required": ["now"], "properties": properties}
        clock["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return schema


def _add_mail_links(paths: dict[str, Any]) -> None:
    for path, (method, text, status) in _MAIL_LINKS.items():
        paths.setdefault(path, {})[method] = {
            "tags": ["links in mails"],
            "summary": text,
            "operationId": f"{method}_{path.removesuffix('/{token}').strip('/').replace('/', '_')}",
            "security": [],
            "parameters": [
                {"name": "token", "in": "path", "required": True, "schema": {"type": "string"}}
            ],
            "responses": {
                str(status): {"description": text},
                "404": {"description": "the link was not made here or was cut off"},
            },
        }


def page(document: bytes) -> bytes:
    """Return a page that lists all routes with what they take."""
    schema = json.loads(document)
    groups: dict[str, list[str]] = {}
    for path, methods in sorted(schema["paths"].items()):
        for method, operation in methods.items():
            tag = (operation.get("tags") or ["other"])[0]
            groups.setdefault(tag, []).append(_article(path, method, operation))
    body = "".join(
        f"<h2>{escape(tag.capitalize())}</h2>{''.join(articles)}"
        for tag, articles in sorted(groups.items(), key=lambda item: item[0] != "collect")
    )
    html = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport"'
        f' content="width=device-width,initial-scale=1"><title>Tailorbird API</title>'
        f"<style>{_STYLE}</style></head><body><h1>Tailorbird API</h1><p>Collect calls take the"
        " write key (Basic user name, bearer token or <code>writeKey</code> in the body); all"
        " others the admin key as a bearer token. The machine-readable form is at"
        ' <a href="/openapi.json">/openapi.json</a>.</p>'
        f"{body}</body></html>"
    )
    return html.encode()


def _article(path: str, method: str, operation: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(one['name'])}</code></td><td>{escape(one['in'])}</td>"
        f"<td>{escape(one.get('schema', {}).get('type', ''))}</td></tr>"
        for one in operation.get("parameters", [])
    )
    text = operation.get("description") or operation.get("summary") or ""
    table = f"<table>{rows}</table>" if rows else ""
    return (
        f'<article><b class="m">{method.upper()}</b> <code>{escape(path)}</code>'
        f"<p>{escape(text)}</p>{table}</article>"
    )
