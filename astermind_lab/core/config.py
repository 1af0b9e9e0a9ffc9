"""What a classifier is made from: presets, their values, and the names users may give them."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Literal, get_args

from astermind_lab.errors import InvalidInput, nearest, shown

__all__ = ["MAX_HIDDEN_UNITS", "PRESETS", "ElmConfig", "memory_needed"]

Preset = Literal["fast", "default", "accurate"]
Readout = Literal["ridge", "margin"]
Hidden = Literal["random", "constrained"]
Activation = Literal["relu", "leakyrelu", "sigmoid", "tanh", "linear", "gelu"]
WeightInit = Literal["normal", "uniform", "xavier", "he"]

MAX_HIDDEN_UNITS = 8192
LAYER_ROWS, LAYER_CHARACTERS = 60_000, 16_000_000
"""At most so many texts, so long together, build the layer; memory stops growing there."""

_CHOICES: dict[str, tuple[str, ...]] = {
    "preset": get_args(Preset),
    "readout": get_args(Readout),
    "hidden": get_args(Hidden),
    "activation": get_args(Activation),
    "weight_init": get_args(WeightInit),
}
_OLD_NAMES = {
    "hiddenUnits": "hidden_units",
    "weightInit": "weight_init",
    "ridgeLambda": "ridge",
    "maxLen": "max_length",
}


def _wrong(name: str, value: object, allowed: str) -> InvalidInput:
    return InvalidInput("config", f"{name} must be {allowed}, got {shown(value)}")


def _whole(name: str, value: object, low: int, high: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise _wrong(name, value, f"a whole number from {low} to {high}")


def _number(name: str, value: object, allowed: str, fits: Callable[[float], bool]) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _wrong(name, value, allowed)
    if not math.isfinite(value) or not fits(value):
        raise _wrong(name, value, allowed)


@dataclass(frozen=True)
class ElmConfig:
    """The effective configuration of a classifier.

    preset : "fast", "default" or "accurate"; gives readout and hidden_units their values
    readout : "ridge" (closed form: exact leave-one-out, add, forget, merge) or "margin"
    hidden_units : 1 … 8192
    hidden : "random" weights, or "constrained": differences of training texts of two classes
    activation : relu, leakyrelu, sigmoid, tanh, linear or gelu
    weight_init : distribution of random weights: normal, uniform, xavier or he
    ridge : λ > 0 on the diagonal of the scatter matrix; None: chosen by leave-one-out
    balance : 0 … 1; a class of n texts weighs n**-balance (0: every text counts the same)
    max_length : texts are cut after so many characters; None: never
    dropout : 0 ≤ x < 1; share of the hidden weights that are zero from the start
    seed : ≥ 0; same data, configuration and seed give the same model
    """

    preset: Preset = "default"
    readout: Readout = "ridge"
    hidden_units: int = 1024
    hidden: Hidden = "random"
    activation: Activation = "relu"
    weight_init: WeightInit = "normal"
    ridge: float | None = None
    balance: float = 0.0
    max_length: int | None = None
    dropout: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name, allowed in _CHOICES.items():
            value = getattr(self, name)
            if value not in allowed:
                raise _wrong(name, value, f"one of {', '.join(allowed)}")
        _whole("hidden_units", self.hidden_units, 1, MAX_HIDDEN_UNITS)
        _whole("seed", self.seed, 0, 2**63 - 1)
        if self.max_length is not None:
            _whole("max_length", self.max_length, 1, 2**31 - 1)
        if self.ridge is not None:
            _number("ridge", self.ridge, "a number above 0", lambda x: x > 0)
        _number("balance", self.balance, "a number from 0 to 1", lambda x: 0 <= x <= 1)
        _number("dropout", self.dropout, "a number from 0 to below 1", lambda x: 0 <= x < 1)

    @classmethod
    def parse(cls, config: Mapping[str, object] | ElmConfig | None = None) -> ElmConfig:
        """A configuration from keys in snake_case, or in the camelCase of the earlier server.

        A preset fills what the other keys leave open. Raises InvalidInput("config", …) for an
        unknown key, a key given in both spellings, or a value out of range.

        >>> ElmConfig.parse({"preset": "fast", "ridgeLambda": 0.5}).hidden_units
        512
        """
        if config is None:
            return cls()
        if isinstance(config, ElmConfig):
            return config
        if not isinstance(config, Mapping):
            raise InvalidInput("config", f"must be an object of keys, got {shown(config)}")
        names = [field.name for field in fields(cls)]
        given: dict[str, object] = {}
        for key, value in config.items():
            name = _OLD_NAMES.get(key, key)
            if name not in names:
                hint = nearest(str(key), [*names, *_OLD_NAMES])
                raise InvalidInput(
                    "config", f"unknown key {shown(key)}.{hint} Keys: {', '.join(names)}"
                )
            if name in given:
                raise InvalidInput("config", f"{name} is given twice, also as {shown(key)}")
            given[name] = value
        preset = given.get("preset", "default")
        if not isinstance(preset, str) or preset not in PRESETS:
            raise _wrong("preset", preset, f"one of {', '.join(PRESETS)}")
        return replace(PRESETS[preset], **given)  # type: ignore[arg-type]

    def to_dict(self) -> dict[str, object]:
        """Every key with its effective value, as JSON knows them."""
        return asdict(self)


PRESETS: dict[str, ElmConfig] = {
    "fast": ElmConfig("fast", hidden_units=512),
    "default": ElmConfig(),
    "accurate": ElmConfig("accurate", "margin", hidden_units=2048),
}


def most_ngrams(classes: int) -> int:
    """The size of the vocabulary; more classes leave room for fewer n-grams."""
    return max(20_000, 4_000_000 // classes)


def memory_needed(rows: int, characters: int, classes: int, config: ElmConfig) -> int:
    """Bytes that training takes at its peak, rounded up generously.

    rows, characters : size of the training data     classes : number of labels
    In this order: the sparse text of the layer part; the sums, the factor and some blocks of hidden
    rows; discriminants and scores of two folds at work; blocks of text.
    """
    width = config.hidden_units + classes + 1
    held = min(characters * min(1.0, LAYER_ROWS / max(rows, 1)), LAYER_CHARACTERS)
    weights = min(most_ngrams(classes), 3 * held + 1) * classes
    scores = classes * min(rows, LAYER_ROWS)
    return int(60 * held + 8 * width * (4 * width + 8192) + 64 * weights + 48 * scores + 2**28)


def check_memory(rows: int, characters: int, classes: int, config: ElmConfig) -> None:
    """Refuse what this machine cannot hold, before any of it is taken."""
    needed = memory_needed(rows, characters, classes, config)
    try:
        present = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # a platform that does not tell
        return
    if needed > 0.8 * present:
        raise InvalidInput(
            "training_data",
            f"{rows:,} texts with {classes:,} labels and {config.hidden_units} hidden units need "
            f"about {needed / 2**30:.1f} GiB; this machine has {present / 2**30:.1f}. Use fewer "
            "labels or hidden units, or a part of the data",
        )
