"""One list of checks, run against every face: Python, the command line, MCP."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import anyio
import click
import pytest

from astermind_lab import results
from astermind_lab.cli import cli, main
from astermind_lab.errors import AsterMindError
from astermind_lab.lab import Lab
from astermind_lab.mcp import LabServer
from astermind_lab.mcp.schema import input_schema, output_schema
from astermind_lab.options import kind_of
from astermind_lab.results import Result
from astermind_lab.settings import Settings
from astermind_lab.tools import find_tool, tools_of
from tests.lab.data import EXAMPLES, SMALL

TOOLS = tools_of(Lab)

# The rows of the vocabulary that this version offers, with their required arguments.
VOCABULARY = {
    "train_classifier": {"model_id"},
    "predict": {"model_id", "text"},
    "predict_many": {"model_id", "texts"},
    "generate_embedding": {"model_id", "text"},
    "explain_prediction": {"model_id", "text"},
    "list_models": set(),
    "delete_model": {"model_id"},
    "save_model": {"model_id"},
    "store_model_persistent": {"model_id", "version"},
    "load_model_persistent": {"model_id"},
    "list_model_versions": {"model_id"},
    "set_alias": {"model_id", "alias", "version"},
    "roll_back_alias": {"model_id", "alias"},
    "list_aliases": {"model_id"},
    "delete_alias": {"model_id", "alias"},
    "find_by_tag": {"tag"},
    "delete_version": {"model_id", "version"},
    "restore_version": {"model_id", "version"},
    "export_model": {"model_id", "path"},
    "import_model": {"path"},
    "store_training_dataset": {"dataset_id", "data"},
    "load_training_dataset": {"dataset_id"},
    "list_training_datasets": set(),
    "delete_training_dataset": {"dataset_id"},
    "store_embeddings": {"collection_name", "items"},
    "search_similar": set(),
    "list_collections": set(),
    "log_prediction": {"model_id", "input", "prediction", "confidence"},
    "record_feedback": {"ground_truth"},
    "delete_predictions": {"model_id"},
    "list_predictions": {"model_id"},
    "get_model_metrics": {"model_id"},
    "get_metric_series": {"model_id"},
    "get_confusion_matrix": {"model_id"},
    "get_metric_slices": {"model_id"},
    "get_calibration": {"model_id"},
    "detect_drift": {"model_id", "baseline_window", "current_window"},
    "get_drift_series": {"model_id", "baseline_window"},
    "find_drifted_texts": {"model_id", "baseline_window", "current_window"},
    "estimate_accuracy": {"model_id", "baseline_window", "current_window"},
    "list_monitored_models": set(),
    "create_monitor": {"model_id"},
    "list_monitors": set(),
    "run_monitor": {"monitor_id"},
    "delete_monitor": {"monitor_id"},
    "list_alerts": set(),
    "acknowledge_alert": {"alert_id"},
    "mute_alert": {"alert_id"},
    "resolve_alert": {"alert_id"},
    "apply_retention": set(),
    "add_examples": {"model_id", "examples"},
    "forget_examples": {"model_id", "examples"},
    "relabel_example": {"model_id", "text", "old_label", "new_label"},
    "merge_models": {"model_id", "model_ids"},
    "suggest_labels": {"model_id"},
    "find_label_errors": {"model_id"},
}


def test_the_vocabulary_is_whole() -> None:
    required = {name: {a.name for a in t.arguments if a.required} for name, t in TOOLS.items()}
    assert required == VOCABULARY


@pytest.mark.parametrize("name", TOOLS)
def test_a_tool_has_one_name_on_every_face(name: str) -> None:
    tool = TOOLS[name]
    assert callable(getattr(Lab, name))
    command = cli.get_command(click.Context(cli), name.replace("_", "-"))
    assert command is not None
    options = {parameter.name for parameter in command.params}
    assert options == {a.name for a in tool.arguments} | {"as_json"}
    properties = input_schema(tool)["properties"]
    assert set(properties) == {a.name for a in tool.arguments} | set(tool.old_names)


@pytest.mark.parametrize("name", TOOLS)
def test_a_tool_and_its_arguments_are_described(name: str) -> None:
    tool = TOOLS[name]
    assert tool.summary.endswith(".")
    assert len(tool.summary) < 120
    for argument in tool.arguments:
        assert argument.doc, argument.name
        assert not argument.doc.endswith("."), argument.name
        assert kind_of(argument)
    assert dataclasses.is_dataclass(tool.returns)
    assert issubclass(tool.returns, Result)
    assert output_schema(tool)["type"] == "object"


def test_the_command_line_has_nothing_but_tools_and_the_program() -> None:
    found = set(cli.list_commands(click.Context(cli)))
    assert {tool.command for tool in TOOLS.values()} <= found
    program = found - {tool.command for tool in TOOLS.values()}
    assert {"config", "mcp", "version"} <= program
    assert not {name.replace("-", "_") for name in program} & set(vars(Lab))


def test_every_result_class_is_public() -> None:
    returned = {tool.returns.__name__ for tool in TOOLS.values()}
    assert returned <= set(results.__all__)
    assert all(hasattr(results, name) for name in results.__all__)


Face = Callable[[str, Mapping[str, Any]], Any]


class Refused(Exception):
    """A face said no."""


@pytest.fixture(params=["python", "cli", "mcp"])
def face(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Face]:
    """A way to run a tool on a lab with a model ``topics``; gives plain data or raises Refused."""
    settings = Settings(data_dir=tmp_path)
    with Lab.open("mem://", settings=settings) as lab:
        lab.train_classifier("topics", EXAMPLES, SMALL, persist=True, version="v1")
        faces: dict[str, Face] = {
            "python": lambda name, given: python(lab, name, given),
            "cli": lambda name, given: command_line(lab, name, given, monkeypatch, capsys),
            "mcp": lambda name, given: server(lab, name, given),
        }
        yield faces[request.param]


def python(lab: Lab, name: str, given: Mapping[str, Any]) -> Any:
    try:
        return getattr(lab, name)(**given).to_dict()
    except AsterMindError as error:
        raise Refused(str(error)) from error


def command_line(
    lab: Lab,
    name: str,
    given: Mapping[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Any:
    """The command on a lab that stays open, so that all faces see the same one."""
    monkeypatch.setattr(Lab, "open", classmethod(lambda cls, **settings: lab))
    monkeypatch.setattr(Lab, "close", lambda self: None)
    tool = find_tool(Lab, name)
    arguments = [tool.command]
    for argument in tool.arguments:
        if argument.name in given:
            arguments += written(argument.name, kind_of(argument), given[argument.name])
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--json"])
    monkeypatch.undo()
    printed = capsys.readouterr()
    if ended.value.code:
        raise Refused(printed.err.removeprefix("astermind: ").rstrip("\n"))
    return json.loads(printed.out)


def written(name: str, kind: str, value: Any) -> list[str]:
    option = f"--{name.replace('_', '-')}"
    if kind == "flag":
        return [option if value else option.replace("--", "--no-", 1)]
    if kind in ("json", "list"):
        return [option, json.dumps(value)]
    return [option, str(value)]


def server(lab: Lab, name: str, given: Mapping[str, Any]) -> Any:
    async def call() -> Any:
        return await LabServer(lambda: lab).call_tool(name, dict(given))

    result = anyio.run(call)
    [block] = result.content
    content = json.loads(block.text)
    if result.is_error:
        raise Refused(content["error"])
    assert content == result.structured_content
    return content


LOG = {"model_id": "m", "input": "in", "prediction": "a", "confidence": 0.5}
CASES: list[tuple[str, dict[str, Any], str]] = [
    ("predict", {"model_id": "topics", "text": " "}, "text: is blank"),
    ("predict", {"model_id": "topics", "text": "a\0"}, "text: holds a null character"),
    ("predict", {"model_id": "topics", "text": "a", "top_k": 0}, "top_k: must be from 1 to 100"),
    ("predict", {"model_id": "nobody", "text": "a"}, "model_id: no version of model 'nobody'"),
    ("predict", {"model_id": "topics", "text": "a", "version": "v2"}, "version: model 'topics'"),
    ("predict_many", {"model_id": "topics", "texts": ["a", ""]}, "texts: item 1: is blank"),
    ("train_classifier", {"model_id": "topics", "training_data": EXAMPLES}, "model_id: a model"),
    (
        "train_classifier",
        {"model_id": "n", "training_data": [{"text": "a"}]},
        "training_data: item",
    ),
    ("train_classifier", {"model_id": "n", "dataset_id": "none"}, "dataset_id: no data set"),
    (
        "train_classifier",
        {"model_id": "n", "training_data": EXAMPLES, "config": {"hiddenUnits": 10**9}},
        "config: ",
    ),
    ("store_model_persistent", {"model_id": "topics", "version": "v1"}, "version: 'v1'"),
    ("set_alias", {"model_id": "topics", "alias": "a", "version": "v2"}, "version: "),
    ("delete_alias", {"model_id": "topics", "alias": "none"}, "alias: "),
    ("roll_back_alias", {"model_id": "topics", "alias": "none"}, "alias: "),
    ("store_training_dataset", {"dataset_id": "s", "data": []}, "data: is empty"),
    ("load_training_dataset", {"dataset_id": "s"}, "dataset_id: no data set 's'"),
    ("search_similar", {"collection_name": "c", "query_embedding": [1]}, "collection_name: "),
    ("log_prediction", {**LOG, "confidence": 1.5}, "confidence: must be from 0 to 1"),
    ("log_prediction", {**LOG, "timestamp": "2026-01-01T00:00:00"}, "timestamp: has no time zone"),
    (
        "get_model_metrics",
        {"model_id": "m", "time_range": {"start": "2026-01-02", "end": "2026-01-01"}},
        "time_range: starts after it ends",
    ),
    ("get_model_metrics", {"model_id": "m", "metrics": ["acc"]}, "metrics: 'acc' is not one of"),
    ("import_model", {"path": "no such file"}, "path: there is no file"),
    ("add_examples", {"model_id": "topics", "examples": [{}]}, "examples: item 0: has no 'text'"),
]


def test_every_face_refuses_the_same_for_the_same_reason(face: Face) -> None:
    for name, given, reason in CASES:
        with pytest.raises(Refused, match=f"^{re.escape(reason)}"):
            face(name, given)
    assert [m["id"] for m in face("list_models", {})["models"]] == ["topics"]


def test_every_face_answers_the_same(face: Face) -> None:
    answer = face("predict", {"model_id": "topics", "text": "no snow here", "top_k": 2})
    assert list(answer) == ["predictions", "latency_ms"]
    assert answer["predictions"][0]["category"] == "weather"
    face("store_training_dataset", {"dataset_id": "set", "data": EXAMPLES, "metadata": {"a": 1}})
    found = face("load_training_dataset", {"dataset_id": "set", "offset": 88})
    assert found["examples"] == EXAMPLES[88:]
    trained = face(
        "train_classifier",
        {
            "model_id": "from set",
            "dataset_id": "set",
            "config": SMALL,
            "persist": True,
            "version": "1",
            "tags": ["a", "b"],
        },
    )
    assert (trained["persisted"], trained["version"]) == (True, "1")
    [tagged] = face("find_by_tag", {"tag": "b"})["versions"]
    assert tagged["model_id"] == "from set"
    face("log_prediction", {**LOG, "ground_truth": "a", "metadata": {"x": [1, None]}})
    window = {"start": "2020-01-01", "end": "2100-01-01"}
    metrics = face("get_model_metrics", {"model_id": "m", "time_range": window})["metrics"]
    assert metrics["accuracy"]["value"] == 1.0
