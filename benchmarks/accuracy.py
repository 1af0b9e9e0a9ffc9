"""Accuracy and training time beside scikit-learn's linear models, all in one run.

Every row is one model on one set: text to model on ``train``, accuracy on ``test``. Among the
rivals is a LinearSVC on our own features, so that it can be seen what the features bring and what
the ELM does. ``x`` is the training time as a share of the word+char LinearSVC pipeline's.
"""

from __future__ import annotations

import time
import warnings
from typing import Any

import numpy as np
from _common import data_sets, parser, read, save, table

from astermind_lab.core import ElmConfig, TextClassifier
from astermind_lab.core.calibration import calibration_error
from astermind_lab.core.features import Vocabulary, blocks, count_block

PRESETS = ("fast", "default", "accurate")
RIVALS = ("word svc", "word logreg", "word+char svc", "word+char logreg", "word+char ridge")
SLOW = ("word+char logreg", "word+char ridge", "word logreg")
REFERENCE = "word+char svc"


def rival(name: str) -> Any:
    """An unfitted scikit-learn pipeline, as in common use."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression, RidgeClassifier
    from sklearn.pipeline import make_pipeline, make_union
    from sklearn.svm import LinearSVC

    features, kind = name.split()
    text = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    if features == "word+char":
        chars = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True, min_df=2)
        text = make_union(text, chars)
    models = {
        "svc": LinearSVC(C=0.5),
        "logreg": LogisticRegression(C=10.0, max_iter=200),
        "ridge": RidgeClassifier(alpha=1.0, solver="sparse_cg"),
    }
    return make_pipeline(text, models[kind])


def run_rival(name: str, train: Any, test: Any) -> dict[str, Any]:
    model = rival(name)
    start = time.perf_counter()
    model.fit(*train)
    fitted = time.perf_counter()
    accuracy = model.score(*test)
    return {"accuracy": accuracy, "fit_s": fitted - start}


def run_svc_on_our_features(train: Any, test: Any) -> dict[str, Any]:
    import scipy.sparse as sp
    from sklearn.svm import LinearSVC

    def counted(texts: list[str]) -> list[Any]:
        return [count_block(texts[part]) for part in blocks(len(texts))]

    start = time.perf_counter()
    counts = counted(train[0])
    vocabulary = Vocabulary.learn(counts, 1 << 19)
    rows = sp.vstack([vocabulary.weigh(one) for one in counts], format="csr")
    model = LinearSVC(C=0.5).fit(rows, train[1])
    fitted = time.perf_counter()
    new = sp.vstack([vocabulary.weigh(one) for one in counted(test[0])], format="csr")
    return {"accuracy": model.score(new, test[1]), "fit_s": fitted - start}


def run_ours(preset: str, train: Any, test: Any) -> dict[str, Any]:
    start = time.perf_counter()
    model = TextClassifier.fit(*train, ElmConfig.parse({"preset": preset}))
    fitted = time.perf_counter()
    proba = model.predict_proba(test[0])
    correct = np.array(model.categories)[proba.argmax(1)] == np.array(test[1])
    estimate = model.accuracy
    assert estimate is not None
    return {
        "accuracy": float(correct.mean()),
        "fit_s": fitted - start,
        "estimate": estimate.value,
        "method": estimate.method,
        "calibration_error": calibration_error(proba.max(1), correct),
    }


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--no-slow", action="store_true", help="leave the slow rivals out")
    args = arguments.parse_args()
    sets = data_sets(args.sets)
    if not sets:
        print("no data sets found; set ASTERMIND_BENCH_DATA to a folder that holds them")
        return
    if args.quick:
        sets = [name for name in sets if name in ("trec6", "sms_spam")] or sets[:1]
    warnings.filterwarnings("ignore")  # a rival that does not converge says so at length
    rows: list[dict[str, Any]] = []
    for name in sets:
        train, test = read(name, "train"), read(name, "test")
        some = [part[:: max(1, len(part) // 500)] for part in train]
        run_ours("fast", some, (test[0][:9], test[1][:9]))  # warm up
        found = {preset: run_ours(preset, train, test) for preset in PRESETS}
        found["our features svc"] = run_svc_on_our_features(train, test)
        for rival_name in RIVALS:
            if rival_name not in SLOW or not (args.quick or args.no_slow):
                found[rival_name] = run_rival(rival_name, train, test)
        size = {"set": name, "n": len(train[0]), "classes": len(set(train[1]))}
        for model, figures in found.items():
            share = figures["fit_s"] / found[REFERENCE]["fit_s"]
            empty = {"accuracy": None, "fit_s": None}
            row = {**size, "model": model, **empty, "x": share}
            row |= {"estimate": None, "method": None, "calibration_error": None, **figures}
            rows.append(row)
        print(table(rows[-len(found) :]), "\n", flush=True)
    models = list(dict.fromkeys(row["model"] for row in rows))
    means = [
        {
            "model": model,
            "mean accuracy": float(np.mean([r["accuracy"] for r in rows if r["model"] == model])),
            "mean x": float(np.mean([r["x"] for r in rows if r["model"] == model])),
        }
        for model in models
    ]
    print(table(means))
    save("accuracy", rows, args.quick)


if __name__ == "__main__":
    main()
