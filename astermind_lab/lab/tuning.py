"""Choosing hidden units, activation, ridge λ and balance by exact leave-one-out, while looking on.

``lab.tune(...)`` reads the texts once; then every setting is answered in a fraction of a second.
The ``Tuning`` it returns is a plain object; a widget only shows its ``state()`` and calls ``set``.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import EllipsisType
from typing import TYPE_CHECKING, Any

from astermind_lab.display import html, plain
from astermind_lab.errors import InvalidInput, nearest, shown
from astermind_lab.estimate import Estimate
from astermind_lab.lab import arguments as check
from astermind_lab.lab.arguments import ExampleData
from astermind_lab.lab.labelled import LabelledData
from astermind_lab.lab.training import train_classifier
from astermind_lab.results.tuning import TuningReport, TuningTrial

if TYPE_CHECKING:
    from astermind_lab.core import ElmConfig
    from astermind_lab.core.ridge_path import PathPoint, RidgePath
    from astermind_lab.core.tuner import Tuner
    from astermind_lab.lab.session import Session
    from astermind_lab.results import TrainedModel

__all__ = ["Tuning", "tune"]

MOST_ROWS = 5_000
MOST_UNITS = 2_048
_MOST_TRIALS = 100  # in a state; all are kept
_MANY_TRIALS = 5  # choosing among so many flatters the one chosen


def tune(
    lab: Session,
    dataset_id: str | None = None,
    *,
    examples: ExampleData | None = None,
    config: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> Tuning:
    """Try settings on a data set and see the exact leave-one-out accuracy of each at once.

    Of large data about 5,000 rows are used, evenly per label; ``Tuning.train`` trains on all.

    dataset_id : the stored data set     examples : or the labelled texts themselves
    config : the settings to begin with, as train_classifier takes them; its readout must be ridge
    seed : of the choice of rows and of the hidden weights, unless config has one
    Raises InvalidInput, InsufficientData for fewer than two labels, NotFound.
    """
    from astermind_lab.core.tuner import Tuner

    parsed = _config(config, check.whole_number(seed, "seed", 0, 2**63 - 1))
    data = LabelledData.of(lab, dataset_id, examples)
    start = lab.clock.monotonic()
    texts, labels = data.some(MOST_ROWS, parsed.seed)
    with check.renamed(texts=data.source, labels=data.source):
        tuner = Tuner(texts, labels, parsed)
    return Tuning(lab, data, tuner, len(texts), 1000 * (lab.clock.monotonic() - start))


def _config(config: object, seed: int) -> ElmConfig:
    from astermind_lab.core import ElmConfig

    given: Any = {} if config is None else config
    parsed = ElmConfig.parse({"seed": seed, **given} if isinstance(given, Mapping) else given)
    if parsed.hidden_units > MOST_UNITS:
        raise InvalidInput(
            "config",
            f"hidden_units must be from 1 to {MOST_UNITS:,} to be tuned, "
            f"got {parsed.hidden_units:,}",
        )
    return parsed


@dataclass(frozen=True)
class _Setting:
    units: int
    activation: str
    ridge: float | None
    balance: float


@dataclass(frozen=True)
class _Now:
    """The setting in force, the leave-one-out of its layer and balance, and what is told of it."""

    setting: _Setting
    path: RidgePath
    points: list[PathPoint]
    report: TuningReport


class Tuning:
    """One setting after another on the same rows, with the leave-one-out accuracy of each.

    dataset_id : None for examples that were given
    rows, total, judged : rows used, rows there are, rows that the accuracy rests on
    units, activation, balance : in force     ridge : λ, or None: chosen as training chooses it
    curve : for each of 25 λ (λ, accuracy, low, high), leave-one-out with Wilson's 95 % interval
    best : the λ of the curve with the least leave-one-out error     chosen : the λ in force
    accuracy, balanced_accuracy : under the λ in force; balanced is the mean of the labels' recalls
    per_label : (label, recall, judged rows), worst first
    prepared_ms, took_ms : to read the texts, once; to work out the last setting
    trials : every setting tried, the latest last
    limits : what ``set`` allows; for λ the range of the curve     notes : about the figures

    ``set`` may be called from several threads; it changes all of it or, on an error, nothing.
    """

    dataset_id: str | None
    rows: int
    total: int
    judged: int
    units: int
    activation: str
    ridge: float | None
    balance: float
    curve: list[tuple[float, float, float, float]]
    best: float
    chosen: float
    accuracy: Estimate
    balanced_accuracy: float
    per_label: list[tuple[str, float, int]]
    prepared_ms: float
    took_ms: float
    limits: dict[str, list[Any]]
    notes: list[str]

    def __init__(
        self, lab: Session, data: LabelledData, tuner: Tuner, rows: int, prepared_ms: float
    ) -> None:
        from astermind_lab.core.hidden import ACTIVATIONS

        self._lab, self._data, self._tuner = lab, data, tuner
        self._lock = threading.Lock()
        self._activations = list(ACTIVATIONS)
        self._trials: list[TuningTrial] = []
        self._prepared = rows, prepared_ms
        start = tuner.config
        self._now = self._worked_out(
            _Setting(start.hidden_units, start.activation, start.ridge, start.balance)
        )

    def __getattr__(self, name: str) -> Any:
        # what the class lists above is read from one report, so that it fits together
        if name not in Tuning.__annotations__:
            raise AttributeError(f"'Tuning' object has no attribute {name!r}")
        return getattr(self._now.report, name)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *Tuning.__annotations__]

    @property
    def trials(self) -> list[dict[str, Any]]:
        return [trial.to_dict() for trial in self._trials]

    def set(
        self,
        *,
        units: int | None = None,
        activation: str | None = None,
        ridge: float | EllipsisType | None = ...,
        balance: float | None = None,
    ) -> None:
        """Change some of the settings; what is not given stays.

        units : 1 … 2,048     activation : one of ``limits["activations"]``
        ridge : λ > 0; None lets leave-one-out choose     balance : 0 … 1
        Raises InvalidInput that names the argument; nothing has changed then.
        """
        with self._lock:
            now = self._now.setting
            wanted = _Setting(
                check.whole_number(now.units if units is None else units, "units", 1, MOST_UNITS),
                self._activation(now.activation if activation is None else activation),
                now.ridge if isinstance(ridge, EllipsisType) else _ridge(ridge),
                check.number_between(now.balance if balance is None else balance, "balance", 0, 1),
            )
            same = replace(wanted, ridge=None) == replace(now, ridge=None)
            self._now = self._worked_out(wanted, self._now if same else None)

    def _activation(self, value: object) -> str:
        if value not in self._activations:
            raise InvalidInput(
                "activation",
                f"{shown(value)} is not one of {', '.join(self._activations)}."
                f"{nearest(str(value), self._activations)}",
            )
        return str(value)

    def _worked_out(self, setting: _Setting, known: _Now | None = None) -> _Now:
        """What the setting comes to. known : one that differs in λ only"""
        from astermind_lab.core.ridge_path import FINE_PATH

        start = self._lab.clock.monotonic()
        if known is None:
            path = self._tuner.path(setting.units, setting.activation, setting.balance)
            points = path.measure(FINE_PATH * path.spread)
        else:
            path, points = known.path, known.points
        point = _chosen(points) if setting.ridge is None else _at(setting.ridge, path, points)
        trial = self._trial(setting, point)
        self._trials = [*(one for one in self._trials if one != trial), trial]
        recalls = point.recalls.tolist()
        labels = zip(self._tuner.categories, recalls, path.counts.tolist(), strict=True)
        rows, prepared_ms = self._prepared
        report = TuningReport(
            **vars(setting),
            dataset_id=self._data.dataset_id,
            rows=rows,
            total=self._data.total,
            judged=self._tuner.judged,
            labels=self._tuner.categories,
            curve=[self._on_curve(point) for point in points],
            best=min(points, key=lambda point: point.error).ridge,
            chosen=point.ridge,
            accuracy=self._estimate(point),
            balanced_accuracy=point.balanced,
            per_label=sorted((row for row in labels if row[2]), key=lambda row: (row[1], -row[2])),
            prepared_ms=prepared_ms,
            took_ms=1000 * (self._lab.clock.monotonic() - start),
            trials=self._trials[-_MOST_TRIALS:],
            limits={
                "units": [1, MOST_UNITS],
                "activations": self._activations,
                "ridge": [points[0].ridge, points[-1].ridge],
                "balance": [0.0, 1.0],
            },
            notes=self._notes(rows),
        )
        return _Now(setting, path, points, report)

    def _estimate(self, point: PathPoint) -> Estimate:
        return Estimate.proportion(point.correct, self._tuner.judged, "leave-one-out")

    def _trial(self, setting: _Setting, point: PathPoint) -> TuningTrial:
        accuracy = self._estimate(point)
        return TuningTrial(
            **vars(setting),
            chosen=point.ridge,
            accuracy=accuracy.value,
            low=accuracy.low,
            high=accuracy.high,
            n=accuracy.n,
            balanced_accuracy=point.balanced,
        )

    def _on_curve(self, point: PathPoint) -> tuple[float, float, float, float]:
        accuracy = self._estimate(point)
        return point.ridge, accuracy.value, accuracy.low, accuracy.high

    def _notes(self, rows: int) -> list[str]:
        notes = []
        if rows < self._data.total:
            used = f"{rows:,} of {self._data.total:,} rows, evenly per label"
            notes.append(f"These figures rest on {used}; training uses all.")
        if len(self._trials) >= _MANY_TRIALS:
            notes.append(
                f"The best of {len(self._trials):,} settings looks better than it is, by chance; "
                "measure the model you keep on texts of its own."
            )
        return notes

    def state(self) -> dict[str, Any]:
        """All of it as plain data for JSON; of the settings tried the last 100."""
        state: dict[str, Any] = self._now.report.to_dict()
        return state

    def config(self) -> dict[str, Any]:
        """What ``train_classifier(config=...)`` takes to get the setting in force.

        λ is not scaled to the number of rows: the λ that leave-one-out prefers stays about the same
        when rows are added, while the sums that it is added to grow.
        """
        setting = self._now.setting
        return {
            **self._tuner.config.to_dict(),
            "hidden_units": setting.units,
            "activation": setting.activation,
            "ridge": setting.ridge,
            "balance": setting.balance,
        }

    def train(self, model_id: str, **kwargs: Any) -> TrainedModel:
        """``train_classifier`` with the setting in force, on all rows.

        kwargs : its other arguments, such as persist, version or overwrite
        """
        for name in ("training_data", "dataset_id", "config"):
            if name in kwargs:
                raise InvalidInput(name, "comes from the tuning; call train_classifier to give it")
        return train_classifier(
            self._lab,
            model_id,
            training_data=self._data.examples,
            dataset_id=self._data.dataset_id,
            config=self.config(),
            **kwargs,
        )

    def __repr__(self) -> str:
        return f"Tuning({self._now.report.short()})"

    def __str__(self) -> str:
        return plain(self._now.report.view())

    def _repr_html_(self) -> str:
        return html(self._now.report.view())


def _chosen(points: list[PathPoint]) -> PathPoint:
    """The λ that training would choose."""
    from astermind_lab.core.ridge_path import STEPS, downhill

    coarse = points[::STEPS]
    return coarse[downhill(lambda place: coarse[place].error, len(coarse))]


def _at(ridge: float, path: RidgePath, points: list[PathPoint]) -> PathPoint:
    return next((point for point in points if point.ridge == ridge), None) or path.point(ridge)


def _ridge(value: object) -> float | None:
    if value is None:
        return None
    ridge = check.finite(value, "ridge")
    if ridge <= 0:
        raise InvalidInput("ridge", f"must be a number above 0, or None, got {shown(value)}")
    return ridge
