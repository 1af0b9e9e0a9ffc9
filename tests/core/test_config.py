import json

import pytest

from astermind_lab.core import ElmConfig
from astermind_lab.core.config import PRESETS, check_memory
from astermind_lab.errors import InvalidInput


def test_presets() -> None:
    readouts = {name: preset.readout for name, preset in PRESETS.items()}
    assert readouts == {"fast": "ridge", "default": "ridge", "accurate": "margin"}


def test_a_preset_fills_what_the_other_keys_leave_open() -> None:
    config = ElmConfig.parse({"preset": "accurate", "hidden_units": 64})
    assert (config.readout, config.hidden_units) == ("margin", 64)


def test_the_names_of_the_earlier_server() -> None:
    old = {
        "hiddenUnits": 256,
        "activation": "tanh",
        "weightInit": "xavier",
        "ridgeLambda": 0.01,
        "maxLen": 80,
        "dropout": 0.2,
    }
    config = ElmConfig.parse(old)
    assert config == ElmConfig(
        hidden_units=256,
        activation="tanh",
        weight_init="xavier",
        ridge=0.01,
        max_length=80,
        dropout=0.2,
    )


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({"hidenUnits": 3}, "hiddenUnits"),
        ({"hiddenUnits": 10**9}, "hidden_units"),
        ({"hidden_units": 0}, "hidden_units"),
        ({"hidden_units": 12.5}, "hidden_units"),
        ({"hidden_units": True}, "hidden_units"),
        ({"hidden_units": 3, "hiddenUnits": 3}, "twice"),
        ({"activation": "swish"}, "activation"),
        ({"activation": ["relu"]}, "activation"),
        ({"ridgeLambda": 0}, "ridge"),
        ({"ridge": float("nan")}, "ridge"),
        ({"ridge": "1"}, "ridge"),
        ({"dropout": 1}, "dropout"),
        ({"balance": 2}, "balance"),
        ({"maxLen": 0}, "max_length"),
        ({"seed": -1}, "seed"),
        ({"preset": "best"}, "preset"),
        ({"preset": None}, "preset"),
        ({3: 4}, "unknown key"),
        ("fast", "object"),
    ],
)
def test_what_is_wrong_is_named(config: object, named: str) -> None:
    with pytest.raises(InvalidInput, match=named) as caught:
        ElmConfig.parse(config)  # type: ignore[arg-type]
    assert caught.value.argument == "config"


def test_the_effective_configuration_is_json_and_comes_back() -> None:
    config = ElmConfig.parse({"preset": "fast", "seed": 7})
    assert ElmConfig.parse(json.loads(json.dumps(config.to_dict()))) == config


def test_data_that_cannot_fit_is_refused_before_memory_is_taken() -> None:
    with pytest.raises(InvalidInput, match="GiB"):
        check_memory(10**7, 10**10, 10**6, ElmConfig(hidden_units=8192))
    check_memory(100_000, 25_000_000, 4, ElmConfig())
