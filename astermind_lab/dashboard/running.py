"""Everything that ``astermind up`` starts, and its end.

What runs beside the dashboards is a context manager that is entered after them and left before
them: JupyterLab is one.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from urllib.parse import urlencode

from astermind_lab.dashboard import hub, pages
from astermind_lab.dashboard.browser import opened
from astermind_lab.dashboard.jupyterlab import jupyterlab
from astermind_lab.dashboard.listening import Listening
from astermind_lab.dashboard.serving import serving
from astermind_lab.lab import Lab

__all__ = ["Wish", "run"]

_CLOSE_SECONDS = 5.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Wish:
    """What is started besides the dashboards.

    jupyter : where JupyterLab is to listen; None is no JupyterLab
    """

    browser: bool = False
    jupyter: Listening | None = None


def run(
    lab: Lab, listening: Listening, token: str | None, wish: Wish, say: Callable[[str, str], None]
) -> None:
    """Serve the dashboards of this lab until SIGINT, SIGTERM or SIGHUP.

    A second signal ends the waiting for what is slow to end.
    token : what a browser has to show; None is nothing
    say : called with what runs and its address, as soon as it answers
    """
    hub.use(lambda: lab)
    try:
        with suppress(asyncio.CancelledError):
            asyncio.run(_serve(lab, listening, token, wish, say))
    finally:
        _let_go(lab, listening)


async def _serve(
    lab: Lab, listening: Listening, token: str | None, wish: Wish, say: Callable[[str, str], None]
) -> None:
    import_module("astermind_lab.dashboard.charts")  # so that the first page need not wait for it
    files = {page.name: page.path for page in pages.listed()}
    shown = f"?{urlencode({'token': token})}" if token is not None else ""
    with _cancelled_by_signals():
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(serving(files, listening, token))
            say("dashboards", f"{listening.url}/{shown}")
            if wish.jupyter is not None:
                running = jupyterlab(lab.settings, wish.jupyter)
                say("JupyterLab", await stack.enter_async_context(running))
            say("lab", lab.url)
            if wish.browser:
                stack.enter_context(opened(f"{listening.url_here}/{shown}"))
            await asyncio.Event().wait()


def _let_go(lab: Lab, listening: Listening) -> None:
    """Close the lab; ends this process if that takes long, because its database is away.

    What was logged is on disk by then, and the next program stores it.
    """

    def close() -> None:
        hub.close()
        lab.close()

    closing = threading.Thread(target=close, daemon=True)
    closing.start()
    closing.join(_CLOSE_SECONDS)
    if closing.is_alive():
        _log.warning("the database is away: ended without it")
        listening.close()
        os._exit(0)


@contextmanager
def _cancelled_by_signals() -> Iterator[None]:
    """In the block, signals to end cancel the current task."""
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    assert task is not None
    ends = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # as nohup wants it
        ends.append(signal.SIGHUP)
    for number in ends:
        loop.add_signal_handler(number, task.cancel)
    try:
        yield
    finally:
        for number in ends:
            loop.remove_signal_handler(number)
