"""What is in the prediction log, and what of it is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from astermind_lab.lab import arguments as check
from astermind_lab.results import MonitoredModel, MonitoredModels, RetentionReport
from astermind_lab.tools import Progress, tool

if TYPE_CHECKING:
    from astermind_lab.lab.session import Session

__all__ = ["apply_retention", "list_monitored_models"]


@tool()
def list_monitored_models(lab: Session) -> MonitoredModels:
    """The models whose predictions are logged, also such that are not the lab's own."""
    lab.flush()
    found = lab.store.tallies.overview(lab.store.predictions.models())
    return MonitoredModels(models=[MonitoredModel(**one._asdict()) for one in found])


@tool(slow=True)
def apply_retention(
    lab: Session, dry_run: bool = True, progress: Progress | None = None
) -> RetentionReport:
    """Remove what has been kept as long as the settings say, or say what that would be.

    The settings are retention.predictions, .metrics and .old_model_versions. Figures outlive the
    predictions that they were made of. A program that has this lab open does it once an hour.

    dry_run : only say what would be removed
    Raises InvalidInput.
    """
    from astermind_lab.monitoring.retention import apply_rules

    dry_run = check.flag(dry_run, "dry_run")
    rules, now = lab.rules, lab.clock.now()
    rows, metrics = rules.edges(now)

    def told(n: int) -> None:
        if progress is not None:
            progress(0.5, f"{n:,} predictions removed")

    lab.flush()
    found = apply_rules(lab.store, rules, now, dry_run=dry_run, progress=told)
    notes = []
    if not rules:
        notes.append(
            "The settings keep everything: retention.predictions, .metrics and "
            ".old_model_versions are not set."
        )
    if rules.metrics is not None and rules.predictions is None:
        notes.append("Metrics are kept as long as the predictions that they count, for ever.")
    return RetentionReport(
        dry_run=dry_run,
        predictions_before=rows,
        metrics_before=metrics,
        predictions=found.predictions,
        metrics=found.metrics,
        versions=[list(pair) for pair in found.versions],
        notes=notes,
    )
