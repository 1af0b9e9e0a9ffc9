"""Teaching a model one label at a time."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from astermind_lab.core.ledger import digest
from astermind_lab.demo import languages
from astermind_lab.errors import AlreadyExists, InsufficientData, InvalidInput, NotFound, StoreError
from astermind_lab.lab import Lab, unlabelled_texts
from astermind_lab.lab.teaching import Teaching
from astermind_lab.settings import Settings
from tests.lab.data import EXAMPLES, SMALL

LANGUAGES = ("english", "german", "italian")
KEYS = [
    *("model_id", "on", "labels", "task", "accuracy", "history", "confusion", "done", "left"),
    *("can_undo", "took_ms", "advice"),
]


def sentences(n: int) -> dict[str, str]:
    rows = [(text, label) for text, label in languages() if label in LANGUAGES]
    random.Random(0).shuffle(rows)
    return dict(rows[:n])


TRUTH = sentences(700)
TEXTS = list(TRUTH)[:400]
ROWS = [{"text": text, "label": label} for text, label in TRUTH.items()]
WRONG = range(0, 60, 3)
FLIPPED = [
    {**row, "label": LANGUAGES[(LANGUAGES.index(row["label"]) + 1) % 3]} if n in WRONG else row
    for n, row in enumerate(ROWS)
]


@pytest.fixture
def lab(settings: Settings) -> Iterator[Lab]:
    with Lab.open("mem://", settings=settings) as opened:
        yield opened


@pytest.fixture
def flipped(lab: Lab) -> Lab:
    """A lab with a model of a data set in which some labels are wrong."""
    lab.store_training_dataset("rows", FLIPPED)
    lab.train_classifier("speech", dataset_id="rows", config=SMALL, persist=True, version="1")
    return lab


def teach_truth(teaching: Teaching, steps: int) -> None:
    for _ in range(steps):
        assert teaching.task is not None
        teaching.give(TRUTH[teaching.task.text])


def facts(teaching: Teaching) -> dict[str, object]:
    """What the state says, but for the time it took."""
    state = teaching.state()
    assert list(state) == KEYS
    json.dumps(state, allow_nan=False)
    del state["took_ms"]
    return state


def close(state: dict[str, object], other: dict[str, object]) -> bool:
    """Whether two states are equal, probabilities to nine digits."""
    mine, theirs = (dict(s["task"] or {}) for s in (state, other))
    chances = [dict(task.pop("probabilities", [])) for task in (mine, theirs)]
    rest = [{**s, "task": None} for s in (state, other)]
    return rest[0] == rest[1] and mine == theirs and chances[0] == pytest.approx(chances[1])


def same_model(teaching: Teaching, model: object) -> bool:
    found, other = teaching._learner.model, model
    return (
        found.categories == other.categories
        and found.calibration == other.calibration
        and np.array_equal(found.ledger.texts, other.ledger.texts)
        and np.array_equal(found.ledger.labels, other.ledger.labels)
        and np.allclose(found.readout.beta, other.readout.beta, atol=1e-9)
        and np.allclose(found.readout.scatter, other.readout.scatter, atol=1e-9)
    )


def test_a_model_is_taught_from_nothing(lab: Lab) -> None:
    teaching = lab.teach("speech", TEXTS, labels=["english"], config=SMALL)
    first = facts(teaching)
    assert (first["labels"], first["done"], first["left"]) == (["english"], 0, 400)
    assert (first["accuracy"], first["history"], first["confusion"]) == (None, [], {})
    assert first["task"]["guess"] is None and first["task"]["probabilities"] == []
    with pytest.raises(InvalidInput, match=r"^label: .*no guess"):
        teaching.accept()
    seen = set()
    for n in range(60):
        assert teaching.task is not None
        assert teaching.task.text not in seen and TEXTS[teaching.task.place] == teaching.task.text
        seen.add(teaching.task.text)
        assert (teaching.accuracy is None) == (n < 20)  # every other text is judged until then
        assert ("by chance" in teaching.task.why) == (n % 2 == 1 if n < 20 else n % 4 == 3)
        teaching.give(TRUTH[teaching.task.text])
    last = facts(teaching)
    assert (last["done"], last["left"], last["can_undo"]) == (60, 340, True)
    assert last["labels"][0] == "english" and set(last["labels"]) == set(LANGUAGES)
    judged = last["accuracy"]["n"]
    assert last["accuracy"]["method"] == "leave-one-out" and 20 <= judged < 25
    assert [n for n, _ in last["history"]] == list(range(20, 61))
    assert last["history"][-1][1] == last["accuracy"]["value"]
    counts = last["confusion"]
    assert sum(n for row in counts.values() for n in row.values()) == judged
    right = sum(counts[label].get(label, 0) for label in counts)
    assert right / judged == last["accuracy"]["value"]
    model = teaching._learner.model
    new = list(TRUTH)[400:]
    hits = [a == TRUTH[b] for a, b in zip(model.predict(new), new, strict=True)]
    assert np.mean(hits) > 0.65
    assert lab.list_models().models == [] and lab.list_training_datasets().datasets == []


def test_accuracy_rests_on_a_random_sample_of_all_texts(lab: Lab) -> None:
    teaching = lab.teach("speech", TEXTS[:80], config=SMALL)
    order = [TEXTS[n] for n in teaching._lessons._order]
    for n in range(60):
        task = teaching.task
        teaching.give(TRUTH[task.text])
        if "by chance" in task.why:
            ledger = teaching._learner.model.ledger
            judged = ledger.texts[ledger.judged[ledger.places]].tolist()
            sample = order[: order.index(task.text) + 1]
            assert sorted(judged) == sorted(map(digest, sample)), n
            assert teaching._learner.picked == set(ledger.texts.tolist()) - set(judged)


def test_undo_goes_all_the_way_back(lab: Lab) -> None:
    teaching = lab.teach("speech", TEXTS, config=SMALL)
    states, models = [], []
    rng = random.Random(1)
    for n in range(45):
        states.append(facts(teaching))
        models.append(teaching._learner.model.copy())
        if n % 7 == 3:
            teaching.skip()
        elif n == 30:
            teaching.retrain()
        elif n == 33:
            teaching.give("a label of its own")
        elif n > 12 and rng.random() < 0.3:
            teaching.accept()
        else:
            teach_truth(teaching, 1)
    for state, model in zip(reversed(states), reversed(models), strict=True):
        teaching.undo()
        assert close(facts(teaching), state)
        assert same_model(teaching, model)
    assert not teaching.can_undo
    teaching.undo()
    assert close(facts(teaching), states[0])
    teach_truth(teaching, 12)
    assert teaching.done == 12


def test_what_was_taught_is_saved_and_put_in_place(lab: Lab) -> None:
    teaching = lab.teach("speech", TEXTS, config=SMALL)
    with pytest.raises(InsufficientData, match=r"^labels: "):
        teaching.save()
    teach_truth(teaching, 30)
    result = teaching.result()
    assert (result.n, result.added, result.relabelled) == (30, 30, 0)
    assert (result.dataset_id, result.version, result.accuracy_before) == (None, None, None)
    assert all(TRUTH[one.text] == one.label for one in result.examples)
    saved = teaching.save(version="1")
    assert (saved.dataset_id, saved.version, saved.parent) == ("speech", "1", None)
    assert saved.accuracy == teaching.accuracy and list(saved.warnings) == []
    stored = lab.load_training_dataset("speech")
    assert [e.to_dict() for e in stored.examples] == [e.to_dict() for e in result.examples]
    assert stored.metadata == {
        **{"parent": None, "model_id": "speech", "taught_on": "unlabelled"},
        **{"changed": 0, "added": 30},
    }
    [version] = lab.list_model_versions("speech", include_metrics=True).versions
    assert (list(version.tags), version.metrics["loo_accuracy"]["n"]) == (
        ["taught"],
        saved.accuracy.n,
    )
    assert version.metadata == {"taught_on": "unlabelled", "labels_given": 30}
    again = lab.find("speech", "1")
    assert again.dataset_id == "speech"
    assert same_model(teaching, again.classifier)
    applied = teaching.apply()
    assert (applied.version, applied.training_examples, applied.changed_examples) == ("1", 30, 30)
    teach_truth(teaching, 1)
    assert lab.find("speech").classifier.n_examples == 30
    assert teaching.result().dataset_id is None
    second = teaching.save()
    assert second.dataset_id == "speech.2" and lab.load_training_dataset("speech.2").size == 31
    assert teaching.apply().training_examples == 31
    assert lab.predict("speech", "ich bin nicht da").category == "german"


def test_unlabelled_texts_teach_a_model_that_is_there(flipped: Lab) -> None:
    before = flipped.predict("speech", "io non lo so").predictions
    texts = [row["text"] for row in ROWS[:5]] + [f"{text} {text}" for text in TEXTS[:40]]
    teaching = flipped.teach("speech", texts, labels=["french"])
    assert teaching.left == 40 and teaching.labels[-1] == "french"
    assert set(teaching.labels[:3]) == set(LANGUAGES)
    assert teaching.accuracy == flipped.find("speech").classifier.accuracy
    assert teaching.history == [(0, teaching.accuracy.value)]
    teaching.give("french")
    teaching.accept()
    model = teaching._learner.model
    assert model.accuracy == teaching.accuracy and teaching.accuracy.n == 700
    assert np.abs(model.leave_one_out()[0] - teaching._learner.judge.scores).max() < 1e-9
    assert flipped.predict("speech", "io non lo so").predictions == before
    saved = teaching.save()
    assert (saved.dataset_id, saved.parent, saved.added) == ("rows.2", "rows", 2)
    stored = flipped.load_training_dataset("rows.2")
    assert [e.to_dict() for e in stored.examples[:700]] == FLIPPED
    assert [e.to_dict() for e in stored.examples[700:]] == [e.to_dict() for e in saved.examples]
    assert stored.metadata["parent"] == "rows"
    teaching.retrain()
    assert teaching._learner.model.n_examples == 702 and "702 examples" in teaching.advice
    assert "french" in teaching._learner.model.categories


def test_logged_predictions_and_data_sets_are_there_to_label(flipped: Lab) -> None:
    with pytest.raises(InsufficientData, match=r"^texts: no logged"):
        flipped.teach("speech")
    for text in ("guten abend herr", "buona sera signora"):
        flipped.predict("speech", text, log_prediction=True)
    flipped.predict("speech", "good evening", log_prediction=True, ground_truth="english")
    logged = flipped.teach("speech")
    assert logged.left == 2 and logged.task.text in ("guten abend herr", "buona sera signora")
    rows = [*ROWS[:3], {"text": "eine ganz neue zeile", "label": "english"}]
    flipped.store_training_dataset("others", rows)
    assert flipped.teach("speech", dataset_id="others").task.text == "eine ganz neue zeile"
    with pytest.raises(InsufficientData, match=r"^texts: all of them"):
        flipped.teach("speech", [ROWS[0]["text"]])
    fresh = flipped.teach("another", dataset_id="others", config=SMALL)
    assert fresh.left == 4 and fresh.labels == ()


@pytest.mark.parametrize("on", ["mistakes", "errors"])
def test_wrong_labels_are_corrected(flipped: Lab, on: str) -> None:
    teaching = flipped.teach("speech", on=on)
    wrong = {FLIPPED[n]["text"] for n in WRONG}
    before, left = facts(teaching), teaching.left
    assert (
        before["task"]["given"]
        == dict((r["text"], r["label"]) for r in FLIPPED)[before["task"]["text"]]
    )
    assert "Without this example the model says" in before["task"]["why"]
    met, kept = set(), 0
    for _ in range(20):
        task = teaching.task
        met.add(task.text)
        assert FLIPPED[task.place]["text"] == task.text
        if TRUTH[task.text] == task.given:
            teaching.accept()
            kept += 1
        else:
            teaching.give(TRUTH[task.text])
    assert len(met) == 20 and len(met & wrong) > 12 and teaching.left < left
    result = teaching.result()
    assert (result.n, result.relabelled, result.added) == (20, 20 - kept, 0)
    assert teaching.accuracy.value > teaching.result().accuracy_before.value
    saved = teaching.save("mended")
    stored = flipped.load_training_dataset("mended")
    now = [e.label for e in stored.examples]
    expected = [TRUTH[row["text"]] if row["text"] in met else row["label"] for row in FLIPPED]
    assert now == expected and stored.metadata["changed"] == 20 - kept
    assert saved.parent == "rows"
    mended = flipped.find("speech", saved.version).classifier
    refit = flipped.find("speech", "1").classifier.copy()
    for row, label in zip(FLIPPED, now, strict=True):
        if row["label"] != label:
            refit.relabel(row["text"], row["label"], label)
    assert np.abs(refit.readout.beta - mended.readout.beta).max() < 1e-9
    for _ in range(20):
        teaching.undo()
    assert close(facts(teaching), before)
    assert same_model(teaching, flipped.find("speech", "1").classifier)


def test_errors_are_those_that_find_label_errors_finds(flipped: Lab) -> None:
    found = flipped.find_label_errors("speech", limit=1000).suspects
    teaching = flipped.teach("speech", on="errors")
    assert teaching.left == len(found) < flipped.teach("speech", on="mistakes").left
    assert teaching.task.place == found[0].place


def test_examples_in_doubt_can_be_retrained_too(flipped: Lab) -> None:
    teaching = flipped.teach("speech", on="mistakes")
    for _ in range(15):
        teaching.give(TRUTH[teaching.task.text])
    state = facts(teaching)
    teaching.retrain()
    assert teaching._learner.model.n_examples == 700 and teaching.advice.startswith("Trained anew")
    teach_truth(teaching, 2)
    for _ in range(3):
        teaching.undo()
    assert close(facts(teaching), state)


def test_where_texts_are_missing_it_says_so(lab: Lab) -> None:
    lab.train_classifier("speech", ROWS[:60], SMALL)
    teaching = lab.teach("speech", TEXTS[60:90])
    teach_truth(teaching, 2)
    with pytest.raises(InsufficientData, match=r"^model_id: the texts of 60 of its"):
        teaching.retrain()
    saved = teaching.save()
    assert saved.dataset_id == "speech" and saved.parent is None
    assert "60 examples of the model are not in the data set" in saved.warnings[0]
    assert lab.load_training_dataset("speech").size == 2


def test_when_everything_is_labelled_nothing_is_left(lab: Lab) -> None:
    teaching = lab.teach("speech", TEXTS[:12], config=SMALL)
    teach_truth(teaching, 11)
    teaching.skip()
    assert (teaching.task, teaching.left, teaching.done) == (None, 0, 11)
    assert teaching.advice.startswith("Nothing is left")
    for act in (teaching.accept, teaching.skip, lambda: teaching.give("english")):
        with pytest.raises(InvalidInput, match="no text left"):
            act()
    facts(teaching)
    teaching.undo()
    assert teaching.task is not None and teaching.left == 1


def test_more_texts_are_taken_in_turn(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unlabelled_texts, "MOST_CANDIDATES", 5)
    teaching = lab.teach("speech", TEXTS[:13], config=SMALL)
    met = []
    for _ in range(13):
        met.append(teaching.task.text)
        teach_truth(teaching, 1)
    assert sorted(met) == sorted(TEXTS[:13]) and teaching.task is None
    for text in reversed(met):
        teaching.undo()
        assert teaching.task.text == text
    for _ in range(13):
        teach_truth(teaching, 1)
    assert teaching.left == 0


def test_a_failed_save_loses_nothing(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    teaching = lab.teach("speech", TEXTS, config=SMALL)
    teach_truth(teaching, 12)

    def fails(*_: object) -> None:
        raise StoreError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(lab.store.models, "add", fails)
        with pytest.raises(StoreError, match="disk"):
            teaching.save()
    assert [d.dataset_id for d in lab.list_training_datasets().datasets] == ["speech"]
    saved = teaching.save(version="1")
    assert (saved.dataset_id, saved.version) == ("speech", "1")
    with pytest.raises(AlreadyExists, match=r"^version: "):
        teaching.save(version="1")
    teach_truth(teaching, 1)
    with pytest.raises(AlreadyExists, match=r"^dataset_id: "):
        teaching.save("speech")
    assert len(lab.list_training_datasets().datasets) == 1 and teaching.done == 13


def test_it_never_takes_the_place_of_a_model_that_was_changed(flipped: Lab) -> None:
    texts = [f"{text} {text}" for text in TEXTS[:20]]
    teaching = flipped.teach("speech", texts)
    teaching.accept()
    flipped.add_examples("speech", [("ganz neu", "german")])
    with pytest.raises(AlreadyExists, match=r"^model_id: "):
        teaching.apply()
    assert flipped.find("speech").classifier.n_examples == 701
    flipped.delete_model("speech")
    assert teaching.apply().training_examples == 701
    teaching.accept()
    assert teaching.apply().training_examples == 702
    teaching.accept()
    saved = teaching.save()
    flipped.delete_model("speech")
    assert flipped.find("speech").version == saved.version  # the one just saved, loaded anew
    assert teaching.apply().version == saved.version


def test_the_picture_is_static_escaped_and_bounded(lab: Lab) -> None:
    texts = [*TEXTS[:40], "<script>alert(1)</script> <b>" * 2000]
    teaching = lab.teach("<i>m</i>", texts, config=SMALL)
    while teaching.left:
        if "<script>" in teaching.task.text:
            page = teaching._repr_html_()
            assert "<script>" not in page and "<i>m" not in page and "&lt;script&gt;" in page
        teaching.give(f"<u>{len(teaching.labels)}</u>" if teaching.done < 30 else "<u>1</u>")
        assert len(teaching._repr_html_()) < 100_000
    assert "accuracy" in teaching._repr_html_() and "<u>" not in teaching._repr_html_()
    assert repr(teaching).startswith("Teaching('<i>m</i>', on unlabelled, 41 done, 0 left")
    assert "Leave-one-out over the judged rows" in str(teaching)
    assert "41" in str(teaching.result())


def test_many_threads_may_teach_at_once(lab: Lab) -> None:
    teaching = lab.teach("speech", TEXTS[:60], config=SMALL)

    def work(n: int) -> None:
        if n % 5 == 4:
            teaching.undo()
        else:
            teaching.give(LANGUAGES[n % 3])
        assert teaching.state()["done"] >= 0

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(40)))
    assert teaching.done == teaching._learner.model.n_examples
    assert teaching.left + teaching.done == 60


def test_what_cannot_be_taught_is_refused(trained: Lab) -> None:
    for call, name in (
        (lambda: trained.teach("new"), "texts"),
        (lambda: trained.teach("topics", ["a"], on="nothing"), "on"),
        (lambda: trained.teach("topics", ["a"], on="mistakes"), "texts"),
        (lambda: trained.teach("topics", ["a"], dataset_id="b"), "dataset_id"),
        (lambda: trained.teach("topics", on="errors"), "dataset_id"),
        (lambda: trained.teach("new", ["a", ""]), "texts"),
        (lambda: trained.teach("new", ["a"], labels=["x", " "]), "labels"),
        (lambda: trained.teach("new", ["a"], labels="xyz"), "labels"),
        (lambda: trained.teach("new", ["a"], config={"units": 3}), "config"),
        (lambda: trained.teach("new", ["a"], config={"readout": "margin"}), "config"),
        (lambda: trained.teach("topics", ["a new text"]).give(" "), "label"),
        (lambda: trained.teach("topics", ["a new text"]).save(" "), "dataset_id"),
    ):
        with pytest.raises(InvalidInput, match=f"^{name}: "):
            call()
    with pytest.raises(NotFound, match=r"^model_id: "):
        trained.teach("new", on="mistakes")
    trained.train_classifier("margin", EXAMPLES, {**SMALL, "readout": "margin"})
    with pytest.raises(InvalidInput, match=r"^model_id: .*margin"):
        trained.teach("margin", ["a new text"])
