"""Teaching: what a key costs, which text is worth labelling next, how many label errors are found.

Three parts, each with a table and a file of its own; ``--only`` runs one of them.

keys : one label given in ``lab.teach``, from the call until model, accuracy, confusion matrix and
    next text are there, with 5,000 texts to choose from
criteria : learning curves of cold starts, from unlabelled texts to 300 labels, for several ways of
    choosing the next text; accuracy on texts of the same source that are not in the pool, and what
    leave-one-out over the labelled texts says at the end
errors : a twentieth of the labels is replaced by chance; which share of the most suspect ones was,
    compared with cross-validated logistic regression over TF-IDF words and pairs of words
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from _common import data_sets, milliseconds, parser, read, save, table

from astermind_lab.core import ElmConfig, TextClassifier
from astermind_lab.core.judge import Judge
from astermind_lab.core.label_errors import suspicion, unseen_scores
from astermind_lab.core.learner import Learner
from astermind_lab.core.pool import Pool, margins
from astermind_lab.core.untaught import choose_again
from astermind_lab.lab import Lab
from astermind_lab.lab.unlabelled_texts import UnlabelledTexts

Row = dict[str, Any]
Worth = Callable[[Pool, np.random.Generator], np.ndarray]

KEYS = 120
MARKS = (10, 20, 40, 80, 150, 300)
POOL, TESTED = 1999, 1500  # a pool of 2,000 shows a progress bar
SHARE_FLIPPED = 0.05


def keys(name: str) -> list[Row]:
    """Milliseconds of a key, on a model of the whole training split and from nothing."""
    texts, labels = read(name, "train")
    new, truth = read(name, "test")
    answers = dict(zip([*texts, *new], [*labels, *truth], strict=True))
    some = [*new, *(f"{text} {text}" for text in texts)][:5000]
    answers |= {f"{text} {text}": label for text, label in zip(texts, labels, strict=True)}
    rows = []
    with Lab.open("mem://") as lab:
        pairs = list(zip(texts, labels, strict=True))
        lab.store_training_dataset("rows", pairs)
        lab.train_classifier("model", dataset_id="rows")
        for model_id, on, given in (
            ("model", "unlabelled", some),
            ("model", "mistakes", None),
            ("new model", "unlabelled", some),
        ):
            teaching = lab.teach(model_id, given, on=on)
            begun = teaching.took_ms

            def press(_: int, teaching: Any = teaching) -> None:
                task = teaching.task
                teaching.give(answers[task.text] if task.given is None else task.guess)

            taken = milliseconds(press, range(KEYS))
            back = milliseconds(lambda _, teaching=teaching: teaching.undo(), range(20))
            model = teaching._learner.model
            rows.append(
                {
                    "set": name,
                    "on": on if model_id == "model" else "nothing (cold start)",
                    "units": model.config.hidden_units,
                    "examples": model.n_examples,
                    "judged": len(teaching._learner.judge),
                    "labels": len(model.categories),
                    "key p50 ms": taken["p50"],
                    "key p95 ms": taken["p95"],
                    "key p99 ms": taken["p99"],
                    "undo p50 ms": back["p50"],
                    "begun in ms": begun,
                }
            )
    return rows


def entropy(pool: Pool) -> np.ndarray:
    chances = np.maximum(pool.probabilities(), 1e-12)
    return -(chances * np.log(chances)).sum(1)


def diverse(pool: Pool) -> np.ndarray:
    """Of the open twentieth with the least margin, the one that is least like the labelled."""
    margin = np.where(pool.open, margins(pool.probabilities()), np.inf)
    few = max(10, int(pool.open.sum()) // 20)
    return np.where(margin <= np.partition(margin, few)[few], pool.leverages, -np.inf)


def settles(pool: Pool, everywhere: bool) -> np.ndarray:
    """How much a label settles other texts, or those of which the classifier is not sure."""
    unsure = 1 - margins(pool.probabilities())
    return pool._rows.figures(True).of(np.ones_like(unsure) if everywhere else unsure)


CRITERIA: dict[str, Worth] = {
    "random": lambda pool, rng: rng.random(len(pool)),
    "least margin": lambda pool, rng: -margins(pool.probabilities()),
    "entropy": lambda pool, rng: entropy(pool),
    "margin × leverage": lambda pool, rng: (1 - margins(pool.probabilities())) * pool.leverages,
    "least margin, then leverage": lambda pool, rng: diverse(pool),
    "settles texts": lambda pool, rng: settles(pool, True),
    "settles unsure texts": lambda pool, rng: settles(pool, False),
    "the lab's": lambda pool, rng: pool.worth(),
}


def curve(
    blank: TextClassifier,
    pool_data: tuple[list[str], list[str]],
    test_data: tuple[np.ndarray, np.ndarray],
    criterion: str,
    seed: int,
) -> list[float]:
    """Accuracy at the marks, then leave-one-out over all labelled texts, or those that judge."""
    texts, labels = pool_data
    rng = np.random.default_rng(seed)
    judge = Judge(blank.copy())
    model = judge.model
    pool = Pool(model, texts)
    found = []
    for n in range(1, MARKS[-1] + 1):
        # most criteria ask what the model says, which it cannot with fewer than two labels
        ready = len(model.categories) > 1 or criterion == "the lab's"
        values = CRITERIA[criterion if ready else "random"](pool, rng)
        place = int(np.where(pool.open, values, -np.inf).argmax())
        pool.open[place] = False
        judge.add([texts[place]], [labels[place]])
        if n in (10, 20, 40, 80, 160) and len(model.categories) > 1:
            choose_again(model)
        if n in MARKS:
            found.append(share_right(model, test_data))
    return [*found, judge.accuracy().value]


def taught_curve(
    blank: TextClassifier,
    pool_data: tuple[list[str], list[str]],
    test_data: tuple[np.ndarray, np.ndarray],
) -> list[float]:
    """The same for ``lab.teach``, which draws some texts by chance and judges by those."""
    texts, labels = pool_data
    learner, lessons = Learner(blank.copy()), UnlabelledTexts(list(enumerate(texts)))
    lessons.lay(learner.judge)
    found = []
    for n in range(1, MARKS[-1] + 1):
        item = lessons.next()
        lessons.label(item, labels[item], learner)
        lessons.close(item)
        if n in MARKS:
            found.append(share_right(learner.model, test_data))
    return [*found, learner.judge.accuracy().value]


def share_right(model: TextClassifier, test_data: tuple[np.ndarray, np.ndarray]) -> float:
    rows, truth = test_data
    answers = np.array(model.categories)[(rows @ model.readout.beta).argmax(1)]
    return float((answers == truth).mean())


def criteria(name: str, seeds: int) -> list[Row]:
    """Learning curves; each seed has a pool of its own, the same for all criteria."""
    texts, labels = read(name, "train")
    curves: dict[str, list[list[float]]] = {criterion: [] for criterion in CRITERIA}
    taught: list[list[float]] = []
    for seed in range(seeds):
        order = np.random.default_rng(seed).permutation(len(texts))
        chosen, rest = order[:POOL], order[POOL:][:TESTED]
        pool_data = [texts[i] for i in chosen], [labels[i] for i in chosen]
        blank = TextClassifier.untaught(pool_data[0], (), ElmConfig(hidden_units=64))
        steps, _ = blank.layer.coordinates([texts[i] for i in rest])
        test_data = blank.layer.expand(steps), np.array([labels[i] for i in rest])
        for criterion, found in curves.items():
            found.append(curve(blank, pool_data, test_data, criterion, seed))
        taught.append(taught_curve(blank, pool_data, test_data))
    rows = []
    for criterion, found in (*curves.items(), ("lab.teach, some by chance", taught)):
        values = np.array(found)[:, :-1]
        gain = np.mean(values - np.array(curves["random"])[:, :-1], axis=1)
        row: Row = {"set": name, "criterion": criterion}
        row |= {f"at {n}": float(v) for n, v in zip(MARKS, values.mean(0), strict=True)}
        row["leave-one-out"] = float(np.mean(found, axis=0)[-1])
        row["mean"] = float(values.mean())
        row["± of mean − random"] = float(gain.std() / np.sqrt(seeds))
        rows.append(row)
    return rows


def logistic(texts: list[str], labels: np.ndarray) -> np.ndarray:
    """Out-of-fold probabilities, (n, k)."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_predict

    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2).fit_transform(texts)
    model = LogisticRegression(C=10, max_iter=300)
    return np.asarray(cross_val_predict(model, words, labels, cv=5, method="predict_proba"))


