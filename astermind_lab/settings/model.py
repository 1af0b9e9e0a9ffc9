"""What can be set: the sections, their keys, their defaults and what each key accepts."""

from __future__ import annotations

import os
import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

import platformdirs
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
)
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

__all__ = [
    "SECONDS",
    "SECTIONS",
    "SIZES",
    "Automation",
    "Dashboard",
    "Database",
    "Monitoring",
    "Retention",
    "Settings",
]

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400, "y": 365 * 86400}

SIZES = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}

_SCHEMES = ("mem://", "surrealkv://", "local://", "ws://", "wss://")
_SHORTEST_TOKEN = 8
_LARGEST_DIVERGENCE = 0.6931  # ln 2: no two distributions are further apart in nats


def _url(value: str) -> str:
    if "@" in value and not value.startswith(("mem://", "surrealkv://", "local://")):
        raise ValueError(
            "an address holds no user name or password; set database.username and database.password"
        )
    if not value.startswith(_SCHEMES) or value in _SCHEMES[1:]:
        raise ValueError(
            "should be mem://, surrealkv://FOLDER, local://DATA_DIR, ws://HOST:PORT/rpc or "
            "wss://HOST:PORT/rpc"
        )
    return value


def _duration(value: object) -> timedelta:
    if isinstance(value, timedelta):
        span = value
    else:
        match = re.fullmatch(r"(\d{1,9})\s*([smhdwy])", str(value).strip(), re.ASCII)
        if not match:
            raise ValueError("should be a whole number and a unit (s, m, h, d, w or y), as in 90d")
        seconds = int(match[1]) * SECONDS[match[2]]
        if seconds > SECONDS["y"] * 1000:
            raise ValueError("should be at most 1000y")
        span = timedelta(seconds=seconds)
    if span < timedelta(seconds=1):
        raise ValueError("should be at least 1s")
    return span


def _size(value: object) -> object:
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"(\d{1,15})\s*(?:([kMGT]?)B)?", value.strip(), re.ASCII)
    if not match:
        raise ValueError("should be a whole number and a unit (B, kB, MB, GB or TB), as in 1GB")
    return int(match[1]) * SIZES[match[2] or ""]


def _keep(value: object) -> timedelta | None:
    return None if value in (None, "forever") else _duration(value)


def _last(value: object) -> timedelta | None:
    return None if value in (None, "never") else _duration(value)


def _keep_count(value: object) -> object:
    return None if value == "all" else value


def _folder(value: object) -> Path:
    if not isinstance(value, str | Path) or not str(value).strip() or "\0" in str(value):
        raise ValueError("should be the path of a folder")
    try:
        return Path(value).expanduser().absolute()
    except RuntimeError as error:  # a home folder of somebody who does not exist
        raise ValueError(str(error).rstrip(".")) from None


def _folders(value: object) -> tuple[Path, ...]:
    if isinstance(value, str):
        value = [part for part in value.split(os.pathsep) if part.strip()]
    if not isinstance(value, list | tuple):
        raise ValueError("should be a list of folders")
    return tuple(_folder(item) for item in value)


