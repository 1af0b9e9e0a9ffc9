"""Processes that subscribe to the prediction log, and say how long each row took to reach them.

The writer puts the time before its write into the row, as ``metadata.sent`` in nanoseconds. A
subscriber is told what to do in one line of JSON on its standard input, prints "ready", and at the
end the delays in ms as a list.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

_PATIENCE_SECONDS = 120.0


@contextmanager
def subscribers(
    kind: str, where: Mapping[str, str], many: int, processes: int, rows: int
) -> Iterator[Callable[[], list[float]]]:
    """So many subscribers, spread over processes; call what you get for the delays of all.

    kind : "SDK live" or "lab.watch"     where : url, and for the SDK username and password
    """
    task = {"kind": kind, "many": many // processes, "rows": rows, **where}
    helpers = [_start(task) for _ in range(processes)]

    def delays() -> list[float]:
        found: list[float] = []
        for helper in helpers:
            found += json.loads(helper.communicate(timeout=_PATIENCE_SECONDS)[0])
        return found

    try:
        for helper in helpers:
            if helper.stdout is None or helper.stdout.readline() != "ready\n":
                raise RuntimeError("a subscriber did not get ready")
        yield delays
    finally:
        for helper in helpers:
            helper.kill()
            helper.communicate()


def _start(task: Mapping[str, Any]) -> subprocess.Popen[str]:
    """The password goes through standard input: arguments stand in the list of processes."""
    helper = subprocess.Popen(
        [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    if helper.stdin is not None:
        helper.stdin.write(json.dumps(task) + "\n")
        helper.stdin.flush()
    return helper


def _delay(row: Mapping[str, Any]) -> float:
    return float(time.time_ns() - row["metadata"]["sent"]) / 1e6


async def _by_sdk(task: Mapping[str, Any]) -> list[float]:
    """Each subscription on a socket of its own."""
    from surrealdb import AsyncSurreal

    async def receive(notifications: Any) -> list[float]:
        found: list[float] = []
        async for one in notifications:
            found.append(_delay(one["result"]))
            if len(found) == task["rows"]:
                break
        return found

    clients, streams = [], []
    for _ in range(task["many"]):
        client: Any = AsyncSurreal(task["url"])
        await client.connect()
        await client.signin({"username": task["username"], "password": task["password"]})
        await client.use("astermind", "lab")
        streams.append(await client.subscribe_live(await client.live("predictions")))
        clients.append(client)
    print("ready", flush=True)
    found = await asyncio.gather(*map(receive, streams))
    for client in clients:
        await client.close()
    return [delay for one in found for delay in one]


def _by_watch(task: Mapping[str, Any]) -> list[float]:
    """Each watch in a lab of its own, with a thread that is called back."""
    from astermind_lab import Lab

    found: list[float] = []
    with ExitStack() as stack:
        for _ in range(task["many"]):
            lab = stack.enter_context(Lab.open(task["url"]))
            watch = lab.watch("predictions", callback=lambda one: found.append(_delay(one.data)))
            stack.enter_context(watch)
        print("ready", flush=True)
        while len(found) < task["many"] * task["rows"]:
            time.sleep(0.05)
    return found


if __name__ == "__main__":
    told = json.loads(sys.stdin.readline())
    print(
        json.dumps(_by_watch(told) if told["kind"] == "lab.watch" else asyncio.run(_by_sdk(told)))
    )
