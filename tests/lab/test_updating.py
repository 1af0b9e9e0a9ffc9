"""Exact changes to a trained model."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from astermind_lab.errors import AlreadyExists, InvalidInput, NotFound
from astermind_lab.lab import Lab
from astermind_lab.lab.updating import digest
from tests.lab.data import EXAMPLES, SMALL

NEW = [("the umbrella is wet", "weather"), ("an umbrella again", "weather")]


def confidence(lab: Lab, text: str = "umbrella") -> dict[str, float]:
    return {p.category: p.confidence for p in lab.predict("topics", text).predictions}


def test_adding_teaches_and_forgetting_undoes_it(trained: Lab) -> None:
    before = confidence(trained)
    added = trained.add_examples("topics", NEW)
    assert (added.changed_examples, added.training_examples) == (2, len(EXAMPLES) + 2)
    assert confidence(trained)["weather"] > before["weather"]
    forgotten = trained.forget_examples("topics", NEW)
    assert forgotten.training_examples == len(EXAMPLES)
    assert confidence(trained) == pytest.approx(before, abs=1e-6)


def test_forgetting_gives_a_receipt(trained: Lab) -> None:
    result = trained.forget_examples("topics", EXAMPLES[:2])
    texts = [e["text"] for e in EXAMPLES[:2]]
    labels = [e["label"] for e in EXAMPLES[:2]]
    assert result.receipt is not None
    assert result.to_dict()["receipt"] == {
        "examples": 2,
        "digest": digest(texts, labels),
        "at": "2026-01-01T00:00:00Z",
    }


def test_relabelling_moves_one_example(trained: Lab) -> None:
    text = EXAMPLES[0]["text"]
    before = confidence(trained, text)
    result = trained.relabel_example("topics", text, "weather", "money")
    assert result.training_examples == len(EXAMPLES)
    assert confidence(trained, text)["money"] > before["money"]
    with pytest.raises(InvalidInput, match=r"^new_label: "):
        trained.relabel_example("topics", text, "money", "money")


def test_a_changed_model_is_no_longer_the_stored_one(lab: Lab) -> None:
    lab.train_classifier("topics", EXAMPLES, SMALL, persist=True, version="1")
    assert lab.list_models().models[0].persisted
    lab.add_examples("topics", NEW)
    item = lab.list_models().models[0]
    assert (item.persisted, item.version) == (False, None)
    lab.predict("topics", "rain", log_prediction=True)
    lab.flush()
    [row] = lab.store.predictions.window("topics", None, None)
    assert row.version is None


def test_with_persist_the_change_is_a_new_version(lab: Lab) -> None:
    lab.train_classifier("topics", EXAMPLES, SMALL, persist=True, version="1")
    result = lab.add_examples("topics", NEW, persist=True, version="2")
    assert (result.persisted, result.version) == (True, "2")
    versions = {v.version: v.training_examples for v in lab.list_model_versions("topics").versions}
    assert versions == {"1": len(EXAMPLES), "2": len(EXAMPLES) + 2}
    with pytest.raises(AlreadyExists, match=r"^version: "):
        lab.add_examples("topics", NEW, persist=True, version="1")
    assert lab.list_models().models[0].training_examples == len(EXAMPLES) + 2
    with pytest.raises(InvalidInput, match=r"^version: "):
        lab.add_examples("topics", NEW, version="3")


def test_a_stored_version_does_not_change_with_the_model(lab: Lab) -> None:
    lab.train_classifier("topics", EXAMPLES, SMALL, persist=True, version="1")
    before = lab.predict("topics", "umbrella", version="1").confidence
    lab.delete_model("topics")
    lab.add_examples("topics", NEW)
    assert lab.predict("topics", "umbrella", version="1").confidence == before


def test_what_cannot_be_forgotten_is_named_and_nothing_changes(trained: Lab) -> None:
    before = confidence(trained)
    with pytest.raises(NotFound, match=r"^examples: "):
        trained.forget_examples("topics", [("rain", "no such label")])
    with pytest.raises(NotFound, match=r"^text: "):
        trained.relabel_example("topics", "never seen", "weather", "food")
    with pytest.raises(InvalidInput, match=r"^examples: item 0: label"):
        trained.add_examples("topics", [("rain", "")])
    assert confidence(trained) == before


def test_models_that_share_a_layer_merge(lab: Lab) -> None:
    lab.train_classifier("topics", EXAMPLES, SMALL, persist=True, version="1")
    lab.load_model_persistent("topics")
    lab.export_model("topics", lab.settings.data_dir.parent / "m.zip")
    lab.import_model(lab.settings.data_dir.parent / "m.zip", model_id="copy")
    lab.add_examples("copy", NEW)
    with pytest.raises(InvalidInput, match=r"^base: "):
        lab.merge_models("both", ["topics", "copy"])
    lab.add_examples("topics", [("a wet sunshade", "weather")])
    result = lab.merge_models(
        "both", ["topics", "copy"], base="topics", base_version="1", persist=True, version="1"
    )
    assert result.training_examples == len(EXAMPLES) + 3
    assert lab.predict("both", "rain").category == "weather"
    assert lab.list_model_versions("both").total_versions == 1
    with pytest.raises(InvalidInput, match=r"^model_ids: "):
        lab.merge_models("x", ["topics"])
    with pytest.raises(AlreadyExists, match=r"^model_id: "):
        lab.merge_models("both", ["topics", "copy"])


def test_models_of_different_layers_do_not_merge(lab: Lab) -> None:
    lab.train_classifier("a", EXAMPLES, SMALL)
    lab.train_classifier("b", EXAMPLES[::2], SMALL)
    with pytest.raises(InvalidInput, match=r"^model_ids: "):
        lab.merge_models("both", ["a", "b"])
    assert [m.id for m in lab.list_models().models] == ["a", "b"]


def test_a_model_without_a_closed_form_says_so(lab: Lab) -> None:
    lab.train_classifier("m", EXAMPLES, {**SMALL, "readout": "margin"})
    for change in (lab.add_examples, lab.forget_examples):
        with pytest.raises(InvalidInput, match=r"^model_id: .*margin"):
            change("m", EXAMPLES[:1])


def test_the_new_accuracy_is_worked_out_if_it_is_wanted(trained: Lab) -> None:
    assert trained.add_examples("topics", NEW, measure=False).accuracy is None
    assert trained.add_examples("topics", NEW).accuracy is not None


def test_updates_and_predictions_from_many_threads_lose_nothing(trained: Lab) -> None:
    def work(n: int) -> None:
        if n % 2:
            trained.add_examples("topics", [(f"umbrella number {n}", "weather")])
        else:
            assert sum(confidence(trained).values()) == pytest.approx(1)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(40)))
    assert trained.list_models().models[0].training_examples == len(EXAMPLES) + 20


def test_a_change_that_cannot_be_stored_is_not_made(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.train_classifier("topics", EXAMPLES, SMALL, persist=True, version="1")
    before = confidence(lab)
    # as if another call took the name between the check and the storing
    monkeypatch.setattr("astermind_lab.lab.updating.check_free", lambda *_: None)
    with pytest.raises(AlreadyExists, match=r"^version: .*nothing was changed"):
        lab.add_examples("topics", NEW, persist=True, version="1")
    assert confidence(lab) == before
    item = lab.list_models().models[0]
    assert (item.training_examples, item.version) == (len(EXAMPLES), "1")


def test_a_change_never_lands_on_a_model_that_was_replaced(lab: Lab) -> None:
    lab.train_classifier("topics", EXAMPLES, SMALL, persist=True, version="1")
    old = lab.find("topics")
    with ThreadPoolExecutor(1) as pool:
        with old.guard.reading():  # as a long prediction does
            waiting = pool.submit(lab.add_examples, "topics", NEW)
            lab.load_model_persistent("topics")
        assert waiting.result(10).training_examples == len(EXAMPLES) + 2
    assert lab.find("topics") is not old
    assert lab.list_models().models[0].training_examples == len(EXAMPLES) + 2


def test_stored_changes_from_many_threads_all_arrive(lab: Lab) -> None:
    lab.train_classifier("topics", EXAMPLES, SMALL)

    def work(n: int) -> str | None:
        added = [(f"umbrella number {n}", "weather")]
        return lab.add_examples("topics", added, persist=n % 2 == 0, measure=False).version

    with ThreadPoolExecutor(4) as pool:
        versions = list(pool.map(work, range(12)))
    assert lab.list_models().models[0].training_examples == len(EXAMPLES) + 12
    assert [version is not None for version in versions] == [n % 2 == 0 for n in range(12)]
