"""The model file: safetensors with a JSON header, checked on load, never pickle.

Tensors hold numbers only; everything else (format version, configuration, categories, digests) is
one JSON object in the metadata under ``astermind``. On load the SHA-256 over the tensors, every
dtype, every shape and the finiteness of every float are checked before a model is made of them.

Source: the safetensors format, https://github.com/huggingface/safetensors.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from astermind_lab.core.calibration import Calibration
from astermind_lab.core.classifier import Layer, TextClassifier
from astermind_lab.core.config import ElmConfig
from astermind_lab.core.coordinates import Encoder, EncoderCoordinates, TextCoordinates
from astermind_lab.core.drift_features import FeatureMap
from astermind_lab.core.features import BUCKETS, Vocabulary
from astermind_lab.core.hidden import HiddenLayer
from astermind_lab.core.ledger import Ledger
from astermind_lab.core.readout import RidgeReadout
from astermind_lab.errors import InvalidInput, ModelFileError
from astermind_lab.estimate import Estimate

__all__ = ["FORMAT", "dump", "layer_digest", "load"]

FORMAT = 1
FEATURES = 1
"""Changes whenever the same text gets other n-grams, and with it every model."""
Tensors = dict[str, NDArray[Any]]

_DTYPES = {
    "class_weights": "float64",
    "coordinates.bias": "float64",
    "coordinates.buckets": "int32",
    "coordinates.idf": "float32",
    "coordinates.mean": "float64",
    "coordinates.scale": "float64",
    "coordinates.weights": "float16",
    "drift.mean": "float32",
    "drift.weights": "float32",
    "hidden.bias": "float64",
    "hidden.weights": "float64",
    "ledger.coordinates": "int16",
    "ledger.texts": "uint64",
    "ledger.seen": "uint64",
    "ledger.judged": "bool",
    "ledger.labels": "int32",
    "ledger.places": "int32",
    "readout.beta": "float64",
    "readout.moments": "float64",
    "readout.scatter": "float64",
}


def dump(model: TextClassifier) -> bytes:
    """The model as the bytes of one safetensors file."""
    from safetensors.numpy import save

    tensors = _layer_tensors(model.layer)
    tensors["class_weights"] = model.class_weights
    if model.layer.drift is not None:
        tensors["drift.mean"] = model.layer.drift.mean
        tensors["drift.weights"] = model.layer.drift.weights
    for name in ("texts", "labels", "places", "coordinates", "judged", "seen"):
        tensors[f"ledger.{name}"] = getattr(model.ledger, name)
    if model.margin is None:
        size = len(model.readout.scatter)
        tensors["readout.scatter"] = model.readout.scatter[np.tril_indices(size)]
        tensors["readout.moments"] = model.readout.moments
        tensors["readout.beta"] = model.readout.beta
    else:
        tensors["readout.beta"] = model.margin
    tensors = {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
    estimate = model.accuracy
    header = {
        "format": FORMAT,
        "features": FEATURES,
        "config": model.config.to_dict(),
        "categories": list(model.categories),
        "encoder": isinstance(model.layer.coordinates, EncoderCoordinates),
        "ridge": model.readout.ridge,
        "calibration": asdict(model.calibration),
        "accuracy": estimate and estimate.to_dict(),
        "warnings": list(model.warnings),
        "judged_share": model.ledger.share,
    }
    header["digest"] = seal(tensors, header)
    return save(tensors, {"astermind": json.dumps(header, ensure_ascii=True, allow_nan=False)})


def load(data: bytes, encoder: Encoder | None = None) -> TextClassifier:
    """The model of ``dump``'s bytes. Raises ModelFileError for anything else."""
    tensors, header = _read(data)
    if header.get("encoder") is True and encoder is None:
        raise InvalidInput(
            "encoder", "this model was fitted with a text encoder; pass the same one to load it"
        )
    try:
        return _build(tensors, header, encoder)
    except ModelFileError:
        raise
    except (InvalidInput, LookupError, TypeError, ValueError, ArithmeticError) as error:
        raise ModelFileError(f"this model file does not fit together: {error}") from None


