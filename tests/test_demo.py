"""``astermind demo``: on the text of a package, on files of the user's, on broken files."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from astermind_lab.cli import main
from astermind_lab.demo import Examples, hold_out, languages, read_examples
from astermind_lab.demo.report import called_as
from astermind_lab.demo.second import ask_second_process
from astermind_lab.demo.telling import Teller
from astermind_lab.errors import AsterMindError, InsufficientData, InvalidInput
from astermind_lab.lab import Lab
from astermind_lab.settings import Settings

ROOT = Path(__file__).parent.parent
KEYS = {
    *("rows", "classes", "accuracy", "loo_accuracy", "train_seconds", "predict_ms_p50"),
    *("model_id", "version", "reloaded_equal", "predictions_logged"),
}
FRUIT = ["apple", "pear", "plum", "cherry", "quince", "grape", "fig", "melon", "lemon", "peach"]
TOOLS = ["hammer", "saw", "drill", "wrench", "file", "plane", "chisel", "clamp", "vice", "awl"]


def sentences() -> list[tuple[str, str]]:
    """120 different texts about two subjects."""
    return [
        (f"{verb} the {word} {place}", label)
        for label, words, verbs in (
            ("kitchen", FRUIT, ("wash and eat", "bake a pie with")),
            ("workshop", TOOLS, ("sharpen and oil", "repair a chair with")),
        )
        for word in words
        for verb in verbs
        for place in ("now", "tomorrow, please", "for all of us")
    ]


def csv_of(rows: list[tuple[str, str]], header: str = "text,label\n") -> str:
    return header + "".join(f'"{text}",{label}\n' for text, label in rows)


def json_lines_of(rows: list[tuple[str, str]], text: str = "text", label: str = "label") -> str:
    return "".join(json.dumps({"id": i, text: a, label: b}) + "\n" for i, (a, b) in enumerate(rows))


def demo(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, with its data in ``folder``."""
    return subprocess.run(
        [sys.executable, "-m", "astermind_lab", "demo", *arguments],
        cwd=ROOT,
        env={**os.environ, "ASTERMIND_DATA_DIR": str(folder)},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


def figures(folder: Path, *arguments: str) -> dict[str, Any]:
    done = demo(folder, "--json", *arguments)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert set(found) >= KEYS
    return found


def test_on_the_text_of_a_package(tmp_path: Path) -> None:
    found = figures(tmp_path)
    assert found["rows"] == len(languages()) > 10_000
    assert found["classes"] == 28
    assert 0.92 < found["accuracy"] < 0.99
    assert abs(found["accuracy"] - found["loo_accuracy"]) < 0.02
    assert found["accuracy_interval"]["method"] == "held-out"
    assert found["loo_accuracy_interval"]["method"] == "leave-one-out"
    assert 0 < found["train_seconds"] < 60
    assert 0 < found["predict_ms_p50"] < 100
    assert found["reloaded_equal"] is True
    assert found["predictions_logged"] == 500


@pytest.mark.parametrize(
    ("name", "content"),
    [("garage.csv", csv_of(sentences())), ("garage.jsonl", json_lines_of(sentences()))],
)
def test_on_a_file_twice(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    first = figures(tmp_path / "lab", "--data", str(tmp_path / name))
    assert (first["rows"], first["classes"], first["model_id"]) == (120, 2, "demo-garage")
    assert first["accuracy"] > 0.9
    assert first["loo_accuracy"] > 0.9
    assert first["reloaded_equal"] is True
    assert first["predictions_logged"] == 24
    second = figures(tmp_path / "lab", "--data", str(tmp_path / name))
    assert second["version"] > first["version"]
    same = KEYS - {"version", "train_seconds", "predict_ms_p50"}
    assert {key: first[key] for key in same} == {key: second[key] for key in same}


def test_people_get_a_line_for_each_step_in_80_columns(tmp_path: Path) -> None:
    (tmp_path / "garage.csv").write_text(csv_of(sentences() + sentences()[:4]), encoding="utf-8")
    done = demo(tmp_path, "--data", str(tmp_path / "garage.csv"))
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    steps = ["read", "split", "open the lab", "train", "leave-one-out", "held out", "store"]
    steps += ["one answer", "second process", "live", "log", "ask the log"]
    assert [line[:15].rstrip() for line in lines[2:14]] == steps
    assert max(len(line) for line in lines[5 : lines.index("Next")]) <= 80
    assert re.search(r" (\d+) of \1 answers are equal to the last bit", done.stdout)
    asked = re.search(r"(\d+) answers are equal", done.stdout)
    assert asked and f"\nlive            {asked[1]} predictions of that process" in done.stdout
    assert "truth ↓ predicted →" in done.stdout
    assert "note: 4 of the 124 texts repeat an earlier one" in done.stdout
    assert lines[-4] == "Next"
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("missing.csv", None, "data: cannot read"),
        ("words.txt", "text,label\na,b\n", "data: 'words.txt' must end in .csv or .jsonl"),
        ("empty.csv", "", "data: 'empty.csv' holds no examples"),
        ("empty.jsonl", "\n\n", "data: 'empty.jsonl' holds no examples"),
        ("head.csv", "text,label\n", "data: 'head.csv' holds no examples"),
        ("one.csv", "text\nhello\n", "data: the file has one column"),
        ("none.csv", "a,b,c\n1,2,3\n", "text_column: give --text-column; the file has 'a', 'b'"),
        ("half.csv", "text,b,c\n1,2,3\n", "label_column: give --label-column; the file has"),
        ("blank.csv", "text,label\nx,a\n ,b\n", "data: line 3: text: is blank"),
        ("bare.csv", "text,label\nx,a\ny,\n", "data: line 3: label: is blank"),
        ("ragged.csv", "text,label\nx,a\ny,b,c\n", "data: line 3: has 3 fields, not 2"),
        ("open.csv", 'text,label\n"x,a\n', "data: line 2: is not CSV"),
        ("single.csv", "text,label\nx,a\ny,a\nz,a\n", "data: all 3 rows have one label"),
        ("few.csv", "text,label\nx,a\ny,b\n", "data: no label has two different texts"),
        ("null.csv", "text,label\nx\0y,a\nz,b\n", "data: line 2: text: holds a null character"),
        ("bad.jsonl", '{"text": "x", "label": "a"}\n{"text"', "data: line 2: is not JSON"),
        ("list.jsonl", '["x", "a"]\n', "data: line 1: must be an object"),
        ("gone.jsonl", '{"text": "x", "label": "a"}\n{"text": "y", "n": 1}\n', "data: line 2: la"),
        ("number.jsonl", '{"text": 1.5, "label": "a"}\n', "data: line 1: text: must be text"),
        ("half.jsonl", '{"text": "\\ud800", "label": "a"}\n', "data: line 1: text: holds half"),
        ("latin.csv", "text,label\ncafé,a\n".encode("latin-1"), "data: line 2: is not text in UTF"),
    ],
)
def test_a_bad_file_is_one_line_and_exit_code_2(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    content: str | bytes | None,
    says: str,
) -> None:
    monkeypatch.setenv("ASTERMIND_DATA_DIR", str(tmp_path / "lab"))
    if content is not None:
        raw = content if isinstance(content, bytes) else content.encode()
        (tmp_path / name).write_bytes(raw)
    with pytest.raises(SystemExit) as ended:
        main(["demo", "--json", "--data", str(tmp_path / name)])
    printed = capsys.readouterr()
    assert (ended.value.code, printed.out) == (2, "")
    assert printed.err.count("\n") == 1
    assert printed.err.startswith(f"astermind: {says}")
    assert not (tmp_path / "lab").exists()


