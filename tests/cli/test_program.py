"""``astermind`` as people and programs use it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from astermind_lab import __version__
from tests.cli.conftest import Program
from tests.lab.data import EXAMPLES, SMALL

TRAIN = ["train-classifier", "--model-id", "topics", "--training-data", "@data.json"]
CONFIG = ["--config", json.dumps(SMALL)]


@pytest.fixture
def trained(program: Program) -> Program:
    """A program whose folder has data.json and a stored model ``topics``."""
    (program.folder / "data.json").write_text(json.dumps(EXAMPLES))
    program.ok(*TRAIN, *CONFIG, "--persist", "--version", "v1")
    return program


def test_from_training_to_metrics_each_in_a_run_of_its_own(trained: Program) -> None:
    answer = trained.ok("predict", "--model-id", "topics", "--text", "no snow here", "--json")
    assert answer.data["predictions"][0]["category"] == "weather"
    assert answer.err == ""
    assert answer.out.count("\n") == 1
    logged = ["--log-prediction", "--ground-truth", "weather"]
    trained.ok("predict", "--model-id", "topics", "--text", "rain", *logged)
    trained.ok("predict", "--model-id", "topics", "--text", "soup", *logged)
    metrics = trained.ok("get-model-metrics", "--model-id", "topics", "--json").data["metrics"]
    assert metrics["accuracy"]["value"] == 0.5
    matrix = trained.ok("get-confusion-matrix", "--model-id", "topics")
    assert "truth ↓ predicted →" in matrix.out
    models = trained.ok("list-models").out
    assert "topics" in models
    assert "v1" in models


def test_people_get_tables(trained: Program) -> None:
    out = trained.ok("predict", "--model-id", "topics", "--text", "soup please", "--top-k", "2").out
    assert out.startswith("Prediction: food\n")
    assert "█" in out
    assert "weather" in out or "money" in out
    versions = trained.ok("list-model-versions", "--model-id", "topics").out
    assert "version" in versions.splitlines()[2]


def test_a_model_that_was_not_stored_is_gone_and_that_is_said(program: Program) -> None:
    (program.folder / "data.json").write_text(json.dumps(EXAMPLES))
    outcome = program.ok(*TRAIN, *CONFIG)
    assert "note: not stored" in outcome.err
    assert program("predict", "--model-id", "topics", "--text", "x").code == 2
    assert "note" not in program.ok(*TRAIN, *CONFIG, "--persist").err


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("d.json", json.dumps(EXAMPLES)),
        ("d.jsonl", "\n".join(json.dumps(e) for e in EXAMPLES) + "\n\n"),
        ("d.csv", "text,label\n" + "\n".join(f'"{e["text"]}",{e["label"]}' for e in EXAMPLES)),
        (
            "bom.csv",
            "\ufefflabel,text\n" + "\n".join(f"{e['label']},{e['text']}" for e in EXAMPLES),
        ),
    ],
)
def test_nested_values_come_from_files(program: Program, name: str, content: str) -> None:
    (program.folder / name).write_text(content, encoding="utf-8")
    stored = program.ok("store-training-dataset", "--dataset-id", "set", "--data", f"@{name}")
    assert "Stored 90 examples" in stored.out
    found = program.ok("load-training-dataset", "--dataset-id", "set", "--json").data
    assert found["examples"] == EXAMPLES


def test_lists_are_repeated_or_json_or_a_file(trained: Program) -> None:
    (trained.folder / "texts.txt").write_text("rain\n\nsoup please\n")
    many = ["predict-many", "--model-id", "topics", "--json", "--texts"]
    for written in (
        ["rain", "--texts", "soup please"],
        ['["rain", "soup please"]'],
        ["@texts.txt"],
    ):
        found = trained.ok(*many, *written).data["predictions"]
        assert [p["category"] for p in found] == ["weather", "food"]
    assert trained.ok(*many, "[sic] rain").data["total"] == 1


WRONG: list[tuple[list[str], str]] = [
    (["predict"], "model_id: predict needs it"),
    (["predict", "--model-id", "topics"], "text: predict needs it"),
    (["predict", "--model-id", "topics", "--text", " "], "text: is blank"),
    (["predict", "--model-id", "topics", "--text", "x", "--top-k", "0"], "top_k: must be from 1"),
    (["predict", "--model-id", "topics", "--text", "x", "--top-k", "many"], "top_k: 'many'"),
    (["predict", "--model-id", "topics", "--text", "x", "--topk", "1"], "--topk: there is no such"),
    (["predict", "--model-id", "nobody", "--text", "x"], "model_id: no version of model 'nobody'"),
    (["predict", "--model-id", "topics", "--text", "x", "--version", "v9"], "version: model"),
    (["predct"], "there is no command 'predct'. Did you mean 'predict'?"),
    ([*TRAIN, "--config", "{broken"], "config: the value is not JSON"),
    ([*TRAIN, "--config", '{"hidden": NaN}'], "config: the value is not JSON"),
    ([*TRAIN, "--config", '{"hiddenUnitz": 5}'], "config: unknown key"),
    ([*TRAIN, "--config", "@no.json"], "config: cannot read 'no.json': No such file"),
    ([*TRAIN, "--config", "@latin.json"], "config: '@latin.json' is not text in UTF-8"),
    ([*TRAIN, "--persist", "--version", "v1"], "version: 'v1' of model 'topics' is already stored"),
    (
        [
            *[
                "log-prediction",
                "--model-id",
                "m",
                "--input",
                "i",
                "--prediction",
                "p",
                "--confidence",
                "nan",
            ]
        ],
        "confidence: must be a finite number",
    ),
    (["--url", "postgres://x", "list-models"], "database.url"),
    (["list-models", "extra"], "Got unexpected extra argument"),
]


def test_what_is_wrong_is_one_line_and_exit_code_2(trained: Program) -> None:
    (trained.folder / "latin.json").write_bytes('{"a": "é"}'.encode("latin-1"))
    for arguments, reason in WRONG:
        outcome = trained(*arguments)
        assert outcome.code == 2, arguments
        assert outcome.out == ""
        assert outcome.err.count("\n") == 1, outcome.err
        assert outcome.err.startswith(f"astermind: {reason}"), outcome.err


def test_a_fault_of_ours_has_no_traceback(
    trained: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("astermind_lab.lab.Lab.open", lambda **given: 1 / 0)
    outcome = trained("list-models")
    assert outcome.code == 1
    assert outcome.err == "astermind: internal error: ZeroDivisionError: division by zero\n"


def test_the_address_may_be_given(program: Program) -> None:
    (program.folder / "data.json").write_text(json.dumps(EXAMPLES))
    url = f"surrealkv://{program.folder / 'elsewhere'}"
    program.ok("--url", url, *TRAIN, *CONFIG, "--persist")
    assert program.ok("list-models", "--json").data == {"models": []}
    assert len(program.ok("--url", url, "list-models", "--json").data["models"]) == 1


def test_settings_are_shown_with_their_origin(program: Program) -> None:
    out = program.ok("--namespace", "mine", "config", "show").out
    [line] = [line for line in out.splitlines() if line.startswith("database.namespace")]
    assert line.split() == ["database.namespace", "mine", "argument"]
    rows = {row["key"]: row for row in program.ok("config", "show", "--json").data}
    assert rows["data_dir"]["value"] == str(program.folder / "data")
    assert "ASTERMIND_DATA_DIR" in rows["data_dir"]["origin"]


def test_help_and_version(program: Program) -> None:
    assert program.ok("version").out == f"astermind-lab {__version__}\n"
    help_text = program.ok("--help").out
    assert "train-classifier" in help_text
    assert "Program:" in help_text
    predict = program.ok("predict", "--help").out
    assert "[required]" in predict
    assert "[default: 3]" in predict
    assert "Raises" not in predict
    nothing = program()
    assert nothing.code == 2
    assert "Usage: astermind" in nothing.err


def test_as_a_process_it_starts_without_the_heavy_parts(tmp_path: Path) -> None:
    code = (
        "import sys; from astermind_lab.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'scipy', 'surrealdb', 'pandas', 'mcp', 'pydantic', 'sklearn'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    root = Path(__file__).resolve().parents[2]
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=root, timeout=60
    )
    assert run.stdout.splitlines()[-1] == "[]"
    assert run.returncode == 0


ODD = "one\u2028two\u0085three\x0cfour\x1dfive"


def test_files_are_cut_at_line_ends_only(program: Program) -> None:
    texts = [ODD, "x" * 200_000, 'with "quotes", and\r\na second line']
    rows = [{"text": text, "label": label} for text, label in zip(texts, "aba", strict=True)]
    quoted = ['"' + text.replace('"', '""') + '"' for text in texts]
    files = {
        "d.jsonl": "\r\n".join(json.dumps(row, ensure_ascii=False) for row in rows),
        "d.csv": "text,label\r\n"
        + "".join(f"{text},{label}\r\n" for text, label in zip(quoted, "aba", strict=True)),
    }
    for name, content in files.items():
        (program.folder / name).write_bytes(content.encode())
        program.ok("store-training-dataset", "--dataset-id", name, "--data", f"@{name}")
        found = program.ok("load-training-dataset", "--dataset-id", name, "--json").data
        assert found["examples"] == rows


def test_a_list_of_texts_is_cut_at_line_ends_only(trained: Program) -> None:
    (trained.folder / "texts.txt").write_bytes(f"{ODD}\r\n\r\nsoup\n".encode())
    many = trained.ok("predict-many", "--model-id", "topics", "--json", "--texts", "@texts.txt")
    assert many.data["total"] == 2


def test_output_that_cannot_show_a_sign_shows_another(program: Program) -> None:
    (program.folder / "data.json").write_text(json.dumps(EXAMPLES))
    environment = {**os.environ, "PYTHONIOENCODING": "cp1252", "PYTHONUTF8": "0"}
    data = f"@{program.folder / 'data.json'}"
    store = ["store-training-dataset", "--dataset-id", "日本 ≈", "--data", data]
    ran = subprocess.run(
        [sys.executable, "-m", "astermind_lab", *store],
        capture_output=True,
        env=environment,
        cwd=Path(__file__).parents[2],
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert b"?? ?" in ran.stdout
