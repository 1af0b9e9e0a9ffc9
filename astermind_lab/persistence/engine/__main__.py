"""The process of a local engine: ``python -m astermind_lab.persistence.engine DATA_DIR``."""

from __future__ import annotations

import argparse
import asyncio
import logging
import logging.handlers
import sys
from importlib.util import find_spec
from pathlib import Path

from astermind_lab.errors import AsterMindError
from astermind_lab.persistence.engine.launch import LAST_WORDS
from astermind_lab.persistence.engine.place import Place

__all__ = ["main"]

_LOG_BYTES = 1_000_000
_LOG_LINE = "%(asctime)s %(process)d %(levelname)s %(message)s"

_log = logging.getLogger("astermind_lab.persistence.engine")


def main() -> int:
    """Run an engine until it stops; exit code 1 if it could not start."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--idle-seconds", type=float, default=600.0)
    parser.add_argument("--kind", choices=["auto", "embedded", "surreal"], default="auto")
    options = parser.parse_args()
    place = Place(options.data_dir)
    place.make()
    handler = logging.handlers.RotatingFileHandler(
        place.log, maxBytes=_LOG_BYTES, backupCount=1, encoding="utf-8"
    )
    logging.basicConfig(level=logging.INFO, format=_LOG_LINE, handlers=[handler])
    logging.getLogger("websockets").setLevel(logging.ERROR)
    try:
        _run(place, options.port, options.idle_seconds, _kind(options.kind))
    except (AsterMindError, OSError) as problem:
        return _give_up(str(problem))
    except Exception as problem:  # the engine raises plain errors
        _log.exception("could not go on")
        return _give_up(f"{type(problem).__name__}: {problem}")
    return 0


def _kind(wanted: str) -> str:
    """What ``auto`` means here: the embedded database, where its package can be loaded."""
    if wanted != "auto":
        return wanted
    return "embedded" if find_spec("surrealdb_embedded") else "surreal"


def _run(place: Place, port: int, idle_seconds: float, kind: str) -> None:
    from astermind_lab.persistence.engine.server import EngineServer
    from astermind_lab.persistence.loop_thread import CountingLoop

    async def work() -> None:
        await EngineServer(place, port, idle_seconds, kind).run()

    loop = CountingLoop()
    try:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(work())
    finally:
        loop.wait_for_callers(10.0)


def _give_up(reason: str) -> int:
    """Say why, in the log and to whoever started this."""
    line = " ".join(reason.split())
    _log.error("could not start: %s", line)
    print(f"{LAST_WORDS}{line}", file=sys.stderr, flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main())
