"""The server as clients meet it: a process, spoken to on standard input and output."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from astermind_lab import __version__
from astermind_lab.lab import Lab
from astermind_lab.settings import Settings
from astermind_lab.tools import tools_of
from tests.lab.data import EXAMPLES, SMALL
from tests.mcp.client import Conversation, conversation

OLD_TOOLS = [
    "train_classifier",
    "predict",
    "generate_embedding",
    "list_models",
    "delete_model",
    "save_model",
    "store_model_persistent",
    "load_model_persistent",
    "list_model_versions",
    "store_training_dataset",
    "load_training_dataset",
    "store_embeddings",
    "search_similar",
    "get_model_metrics",
    "get_confusion_matrix",
]


def test_it_lists_every_tool_with_its_schemas(server: Conversation) -> None:
    about = server.client.server_info
    assert about is not None
    assert (about.name, about.version) == ("astermind-lab", __version__)
    assert server.client.instructions
    tools = {tool.name: tool for tool in server.portal.call(server.client.list_tools).tools}
    assert list(tools) == list(tools_of(Lab))
    assert set(OLD_TOOLS) <= set(tools)
    for tool in tools.values():
        assert tool.description
        assert tool.output_schema
        Draft202012Validator.check_schema(tool.input_schema)
        Draft202012Validator.check_schema(tool.output_schema)
        assert tool.input_schema["additionalProperties"] is False
        for name, argument in tool.input_schema["properties"].items():
            assert argument.get("description"), f"{tool.name}: {name}"


def test_the_tools_of_the_earlier_server_in_its_own_words(tmp_path: Path) -> None:
    with conversation(tmp_path, mode="legacy") as server:
        old_config = {
            "hiddenUnits": 64,
            "activation": "relu",
            "weightInit": "xavier",
            "ridgeLambda": 0.01,
            "maxLen": 200,
            "dropout": 0.0,
        }
        topics = {"model_id": "topics"}
        trained = server.ask(
            "train_classifier", **topics, training_data=EXAMPLES, config=old_config
        )
        assert trained["success"] is True
        assert trained["categories"] == ["weather", "money", "food"]
        assert "persisted" not in trained
        answer = server.ask("predict", **topics, text="rain", top_k=2)
        assert [len(answer["predictions"]), answer["predictions"][0]["category"]] == [2, "weather"]
        assert len(server.ask("generate_embedding", **topics, text="rain")["embedding"]) >= 64
        [listed] = server.ask("list_models")["models"]
        assert (listed["id"], listed["trainingExamples"]) == ("topics", len(EXAMPLES))
        assert listed["lastUsed"]
        saved = server.ask("save_model", **topics)
        assert set(saved) == {"model_id", "metadata", "summary", "note"}

        stored = server.ask(
            "store_model_persistent", **topics, version="1.0.0", tags=["prod"], metadata={"a": 1}
        )
        assert stored["success"] is True
        assert server.ask("load_model_persistent", **topics)["version"] == "1.0.0"
        versions = server.ask("list_model_versions", **topics, include_metrics=True)
        assert versions["versions"][0]["metrics"]["accuracy"]["n"] == len(EXAMPLES)

        about = {"dataset_id": "set", "metadata": {"source": "test"}}
        kept = server.ask("store_training_dataset", **about, training_data=EXAMPLES)
        assert kept["examples"] == len(EXAMPLES)
        assert server.ask("load_training_dataset", dataset_id="set")["examples"] == EXAMPLES

        items = [{"item_id": str(n), "text": e["text"]} for n, e in enumerate(EXAMPLES[:9])]
        assert server.ask("store_embeddings", collection_name="faq", items=items, **topics) == {
            "success": True,
            "collection_name": "faq",
            "stored_count": 9,
        }
        similar = server.ask("search_similar", **topics, query_text=EXAMPLES[3]["text"], top_k=1)
        assert similar["results"][0]["item_id"] == "3"

        for truth in ("weather", "money"):
            server.ask("predict", **topics, text="rain", ground_truth=truth, log_prediction=True)
        window = {"start": "2020-01-01T00:00:00Z", "end": "2100-01-01T00:00:00Z"}
        metrics = server.ask("get_model_metrics", **topics, time_range=window)["metrics"]
        assert metrics["accuracy"]["value"] == 0.5
        matrix = server.ask("get_confusion_matrix", **topics, time_range=window)
        assert matrix["confusion_matrix"] == {"money": {"weather": 1}, "weather": {"weather": 1}}

        assert server.ask("delete_model", **topics)["success"] is True
        assert server.ask("delete_model", **topics)["success"] is False


BAD: list[tuple[str, dict[str, Any], str]] = [
    ("predict", {}, "model_id: "),
    ("predict", {"model_id": "topics"}, "text: "),
    ("predict", {"model_id": "topics", "text": None}, "text: "),
    ("predict", {"model_id": "topics", "text": ["a"]}, "text: "),
    ("predict", {"model_id": "topics", "text": "a\0b"}, "text: "),
    ("predict", {"model_id": "topics", "text": "a", "topk": 3}, "topk: "),
    ("predict", {"model_id": "topics", "text": "a", "top_k": "3"}, "top_k: "),
    ("predict", {"model_id": "topics", "text": "a", "top_k": 10**40}, "top_k: "),
    ("predict", {"model_id": "nobody", "text": "a"}, "model_id: "),
    ("predict", {"model_id": "topics", "text": "a", "version": "no"}, "model_id: "),
    ("predict", {"model_id": "<script>alert(1)</script>", "text": "a"}, "model_id: "),
    ("train_classifier", {"model_id": "topics", "training_data": EXAMPLES}, "model_id: "),
    ("train_classifier", {"model_id": "new"}, "training_data: "),
    ("train_classifier", {"model_id": "new", "training_data": []}, "training_data: "),
    ("train_classifier", {"model_id": "new", "training_data": "[{"}, "training_data: "),
    ("train_classifier", {"model_id": "new", "training_data": [{"text": "a"}]}, "training_data: "),
    (
        "train_classifier",
        {"model_id": "new", "training_data": EXAMPLES, "config": {"hiddenUnits": 10**9}},
        "config: ",
    ),
    (
        "train_classifier",
        {"model_id": "new", "training_data": EXAMPLES, "config": {"hidenUnits": 10}},
        "config: ",
    ),
    ("train_classifier", {"model_id": "new", "training_data": EXAMPLES, "progress": 1}, "progress"),
    ("store_model_persistent", {"model_id": "topics"}, "version: "),
    ("store_training_dataset", {"dataset_id": "s", "data": {}}, "data: "),
    ("log_prediction", {"model_id": "m", "input": "i", "prediction": "p"}, "confidence: "),
    (
        "log_prediction",
        {"model_id": "m", "input": "i", "prediction": "p", "confidence": 1.5},
        "confidence: ",
    ),
    ("get_model_metrics", {"model_id": "m", "time_range": {"start": "soon"}}, "time_range.start: "),
    ("get_model_metrics", {"model_id": "m", "metrics": ["acc"]}, "metrics: "),
    ("search_similar", {"query_embedding": []}, "query_embedding: "),
    ("export_model", {"model_id": "topics", "path": "/etc/model.zip"}, "path: "),
    ("import_model", {"path": "/etc/passwd"}, "path: "),
    ("no_such_tool", {}, "there is no tool 'no_such_tool'"),
    ("predct", {}, "there is no tool 'predct'. Did you mean 'predict'?"),
]


def test_a_store_that_cannot_be_opened_is_said_and_tried_again(tmp_path: Path) -> None:
    url = f"surrealkv://{tmp_path / 'store'}"
    with conversation(tmp_path, ASTERMIND_DATABASE__URL=url) as server:
        with Lab.open(url, settings=Settings(data_dir=tmp_path)):
            assert "is in use by process" in server.fail("list_models")
        assert server.ask("list_models") == {"models": []}


@pytest.mark.parametrize(("tool", "arguments", "reason"), BAD)
def test_bad_calls_are_answered_by_name(
    server: Conversation, tool: str, arguments: dict[str, Any], reason: str
) -> None:
    before = server.ask("list_models")
    assert server.fail(tool, **arguments).startswith(reason)
    assert server.ask("list_models") == before


def test_lists_and_objects_may_come_as_text(server: Conversation) -> None:
    trained = server.ask(
        "train_classifier",
        model_id="from text",
        training_data=json.dumps(EXAMPLES),
        config=json.dumps(SMALL),
    )
    assert trained["training_examples"] == len(EXAMPLES)


def test_training_does_not_keep_others_waiting(server: Conversation) -> None:
    many = [{**e, "text": f"{e['text']} {n}"} for n in range(20) for e in EXAMPLES]
    ended: dict[str, float] = {}

    def train(n: int) -> None:
        server.ask("train_classifier", model_id=f"at once {n}", training_data=many)
        ended[f"training {n}"] = time.perf_counter()

    with ThreadPoolExecutor(6) as pool:
        trainings = [pool.submit(train, n) for n in range(6)]
        server.ask("predict", model_id="topics", text="rain")
        ended["prediction"] = time.perf_counter()
        for training in trainings:
            training.result()
    assert ended["prediction"] < max(ended.values())
    listed = {m["id"] for m in server.ask("list_models")["models"]}
    assert {f"at once {n}" for n in range(6)} <= listed


def test_progress_of_a_training_is_told(server: Conversation) -> None:
    told: list[tuple[float, float | None]] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        told.append((progress, total))

    arguments = {"model_id": "told", "training_data": EXAMPLES, "config": SMALL}
    assert not server.call("train_classifier", arguments, progress_callback=hear).is_error
    assert told
    assert told == sorted(told)
    assert {total for _, total in told} == {1.0}


def test_exports_stay_in_the_allowed_folders(server: Conversation) -> None:
    server.ask(
        "train_classifier",
        model_id="m",
        training_data=EXAMPLES,
        config=SMALL,
        persist=True,
    )
    written = server.ask("export_model", model_id="m", path="m.zip")
    exports = server.folder / "data" / "exports"
    assert Path(written["path"]) == (exports / "m.zip").resolve()
    elsewhere = str(server.folder / "m.zip")
    server.ask("export_model", model_id="m", path=elsewhere)
    assert server.ask("import_model", path=elsewhere, model_id="copy")["versions"]
