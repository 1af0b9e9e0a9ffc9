"""The dashboards of a lab, as ``astermind up`` serves them: a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from astermind_lab.lab import Lab
from tests.lab.data import EXAMPLES, SMALL

PATIENCE_SECONDS = 60


@dataclass
class Site:
    """A running server. url : ends without a slash"""

    url: str
    process: subprocess.Popen[str]


@contextmanager
def site(data_dir: Path, port: int = 0) -> Iterator[Site]:
    """Serve the dashboards of the lab in this data folder; the block may end the process itself."""
    command = [sys.executable, "-m", "astermind_lab", "up", "--no-browser", "--port", str(port)]
    environment = {**os.environ, "ASTERMIND_DATA_DIR": str(data_dir)}
    with (
        (data_dir / "up.log").open("a") as log,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment
        ) as process,
    ):
        try:
            assert process.stdout is not None
            said = process.stdout.readline().split()
            assert said and said[0] == "dashboards", (data_dir / "up.log").read_text()
            yield Site(said[1].rstrip("/"), process)
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
            process.wait(PATIENCE_SECONDS)


def fill(lab: Lab) -> None:
    """A model in two versions, its data set, predictions with and without truths, and an alert."""
    lab.store_training_dataset("topics-data", EXAMPLES)
    for version in ("v1", "v2"):
        lab.train_classifier(
            "topics",
            dataset_id="topics-data",
            config=SMALL,
            persist=True,
            version=version,
            tags=[f"of {version}"],
            overwrite=True,
        )
    lab.set_alias("topics", "champion", "v1")
    now = lab.clock.now()
    hours = now.replace(minute=0, second=0, microsecond=0).timestamp() // 3600
    texts = [row["text"] for row in EXAMPLES]
    truths = [row["label"] for row in EXAMPLES]
    truths[:6] = ["food"] * 6  # mistakes, to be clicked
    for back in range(30, 0, -1):
        at = [_hour(hours - back)] * len(texts)
        lab.predict_many("topics", texts, version="champion", ground_truth=truths, timestamps=at)
    now_text = lab.clock.now().isoformat()
    lab.predict_many(
        "topics",
        [t for t, y in zip(texts, truths, strict=True) if y == "money"] * 4,
        version="champion",
        log_prediction=True,
        timestamps=[now_text] * 4 * truths.count("money"),
    )
    lab.flush()
    lab.create_monitor(
        "topics",
        monitor_id="watcher",
        detectors=["labels"],
        baseline={"start": _hour(hours - 30), "end": _hour(hours - 1)},
        window="1h",
        schedule="1h",
    )
    lab.run_monitor("watcher")


def _hour(number: float) -> str:
    return datetime.fromtimestamp(3600 * number, UTC).isoformat()
