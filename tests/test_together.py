"""One lab, several programs at once: Claude's server, a notebook, a watcher; nothing was set up."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from astermind_lab.lab import Lab
from astermind_lab.settings import Database, Settings
from tests.lab.data import EXAMPLES, SMALL
from tests.mcp.client import PATIENCE, ROOT, conversation


def test_all_see_one_anothers_writes(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    url = f"local://{data_dir}"
    environment = {**os.environ, "ASTERMIND_DATA_DIR": str(data_dir)}
    settings = Settings(data_dir=data_dir, database=Database(idle_timeout="5s"))
    watch = ["watch", "predictions", "--count", "2", "--since", "start", "--json"]
    watcher = subprocess.Popen(
        [sys.executable, "-m", "astermind_lab", *watch],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=environment,
    )
    with (
        Lab.open(settings=settings) as notebook,
        notebook.watch("models") as models,
        conversation(tmp_path, ASTERMIND_DATABASE__URL=url) as claude,
    ):
        claude.ask(
            "train_classifier",
            model_id="topics",
            training_data=EXAMPLES,
            config=SMALL,
            persist=True,
            version="v1",
        )
        [change] = models.read(timeout=PATIENCE)
        assert (change.action, change.data["version"]) == ("create", "v1")
        notebook.predict("topics", "rain tomorrow", log_prediction=True)
        claude.ask("predict", model_id="topics", text="soup today", log_prediction=True)
        notebook.flush()  # each process answers for what it has logged itself
        found = claude.ask("get_model_metrics", model_id="topics")
        assert found["metrics"]["total_predictions"] == 2
        assert notebook.get_model_metrics("topics").metrics.total_predictions == 2
    out, errors = watcher.communicate(timeout=PATIENCE)
    assert (watcher.returncode, errors) == (0, "")
    seen = [json.loads(line)["data"]["input"] for line in out.splitlines()]
    assert seen == ["rain tomorrow", "soup today"]
