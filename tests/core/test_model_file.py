import json

import numpy as np
import pytest
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save

from astermind_lab.core import ElmConfig, TextClassifier
from astermind_lab.core.model_file import seal as seal_of
from astermind_lab.errors import ModelFileError
from tests.core.corpus import corpus

TEXTS, LABELS = corpus(300)
NEW, _ = corpus(100, seed=1)


@pytest.fixture(scope="module", params=["default", "accurate"])
def model(request: pytest.FixtureRequest) -> TextClassifier:
    config = ElmConfig.parse({"preset": request.param, "hidden_units": 32})
    return TextClassifier.fit(TEXTS, LABELS, config)


def parts(data: bytes) -> tuple[dict, dict]:
    length = int.from_bytes(data[:8], "little")
    header = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["astermind"])
    return load_tensors(data), header


def assemble(tensors: dict, header: dict, seal: bool = True) -> bytes:
    if seal:
        header = {**header, "digest": seal_of(tensors, header)}
    return save(tensors, {"astermind": json.dumps(header)})


def test_a_reloaded_model_predicts_the_same_to_the_bit(model: TextClassifier) -> None:
    again = TextClassifier.from_bytes(model.to_bytes())
    assert np.array_equal(again.predict_proba(NEW), model.predict_proba(NEW))
    assert (again.config, again.categories) == (model.config, model.categories)
    assert (again.accuracy, again.warnings) == (model.accuracy, model.warnings)
    assert (again.n_examples, again.class_counts) == (model.n_examples, model.class_counts)
    assert again.to_bytes() == model.to_bytes()


def test_a_reloaded_model_learns_and_forgets_like_the_first(model: TextClassifier) -> None:
    if model.config.readout != "ridge":
        pytest.skip("a margin readout is not changed")
    first, again = model.copy(), TextClassifier.from_bytes(model.to_bytes())
    for one in (first, again):
        one.forget(TEXTS[:7], LABELS[:7])
        one.add(NEW[:3], ["billing", "music", "new"])
    assert np.abs(first.readout.beta - again.readout.beta).max() < 1e-12
    third = TextClassifier.from_bytes(again.to_bytes())
    assert np.array_equal(third.predict_proba(NEW), again.predict_proba(NEW))
    assert third.accuracy == again.accuracy


def test_damage_anywhere_is_found(model: TextClassifier) -> None:
    data = model.to_bytes()
    rng = np.random.default_rng(0)
    for place in [*range(8, 40, 7), *rng.integers(0, len(data), 60).tolist()]:
        damaged = bytearray(data)
        damaged[place] ^= 1 << int(rng.integers(8))
        try:
            again = TextClassifier.from_bytes(bytes(damaged))
        except ModelFileError:
            continue
        # a changed character of a category's name or a blank in the header is no damage we can see
        assert np.array_equal(again.predict_proba(NEW), model.predict_proba(NEW))


@pytest.mark.parametrize("data", [b"", b"\x80\x04pickle", b"PK\x03\x04", b"{}", bytes(100)])
def test_other_files_are_refused(data: bytes) -> None:
    with pytest.raises(ModelFileError):
        TextClassifier.from_bytes(data)


def test_a_cut_file_is_refused(model: TextClassifier) -> None:
    data = model.to_bytes()
    for length in (5, 100, len(data) // 2, len(data) - 1):
        with pytest.raises(ModelFileError):
            TextClassifier.from_bytes(data[:length])


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("hidden.weights", lambda t: np.full_like(t, np.nan)),
        ("readout.beta", lambda t: t[:-1]),
        ("readout.beta", lambda t: t.astype("f4")),
        ("coordinates.buckets", lambda t: t[::-1].copy()),
        ("coordinates.buckets", lambda t: t - 10**6),
        ("ledger.labels", lambda t: t + 100),
        ("ledger.places", lambda t: t + 10**6),
        ("ledger.coordinates", lambda t: t[:, :0].copy()),
        ("class_weights", lambda t: t[1:]),
        ("hidden.bias", None),
    ],
)
def test_tensors_that_do_not_fit_are_refused_even_with_a_digest(model, name, change) -> None:
    tensors, header = parts(model.to_bytes())
    tensors = dict(tensors)
    if change is None:
        del tensors[name]
    else:
        tensors[name] = change(tensors[name])
    with pytest.raises(ModelFileError):
        TextClassifier.from_bytes(assemble(tensors, header))


@pytest.mark.parametrize(
    "change",
    [
        {"format": 99},
        {"config": {"hidden_units": 10**9}},
        {"categories": ["a", "a", "b", "c"]},
        {"categories": [1, 2, 3, 4]},
        {"config": {"activation": "eval"}},
        {"calibration": {"slope": -1}},
        {"calibration": {"slop": 1}},
        {"calibration": {"offset": "a"}},
        {"ridge": 0},
    ],
)
def test_headers_that_do_not_fit_are_refused(model: TextClassifier, change: dict) -> None:
    tensors, header = parts(model.to_bytes())
    with pytest.raises(ModelFileError):
        TextClassifier.from_bytes(assemble(tensors, {**header, **change}))


def test_a_wrong_digest_is_refused(model: TextClassifier) -> None:
    tensors, header = parts(model.to_bytes())
    with pytest.raises(ModelFileError, match="digest"):
        TextClassifier.from_bytes(assemble(tensors, {**header, "digest": "0" * 64}, seal=False))
