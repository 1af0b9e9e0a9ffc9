"""How a client is opened: a folder with a log, twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from astermind_lab.persistence.target import Target

__all__ = ["open_client"]


async def open_client(make: Callable[[], Any], target: Target) -> Any:
    """A client that ``make`` made, connected; raises whatever the SDK does.

    It is made twice where there is a log, for the reason that ``has_log`` gives.
    """
    twice = target.has_log
    client = make()  # a folder is opened here
    await client.connect()
    if twice:
        await client.close()
        client = make()
        await client.connect()
    return client
