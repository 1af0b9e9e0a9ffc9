"""``%elm`` and ``%%elm`` in a real IPython."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pandas as pd
import pytest
from IPython.core.interactiveshell import InteractiveShell

from astermind_lab.errors import InvalidInput
from astermind_lab.lab import Lab
from astermind_lab.notebook.cells import read_examples
from astermind_lab.notebook.lines import split_line
from astermind_lab.results import Prediction, Predictions, TrainedModel
from tests.lab.data import EXAMPLES, SMALL

PAIRS = [(row["text"], row["label"]) for row in EXAMPLES]


@dataclass(frozen=True)
class Cells:
    """``cells("%elm …")`` runs a cell and gives its value."""

    shell: InteractiveShell
    capture: pytest.CaptureFixture[str]

    def __call__(self, code: str) -> Any:
        done = self.shell.run_cell(code)
        printed = self.capture.readouterr()
        assert done.success, printed.err
        return done.result

    def refused(self, code: str) -> str:
        """What a cell that must fail says, which is one line and no stack trace."""
        done = self.shell.run_cell(code)
        printed = self.capture.readouterr()
        assert not done.success
        assert "Traceback" not in printed.out + printed.err
        [line] = printed.err.splitlines()
        assert line.startswith("UsageError: ")
        return line.removeprefix("UsageError: ")


@pytest.fixture
def cells(shell: InteractiveShell, capsys: pytest.CaptureFixture[str], lab: Lab) -> Cells:
    """A shell with the extension, working with ``lab``."""
    shell.push({"lab": lab})
    run = Cells(shell, capsys)
    run("%load_ext astermind_lab")
    assert run("%elm use $lab") is lab
    return run


def test_a_tool_runs_as_on_the_command_line(cells: Cells) -> None:
    by_position = cells('%elm predict topics "no snow here" --top-k 2')
    by_name = cells("%elm predict --text 'no snow here' --model_id topics --top-k=2")
    assert isinstance(by_position, Prediction)
    assert by_position.predictions == by_name.predictions
    assert by_position.predictions[0].category == "weather"
    assert len(by_position.predictions) == 2
    cells("answer = %elm predict topics soup")
    assert cells("answer").predictions[0].category == "food"


def test_variables_stand_for_python_values(cells: Cells, lab: Lab) -> None:
    cells.shell.push({"frame": pd.DataFrame(EXAMPLES), "small": SMALL, "rows": PAIRS, "n": 1})
    cells.shell.push({"name": "from rows", "texts": pd.Series(["snow", "soup"])})
    assert cells("%elm train_classifier from-frame $frame --config $small").training_examples == 90
    assert cells("%elm train_classifier {name} {rows} --config $small").model_id == "from rows"
    assert cells("%elm predict topics 'the bank' --top-k $n").predictions[0].category == "money"
    assert cells("%elm predict_many topics $texts loan").categories == ["weather", "food", "money"]
    expected = lab.predict("topics", "$5 loan").predictions
    assert cells("%elm predict topics '$5 loan'").predictions == expected
    expected = lab.predict("topics", "$name").predictions
    assert cells("%elm predict topics $$name").predictions == expected


def test_flags_lists_and_json(cells: Cells) -> None:
    cells("%elm store_training_dataset set --data '" + json.dumps(EXAMPLES).replace("'", "") + "'")
    trained = cells(
        "%elm train_classifier again --dataset-id set --config '{\"hiddenUnits\": 32}' "
        "--persist --version v1 --tags a --tags b"
    )
    assert (trained.persisted, trained.version) == (True, "v1")
    assert cells("%elm list_model_versions again").versions[0].tags == ("a", "b")
    assert cells("%elm delete-model again").success is True


def test_objects_with_a_widget(cells: Cells, lab: Lab) -> None:
    lab.store_training_dataset("set", EXAMPLES)
    explored = cells("%elm explore topics --text soup")
    assert explored.state()["predictions"][0]["category"] == "food"
    assert cells("%elm tune set").state()["rows"] == 90
    assert cells.refused("%elm tune nothing").startswith("dataset_id: no data set 'nothing'")
    cells.shell.push({"texts": ["much rain", "a loan"]})
    taught = cells("%elm teach topics $texts")
    assert taught.state()["left"] == 2


EXAMPLE_CELLS = {
    "tabs": "\n".join(f"{label}\t{text}" for text, label in PAIRS),
    "tabs with a header": "text\tlabel\n" + "\n".join(f"{t}\t{label}" for t, label in PAIRS),
    "csv": "id,label,text\n" + "\n".join(f'1,{label}," {text}"' for text, label in PAIRS),
    "json": "\n\n".join(json.dumps(row) for row in EXAMPLES),
}


@pytest.mark.parametrize("way", EXAMPLE_CELLS)
def test_labelled_texts_in_a_cell(cells: Cells, lab: Lab, way: str) -> None:
    trained = cells(
        f"%%elm train_classifier cell --config '{json.dumps(SMALL)}'\n\n{EXAMPLE_CELLS[way]}\n"
    )
    assert isinstance(trained, TrainedModel)
    assert trained.training_examples == 90
    expected = lab.predict("topics", "no snow here").predictions
    assert lab.predict("cell", "no snow here").predictions == expected
    assert cells("%%elm add_examples cell\nlabel\ttext\nfood\tcheese").changed_examples == 1


def test_texts_in_a_cell(cells: Cells) -> None:
    one = cells('%%elm predict topics --top-k 1\nmuch snow, "they" say\n')
    assert isinstance(one, Prediction)
    assert [p.category for p in one.predictions] == ["weather"]
    for tool in ("predict", "predict_many"):
        many = cells(f"%%elm {tool} topics\n\n  snow\nsoup\n\n")
        assert isinstance(many, Predictions)
        assert many.categories == ["weather", "food"]


def test_help_names_every_tool(cells: Cells, capsys: pytest.CaptureFixture[str]) -> None:
    cells.shell.run_cell("%elm")
    listed = capsys.readouterr().out
    assert "train_classifier" in listed
    assert "%elm use" in listed
    cells.shell.run_cell("%elm predict --help")
    told = capsys.readouterr().out
    assert "Usage: %elm predict [OPTIONS] MODEL_ID TEXT" in told
    assert "--top-k" in told


WRONG = [
    ("%elm predct topics x", "there is no tool 'predct'. Did you mean 'predict'?"),
    ("%elm predict topics", "text: predict needs it"),
    ("%elm predict topics where is it", "line: 'is' is too much; put a text in quotes"),
    ("%elm predict topics 'x", "line: no closing quotation"),
    ("%elm predict topics $textt", "text: there is no variable 'textt'. Did you mean 'texts'?"),
    ("%elm predict topics $texts", "text: must be text, got ['snow']"),
    ("%elm predict topics x --topk 3", "--topk: there is no such option. Did you mean --top-k?"),
    ("%elm predict topics x --top-k many", "top_k: 'many' is not a valid integer."),
    ("%elm predict nobody x", "model_id: no version of model 'nobody'"),
    ("%elm train_classifier m --config {broken", "config: the value is not JSON"),
    ("%elm train_classifier topics $rows", "model_id: a model 'topics' is in memory"),
    ("%elm use postgres://x", "url: a store URL is mem://"),
    ("%elm use $texts", "$texts: is not a variable that holds a lab"),
    ("%elm use mem:// mem://", "line: 'mem://' is too much"),
    ("%%elm list_models\nx", "cell: list_models takes none"),
    ("%%elm generate_embedding topics\nx\ny", "cell: generate_embedding takes one text"),
    ("%%elm add_examples topics $rows\na\tb", "examples: is given on the line and in the cell"),
    ("%%elm predict topics\n  \n", "cell: is empty"),
    ("%%elm add_examples topics\nweather snow", "line 1: 'weather snow' is none of: label, TAB"),
    ("%%elm add_examples topics\n\nweather\tsnow\nmoney", "line 3: has no TAB"),
    ("%%elm add_examples topics\nweather\t ", "line 1: "),
    ('%%elm add_examples topics\n{"text": "a"}', "line 1: label is missing"),
    ('%%elm add_examples topics\n{"text": "a", "label": 1}', "line 1: label must be text, got 1"),
    ('%%elm add_examples topics\n{"text": ', "line 1: is not JSON: Expecting value"),
    ('%%elm add_examples topics\n{"text": "a", "label": "b"}\n[1]', "line 2: must be an object"),
    ("%%elm add_examples topics\n\ntext,label\na,b\nc,d,e", "line 4: has more fields"),
    ("%%elm add_examples topics\ntext,label\na", "line 2: label is missing"),
    ('%%elm add_examples topics\ntext,label\n"a,b', "line 2: is not CSV"),
]


@pytest.mark.parametrize(("code", "reason"), WRONG)
def test_what_is_wrong_is_one_line(cells: Cells, lab: Lab, code: str, reason: str) -> None:
    cells.shell.push({"texts": ["snow"], "rows": PAIRS})
    assert cells.refused(code).startswith(reason)
    assert [model.id for model in lab.list_models().models] == ["topics"]
    assert lab.save_model("topics").summary["model_info"]["training_examples"] == 90


def test_a_fault_of_ours_has_no_stack_trace(cells: Cells, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Lab, "list_models", lambda lab: 1 / 0)
    # The list of tools was made before, and calls the method by its name.
    assert (
        cells.refused("%elm list_models") == "internal error: ZeroDivisionError: division by zero"
    )


def test_the_lab_is_opened_when_it_is_needed_and_closed_when_it_is_left(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Lab] = []
    really = Lab.open

    def spy(url: str | None = None) -> Lab:
        opened.append(really(url or "mem://"))
        return opened[-1]

    monkeypatch.setattr(Lab, "open", spy)
    cells = Cells(shell, capsys)
    cells("%load_ext astermind_lab")
    cells("%elm")
    assert opened == []
    cells("%elm list_models")
    cells("%elm list_models")
    [first] = opened
    second = cells("%elm open mem://")
    assert repr(first) == "Lab(closed)"
    cells("%unload_ext astermind_lab")
    assert repr(second) == "Lab(closed)"
    assert "%elm" in cells.refused("%elm list_models")


def test_a_lab_of_the_user_stays_open(cells: Cells, lab: Lab) -> None:
    cells("%elm use mem://")
    assert cells("%elm list_models").models == []
    assert len(lab.list_models().models) == 1


def test_slow_tools_show_their_progress(
    cells: Cells, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("astermind_lab.notebook.magics._PATIENCE", 0)
    cells.shell.push({"rows": PAIRS})
    cells.shell.run_cell("%elm train_classifier slow $rows")
    assert "100%" in capsys.readouterr().err


def test_words_of_a_line() -> None:
    assert split_line("a 'b c' \"d's\" e\\ f") == ["a", "b c", "d's", "e f"]
    with pytest.raises(InvalidInput, match="line: no closing quotation"):
        split_line("it's")


def test_csv_of_a_cell_may_hold_lines_and_quotes() -> None:
    body = 'text, label\n"one\ntwo, ""three""",a\n'
    assert read_examples(body) == [{"text": 'one\ntwo, "three"', "label": "a"}]
