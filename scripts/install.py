"""Make the virtual environment that the Makefile works in, and install the lab into it.

    python scripts/install.py .venv demo

The last word is the extra to install. When all is well, ``.venv/.ready-demo`` is written, so that
make knows. Needs nothing outside the standard library, and only shows how far it has got: what pip
says goes to ``.venv/install.log``, and is shown when it fails.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import venv
from pathlib import Path

OLDEST = (3, 11)
INCLUDED = {"test": ["demo"]}
ATTEMPTS = 3
DEBIAN_HINT = "On Debian and Ubuntu, 'apt install python3-venv' brings what a Python may lack here."


def main(folder: Path, extra: str) -> None:
    """Create or repair the environment, install the extra, leave the mark; exit 1 on failure."""
    if sys.version_info < OLDEST:
        stop(f"Python 3.11 or newer is needed, {sys.executable} is {sys.version.split()[0]}.")
    python = folder / "bin" / "python"
    if not works(python):
        create(folder)
    install(python, extra, folder / "install.log")
    for name in [extra, *INCLUDED.get(extra, [])]:
        (folder / f".ready-{name}").touch()


def works(python: Path) -> bool:
    """Whether that interpreter runs and is new enough."""
    return runs(python, "-c", f"import sys; sys.exit(sys.version_info < {OLDEST})")


def runs(python: Path, *arguments: str) -> bool:
    try:
        return subprocess.run([python, *arguments], capture_output=True).returncode == 0
    except OSError:
        return False


def create(folder: Path) -> None:
    say(f"making {folder} with Python {sys.version.split()[0]}")
    try:
        venv.create(folder, with_pip=True, clear=True)
    except (subprocess.CalledProcessError, OSError) as error:
        stop(f"{folder} could not be made: {error}\n{DEBIAN_HINT}")


def install(python: Path, extra: str, log: Path) -> None:
    """Install the project in place, with that extra; a broken download is tried again."""
    if not runs(python, "-c", "import pip") and not runs(python, "-m", "ensurepip"):
        stop(f"{python} has no pip, and none could be put there.\n{DEBIAN_HINT}")
    quiet = ["--no-input", "--disable-pip-version-check"]
    patient = ["--retries", "10", "--timeout", "60"]
    command = [python, "-m", "pip", "install", *quiet, *patient, "--editable", f".[{extra}]"]
    say(f"installing the lab with its {extra} packages (once; what pip says is in {log})")
    for attempt in range(1, ATTEMPTS + 1):
        if run_showing_progress(command, log) == 0:
            return
        if attempt < ATTEMPTS:
            say(f"pip failed; attempt {attempt + 1} of {ATTEMPTS}")
    tail = log.read_text(encoding="utf-8", errors="replace").splitlines()[-20:]
    stop("\n".join([*tail, f"pip failed {ATTEMPTS} times; all it said is in {log}."]))


def run_showing_progress(command: list[str | Path], log: Path) -> int:
    """Run pip into the log, and keep one line on the terminal up to date; returns its exit code."""
    live = sys.stdout.isatty()
    packages = 0
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with (
        log.open("w", encoding="utf-8") as file,
        subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=environment,
        ) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            file.write(line)
            packages += line.startswith("Collecting ")
            step = re.match(r"\s*(Collecting|Downloading|Installing) \S+", line)
            if live and step:
                print(f"\r\033[K{packages:4} packages  {step[0].strip()[:60]}", end="", flush=True)
    if live:
        print("\r\033[K", end="", flush=True)
    return process.returncode


def say(text: str) -> None:
    print(text, flush=True)


def stop(text: str) -> None:
    """End with exit code 1 and that text, without a stack trace."""
    raise SystemExit(text)


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), sys.argv[2])
    except KeyboardInterrupt:
        stop("interrupted; the next make goes on from here")
