import json
import threading
from collections import Counter

import pytest

from astermind_lab.errors import InsufficientData, InvalidInput, NotFound
from astermind_lab.estimate import wilson
from astermind_lab.lab import Lab, tuning
from astermind_lab.lab.labelled import LabelledData
from astermind_lab.lab.tuning import Tuning
from tests.core.corpus import corpus
from tests.lab.data import EXAMPLES, SMALL

TEXTS, LABELS = corpus(1100, noise=0.2)
PAIRS = list(zip(TEXTS, LABELS, strict=True))


@pytest.fixture
def tuned(lab: Lab) -> Tuning:
    lab.store_training_dataset("topics", PAIRS)
    return lab.tune("topics", config=SMALL)


def test_it_says_what_training_on_the_same_rows_says(lab: Lab, tuned: Tuning) -> None:
    for place, change in enumerate(
        [{}, {"units": 20}, {"activation": "tanh"}, {"balance": 0.8}, {"ridge": 5.0}]
    ):
        tuned.set(**change)
        trained = tuned.train(f"model {place}")
        assert trained.loo_accuracy == tuned.accuracy
        assert trained.training_examples == tuned.rows == tuned.total == 1100
        model = lab.find(f"model {place}").classifier
        assert model.readout.ridge == pytest.approx(tuned.chosen, rel=1e-9)
        assert lab.find(f"model {place}").dataset_id == "topics"
    config = model.config
    assert (config.hidden_units, config.activation, config.balance) == (20, "tanh", 0.8)


def test_the_curve_has_an_interval_for_every_ridge(tuned: Tuning) -> None:
    assert len(tuned.curve) == 25
    ridges = [point[0] for point in tuned.curve]
    assert ridges == sorted(ridges)
    assert tuned.best in ridges and tuned.chosen in ridges
    for _, accuracy, low, high in tuned.curve:
        assert (low, high) == wilson(accuracy, tuned.judged)
    [at] = [point for point in tuned.curve if point[0] == tuned.chosen]
    assert at[1:] == (tuned.accuracy.value, tuned.accuracy.low, tuned.accuracy.high)
    assert (tuned.accuracy.method, tuned.accuracy.n) == ("leave-one-out", tuned.judged)


def test_recalls_of_the_labels_add_up_to_the_accuracy(tuned: Tuning) -> None:
    assert {label for label, _, _ in tuned.per_label} == set(LABELS)
    recalls = [recall for _, recall, _ in tuned.per_label]
    assert recalls == sorted(recalls)
    assert sum(n for _, _, n in tuned.per_label) == tuned.judged
    right = sum(recall * n for _, recall, n in tuned.per_label)
    assert right / tuned.judged == pytest.approx(tuned.accuracy.value)
    assert tuned.balanced_accuracy == pytest.approx(sum(recalls) / len(recalls))


def test_only_what_is_given_changes(tuned: Tuning) -> None:
    before = tuned.state()
    tuned.set(ridge=3.0)
    assert (tuned.ridge, tuned.chosen, tuned.units, tuned.balance) == (3.0, 3.0, 64, 0.0)
    assert tuned.state()["curve"] == before["curve"]
    tuned.set(units=32)
    assert (tuned.ridge, tuned.units, tuned.activation) == (3.0, 32, "relu")
    assert tuned.state()["curve"] != before["curve"]
    tuned.set(units=64, ridge=None)
    after = tuned.state()
    for key in ("curve", "best", "chosen", "accuracy", "per_label", "ridge"):
        assert after[key] == before[key], key


def test_a_ridge_on_the_curve_is_read_from_it(tuned: Tuning) -> None:
    for ridge, accuracy, _, _ in tuned.curve[::6]:
        tuned.set(ridge=ridge)
        assert tuned.accuracy.value == accuracy


REFUSED = [
    ({"units": 0}, "units: must be from 1 to 2,048"),
    ({"units": 2049}, "units: "),
    ({"units": 10.5}, "units: must be a whole number"),
    ({"activation": "relo"}, "activation: .* Did you mean 'relu'"),
    ({"activation": ["relu"]}, "activation: "),
    ({"ridge": 0}, "ridge: must be a number above 0"),
    ({"ridge": "1"}, "ridge: must be a number"),
    ({"ridge": 1e-300}, "ridge: .* too small"),
    ({"ridge": 1.0, "balance": 1.5}, "balance: must be from 0 to 1"),
    ({"units": 20, "ridge": 1e-300}, "ridge: .* too small"),
]


def test_what_is_refused_changes_nothing(tuned: Tuning) -> None:
    before = tuned.state()
    for change, reason in REFUSED:
        with pytest.raises(InvalidInput, match=f"^{reason}"):
            tuned.set(**change)
        assert tuned.state() == before


def test_trials_are_remembered_once_each(tuned: Tuning) -> None:
    for units in (20, 30, 20):
        tuned.set(units=units)
    assert [trial["units"] for trial in tuned.trials] == [64, 30, 20]
    last = tuned.trials[-1]
    assert last["accuracy"] == tuned.accuracy.value and last["chosen"] == tuned.chosen
    assert not any("by chance" in note for note in tuned.notes)
    for units in (40, 50):
        tuned.set(units=units)
    assert any("best of 5 settings looks better than it is" in note for note in tuned.notes)