def _words(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        value = value.split(",")
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        raise ValueError("should be names, separated by commas")
    return tuple(item.strip() for item in value if item.strip())


def _names(value: object) -> tuple[str, ...]:
    names = tuple(name.lower() for name in _words(value))
    for name in names:
        if not re.fullmatch(r"([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?", name):
            raise ValueError("should be names as a browser's address bar shows them, as HOST:PORT")
    return names


def _token(value: object) -> object:
    said = value.get_secret_value() if isinstance(value, SecretStr) else value
    if not isinstance(said, str) or len(said) < _SHORTEST_TOKEN or not said.isprintable():
        raise ValueError(f"should be a text of at least {_SHORTEST_TOKEN} characters")
    return value


def _default_data_dir() -> Path:
    return platformdirs.user_data_path("astermind-lab", appauthor=False)


def _default_allowed_paths() -> tuple[Path, ...]:
    # A server that a desktop program starts often stands in "/" or in the home folder:
    # nobody meant to open those to its tools.
    here = Path.cwd()
    return () if here in (Path(here.anchor), Path.home()) else (here,)


_Word = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
_Url = Annotated[_Word, AfterValidator(_url)]
_Duration = Annotated[timedelta, BeforeValidator(_duration)]
_Size = Annotated[int, BeforeValidator(_size), Field(ge=20_000_000)]
_Last = Annotated[timedelta | None, BeforeValidator(_last)]
_Keep = Annotated[timedelta | None, BeforeValidator(_keep)]
_Count = Annotated[int, Field(ge=1)]
_KeepCount = Annotated[_Count | None, BeforeValidator(_keep_count)]
_Folder = Annotated[Path, BeforeValidator(_folder)]
_Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_words)]
_Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_names)]
_Token = Annotated[SecretStr, BeforeValidator(_token)]
_Port = Annotated[int, Field(ge=0, le=65_535)]
_Folders = Annotated[tuple[Path, ...], NoDecode, BeforeValidator(_folders)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Database(_Section):
    """Where the records are; ``url`` None means the local engine of ``data_dir``.

    engine : what the local engine is: embedded in this package, or the program surreal
    port : where it listens on this machine; 0 takes a free one
    idle_timeout : how long it lasts with nobody connected; None is for ever
    reconnect_timeout : how long a lost connection is opened again before callers are told
    """

    url: _Url | None = None
    namespace: _Word = "astermind"
    database: _Word = "lab"
    username: _Word | None = None
    password: SecretStr | None = None
    engine: Literal["auto", "embedded", "surreal"] = "auto"
    port: _Port = 0
    idle_timeout: _Last = timedelta(minutes=10)
    reconnect_timeout: _Duration = timedelta(seconds=30)


class Monitoring(_Section):
    """What is recorded about predictions, and what counts as drift.

    log_predictions : whether predictions are logged that say nothing about it
    sample_rate : of those, the share that is logged, by chance
    store_inputs : full keeps the texts, hash a keyed digest of each, none nothing
    fsync : when a logged prediction is safe from a power cut: always, before the call returns;
        interval, within a second; os, when the system pleases. A killed process loses none.
    spool_limit : of disk, while the database is away
    webhook_hosts : the only hosts that alerts may be sent to, with or without a port
    """

    enabled: bool = True
    log_predictions: bool = False
    sample_rate: Annotated[float, Field(ge=0, le=1)] = 1.0
    store_inputs: Literal["full", "hash", "none"] = "full"
    fsync: Literal["always", "interval", "os"] = "interval"
    spool_limit: _Size = 1_000_000_000
    webhook_hosts: _Words = ()
    metrics_window: _Duration = timedelta(hours=1)
    drift_threshold: Annotated[float, Field(gt=0, le=_LARGEST_DIVERGENCE)] = 0.1


class Dashboard(_Section):
    """Where ``astermind up`` serves the dashboards, and to whom.

    host : the address to listen at; a browser is asked for the token if others can reach it
    port : 0 takes a free one
    token : what a browser has to show; None is a new one at every start, where one is needed
    allow_origins : further names, as HOST:PORT, under which browsers may ask for the pages, for a
        server that stands behind another one
    """

    host: _Word = "127.0.0.1"
    port: _Port = 5006
    token: _Token | None = None
    allow_origins: _Names = ()


class Automation(_Section):
    """Jobs, schedules and batches."""

    enabled: bool = True
    batch_size: Annotated[int, Field(ge=1, le=100_000)] = 1000
    max_concurrent_jobs: Annotated[int, Field(ge=1, le=64)] = 4


class Retention(_Section):
    """How long records are kept; None means for ever, and that is the default."""

    predictions: _Keep = None
    metrics: _Keep = None
    old_model_versions: _KeepCount = None


class Settings(BaseSettings):
    """Every setting. ``Settings(...)`` reads nothing but its arguments; see ``load_settings``."""

    model_config = SettingsConfigDict(
        env_prefix="ASTERMIND_",
        env_nested_delimiter="__",
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
    )

    data_dir: _Folder = Field(default_factory=_default_data_dir)
    allowed_paths: _Folders = Field(default_factory=_default_allowed_paths)
    database: Database = Database()
    monitoring: Monitoring = Monitoring()
    dashboard: Dashboard = Dashboard()
    automation: Automation = Automation()
    retention: Retention = Retention()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only the arguments: ``load_settings`` reads the rest, and remembers from where."""
        return (init_settings,)


SECTIONS: dict[str, type[BaseModel]] = {
    name: field.annotation
    for name, field in Settings.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
}
