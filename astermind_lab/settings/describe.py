"""The settings as ``astermind config show`` prints them: value and origin, key by key."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import timedelta
from functools import reduce

from pydantic import SecretStr

from astermind_lab.settings.model import SECONDS, SIZES
from astermind_lab.settings.sources import layers, origin, setting_keys, settings_from

__all__ = ["SettingShown", "describe"]

_NONE_MEANS = {
    "database.idle_timeout": "never",
    "retention.predictions": "forever",
    "retention.metrics": "forever",
    "retention.old_model_versions": "all",
}


@dataclass(frozen=True)
class SettingShown:
    """One setting, fit for a screen: ``value`` is text, and never a password."""

    key: str
    value: str
    origin: str


def describe(**overrides: object) -> list[SettingShown]:
    """Every setting in force, in the model's order; arguments and errors as ``load_settings``."""
    found = layers(overrides)
    settings = settings_from(found)
    return [
        SettingShown(key, _text(key, reduce(getattr, key.split("."), settings)), origin(key, found))
        for key in setting_keys()
    ]


def _text(key: str, value: object) -> str:
    if value is None:
        return _NONE_MEANS.get(key, "(not set)")
    if isinstance(value, SecretStr):
        return "(set, not shown)"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, timedelta):
        return _duration_text(value)
    if key == "monitoring.spool_limit" and isinstance(value, int):
        return _size_text(value)
    if isinstance(value, tuple):
        between = ", " if all(isinstance(item, str) for item in value) else os.pathsep
        return between.join(str(item) for item in value) or "(none)"
    return str(value)


def _duration_text(span: timedelta) -> str:
    """The span in its largest whole unit, in the form that settings accept: ``90d``.

    >>> _duration_text(timedelta(minutes=90)), _duration_text(timedelta(days=365))
    ('90m', '1y')
    """
    seconds = span // timedelta(seconds=1)
    unit = max((unit for unit in SECONDS if seconds % SECONDS[unit] == 0), key=SECONDS.__getitem__)
    return f"{seconds // SECONDS[unit]}{unit}"


def _size_text(size: int) -> str:
    """The size in its largest whole unit, in the form that settings accept.

    >>> _size_text(1_500_000_000), _size_text(25_000_001)
    ('1500MB', '25000001B')
    """
    unit = max((unit for unit in SIZES if size % SIZES[unit] == 0), key=SIZES.__getitem__)
    return f"{size // SIZES[unit]}{unit}B"