def test_a_bad_file_in_a_process_of_its_own(tmp_path: Path) -> None:
    done = demo(tmp_path, "--data", str(tmp_path / "no such.csv"))
    assert done.returncode == 2
    assert done.stderr.startswith("astermind: data: cannot read")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--text-column", "words"], "astermind: text_column: is only of use with --data"),
        (["--date", "x.csv"], "astermind: --date: there is no such option. Did you mean --data?"),
    ],
)
def test_bad_options(capsys: pytest.CaptureFixture[str], arguments: list[str], says: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["demo", *arguments])
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith(says)


def test_memory_is_out_of_reach_of_a_second_process(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "garage.csv").write_text(csv_of(sentences()), encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        main(["--url", "mem://", "demo", "--json", "--data", str(tmp_path / "garage.csv")])
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("astermind: url: mem:// is out of reach")


def test_a_folder_that_one_process_owns_is_handed_over(tmp_path: Path) -> None:
    (tmp_path / "garage.csv").write_text(csv_of(sentences()), encoding="utf-8")
    data = ["--data", str(tmp_path / "garage.csv")]
    own = ["--url", f"surrealkv://{tmp_path / 'lab'}"]
    done = subprocess.run(
        [sys.executable, "-m", "astermind_lab", *own, "demo", *data],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=True,
    )
    assert "equal to the last bit" in done.stdout and "\nlive" not in done.stdout


def test_a_lab_that_another_program_holds_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "garage.csv").write_text(csv_of(sentences()), encoding="utf-8")
    with Lab.open(f"surrealkv://{tmp_path / 'lab'}"):
        done = demo(tmp_path, "--data", str(tmp_path / "garage.csv"))
    assert done.returncode == 2
    assert done.stderr.startswith("astermind: ")
    assert f"process {os.getpid()}" in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_next_steps_can_be_typed_as_they_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr(sys, "argv", [str(Path.cwd() / ".venv" / "bin" / "astermind"), "demo"])
    assert called_as() == os.path.join(".venv", "bin", "astermind")
    monkeypatch.setattr(sys, "argv", ["/x/astermind_lab/__main__.py", "demo"])
    assert called_as() == "python -m astermind_lab"
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    assert called_as() == "astermind"


