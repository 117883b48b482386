"""Frames come out as they went in, however the stream cuts them; calls run in one thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest

from tailorbird.adapters.socket.frames import (
    FRAME_BYTES_MAX,
    Frame,
    FrameReader,
    decode_text,
    pack_frame,
)
from tailorbird.adapters.socket.thread import OneThread


async def read_all(pieces: Sequence[bytes]) -> list[Frame]:
    reader = asyncio.StreamReader()
    incoming = FrameReader(reader)
    got: list[Frame] = []

    async def read() -> None:
        while found := await incoming.read():
            got.extend(found)

    reading = asyncio.create_task(read())
    for piece in pieces:
        reader.feed_data(piece)
        await asyncio.sleep(0)
    reader.feed_eof()
    await reading
    return got


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 100_000])
def test_frames_may_be_cut_anywhere(size: int) -> None:
    texts = ["", "one", "x" * 300, "two"]
    data = b"".join(pack_frame(number, "word", text) for number, text in enumerate(texts))
    pieces = [data[begin : begin + size] for begin in range(0, len(data), size)]
    got = asyncio.run(read_all(pieces))
    assert [(one.id, decode_text(one.body)) for one in got] == [*enumerate(texts)]


@pytest.mark.parametrize(
    "data",
    [
        pack_frame(1, "word", "text")[:-1],
        b"\x00\x00",
        (FRAME_BYTES_MAX + 1).to_bytes(4, "big") + b"x",
    ],
)
def test_what_is_no_frame_breaks_the_connection(data: bytes) -> None:
    with pytest.raises(ConnectionError):
        asyncio.run(read_all([data]))


def test_calls_run_in_one_thread_in_their_order_and_raise_to_who_waits() -> None:
    thread = OneThread("append")
    ran: list[tuple[int, int | None]] = []

    def note(number: int) -> int:
        ran.append((number, threading.get_ident()))
        if number == 3:
            raise ValueError("three")
        return number

    async def main() -> list[int | BaseException]:
        calls = [thread.run(lambda number=number: note(number)) for number in range(6)]
        found = await asyncio.gather(*calls, return_exceptions=True)
        gone = asyncio.create_task(thread.run(lambda: note(6)))
        await asyncio.sleep(0)
        gone.cancel()  # whoever does not wait any more harms nobody
        thread.close()
        return [*found, await thread.run(lambda: note(7))]

    found = asyncio.run(main())
    thread.close()
    assert [one for one in found if isinstance(one, int)] == [0, 1, 2, 4, 5, 7]
    assert isinstance(found[3], ValueError)
    assert [number for number, _ in ran if number < 6] == [*range(6)]
    assert len({ident for number, ident in ran if number < 6}) == 1
    assert threading.get_ident() not in {ident for _, ident in ran}
