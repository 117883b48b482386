"""One thread for an event loop: what blocks runs there, one call after the other."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

_Found = TypeVar("_Found")
_Call = tuple[Callable[[], Any], "asyncio.Future[Any]"]


class OneThread:
    """Begins when it is first needed. A small part of the cost of `asyncio.to_thread`, which makes
    a context, a work item and two futures for each call: under load there are a thousand a second.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._calls: SimpleQueue[_Call | None] | None = None

    async def run(self, act: Callable[[], _Found]) -> _Found:
        """Call something there and wait for what it returns or raises."""
        if self._calls is None:
            self._calls = SimpleQueue()
            threading.Thread(
                target=_work, args=(self._calls,), name=self._name, daemon=True
            ).start()
        future: asyncio.Future[_Found] = asyncio.get_running_loop().create_future()
        self._calls.put((act, future))
        return await future

    def close(self) -> None:
        """Let the thread end when it has done what it was given."""
        if self._calls is not None:
            self._calls.put(None)
            self._calls = None


def _work(calls: SimpleQueue[_Call | None]) -> None:
    while (call := calls.get()) is not None:
        act, future = call
        found, problem = None, None
        try:
            found = act()
        except BaseException as raised:  # noqa: BLE001  # who waits is told
            problem = raised
        # A loop that is closed has nobody who waits.
        with contextlib.suppress(RuntimeError):
            future.get_loop().call_soon_threadsafe(_settle, future, found, problem)
        del call, act, future, found, problem  # nothing is held on to while there is nothing to do


def _settle(future: asyncio.Future[Any], found: Any, problem: BaseException | None) -> None:
    if future.done():
        return  # who waited was cancelled
    if problem is not None:
        future.set_exception(problem)
    else:
        future.set_result(found)
