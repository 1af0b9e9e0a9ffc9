"""Settings: precedence, origins, refusals, and passwords that stay hidden."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astermind_lab.errors import InvalidInput
from astermind_lab.settings import Settings, describe, load_settings, project_file, user_file
from astermind_lab.settings.describe import _duration_text
from astermind_lab.settings.model import _duration
from astermind_lab.settings.sources import setting_keys

PLACES = ("argument", "environment", "old server", "project file", "user file")


@pytest.fixture(autouse=True)
def empty_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder and a user without settings; returns the current folder."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    for name in ("ASTERMIND_DATA_DIR", "ASTERMIND_DATABASE__IDLE_TIMEOUT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setattr("astermind_lab.settings.sources.user_file", lambda: tmp_path / "user.toml")
    return here


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def write_user_file(here: Path, text: str) -> Path:
    return write(here.parent / "user.toml", text)


def origins(**overrides: object) -> dict[str, str]:
    return {shown.key: shown.origin for shown in describe(**overrides)}


def values(**overrides: object) -> dict[str, str]:
    return {shown.key: shown.value for shown in describe(**overrides)}


def set_namespace(place: str, value: str, here: Path, patch: pytest.MonkeyPatch) -> dict[str, str]:
    """Put database.namespace in one of the places; returns the arguments to load with."""
    table = f'[database]\nnamespace = "{value}"\n'
    if place == "argument":
        return {"database__namespace": value}
    if place == "environment":
        patch.setenv("ASTERMIND_DATABASE__NAMESPACE", value)
    elif place == "old server":
        patch.setenv("SURREALDB_NAMESPACE", value)
    elif place == "project file":
        write(here / "astermind.toml", table)
    else:
        write_user_file(here, table)
    return {}


def test_defaults() -> None:
    settings = load_settings()
    assert settings.database.url is None
    assert (settings.database.namespace, settings.database.database) == ("astermind", "lab")
    assert settings.database.username is None and settings.database.password is None
    assert settings.monitoring.enabled and not settings.monitoring.log_predictions
    assert settings.monitoring.metrics_window == timedelta(hours=1)
    assert settings.monitoring.drift_threshold == 0.1
    assert (settings.automation.batch_size, settings.automation.max_concurrent_jobs) == (1000, 4)
    assert settings.retention.predictions is settings.retention.old_model_versions is None
    assert settings.data_dir.is_absolute() and settings.data_dir.name == "astermind-lab"
    assert set(origins().values()) == {"default"}


@pytest.mark.parametrize("strongest", range(len(PLACES)))
def test_the_strongest_place_wins_and_is_named(
    strongest: int, empty_places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    overrides: dict[str, str] = {}
    for place in PLACES[strongest:]:
        overrides |= set_namespace(place, place, empty_places, monkeypatch)
    assert load_settings(**overrides).database.namespace == PLACES[strongest]
    said = [
        "argument",
        "environment variable ASTERMIND_DATABASE__NAMESPACE",
        "environment variable SURREALDB_NAMESPACE",
        f"file {empty_places / 'astermind.toml'}",
        f"file {empty_places.parent / 'user.toml'}",
    ]
    assert origins(**overrides)["database.namespace"] == said[strongest]


def test_keys_of_one_section_may_come_from_different_places(
    empty_places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_user_file(empty_places, '[database]\nnamespace = "mine"\ndatabase = "mine"\n')
    write(empty_places / "astermind.toml", '[database]\ndatabase = "project"\n')
    monkeypatch.setenv("ASTERMIND_DATABASE__USERNAME", "ada")
    database = load_settings(database={"url": "mem://"}).database
    assert database.model_dump(include={"url", "namespace", "database", "username"}) == {
        "url": "mem://",
        "namespace": "mine",
        "database": "project",
        "username": "ada",
    }


def test_an_argument_of_none_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASTERMIND_DATABASE__URL", "ws://db:8000/rpc")
    settings = load_settings(database={"url": None}, database__username=None, data_dir=None)
    assert settings.database.url == "ws://db:8000/rpc"


def test_an_empty_variable_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ASTERMIND_DATABASE__URL", "SURREALDB_URL", "ENABLE_PERSISTENCE"):
        monkeypatch.setenv(name, "")
    assert load_settings().database.url is None


def test_settings_cannot_be_changed() -> None:
    settings = load_settings()
    with pytest.raises(ValueError, match="frozen"):
        settings.database.namespace = "other"


def test_settings_itself_reads_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASTERMIND_DATABASE__NAMESPACE", "other")
    assert Settings().database.namespace == "astermind"


# The environment


def test_variables_of_the_earlier_server_count(monkeypatch: pytest.MonkeyPatch) -> None:
    old = {
        "SURREALDB_URL": "ws://127.0.0.1:8000/rpc",
        "SURREALDB_NAMESPACE": "ns",
        "SURREALDB_DATABASE": "production",
        "SURREALDB_USERNAME": "ada",
        "SURREALDB_PASSWORD": "s3cret",
        "ENABLE_PERSISTENCE": "true",
        "LOG_PREDICTIONS": "true",
    }
    for name, value in old.items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    assert settings.database.url == "ws://127.0.0.1:8000/rpc"
    assert (settings.database.namespace, settings.database.database) == ("ns", "production")
    assert settings.database.username == "ada"
    assert settings.database.password is not None
    assert settings.database.password.get_secret_value() == "s3cret"
    assert settings.monitoring.log_predictions


def test_no_persistence_means_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SURREALDB_URL", "ws://127.0.0.1:8000/rpc")
    monkeypatch.setenv("ENABLE_PERSISTENCE", "false")
    assert load_settings().database.url == "mem://"
    assert origins()["database.url"] == "environment variable ENABLE_PERSISTENCE"
    monkeypatch.setenv("ASTERMIND_DATABASE__URL", "surrealkv://lab")
    assert load_settings().database.url == "surrealkv://lab"


def test_a_variable_that_is_neither_true_nor_false(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENABLE_PERSISTENCE", "perhaps")
    with pytest.raises(InvalidInput, match=r"ENABLE_PERSISTENCE: .*true or false, not 'perhaps'"):
        load_settings()


@pytest.mark.parametrize("name", ["ASTERMIND_DATABASE_URL", "ASTERMIND_DATABASE"])
def test_a_section_variable_without_two_underscores_is_refused(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "ws://db:8000/rpc")
    with pytest.raises(InvalidInput, match=f"{name}: .*Did you mean 'ASTERMIND_DATABASE__URL'"):
        load_settings()


def test_other_variables_are_nobodys_business(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASTERMIND_TEST_SURREAL_URL", "ws://db:8000/rpc")
    monkeypatch.setenv("SURREALDB_PORT", "8000")
    assert set(origins().values()) == {"default"}


@pytest.mark.parametrize("password", ["12", "null", '{"a": 1}', '["x"]', '"quoted"', " 'x ", "ü"])
def test_a_password_is_taken_to_the_letter(password: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASTERMIND_DATABASE__PASSWORD", password)
    secret = load_settings().database.password
    assert secret is not None and secret.get_secret_value() == password


# Folders


def test_allowed_paths_are_separated_as_in_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASTERMIND_ALLOWED_PATHS", os.pathsep.join(["/data", "~/texts", " ", "sub"]))
    assert load_settings().allowed_paths == (
        Path("/data"),
        Path.home() / "texts",
        Path.cwd() / "sub",
    )


def test_tools_may_read_and_write_the_current_folder(empty_places: Path) -> None:
    assert load_settings().allowed_paths == (empty_places,)


def test_but_not_the_home_folder_or_the_root(
    empty_places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(empty_places))
    assert load_settings().allowed_paths == ()
    assert values()["allowed_paths"] == "(none)"
    monkeypatch.chdir(empty_places.anchor)
    assert load_settings().allowed_paths == ()


def test_relative_folders_in_a_file_start_at_that_file(empty_places: Path) -> None:
    text = 'data_dir = "records"\nallowed_paths = ["in", "~/out", "/abs"]\n'
    write_user_file(empty_places, text)
    settings = load_settings()
    assert settings.data_dir == empty_places.parent / "records"
    assert settings.allowed_paths == (
        empty_places.parent / "in",
        Path.home() / "out",
        Path("/abs"),
    )


def test_the_files_have_the_places_that_the_guide_names(empty_places: Path) -> None:
    assert project_file() == empty_places / "astermind.toml"
    assert user_file().parts[-2:] == ("astermind-lab", "astermind.toml")


# Durations


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("30s", timedelta(seconds=30)),
        ("90m", timedelta(minutes=90)),
        (" 2 h ", timedelta(hours=2)),
        ("90d", timedelta(days=90)),
        ("2w", timedelta(days=14)),
        ("1y", timedelta(days=365)),
    ],
)
def test_durations(text: str, span: timedelta) -> None:
    assert load_settings(monitoring__metrics_window=text).monitoring.metrics_window == span


@given(st.integers(1, 1000), st.sampled_from("smhdwy"))
def test_a_duration_survives_being_shown(count: int, unit: str) -> None:
    span = _duration(f"{count}{unit}")
    assert _duration(_duration_text(span)) == span


@pytest.mark.parametrize("bad", ["90", 90, "d", "-1d", "0d", "1.5h", "1 fortnight", "1001y", "٣d"])
def test_what_is_not_a_duration(bad: object) -> None:
    with pytest.raises(InvalidInput, match=r"retention\.predictions: should be"):
        load_settings(retention__predictions=bad)


def test_for_ever_can_be_said_over_a_limit(empty_places: Path) -> None:
    limits = 'predictions = "90d"\nmetrics = "1y"\nold_model_versions = 10\n'
    write(empty_places / "astermind.toml", f"[retention]\n{limits}")
    retention = load_settings(retention__predictions="forever").retention
    assert retention.predictions is None
    assert (retention.metrics, retention.old_model_versions) == (timedelta(days=365), 10)
    assert load_settings(retention__old_model_versions="all").retention.old_model_versions is None


# Refusals


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ({"database__url": "http://h:1"}, "database.url: should be mem://, surrealkv://FOLDER"),
        ({"database__url": "ws://"}, "database.url: should be"),
        ({"database__namespace": "  "}, "database.namespace: "),
        ({"monitoring__drift_threshold": 2}, "monitoring.drift_threshold: "),
        ({"monitoring__drift_threshold": float("nan")}, "monitoring.drift_threshold: "),
        ({"monitoring__enabled": "perhaps"}, "monitoring.enabled: "),
        ({"automation__batch_size": 0}, "automation.batch_size: "),
        ({"automation__max_concurrent_jobs": "many"}, "automation.max_concurrent_jobs: "),
        ({"retention__old_model_versions": 0}, "retention.old_model_versions: "),
        ({"dashboard__port": 65_536}, "dashboard.port: "),
        ({"dashboard__allow_origins": "http://a.example"}, "dashboard.allow_origins: should be"),
        ({"dashboard__allow_origins": ["*.example"]}, "dashboard.allow_origins: should be"),
        ({"data_dir": " "}, "data_dir: should be the path of a folder"),
        ({"data_dir": "a\0b"}, "data_dir: should be the path of a folder"),
        ({"data_dir": "~nobody-of-that-name/x"}, "data_dir: "),
        ({"allowed_paths": 3}, "allowed_paths: should be a list of folders, not 3"),
        ({"database": "mem://"}, "database: should be a section"),
        ({"databse": {}}, "databse: no such setting (argument)"),
        ({"database__pasword": "x"}, "Did you mean 'database.password'?"),
        ({"zzz": 1}, "zzz: no such setting (argument). Allowed: data_dir, allowed_paths"),
    ],
)
def test_a_bad_argument_is_named(override: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        load_settings(**override)
    assert message in str(caught.value)
    assert caught.value.argument is not None


@pytest.mark.parametrize("place", PLACES[1:])
def test_a_bad_value_names_the_place_it_came_from(
    place: str, empty_places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    overrides = set_namespace(place, " ", empty_places, monkeypatch)
    named = {
        "environment": "environment variable ASTERMIND_DATABASE__NAMESPACE",
        "old server": "environment variable SURREALDB_NAMESPACE",
        "project file": str(empty_places / "astermind.toml"),
        "user file": str(empty_places.parent / "user.toml"),
    }
    with pytest.raises(InvalidInput) as caught:
        load_settings(**overrides)
    assert str(caught.value).startswith("database.namespace: ")
    assert named[place] in str(caught.value)


@pytest.mark.parametrize(
    ("text", "key", "meant"),
    [
        ("data_dri = 'x'", "data_dri", "data_dir"),
        ("[databse]\nurl = 'mem://'", "databse", "database.url"),
        ("[monitoring]\nlog_prediction = true", "monitoring.log_prediction", "log_predictions"),
    ],
)
def test_an_unknown_key_in_a_file_is_refused_by_name(
    text: str, key: str, meant: str, empty_places: Path
) -> None:
    path = write(empty_places / "astermind.toml", text)
    with pytest.raises(InvalidInput) as caught:
        load_settings()
    message = str(caught.value)
    assert message.startswith(f"{key}: no such setting (file {path})")
    assert meant in message.partition("Did you mean ")[2]


def test_a_broken_file_is_named_with_the_line(empty_places: Path) -> None:
    path = write(empty_places / "astermind.toml", "data_dir = 'x'\n[database\n")
    with pytest.raises(InvalidInput, match="line 2") as caught:
        load_settings()
    assert str(caught.value).startswith(f"{path}: is not a valid TOML file")


def test_a_file_that_is_not_text_is_named(empty_places: Path) -> None:
    (empty_places / "astermind.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidInput, match=r"astermind\.toml: is not a valid TOML file"):
        load_settings()


def test_a_folder_in_place_of_the_file_is_named(empty_places: Path) -> None:
    (empty_places / "astermind.toml").mkdir()
    with pytest.raises(InvalidInput, match=r"astermind\.toml: cannot be read"):
        load_settings()


def test_a_byte_order_mark_does_no_harm(empty_places: Path) -> None:
    text = "\ufeff[automation]\nbatch_size = 7\n"
    write(empty_places / "astermind.toml", text)
    assert load_settings().automation.batch_size == 7


# Passwords


def test_a_password_is_never_shown(empty_places: Path) -> None:
    write(empty_places / "astermind.toml", '[database]\nusername = "ada"\npassword = "s3cret"\n')
    settings = load_settings()
    assert settings.database.password is not None
    everything = f"{settings!r} {settings} {settings.model_dump()} {describe()}"
    assert "s3cret" not in everything + settings.model_dump_json()
    assert values()["database.password"] == "(set, not shown)"


@pytest.mark.parametrize(
    "override",
    [
        {"database__password": ["s3cret"]},
        {"database__pasword": "s3cret"},
        {"database": "ws://ada:s3cret@db:8000/rpc"},
        {"database__url": "ws://ada:s3cret@db:8000/rpc"},
        {"database__url": "ws://db/rpc?user=ada:s3cret@x"},
    ],
)
def test_nor_is_it_in_an_error(override: dict[str, object]) -> None:
    with pytest.raises(InvalidInput) as caught:
        load_settings(**override)
    assert "s3cret" not in str(caught.value)
    assert caught.value.__suppress_context__


# What config show prints


def test_every_key_is_described_once_in_order() -> None:
    keys = [shown.key for shown in describe()]
    assert keys == list(setting_keys())
    assert keys[:3] == ["data_dir", "allowed_paths", "database.url"]
    assert len(set(keys)) == len(keys)


def test_a_token_is_long_enough_and_never_shown() -> None:
    with pytest.raises(InvalidInput, match=r"dashboard\.token: should be .*8 char") as caught:
        load_settings(dashboard__token="s3cret!")
    assert "s3cret" not in str(caught.value)
    assert load_settings().dashboard.token is None
    assert values(dashboard__token="s3cret!!")["dashboard.token"] == "(set, not shown)"


def test_names_are_shown_as_they_are_read() -> None:
    shown = values(dashboard__allow_origins="Lab.Example, [::1]:8000 ,a_b-c:80")
    assert shown["dashboard.allow_origins"] == "lab.example, [::1]:8000, a_b-c:80"
    again = load_settings(dashboard__allow_origins=shown["dashboard.allow_origins"])
    assert again.dashboard.allow_origins == ("lab.example", "[::1]:8000", "a_b-c:80")


def test_values_are_shown_as_they_would_be_written() -> None:
    shown = values(monitoring__log_predictions=True, retention__predictions="90d")
    assert shown["monitoring.log_predictions"] == "true"
    assert shown["retention.predictions"] == "90d"
    assert shown["retention.metrics"] == "forever"
    assert shown["retention.old_model_versions"] == "all"
    assert shown["monitoring.metrics_window"] == "1h"
    assert shown["database.url"] == "(not set)"
