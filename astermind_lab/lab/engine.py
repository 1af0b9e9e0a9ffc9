"""The local engine of the data folder, for those who want to start, stop or ask it by hand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from astermind_lab.errors import InvalidInput

if TYPE_CHECKING:
    from astermind_lab.persistence import EngineOptions
    from astermind_lab.settings import Settings

__all__ = ["LocalEngine", "engine_options"]


class LocalEngine:
    """The engine that ``Lab.open()`` uses with these settings; nothing is started by this alone."""

    def __init__(self, settings: Settings) -> None:
        """Raises InvalidInput("url") if the settings name a database that is no local engine."""
        from astermind_lab.persistence import local_place

        url = settings.database.url or f"local://{settings.data_dir}"
        place = local_place(url)
        if place is None:
            raise InvalidInput(
                "url",
                f"the settings name {url}, which is no local engine. Leave database.url out, or "
                "name local://DATA_DIR",
            )
        self._place = place
        self._options = engine_options(settings)

    def start(self) -> dict[str, Any]:
        """Start it if it does not run; its status. Raises StoreLocked, StoreUnavailable."""
        from astermind_lab.persistence.engine import ensure_engine

        return ensure_engine(self._place, self._options)

    def stop(self) -> int | None:
        """Stop it; its process id, None if none ran. Raises StoreUnavailable."""
        from astermind_lab.persistence.engine import stop_engine

        return stop_engine(self._place)

    def status(self) -> dict[str, Any] | None:
        """pid, url, kind, version, uptime_s, connections, …; None if none runs."""
        from astermind_lab.persistence.engine import engine_status

        return engine_status(self._place)

    @property
    def log(self) -> Path:
        """The file that it writes."""
        return self._place.log


def engine_options(settings: Settings) -> EngineOptions:
    """How the settings want a local engine to be started."""
    from astermind_lab.persistence import EngineOptions

    idle = settings.database.idle_timeout
    return EngineOptions(
        kind=settings.database.engine,
        port=settings.database.port,
        idle_seconds=0.0 if idle is None else idle.total_seconds(),
    )
