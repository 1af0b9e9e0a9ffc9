"""Making a version of a model in memory: what train, store and update share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from astermind_lab.errors import AlreadyExists, shown
from astermind_lab.estimate import Estimate
from astermind_lab.lab.arguments import blaming
from astermind_lab.lab.live import LiveModel
from astermind_lab.results.base import plain_data

if TYPE_CHECKING:
    from astermind_lab.core import TextClassifier
    from astermind_lab.lab.session import Session
    from astermind_lab.persistence import ModelVersion

__all__ = ["About", "check_free", "keep", "leave_one_out", "metrics_of"]


@dataclass(frozen=True)
class About:
    """What a version says about itself beyond the model; None is not given."""

    tags: tuple[str, ...] | None = None
    metadata: Mapping[str, Any] | None = None
    dataset_id: str | None = None
    description: str | None = None


def check_free(lab: Session, model_id: str, version: str | None) -> None:
    """Refuse a name that a version, also a deleted one, or an alias has; None is named later.

    To ask before the work saves the work; the store sees to it that only one gets the name.
    """
    if version is None:
        return
    stored = lab.store.models.versions(model_id, include_deleted=True)
    status = {one.version: one.status for one in stored}.get(version)
    if status is not None:
        deleted = " (deleted; restore_version brings it back)" if status == "deleted" else ""
        raise AlreadyExists(
            f"version: {shown(version)} of model {shown(model_id)} is already stored{deleted}; "
            "versions never change, so choose another name"
        )
    target = lab.store.models.aliases(model_id).get(version)
    if target is not None:
        raise AlreadyExists(
            f"version: {shown(version)} is an alias of {shown(model_id)}, for version "
            f"{shown(target)}; choose another name"
        )


def _name_from_the_clock(lab: Session, model_id: str) -> str:
    """A version name that sorts by time and is not taken."""
    taken = {one.version for one in lab.store.models.versions(model_id, include_deleted=True)}
    now = lab.clock.now()
    while (name := f"{now:%Y%m%dT%H%M%S.%fZ}") in taken:
        now += timedelta(microseconds=1)
    return name


def keep(
    lab: Session,
    model: LiveModel,
    version: str | None,
    about: About | None = None,
) -> ModelVersion:
    """Store the model as it is now; what ``about`` leaves open is taken from the model.

    version : its name, or None for one that is made from the time
    Raises AlreadyExists if the name is taken.
    """
    from astermind_lab.persistence import NewModelVersion

    about = about or About()
    version = version or _name_from_the_clock(lab, model.model_id)
    with model.guard.reading():
        classifier, revision = model.classifier, model.revision
        weights = classifier.to_bytes()
        new = NewModelVersion(
            model_id=model.model_id,
            version=version,
            model_type=classifier.model_type,
            categories=classifier.categories,
            training_examples=classifier.n_examples,
            config=classifier.config.to_dict(),
            metrics=plain_data(metrics_of(model)),
            metadata=dict(model.metadata if about.metadata is None else about.metadata),
            tags=model.tags if about.tags is None else about.tags,
            description=model.description if about.description is None else about.description,
            dataset_id=about.dataset_id or model.dataset_id,
        )
    with blaming("version"):
        stored = lab.store.models.add(new, weights)
    model.mark_stored(stored.version, revision)
    return stored


def leave_one_out(classifier: TextClassifier) -> Estimate | None:
    """The accuracy where it is an exact leave-one-out, else None."""
    accuracy = classifier.accuracy
    return accuracy if accuracy and accuracy.method == "leave-one-out" else None


def metrics_of(model: LiveModel) -> dict[str, Any]:
    """What is known about how good the model is."""
    return {
        "accuracy": model.classifier.accuracy,
        "loo_accuracy": leave_one_out(model.classifier),
        "train_ms": model.train_ms,
    }
