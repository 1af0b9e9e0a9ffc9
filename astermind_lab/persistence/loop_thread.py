"""An event loop in a thread of its own, so that any thread may wait for a coroutine."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError, Future, wait
from contextlib import suppress
from contextvars import Context
from typing import Any, TypeVar, TypeVarTuple

__all__ = ["CountingLoop", "LoopThread"]

# How long closing waits for requests that are still running.
_PATIENCE_SECONDS = 10.0

_log = logging.getLogger(__name__)

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class LoopThread:
    """Runs coroutines for other threads until it is stopped."""

    def __init__(self) -> None:
        self._loop = CountingLoop()
        self._lock = threading.Lock()
        self._running: set[Future[Any]] = set()
        self._stopping = False
        self._thread = threading.Thread(target=self._serve, name="astermind-store", daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        # The SDK leaves futures behind when a socket breaks; whoever asked has been told.
        self._loop.set_exception_handler(lambda _, found: _log.debug("%s", found.get("message")))
        try:
            self._loop.run_forever()
        finally:
            self._loop.close()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run the coroutine on the loop and wait for its result.

        Raises concurrent.futures.CancelledError once ``stop`` was called.
        """
        with self._lock:
            if self._stopping:
                work.close()
                raise CancelledError
            future = asyncio.run_coroutine_threadsafe(work, self._loop)
            self._running.add(future)
        try:
            return future.result()
        finally:
            with self._lock:
                self._running.discard(future)

    def spawn(self, work: Coroutine[Any, Any, None]) -> Future[None]:
        """Let the coroutine run on the loop by itself; ``stop`` cancels it.

        Raises concurrent.futures.CancelledError once ``stop`` was called.
        """
        with self._lock:
            if self._stopping:
                work.close()
                raise CancelledError
            return asyncio.run_coroutine_threadsafe(work, self._loop)

    def call(self, work: Callable[[], object]) -> None:
        """Call a function on the loop, soon; of no effect once the loop has ended."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(work)

    def stop(self, last: Coroutine[Any, Any, None] | None = None) -> None:
        """Refuse new work, let running work finish, do ``last``, end the rest and the thread."""
        with self._lock:
            self._stopping = True
            running = set(self._running)
        if threading.current_thread() is self._thread:  # collected while the loop was at work
            self._loop.create_task(self._end(last))
            return
        for late in wait(running, timeout=_PATIENCE_SECONDS).not_done:
            late.cancel()
        asyncio.run_coroutine_threadsafe(self._end(last), self._loop)
        self._thread.join(timeout=2 * _PATIENCE_SECONDS)
        self._loop.wait_for_callers(_PATIENCE_SECONDS)

    async def _end(self, last: Coroutine[Any, Any, None] | None) -> None:
        try:
            if last is not None:
                await asyncio.wait_for(last, _PATIENCE_SECONDS)
        finally:
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            if others:
                await asyncio.wait(others, timeout=_PATIENCE_SECONDS)
            self._loop.stop()


class CountingLoop(asyncio.SelectorEventLoop):
    """A loop that knows which foreign threads are handing it a result at this moment.

    The embedded engine delivers its answers from threads of its own. The answer can arrive here
    while such a thread still waits to get back into Python; should the program end in that moment,
    the engine aborts the whole process. So whoever closes waits until they all have left.
    """

    def __init__(self) -> None:
        super().__init__()
        self._callers = 0

    def call_soon_threadsafe(
        self,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.Handle:
        # No lock on purpose: leaving one is a point where a thread may be made to wait for its
        # turn, and after the subtraction nothing may keep this thread in Python.
        self._callers += 1
        try:
            return super().call_soon_threadsafe(callback, *args, context=context)
        finally:
            self._callers -= 1

    def wait_for_callers(self, seconds: float) -> None:
        """Return when no thread is inside ``call_soon_threadsafe``, at the latest after a while."""
        limit = time.monotonic() + seconds
        while self._callers and time.monotonic() < limit:
            time.sleep(0.0005)