def test_the_reason_of_a_failed_second_process_is_told(tmp_path: Path) -> None:
    url = f"surrealkv://{tmp_path / 'lab'}"
    with pytest.raises(
        AsterMindError, match=r"second process failed: astermind: model_id: .*nobody"
    ):
        ask_second_process("nobody", "v1", ["hello"], url, Settings(data_dir=tmp_path))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("plain.csv", "text,label\nred apple,a\nblue sky,b\n"),
        ("swapped.csv", "Label,Text\na,red apple\nb,blue sky\n"),
        ("named.csv", "id,category,message\n1,a,red apple\n2,b,blue sky\n"),
        ("excel.csv", "\ufefftext;label\r\nred apple;a\r\nblue sky;b\r\n"),
        ("tabs.csv", "label\ttext\na\tred apple\nb\tblue sky\n"),
        ("quoted.csv", 'text,label\n"red apple","a"\n\n"blue sky","b"\n'),
        ("half.csv", "phrase,label\nred apple,a\nblue sky,b\n"),
        ("keys.jsonl", '{"intent": "a", "utterance": "red apple"}\n'
         '{"utterance": "blue sky", "intent": "b", "note": null}\n'),
    ],
)  # fmt: skip
def test_columns_are_found(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8", newline="")
    assert list(read_examples(tmp_path / name)) == [("red apple", "a"), ("blue sky", "b")]


def test_two_columns_of_unknown_names_are_told_apart_by_content(tmp_path: Path) -> None:
    rows = sentences()
    path = tmp_path / "plain.csv"
    path.write_text(csv_of(rows, "phrase,room\n"), encoding="utf-8")
    assert list(read_examples(path)) == rows
    path.write_text(csv_of(rows, ""), encoding="utf-8")
    assert list(read_examples(path)) == rows
    path.write_text("".join(f'{label},"{text}"\n' for text, label in rows), encoding="utf-8")
    assert list(read_examples(path)) == rows


def test_columns_may_be_named(tmp_path: Path) -> None:
    path = tmp_path / "wide.csv"
    path.write_text("text,title,stars\nlong,short one,5\nlonger,another,1\n", encoding="utf-8")
    found = read_examples(path, "title", "stars")
    assert list(found) == [("short one", "5"), ("another", "1")]
    with pytest.raises(InvalidInput, match=r"label_column: there is no column 'star'.*'stars'"):
        read_examples(path, label_column="star")
    with pytest.raises(InvalidInput, match="label_column: is the same"):
        read_examples(path, "title", "title")


def test_numbers_and_truth_values_are_labels_and_long_texts_are_read(tmp_path: Path) -> None:
    path = tmp_path / "long.jsonl"
    path.write_text('{"text": "x", "label": 1}\n{"text": "y", "label": true}\n')
    assert read_examples(path).labels == ["1", "true"]
    path = tmp_path / "long.csv"
    path.write_text(f"text,label\n{'x' * 1_000_000},a\ny,b\n")
    assert len(read_examples(path).texts[0]) == 1_000_000


def test_the_split_keeps_proportions_and_repeats_together() -> None:
    labels = ["often"] * 80 + ["seldom"] * 20 + ["once"]
    texts = [f"text {i}" for i in range(101)]
    both = Examples("some", "here", [*texts, *texts[:30]], [*labels, *labels[:30]])
    learn, held = hold_out(both)
    assert len(learn) + len(held) == 131
    assert not set(learn.texts) & set(held.texts)
    of_different = Counter(dict(held)[text] for text in set(held.texts))
    assert of_different == {"often": 16, "seldom": 4}
    assert "once" in learn.labels
    assert hold_out(both)[1].texts == held.texts
    assert hold_out(both, seed=1)[1].texts != held.texts
    assert both.repeats == 30


@pytest.mark.parametrize("pairs", [2, 3, 7, 40])
def test_the_split_leaves_every_label_something_to_learn(pairs: int) -> None:
    labels = [f"label {i // 2}" for i in range(2 * pairs)]
    some = Examples("some", "here", [f"text {i}" for i in range(2 * pairs)], labels)
    for share in (0.01, 0.2, 0.5):
        for seed in range(20):
            learn, held = hold_out(some, share, seed)
            assert len(held) == max(1, int(share * 2 * pairs))
            assert set(learn.labels) == set(labels)
    with pytest.raises(InvalidInput, match="share"):
        hold_out(some, 0.6)
    with pytest.raises(InsufficientData, match="data"):
        hold_out(some.rows([0, 2]))


def test_parts_of_the_examples() -> None:
    some = Examples("some", "here", list("abcdef"), ["x", "y", "x", "x", "y", "z"])
    assert list(some.of("y", "z")) == [("b", "y"), ("e", "y"), ("f", "z")]
    assert list(some.without("x")) == list(some.of("y", "z"))
    assert list(some.at_most(1)) == [("a", "x"), ("b", "y"), ("f", "z")]
    assert some.counts == {"x": 3, "y": 2, "z": 1}
    assert repr(some) == "Examples('some', 6 texts, 3 labels)"


def test_the_packaged_text_holds_no_doubtful_rows() -> None:
    sentences_found = languages()
    assert sentences_found.repeats == 0
    assert min(sentences_found.counts.values()) >= 5
    assert all(text.strip() == text and text for text in sentences_found.texts)


def test_a_silent_teller_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    tell = Teller(silent=True)
    with tell.step("train") as step:
        step.progress(0.5, "half")
    tell.say("words")
    tell.remark("more words")
    assert capsys.readouterr().out == ""
