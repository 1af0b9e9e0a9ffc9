"""What to label next, and which labels to look at again."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from astermind_lab.errors import InvalidInput, shown
from astermind_lab.lab import arguments as check
from astermind_lab.lab.arguments import ExampleData
from astermind_lab.lab.labelled import LabelledData
from astermind_lab.results import LabelErrors, LabelSuggestion, LabelSuggestions, LabelSuspect
from astermind_lab.tools import tool

if TYPE_CHECKING:
    from astermind_lab.core import TextClassifier
    from astermind_lab.lab.live import LiveModel
    from astermind_lab.lab.session import Session

__all__ = ["find_label_errors", "own_dataset", "suggest_labels", "unlabelled"]

MOST_CANDIDATES = 3_000
"""So many texts are compared at a time; more would hardly be chosen otherwise."""
_MOST_LOGGED = 20_000  # predictions that are looked through
_PAGE = 1_000


@tool(slow=True)
def suggest_labels(
    lab: Session,
    model_id: str,
    texts: Iterable[str] | None = None,
    dataset_id: str | None = None,
    limit: int = 10,
) -> LabelSuggestions:
    """The texts whose labels would teach the model most, the best first.

    Each is chosen as if those before it were labelled already, so that they are of many kinds. Of
    more than 3,000 texts, so many are drawn by chance.

    model_id : the model, in memory or stored
    texts : the texts to choose from; without them those of dataset_id, or else those of the recent
        logged predictions whose truth is not known
    dataset_id : a stored data set to choose from; its labels are not looked at
    limit : how many to suggest at the most, 1 to 1,000
    Raises InvalidInput (also for a model whose readout is not exact), NotFound.
    """
    from astermind_lab.core.pool import Pool

    model_id = check.identifier(model_id, "model_id")
    limit = check.whole_number(limit, "limit", 1, 1_000)
    live = lab.find(model_id)
    model = live.copy()
    found = unlabelled(lab, live, model, texts, dataset_id)
    some = found
    if len(found) > MOST_CANDIDATES:
        some = sorted(random.Random(0).sample(found, MOST_CANDIDATES))
    with check.renamed(readout="model_id"):
        pool = Pool(model, [text for _, text in some])
    chosen = pool.several(limit)
    if not chosen:
        return LabelSuggestions(model_id=model_id, suggestions=[], considered=0)
    answers = model.answers([some[place][1] for place, _ in chosen]).probabilities
    return LabelSuggestions(
        model_id=model_id,
        suggestions=[
            LabelSuggestion(
                text=some[place][1],
                category=model.categories[int(answer.argmax())],
                confidence=float(answer.max()),
                score=score,
                place=some[place][0],
            )
            for (place, score), answer in zip(chosen, answers, strict=True)
        ],
        considered=len(some),
    )


def unlabelled(
    lab: Session,
    live: LiveModel | None,
    model: TextClassifier | None,
    texts: object,
    dataset_id: object,
) -> list[tuple[int, str]]:
    """(number, text) of each text that is not among the model's examples, every text once.

    live, model : None where there is no model yet     texts, dataset_id : at most one of them;
        without any, recent logged predictions, numbered from the newest on
    Raises InvalidInput, NotFound.
    """
    from astermind_lab.core.ledger import digest

    if texts is not None and dataset_id is not None:
        raise InvalidInput("dataset_id", "give texts or dataset_id, not both")
    given: Iterable[str]
    if texts is not None:
        given = check.texts(texts, "texts")
    elif dataset_id is not None:
        given = [text for text, _ in LabelledData.of(lab, dataset_id, None).pairs()]
    else:
        given = [] if live is None else _logged(lab, live.model_id)
    different: dict[str, int] = {}
    for place, text in enumerate(given):
        different.setdefault(text, place)
    known = set() if model is None else set(model.ledger.texts.tolist())
    return [(place, text) for text, place in different.items() if digest(text) not in known]


def _logged(lab: Session, model_id: str) -> list[str]:
    """The texts of recent predictions whose truth is not known, the newest first."""
    from astermind_lab.persistence.wanted import Wanted

    lab.flush()
    found: dict[str, None] = {}
    before, looked = None, 0
    while looked < _MOST_LOGGED and len(found) < MOST_CANDIDATES:
        page = lab.store.predictions.newest(model_id, Wanted(), before=before, limit=_PAGE)
        for one in page.predictions:
            if one.ground_truth is None and one.input is not None:
                found[one.input] = None
        looked += len(page.predictions)
        before = page.following
        if before is None:
            break
    return list(islice(found, MOST_CANDIDATES))


@tool(slow=True)
def find_label_errors(
    lab: Session,
    model_id: str,
    dataset_id: str | None = None,
    examples: ExampleData | None = None,
    limit: int = 20,
) -> LabelErrors:
    """Examples whose label is improbable by models that have not seen it, the worst first.

    For examples of the model itself that is exact leave-one-out; others it predicts. A label is
    suspect where another one is as probable as it usually is for its own examples.

    model_id : the model, in memory or stored
    dataset_id : the stored data set to look through; without it the model's own
    examples : or the labelled texts themselves
    limit : how many to return at the most, 1 to 10,000
    Raises InvalidInput (also for a model whose readout is not exact), NotFound.
    """
    from astermind_lab.core import label_errors as found

    model_id = check.identifier(model_id, "model_id")
    limit = check.whole_number(limit, "limit", 1, 10_000)
    live = lab.find(model_id)
    data = own_dataset(lab, live, dataset_id, examples)
    texts, labels = map(list, zip(*data.pairs(), strict=True))
    model = live.copy()
    with check.renamed(readout="model_id", texts=data.source, labels=data.source):
        unseen = found.unseen_scores(model, texts, labels)
    chances = model.calibration(unseen.scores)
    scores = found.suspicion(unseen.scores, unseen.labels)
    usual = found.usual_confidence(chances, unseen.labels)
    doubtful = found.suspects(chances, unseen.labels, usual).nonzero()[0]
    order = doubtful[(-scores[doubtful]).argsort(kind="stable")][:limit]
    return LabelErrors(
        model_id=model_id,
        suspects=[
            LabelSuspect(
                place=place,
                text=texts[place],
                label=labels[place],
                suggested=model.categories[int(chances[place].argmax())],
                confidence=float(chances[place].max()),
                score=float(scores[place]),
            )
            for place in order.tolist()
        ],
        considered=len(texts),
        method=_method((unseen.rows >= 0).tolist()),
    )


def _method(left_out: Sequence[bool]) -> str:
    if all(left_out):
        return "leave-one-out"
    return "leave-one-out and held-out" if any(left_out) else "held-out"


def own_dataset(
    lab: Session, live: LiveModel, dataset_id: object, examples: object = None
) -> LabelledData:
    """The examples that were named; without any, those of the model's own data set."""
    if dataset_id is None and examples is None:
        dataset_id = live.dataset_id
        if dataset_id is None:
            raise InvalidInput(
                "dataset_id",
                f"is needed: model {shown(live.model_id)} was not trained on a stored data set",
            )
    return LabelledData.of(lab, dataset_id, examples)
