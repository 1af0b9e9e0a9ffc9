"""JupyterLab as a child of this process, on the same lab."""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from astermind_lab.dashboard.listening import Listening, listen
from astermind_lab.errors import AsterMindError, InvalidInput
from astermind_lab.settings import Settings

__all__ = ["environment", "jupyterlab", "place_for"]

_USUAL_PORT = 8888
_START_SECONDS = 60.0
_STOP_SECONDS = 10.0
_STEP_SECONDS = 0.1


def place_for(host: str, port: int | None = None) -> Listening:
    """A place that is free now, and will be when JupyterLab takes it a moment later.

    port : None is 8888, or a free one     Raises InvalidInput("jupyter_port") if it is taken.
    """
    try:
        place = listen(host, _USUAL_PORT if port is None else port)
    except InvalidInput as error:
        if port is not None:
            message = str(error).removeprefix("port: ").replace("--port", "--jupyter-port")
            raise InvalidInput("jupyter_port", message) from None
        place = listen(host, 0)
    place.close()
    return place


@asynccontextmanager
async def jupyterlab(settings: Settings, place: Listening) -> AsyncIterator[str]:
    """Run JupyterLab while the block runs; its address, with the token that it asks for.

    It opens the current folder, and writes to the file ``jupyterlab.log`` of the data folder.
    settings : those that notebooks will find     place : where it listens, see ``place_for``
    Raises AsterMindError if it does not start.
    """
    token = secrets.token_urlsafe()
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    log = settings.data_dir / "jupyterlab.log"
    with log.open("wb") as lines:
        process = await asyncio.create_subprocess_exec(
            *_command(place),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=lines,
            stderr=lines,
            env=os.environ | environment(settings) | {"JUPYTER_TOKEN": token},
            start_new_session=True,  # Ctrl-C is for this process, which then ends that one
        )
    try:
        await _answering(process, place, log)
        yield f"{place.url}/lab?token={token}"
    finally:
        await _end(process)


def environment(settings: Settings) -> dict[str, str]:
    """These settings for another process, wherever it stands: where the lab is, and who asks."""
    database = settings.database
    password = database.password
    said = {
        "DATA_DIR": str(settings.data_dir),
        "DATABASE__URL": database.url,
        "DATABASE__NAMESPACE": database.namespace,
        "DATABASE__DATABASE": database.database,
        "DATABASE__USERNAME": database.username,
        "DATABASE__PASSWORD": password.get_secret_value() if password is not None else None,
    }
    return {f"ASTERMIND_{name}": value for name, value in said.items() if value is not None}


def _command(place: Listening) -> list[str]:
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", f"--ip={place.host}"]
    command += [f"--port={place.port}", "--ServerApp.port_retries=0"]
    if os.geteuid() == 0:  # which JupyterLab has to be told once more
        command.append("--allow-root")
    return command


async def _answering(process: asyncio.subprocess.Process, place: Listening, log: Path) -> None:
    """Wait until it takes connections."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _START_SECONDS
    while process.returncode is None and loop.time() < deadline:
        try:
            _, writer = await asyncio.open_connection(place.reachable, place.port)
        except OSError:
            await asyncio.sleep(_STEP_SECONDS)
        else:
            writer.close()
            return
    raise AsterMindError(f"JupyterLab did not start; {log} says why: {_last_line(log)}")


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), _STOP_SECONDS)
        except TimeoutError:
            process.kill()
            await process.wait()


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "nothing")