def rival_less_own(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    rows = np.arange(len(labels))
    others = probabilities.copy()
    others[rows, labels] = -1
    return others.max(1) - probabilities[rows, labels]


def errors(name: str, seeds: int, most: int) -> list[Row]:
    """Precision among the most suspect labels."""
    texts, labels = read(name, "train")
    order = np.random.default_rng(0).permutation(len(texts))[:most]
    texts, labels = [texts[i] for i in order], [labels[i] for i in order]
    names = sorted(set(labels))
    clean = np.array([names.index(label) for label in labels])
    found: dict[str, list[list[float]]] = {}
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        wrong = rng.permutation(len(clean))[: int(SHARE_FLIPPED * len(clean))]
        given = clean.copy()
        given[wrong] = (clean[wrong] + rng.integers(1, len(names), len(wrong))) % len(names)
        model = TextClassifier.fit(texts, [names[k] for k in given])
        unseen = unseen_scores(model, texts, [names[k] for k in given])
        chances = logistic(texts, given)
        own = chances[np.arange(len(given)), given]
        for method, doubt in (
            ("the lab's, exact leave-one-out", suspicion(unseen.scores, unseen.labels)),
            ("logistic regression, self-confidence", -own),
            ("logistic regression, margin", rival_less_own(chances, given)),
        ):
            hits = np.isin(np.argsort(-doubt, kind="stable"), wrong)
            found.setdefault(method, []).append(
                [float(hits[:k].mean()) for k in (20, 50, 100, len(wrong))]
            )
    heads = ("in 20", "in 50", "in 100", "in as many as are wrong")
    return [
        {
            "set": name,
            "examples": len(texts),
            "wrong": int(SHARE_FLIPPED * len(texts)),
            "method": method,
            **dict(zip(heads, np.mean(shares, axis=0).tolist(), strict=True)),
        }
        for method, shares in found.items()
    ]


def main() -> None:
    made = parser(__doc__)
    made.add_argument("--only", choices=["keys", "criteria", "errors"])
    args = made.parse_args()
    names = data_sets(args.sets)
    if args.quick:
        names = names[:1]
    seeds = 1 if args.quick else 6
    few = [name for name in names if name not in ("clinc150",)]
    parts: dict[str, tuple[str, Callable[[str], list[Row]], list[str]]] = {
        "keys": ("teaching", keys, [n for n in few if n in ("ag_news", "banking77")] or few[:1]),
        "criteria": ("teaching-criteria", lambda name: criteria(name, seeds), few),
        "errors": ("teaching-errors", lambda name: errors(name, min(seeds, 3), 6000), few),
    }
    for part, (file, work, some) in parts.items():
        if args.only not in (None, part) or not some:
            continue
        rows = []
        for name in some:
            rows += work(name)
            print(f"{part}: {name}", flush=True)
        print(table(rows), "\n")
        save(file, rows, args.quick)


if __name__ == "__main__":
    main()
