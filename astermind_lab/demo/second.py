"""The same model asked by a second process, which opens the lab and reads it from there."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from astermind_lab.errors import AsterMindError

if TYPE_CHECKING:
    from astermind_lab.settings import Settings

__all__ = ["ask_second_process"]

_PATIENCE_SECONDS = 300


def ask_second_process(
    model_id: str,
    version: str,
    texts: Sequence[str],
    url: str,
    settings: Settings,
    log: bool = False,
) -> list[tuple[str, float]]:
    """Label and probability of each text, as ``astermind predict-many`` answers.

    log : whether it writes its answers to the prediction log

    The process finds a password where this one found it, in the environment or the settings file.
    Raises AsterMindError with the reason that it gave, if it fails.
    """
    place = settings.database
    command = [sys.executable, "-m", "astermind_lab", "--url", url]
    command += ["--namespace", place.namespace, "--database", place.database]
    command += ["--username", place.username] if place.username else []
    command += ["predict-many", "--model-id", model_id, "--version", version]
    command += ["--texts", "-", "--log-prediction" if log else "--no-log-prediction", "--json"]
    try:
        done = subprocess.run(
            command,
            input=json.dumps(list(texts)),
            capture_output=True,
            encoding="utf-8",
            timeout=_PATIENCE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise AsterMindError(
            f"the second process did not answer in {_PATIENCE_SECONDS} s"
        ) from None
    if done.returncode != 0:
        raise AsterMindError(f"the second process failed: {done.stderr.strip()[-500:]}")
    answers = json.loads(done.stdout)["predictions"]
    return [(answer["category"], answer["confidence"]) for answer in answers]