def test_its_state_is_plain_json_and_fits_together(tuned: Tuning) -> None:
    state = json.loads(json.dumps(tuned.state(), allow_nan=False))
    assert state == tuned.state()
    for key in ("units", "activation", "ridge", "balance", "best", "chosen", "took_ms", "rows"):
        assert state[key] == getattr(tuned, key)
    assert state["curve"] == [list(point) for point in tuned.curve]
    assert state["limits"]["units"] == [1, 2048] and "gelu" in state["limits"]["activations"]
    assert state["limits"]["ridge"] == [tuned.curve[0][0], tuned.curve[-1][0]]
    assert state["accuracy"]["method"] == "leave-one-out"
    assert state["trials"] == tuned.trials


def test_it_shows_itself_without_a_widget(lab: Lab) -> None:
    nasty = [(f"<b>{text}</b>", f"<i>{label}</i>") for text, label in PAIRS[:200]]
    tuned = lab.tune(examples=nasty, config=SMALL)
    html = tuned._repr_html_()
    assert "<svg" in html and "Leave-one-out accuracy" in html
    assert "<i>" not in html and "<b>music" not in html and "&lt;i&gt;" in html
    assert len(html) < 30_000
    assert "64 units, relu" in repr(tuned)
    assert "n = 200" in str(tuned)


def test_examples_are_as_good_as_a_data_set(lab: Lab, tuned: Tuning) -> None:
    given = lab.tune(examples=({"text": t, "label": la} for t, la in PAIRS), config=SMALL)
    assert given.dataset_id is None and tuned.dataset_id == "topics"
    assert given.curve == tuned.curve
    assert given.train("m", persist=True, version="1").version == "1"


def test_the_seed_decides(lab: Lab) -> None:
    first = lab.tune(examples=PAIRS, config=SMALL, seed=1)
    assert first.curve == lab.tune(examples=PAIRS, config={**SMALL, "seed": 1}, seed=5).curve
    assert first.curve != lab.tune(examples=PAIRS, config=SMALL, seed=2).curve
    assert first.config()["seed"] == 1


def test_large_data_is_thinned_evenly(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuning, "MOST_ROWS", 500)
    rare = [("a lonely text", "rare")]
    tuned = lab.tune(examples=[*PAIRS, *rare], config=SMALL)
    assert tuned.total == 1101 and 500 <= tuned.rows <= 501
    assert "rare" in tuned.state()["labels"]
    assert tuned.notes == [
        f"These figures rest on {tuned.rows} of 1,101 rows, evenly per label; training uses all."
    ]
    assert "evenly per label" in tuned._repr_html_()
    assert tuned.train("all").training_examples == 1101


def test_a_thinned_sample_is_a_fair_share_of_each_label(lab: Lab) -> None:
    data = LabelledData.of(lab, None, PAIRS)
    texts, labels = data.some(300, seed=0)
    whole, part = Counter(LABELS), Counter(labels)
    assert len(labels) == 300
    assert all(abs(part[label] - n * 300 / 1100) <= 1 for label, n in whole.items())
    rows = list(zip(texts, labels, strict=True))
    places, start = [], 0
    for row in rows:  # in their order
        start = PAIRS.index(row, start) + 1
        places.append(start)
    assert data.some(300, seed=0)[0] == texts != data.some(300, seed=1)[0]
    halves = Counter(place > 550 for place in places)
    assert 100 < halves[True] < 200
    assert data.some(5000, seed=0)[0] == TEXTS


@pytest.mark.parametrize(
    ("given", "error", "reason"),
    [
        ({}, InvalidInput, "dataset_id: is needed"),
        ({"dataset_id": "none"}, NotFound, "dataset_id: no data set 'none'"),
        ({"dataset_id": "a", "examples": EXAMPLES}, InvalidInput, "examples: give examples or"),
        ({"examples": [("a", "x")]}, InsufficientData, "examples: .* two labels"),
        ({"examples": [("a", "")]}, InvalidInput, "examples: item 0"),
        ({"examples": EXAMPLES, "config": {"preset": "accurate"}}, InvalidInput, "config: "),
        ({"examples": EXAMPLES, "config": {"units": 3}}, InvalidInput, "config: unknown key"),
        ({"examples": EXAMPLES, "config": {"hiddenUnits": 4096}}, InvalidInput, "config: hidden"),
        ({"examples": EXAMPLES, "config": "fast"}, InvalidInput, "config: must be an object"),
        ({"examples": EXAMPLES, "seed": -1}, InvalidInput, "seed: must be from 0"),
    ],
)
def test_what_cannot_be_tuned_is_refused(lab: Lab, given: dict, error: type, reason: str) -> None:
    with pytest.raises(error, match=f"^{reason}"):
        lab.tune(**given)


def test_training_takes_what_train_classifier_takes(tuned: Tuning, lab: Lab) -> None:
    with pytest.raises(InvalidInput, match=r"^config: comes from the tuning"):
        tuned.train("m", config={})
    trained = tuned.train("m", description="tuned", tags=["best"], persist=True)
    assert trained.persisted and lab.find_by_tag("best").total == 1
    assert trained.config == tuned.config()


def test_settings_from_several_threads_never_mix(tuned: Tuning) -> None:
    seen: list[bool] = []

    def look() -> None:
        for _ in range(50):
            state = tuned.state()
            point = [p for p in state["curve"] if p[0] == state["chosen"]]
            seen.append(point[0][1] == state["accuracy"]["value"])

    setters = [lambda units=units: tuned.set(units=units) for units in (10, 25, 60)]
    threads = [threading.Thread(target=work) for work in (look, *setters)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen and all(seen)
    assert sorted(trial["units"] for trial in tuned.trials) == [10, 25, 60, 64]


def test_what_it_does_not_have_is_an_attribute_error(tuned: Tuning) -> None:
    with pytest.raises(AttributeError, match="no attribute 'unit'"):
        _ = tuned.unit
    assert {"curve", "accuracy", "set"} <= set(dir(tuned))
