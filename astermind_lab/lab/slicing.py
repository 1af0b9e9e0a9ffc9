"""Figures by version and by tag, and how far confidences can be believed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from astermind_lab.errors import InvalidInput, shown
from astermind_lab.lab.arguments import Window
from astermind_lab.lab.measuring import counted
from astermind_lab.lab.versions import aliases_by_version
from astermind_lab.results import (
    Calibration,
    CalibrationBin,
    MetricSlice,
    MetricSlices,
    Quantiles,
)
from astermind_lab.tools import tool

if TYPE_CHECKING:
    from astermind_lab.core.tally import Tally
    from astermind_lab.lab.session import Session

__all__ = ["get_calibration", "get_metric_slices"]

NO_VERSION = "no version"
NO_TAG = "no tag"


@tool()
def get_metric_slices(
    lab: Session,
    model_id: str,
    by: Literal["version", "tag"] = "version",
    time_range: Window | None = None,
) -> MetricSlices:
    """The figures of a model by version, or by the tags of its versions, side by side.

    A version with several tags counts in the slice of each. Predictions without a version, and of
    versions that carry no tag or are not stored, are shown as what they are. Versions that were
    deleted keep their tags.

    model_id : the model
    by : version or tag
    time_range : object with start and end in ISO 8601, both included; either may be left out
    Raises InvalidInput.
    """
    if by not in ("version", "tag"):
        raise InvalidInput("by", f"{shown(by)} is not one of version, tag")
    model_id, span, totals, warnings = counted(lab, model_id, time_range)
    known = _Registry.of(lab, model_id)
    groups = known.tags(totals.by_version) if by == "tag" else known.versions(totals.by_version)
    return MetricSlices(
        model_id=model_id,
        by=by,
        time_range=span,
        slices=[_slice(one, totals.by_version) for one in groups],
        warnings=warnings,
    )


@dataclass
class _Group:
    """Versions that make a slice; None is none."""

    name: str
    tags: Collection[str] = ()
    aliases: Collection[str] = ()
    versions: list[str | None] = field(default_factory=list)


@dataclass(frozen=True)
class _Registry:
    """What is known of the versions of a model, the one stored last first."""

    tags_of: Mapping[str, Collection[str]]
    aliases_of: Mapping[str, list[str]]

    @classmethod
    def of(cls, lab: Session, model_id: str) -> _Registry:
        stored = lab.store.models.versions(model_id, include_deleted=True)
        names = aliases_by_version(lab, model_id)
        return cls({one.version: one.tags for one in stored}, names)

    def versions(self, seen: Collection[str | None]) -> list[_Group]:
        """A group for each version with predictions: those stored, then others, then without."""
        groups = []
        for version in self._ordered(seen):
            name = NO_VERSION if version is None else version
            tags = self.tags_of.get(version or "", ())
            groups.append(_Group(name, tags, self._aliases([version]), [version]))
        return groups

    def tags(self, seen: Collection[str | None]) -> list[_Group]:
        """A group for each tag, and the rest."""
        groups: dict[str, _Group] = {}
        rest = _Group(NO_TAG)
        for version in self._ordered(seen):
            tags = self.tags_of.get(version or "", ())
            for tag in tags:
                groups.setdefault(tag, _Group(tag, [tag])).versions.append(version)
            if not tags:
                rest.versions.append(version)
        found = [groups[tag] for tag in sorted(groups)] + [rest] * bool(rest.versions)
        for group in found:
            group.aliases = self._aliases(group.versions)
        return found

    def _ordered(self, seen: Collection[str | None]) -> list[str | None]:
        stored = [version for version in self.tags_of if version in seen]
        others = sorted(v for v in seen if v is not None and v not in self.tags_of)
        return [*stored, *others, *([None] if None in seen else [])]

    def _aliases(self, versions: Collection[str | None]) -> list[str]:
        return sorted(alias for v in versions for alias in self.aliases_of.get(v or "", ()))


def _slice(group: _Group, by_version: Mapping[str | None, Tally]) -> MetricSlice:
    from astermind_lab.core.tally import Tally
    from astermind_lab.monitoring.metrics import figures

    total = Tally()
    for version in group.versions:
        total.add(by_version[version])
    found = figures(total)
    return MetricSlice(
        name=group.name,
        versions=group.versions,
        tags=list(group.tags),
        aliases=list(group.aliases),
        total_predictions=found.n,
        truths=found.known,
        accuracy=found.accuracy,
        macro_f1=found.intervals.get("f1_macro"),
        avg_confidence=found.mean_confidence,
        latency_ms=Quantiles(**found.latency_ms) if found.latency_ms else None,
    )


@tool()
def get_calibration(
    lab: Session, model_id: str, time_range: Window | None = None, version: str | None = None
) -> Calibration:
    """Whether a model is right as often as it is confident, over predictions with a known truth.

    Gives the reliability curve and the expected calibration error. Bins are sixteenths of the
    confidence, joined with their neighbours until each has ten truths.

    model_id : the model
    time_range : object with start and end in ISO 8601, both included; either may be left out
    version : only the predictions of this version, or of the one an alias names now
    Raises InvalidInput.
    """
    from astermind_lab.monitoring.calibration import reliability

    model_id, span, totals, warnings = counted(lab, model_id, time_range, version)
    found = reliability(totals.total)
    return Calibration(
        model_id=model_id,
        time_range=span,
        status="ok" if found.n else "insufficient_data",
        total_predictions=totals.total.n,
        truths=found.n,
        expected_calibration_error=found.error,
        accuracy=found.accuracy,
        mean_confidence=found.mean_confidence,
        bins=[CalibrationBin(**vars(one)) for one in found.bins],
        warnings=warnings,
    )
