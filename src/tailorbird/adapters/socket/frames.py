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

# What a connection holds of frames that nobody has looked at yet.
READ_BYTES_MAX = 512 * 1024

_LENGTH = struct.Struct(">I")
_encode = msgspec.msgpack.Encoder().encode
_encode_into = msgspec.msgpack.Encoder().encode_into
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


def pack_frame(frame_id: int, word: str, value: object) -> bytearray:
    """Return the bytes of a frame."""
    frame = bytearray(_LENGTH.size)
    _encode_into(Frame(frame_id, word, _encode(value)), frame, _LENGTH.size)
    _LENGTH.pack_into(frame, 0, len(frame) - _LENGTH.size)
    return frame


class FrameReader:
    """Reads what has come of a stream at once, however many frames that is."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader
        self._data = bytearray()

    async def read(self) -> list[Frame]:
        """Return the frames that came; none at the end of the stream.

        Raises:
            ConnectionError: the last frame is cut short, or one is too long.
        """
        while not (found := self._cut()):
            more = await self._reader.read(READ_BYTES_MAX)
            if not more:
                if self._data:
                    raise ConnectionError("the stream ended inside a frame")
                return []
            self._data += more
        return found

    def _cut(self) -> list[Frame]:
        found, begin = list[Frame](), 0
        with memoryview(self._data) as data:
            while len(data) - begin >= _LENGTH.size:
                length: int = _LENGTH.unpack_from(data, begin)[0]
                if length > FRAME_BYTES_MAX:
                    raise ConnectionError(
                        f"a frame of {length} bytes; at most {FRAME_BYTES_MAX} are taken"
                    )
                end = begin + _LENGTH.size + length
                if end > len(data):
                    break
                with data[begin + _LENGTH.size : end] as payload:
                    found.append(_decode_frame(payload))
                begin = end
        del self._data[:begin]
        return found
