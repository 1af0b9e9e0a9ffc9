"""Settings, and where each of them comes from.

A value is looked for in this order, and the first one found counts:

1. an argument of ``load_settings``
2. the environment: ``ASTERMIND_DATABASE__URL`` for ``database.url``, ``ASTERMIND_DATA_DIR``, …
3. the environment of the earlier TypeScript server: ``SURREALDB_URL``, ``LOG_PREDICTIONS``, …
4. ``astermind.toml`` in the current folder
5. ``astermind.toml`` in the user's configuration folder
6. the default

There is no default password, and a password is never shown.
"""

from astermind_lab.settings.describe import SettingShown, describe
from astermind_lab.settings.model import (
    Automation,
    Dashboard,
    Database,
    Monitoring,
    Retention,
    Settings,
)
from astermind_lab.settings.sources import load_settings, project_file, user_file

__all__ = [
    "Automation",
    "Dashboard",
    "Database",
    "Monitoring",
    "Retention",
    "SettingShown",
    "Settings",
    "describe",
    "load_settings",
    "project_file",
    "user_file",
]
