"""The least that a server can do with a batch: granian, msgspec, no checks, no disk.

The baseline of `benchmarks.ingest`: what HTTP and decoding cost by themselves.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

Message = dict[str, Any]


class _Batch(msgspec.Struct):
    batch: list[dict[str, Any]]


_decode = msgspec.json.Decoder(_Batch).decode
_decode_one = msgspec.json.Decoder(dict[str, Any]).decode


async def app(
    scope: Message,
    receive: Callable[[], Awaitable[Message]],
    send: Callable[[Message], Awaitable[None]],
) -> None:
    """Decode and say yes."""
    if scope["type"] != "http":
        return
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    if scope["path"] == "/v1/batch":
        _decode(body)
    elif body:
        _decode_one(body)
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"16")]}
    )
    await send({"type": "http.response.body", "body": b'{"success":true}'})


def main() -> None:
    """Serve on the port that is given."""
    import uvloop
    from granian.constants import Interfaces
    from granian.server.embed import Server

    server = Server(app, address="127.0.0.1", port=int(sys.argv[1]), interface=Interfaces.ASGI)
    uvloop.run(server.serve())


if __name__ == "__main__":
    main()