def layer_digest(layer: Layer, config: ElmConfig) -> str:
    """SHA-256 over all that leads from a text to its hidden row."""
    fixed = {"activation": config.activation, "max_length": config.max_length}
    return seal(_layer_tensors(layer), {"features": FEATURES, **fixed})


def _layer_tensors(layer: Layer) -> Tensors:
    tensors: Tensors = {"hidden.weights": layer.hidden.weights, "hidden.bias": layer.hidden.bias}
    match layer.coordinates:
        case TextCoordinates() as text:
            tensors["coordinates.buckets"] = text.vocabulary.buckets
            tensors["coordinates.idf"] = text.vocabulary.idf
            tensors["coordinates.weights"] = text.weights
            tensors["coordinates.bias"] = text.bias
        case EncoderCoordinates() as encoded:
            tensors["coordinates.mean"] = encoded.mean
            tensors["coordinates.scale"] = encoded.scale
    return tensors


def seal(tensors: Mapping[str, NDArray[Any]], header: Mapping[str, Any]) -> str:
    """SHA-256 over the tensors and the header, but for its digest."""
    rest = {key: value for key, value in header.items() if key != "digest"}
    total = hashlib.sha256(json.dumps(rest, sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = np.ascontiguousarray(tensors[name])
        total.update(f"{name}:{tensor.dtype}:{tensor.shape};".encode())
        total.update(tensor.reshape(-1).view(np.uint8).data)
    return total.hexdigest()


def _read(data: bytes) -> tuple[Tensors, dict[str, Any]]:
    """Tensors and header of a file, checked as far as that is possible without meaning."""
    from safetensors import SafetensorError
    from safetensors.numpy import load as load_tensors

    try:
        tensors = load_tensors(data)
        length = int.from_bytes(data[:8], "little")
        header = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["astermind"])
    except (SafetensorError, ValueError, KeyError, TypeError, RecursionError) as error:
        detail = f"{type(error).__name__}: {error}"[:120]
        raise ModelFileError(f"this is not an AsterMind model file ({detail})") from None
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        found = header.get("format") if isinstance(header, dict) else header
        raise ModelFileError(
            f"model file format {found!r}; this version of the lab reads format {FORMAT}"
        )
    for name, tensor in tensors.items():
        if tensor.dtype.name != _DTYPES.get(name):
            raise ModelFileError(f"tensor {name!r} of type {tensor.dtype} does not belong here")
        if tensor.dtype.kind == "f" and not np.isfinite(tensor).all():
            raise ModelFileError(f"tensor {name!r} holds NaN or infinity")
    if header.get("features") != FEATURES:
        raise ModelFileError("the model reads texts as another version of the lab does; train anew")
    if seal(tensors, header) != header.get("digest"):
        raise ModelFileError("the file is damaged: its digest does not match its content")
    return tensors, header


def _build(tensors: Tensors, header: dict[str, Any], encoder: Encoder | None) -> TextClassifier:
    config = ElmConfig.parse(header["config"])
    categories = tuple(header["categories"])
    classes = len(categories)
    if not all(isinstance(label, str) for label in categories) or len(set(categories)) != classes:
        raise ModelFileError("the categories are not different strings")
    coordinates = _coordinates(tensors, header, encoder)
    hidden = HiddenLayer(tensors["hidden.weights"], tensors["hidden.bias"], config.activation)
    layer = Layer(coordinates, hidden, _drift(tensors, len(hidden.bias)))
    units, width = len(hidden.bias), layer.width
    rows, held = len(tensors["ledger.texts"]), len(tensors["ledger.judged"])
    _shape(tensors, "hidden.weights", (coordinates.width, units))
    _shape(tensors, "class_weights", (classes,))
    _shape(tensors, "readout.beta", (width, classes))
    _shape(tensors, "ledger.labels", (rows,))
    _shape(tensors, "ledger.places", (rows,))
    _shape(tensors, "ledger.coordinates", (held, coordinates.width))
    labels, places = tensors["ledger.labels"], tensors["ledger.places"]
    if rows and not (labels.min() >= 0 and labels.max() < classes and places.max() < held):
        raise ModelFileError("the ledger points outside the model")
    margin = config.readout == "margin"
    calibration, ridge = Calibration(**header["calibration"]), float(header["ridge"])
    positive = (calibration.slope, calibration.power, ridge)
    if not all(math.isfinite(x) for x in (*positive, calibration.offset)) or min(positive) <= 0:
        raise ModelFileError("calibration and ridge must be finite and above 0")
    estimate = _estimate(header["accuracy"])
    return TextClassifier(
        config=config,
        categories=categories,
        layer=layer,
        readout=RidgeReadout.empty(1, classes, ridge) if margin else _readout(tensors, ridge),
        margin=tensors["readout.beta"] if margin else None,
        calibration=calibration,
        class_weights=tensors["class_weights"],
        ledger=Ledger(
            tensors["ledger.texts"],
            labels,
            places,
            tensors["ledger.coordinates"],
            tensors["ledger.judged"],
            tensors["ledger.seen"],
            float(header["judged_share"]),
        ),
        held_out=estimate if margin else None,
        warnings=tuple(header["warnings"]),
        _accuracy=None if margin else estimate,
    )


def _estimate(written: dict[str, Any] | None) -> Estimate | None:
    if written is None:
        return None
    correct = round(written["value"] * written["n"])
    estimate = Estimate.proportion(correct, written["n"], written["method"])
    if estimate.to_dict() != written:
        raise ModelFileError("the accuracy in the header is not one")
    return estimate


def _coordinates(
    tensors: Tensors, header: dict[str, Any], encoder: Encoder | None
) -> TextCoordinates | EncoderCoordinates:
    if encoder is not None and header["encoder"]:
        return EncoderCoordinates(
            encoder, tensors["coordinates.mean"], tensors["coordinates.scale"]
        )
    buckets = tensors["coordinates.buckets"]
    _shape(tensors, "coordinates.idf", buckets.shape)
    width = len(tensors["coordinates.bias"])
    _shape(tensors, "coordinates.weights", (len(buckets), width))
    if len(buckets) and not (
        buckets[0] >= 0 and buckets[-1] < BUCKETS and (np.diff(buckets) > 0).all()
    ):
        raise ModelFileError("the vocabulary is not ascending within its range")
    vocabulary = Vocabulary(buckets, tensors["coordinates.idf"])
    return TextCoordinates(vocabulary, tensors["coordinates.weights"], tensors["coordinates.bias"])


def _drift(tensors: Tensors, units: int) -> FeatureMap | None:
    if "drift.mean" not in tensors:  # a file from before there were drift features
        return None
    weights = tensors["drift.weights"]
    _shape(tensors, "drift.mean", (units,))
    _shape(tensors, "drift.weights", (units, weights.shape[-1]))
    return FeatureMap(tensors["drift.mean"], weights)


def _readout(tensors: Tensors, ridge: float) -> RidgeReadout:
    beta = tensors["readout.beta"]
    size = len(beta)
    _shape(tensors, "readout.moments", beta.shape)
    _shape(tensors, "readout.scatter", (size * (size + 1) // 2,))
    scatter = np.zeros((size, size))
    scatter[np.tril_indices(size)] = tensors["readout.scatter"]
    scatter += np.tril(scatter, -1).T
    return RidgeReadout(scatter, tensors["readout.moments"].copy(), ridge, beta)


def _shape(tensors: Tensors, name: str, expected: tuple[int, ...]) -> None:
    if tensors[name].shape != expected:
        raise ModelFileError(f"tensor {name!r} has shape {tensors[name].shape}, not {expected}")
