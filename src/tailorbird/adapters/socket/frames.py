"""Frames on the writer's socket: four bytes of length, then msgpack [id, method, body].

Requests carry a number that the answer repeats, so one connection serves many callers at once.
"""

from __future__ import annotations

import asyncio
import struct

import msgspec

from tailorbird.ports.event_log import Draft
from tailorbird.ports.log_writer import Answer, EventDraft

FRAME_BYTES_MAX = 64 * 1024 * 1024
WRITE, APPEND, NOW, SET_NOW = "write", "append", "now", "set_now"
OK, REFUSED = "ok", "refused"

_LENGTH = struct.Struct(">I")
_encode = msgspec.msgpack.Encoder().encode
decode_events = msgspec.msgpack.Decoder(list[EventDraft]).decode
decode_drafts = msgspec.msgpack.Decoder(list[Draft]).decode
decode_answers = msgspec.msgpack.Decoder(list[Answer]).decode
decode_number = msgspec.msgpack.Decoder(int).decode
decode_text = msgspec.msgpack.Decoder(str).decode


class Frame(msgspec.Struct, array_like=True, gc=False):
    """A request (`word` is the method) or an answer (`word` is ok or refused)."""

    id: int
    word: str
    body: bytes


_decode_frame = msgspec.msgpack.Decoder(Frame).decode


def pack_frame(frame_id: int, word: str, value: object) -> bytes:
    """Return the bytes of a frame."""
    payload = _encode(Frame(frame_id, word, _encode(value)))
    return _LENGTH.pack(len(payload)) + payload


async def read_frame(reader: asyncio.StreamReader) -> Frame | None:
    """Read one frame; None at the end of the stream.

    Raises:
        ConnectionError: the frame is cut short or too long.
    """
    try:
        head = await reader.readexactly(_LENGTH.size)
        length = _LENGTH.unpack(head)[0]
        if length > FRAME_BYTES_MAX:
            raise ConnectionError(f"a frame of {length} bytes; at most {FRAME_BYTES_MAX} are taken")
        return _decode_frame(await reader.readexactly(length))
    except asyncio.IncompleteReadError as problem:
        if problem.partial:
            raise ConnectionError("the stream ended inside a frame") from problem
        return None
