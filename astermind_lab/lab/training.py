"""Training, and the models in memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from astermind_lab.errors import InvalidInput, shown
from astermind_lab.lab import arguments as check
from astermind_lab.lab.arguments import ExampleData
from astermind_lab.lab.keeping import check_free, keep, leave_one_out, metrics_of
from astermind_lab.lab.live import LiveModel
from astermind_lab.results import DeletedModel, ModelItem, ModelList, SavedModel, TrainedModel
from astermind_lab.tools import Progress, tool

if TYPE_CHECKING:
    from astermind_lab.core import ElmConfig, TextClassifier
    from astermind_lab.lab.session import Session
    from astermind_lab.persistence import ModelVersion

__all__ = ["delete_model", "list_models", "save_model", "train_classifier"]


@tool(slow=True)
def train_classifier(
    lab: Session,
    model_id: str,
    training_data: ExampleData | None = None,
    config: Mapping[str, Any] | None = None,
    description: str | None = None,
    persist: bool = False,
    version: str | None = None,
    dataset_id: str | None = None,
    tags: Iterable[str] | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> TrainedModel:
    """Train a text classifier from labelled texts and say how accurate it is.

    The model is in memory afterwards; with persist it is also stored as a version.

    model_id : the name the model gets
    training_data : the labelled texts; or give dataset_id alone to train on a stored data set
    config : settings of the model, such as {"preset": "default"} or {"hiddenUnits": 512}
    description : what the model is for
    persist : also store it as a version
    version : the name of that version; without one it is made from the time
    dataset_id : the stored data set to train on, or the one that training_data came from
    tags : words to find the version by
    overwrite : replace a model of this name that is in memory
    progress : called with a share in [0, 1] and a word about what is being done
    Raises InvalidInput, InsufficientData for fewer than two labels, AlreadyExists, NotFound.
    """
    from astermind_lab.core import ElmConfig

    model_id = check.identifier(model_id, "model_id")
    with check.renamed(mapping="config"):
        parsed = ElmConfig.parse(config)
    about = check.description(description, "description")
    dataset_id = check.optional(check.identifier, dataset_id, "dataset_id")
    tagged = check.names(tags, "tags")
    wanted = check.optional(check.identifier, version, "version")
    check.flag(persist, "persist")
    if wanted is not None and not persist:
        raise InvalidInput("version", "is only of use with persist=true")
    with lab.live.claim(model_id, check.flag(overwrite, "overwrite")):
        check_free(lab, model_id, wanted)
        data = _training_data(lab, training_data, dataset_id)
        source = "training_data" if training_data is not None else "dataset_id"
        start = lab.clock.monotonic()
        classifier = _fit(data, source, parsed, progress)
        live = LiveModel(
            model_id=model_id,
            classifier=classifier,
            created=lab.clock.now(),
            description=about,
            dataset_id=dataset_id,
            tags=tagged,
            train_ms=1000 * (lab.clock.monotonic() - start),
        )
        if persist:
            keep(lab, live, wanted)
        lab.live.put(live)
    return _trained(live)


def _training_data(
    lab: Session, given: object, dataset_id: str | None
) -> tuple[list[str], list[str]]:
    if given is not None:
        return check.examples(given, "training_data")
    if dataset_id is None:
        raise InvalidInput("training_data", "is needed; give it, or the dataset_id of a stored set")
    with check.blaming("dataset_id"):
        found = lab.store.datasets.examples(dataset_id)
    texts: list[str] = []
    labels: list[str] = []
    for text, label in found:
        texts.append(text)
        labels.append(label)
    return texts, labels


def _fit(
    data: tuple[list[str], list[str]],
    source: str,
    config: ElmConfig,
    progress: Progress | None,
) -> TextClassifier:
    from astermind_lab.core import TextClassifier

    texts, labels = data
    with check.renamed(texts=source, labels=source):
        return TextClassifier.fit(texts, labels, config=config, progress=progress)


def _trained(live: LiveModel) -> TrainedModel:
    classifier = live.classifier
    return TrainedModel(
        model_id=live.model_id,
        categories=classifier.categories,
        training_examples=classifier.n_examples,
        config=classifier.config.to_dict(),
        accuracy=classifier.accuracy,
        loo_accuracy=leave_one_out(classifier),
        train_ms=live.train_ms or 0.0,
        warnings=classifier.warnings,
        persisted=live.persisted,
        version=live.version,
    )


@tool()
def list_models(lab: Session) -> ModelList:
    """Every model: those in memory, and the latest stored version of those that are not.

    A model that is only stored has never been used in this process: its lastUsed is empty.
    """
    items = [_live_item(model) for model in lab.live.all()]
    in_memory = {item.id for item in items}
    items += [
        _stored_item(stored)
        for stored in lab.store.models.latest()
        if stored.model_id not in in_memory
    ]
    return ModelList(models=sorted(items, key=lambda item: item.created))


def _live_item(model: LiveModel) -> ModelItem:
    classifier = model.classifier
    return ModelItem(
        id=model.model_id,
        type=classifier.model_type,
        created=model.created,
        last_used=model.last_used,
        categories=classifier.categories,
        description=model.description,
        training_examples=classifier.n_examples,
        version=model.version,
        persisted=model.persisted,
    )


def _stored_item(stored: ModelVersion) -> ModelItem:
    return ModelItem(
        id=stored.model_id,
        type=stored.model_type,
        created=stored.created_at,
        last_used=None,
        categories=stored.categories,
        description=stored.description,
        training_examples=stored.training_examples,
        version=stored.version,
        persisted=True,
    )


@tool()
def delete_model(lab: Session, model_id: str) -> DeletedModel:
    """Remove a model from memory. Its stored versions stay.

    model_id : the model to remove
    """
    model_id = check.identifier(model_id, "model_id")
    removed = lab.live.remove(model_id)
    if removed is None:
        return DeletedModel(success=False, message=f"No model {shown(model_id)} is in memory.")
    rest = f" Version {shown(removed.version)} stays stored." if removed.version else ""
    return DeletedModel(success=True, message=f"Removed {shown(model_id)} from memory.{rest}")


@tool()
def save_model(lab: Session, model_id: str) -> SavedModel:
    """Describe a model fully: configuration, metrics, facts. The weights are not part of it.

    model_id : the model, in memory or stored
    Raises NotFound if there is no such model.
    """
    model = lab.find(check.identifier(model_id, "model_id"))
    with model.guard.reading():
        return _saved(model)


def _saved(model: LiveModel) -> SavedModel:
    classifier = model.classifier
    counts = zip(classifier.categories, classifier.class_counts, strict=True)
    return SavedModel(
        model_id=model.model_id,
        metadata={
            "created": model.created,
            "last_used": model.last_used,
            "description": model.description,
            "version": model.version,
            "persisted": model.persisted,
            "dataset_id": model.dataset_id,
            "tags": model.tags,
            **({"metadata": model.metadata} if model.metadata else {}),
        },
        summary={
            "config": classifier.config.to_dict(),
            "metrics": metrics_of(model),
            "model_info": {
                "type": classifier.model_type,
                "categories": classifier.categories,
                "training_examples": classifier.n_examples,
                "examples_per_category": {label: int(n) for label, n in counts},
                "warnings": classifier.warnings,
            },
        },
        note=(
            "This describes the model and does not hold its weights. store_model_persistent keeps "
            "it as a version, export_model writes stored versions to a file."
        ),
    )
