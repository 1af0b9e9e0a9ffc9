"""The places that settings are read from, laid over each other by name."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import platformdirs
from pydantic import TypeAdapter, ValidationError
from pydantic_settings import EnvSettingsSource

from astermind_lab.errors import InvalidInput, nearest, shown
from astermind_lab.settings.model import SECTIONS, Settings

__all__ = [
    "Layer",
    "layers",
    "load_settings",
    "origin",
    "project_file",
    "setting_keys",
    "settings_from",
    "user_file",
]

_PREFIX = "ASTERMIND_"
_FILE_NAME = "astermind.toml"
_SECRETS = ("dashboard.token", "database.password")
_OLD_SERVER = {
    "SURREALDB_URL": "database.url",
    "SURREALDB_NAMESPACE": "database.namespace",
    "SURREALDB_DATABASE": "database.database",
    "SURREALDB_USERNAME": "database.username",
    "SURREALDB_PASSWORD": "database.password",
    "LOG_PREDICTIONS": "monitoring.log_predictions",
}


@dataclass(frozen=True)
class Layer:
    """The values of one place, nested by section, and the words that say where a key was found."""

    values: Mapping[str, Any]
    found_in: Callable[[str], str]

    def has(self, key: str) -> bool:
        return _look_up(self.values, key) is not None


def load_settings(**overrides: object) -> Settings:
    """The settings that are in force here and now.

    overrides : ``data_dir=...``, a section as a mapping (``database={"url": ...}``), or one key of
        it (``database__url=...``). None means "not given".

    Raises InvalidInput that names the key and the place of a value that cannot be used, an unknown
    key, or a file that cannot be read.
    """
    return settings_from(layers(overrides))


def settings_from(found: list[Layer]) -> Settings:
    """The layers laid over each other, first one on top, and checked."""
    merged: dict[str, Any] = {}
    for layer in reversed(found):
        _lay_over(merged, layer.values)
    try:
        return Settings(**merged)
    except ValidationError as error:
        _refuse(error, found)


def layers(overrides: Mapping[str, object]) -> list[Layer]:
    """Every place that has something to say, the strongest first."""
    return [
        Layer(_given(overrides), lambda key: "argument"),
        _environment(),
        _old_server(),
        _file(project_file()),
        _file(user_file()),
    ]


def origin(key: str, found: list[Layer]) -> str:
    """Where the value of a dotted key comes from, in words."""
    return next((layer.found_in(key) for layer in found if layer.has(key)), "default")


def project_file() -> Path:
    """The settings file of the current folder; it need not exist."""
    return Path(_FILE_NAME).absolute()


def user_file() -> Path:
    """The settings file of the current user; it need not exist."""
    return platformdirs.user_config_path("astermind-lab", appauthor=False) / _FILE_NAME


def setting_keys() -> Iterator[str]:
    """Every dotted key, in the order in which the model lists them."""
    for name in Settings.model_fields:
        if name in SECTIONS:
            yield from (f"{name}.{key}" for key in SECTIONS[name].model_fields)
        else:
            yield name


def _given(overrides: Mapping[str, object]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, value in overrides.items():
        section, _, key = name.partition("__")
        _lay_over(values, {section: {key: value}} if key else {name: value})
    return values


def _environment() -> Layer:
    for name in os.environ:
        _refuse_half_a_name(name)
    present = {name.upper(): name for name in os.environ}

    def found_in(key: str) -> str:
        name = _variable(key)
        return f"environment variable {present.get(name, name)}"

    return Layer(EnvSettingsSource(Settings)(), found_in)


def _refuse_half_a_name(name: str) -> None:
    # ASTERMIND_DATABASE_URL would be passed over in silence, and the data land elsewhere.
    for section, model in SECTIONS.items():
        if re.fullmatch(f"{_PREFIX}{section}(_(?!_).*)?", name, re.IGNORECASE):
            allowed = [_variable(f"{section}.{key}") for key in model.model_fields]
            hint = nearest(name.upper(), allowed) or f" Allowed: {', '.join(allowed)}."
            raise InvalidInput(name, f"no such setting in the environment.{hint}")


def _old_server() -> Layer:
    values: dict[str, Any] = {}
    variables: dict[str, str] = {}
    for name, key in _OLD_SERVER.items():
        if os.environ.get(name):
            section, _, leaf = key.partition(".")
            _lay_over(values, {section: {leaf: os.environ[name]}})
            variables[key] = name
    if not _old_server_persists():
        _lay_over(values, {"database": {"url": "mem://"}})
        variables["database.url"] = "ENABLE_PERSISTENCE"
    return Layer(values, lambda key: f"environment variable {variables[key]}")


def _old_server_persists() -> bool:
    value = os.environ.get("ENABLE_PERSISTENCE") or "true"
    try:
        return TypeAdapter(bool).validate_python(value)
    except ValidationError:
        message = f"should be true or false, not {shown(value)} (environment variable)"
        raise InvalidInput("ENABLE_PERSISTENCE", message) from None


def _file(path: Path) -> Layer:
    try:
        text = path.read_text(encoding="utf-8-sig")
        values = tomllib.loads(text)
    except (FileNotFoundError, NotADirectoryError):
        values = {}
    except OSError as error:
        raise InvalidInput(str(path), f"cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise InvalidInput(str(path), f"is not a valid TOML file: {error}") from None
    _anchor(values, path.parent)
    return Layer(values, lambda key: f"file {path}")


def _anchor(values: dict[str, Any], folder: Path) -> None:
    """Relative folders in a file start at that file, not at whoever reads it."""
    paths = values.get("allowed_paths")
    if isinstance(paths, list):
        values["allowed_paths"] = [_anchored(item, folder) for item in paths]
    if "data_dir" in values:
        values["data_dir"] = _anchored(values["data_dir"], folder)


def _anchored(value: object, folder: Path) -> object:
    plain = isinstance(value, str) and value.strip() and not value.startswith("~")
    return str(folder / value) if plain and isinstance(value, str) else value


def _lay_over(under: dict[str, Any], over: Mapping[str, Any]) -> None:
    """Put the values of ``over`` into ``under``, section by section; None changes nothing."""
    for name, value in over.items():
        if isinstance(value, Mapping):
            kept = under.get(name)
            under[name] = dict(kept) if isinstance(kept, Mapping) else {}
            _lay_over(under[name], value)
        elif value is not None:
            under[name] = value


def _look_up(values: Mapping[str, Any], key: str) -> object:
    section, _, leaf = key.partition(".")
    value = values.get(section)
    if leaf:
        return value.get(leaf) if isinstance(value, Mapping) else None
    return value


def _variable(key: str) -> str:
    return _PREFIX + key.upper().replace(".", "__")


def _refuse(error: ValidationError, found: list[Layer]) -> NoReturn:
    first = error.errors(include_url=False, include_context=False)[0]
    parts = [str(part) for part in first["loc"]]
    key = ".".join(parts[: 2 if parts[0] in SECTIONS else 1])
    place = origin(key, found)
    if first["type"] == "extra_forbidden":
        message = f"no such setting ({place}).{_allowed_instead(key)}"
    elif key in SECTIONS:
        message = f"should be a section with settings in it ({place}).{_allowed_instead(key)}"
    else:
        message = f"{first['msg'].removeprefix('Value error, ')}{_quoted(key, first['input'])}"
        message += f" ({place})"
    raise InvalidInput(key, message) from None


def _quoted(key: str, value: object) -> str:
    """The value in an error message, unless a password may be in it."""
    return "" if key in _SECRETS or "@" in str(value) else f", not {shown(value)}"


def _allowed_instead(key: str) -> str:
    keys = list(setting_keys())
    section = key.partition(".")[0]
    siblings = [other for other in keys if other.startswith(f"{section}.")]
    return nearest(key, keys) or f" Allowed: {', '.join(siblings or keys)}."
