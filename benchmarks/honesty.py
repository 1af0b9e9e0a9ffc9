"""Does the accuracy that a model shows hold? Random 80/20 splits of each training set.

Per set: the mean of estimate minus held-out accuracy over the splits (the bias), the mean of its
absolute value (bias and the chance of both samples), and the calibration error of the top
confidence on the held-out rows, in 15 bins.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from _common import data_sets, parser, read, save, table

from astermind_lab.core import ElmConfig, TextClassifier
from astermind_lab.core.calibration import calibration_error


def split(name: str, seed: int) -> dict[str, Any]:
    texts, labels = read(name, "train")
    order = np.random.default_rng(seed).permutation(len(texts))
    test, train = order[: len(texts) // 5], order[len(texts) // 5 :]
    model = TextClassifier.fit(
        [texts[i] for i in train], [labels[i] for i in train], ElmConfig.parse({})
    )
    proba = model.predict_proba([texts[i] for i in test])
    truth = np.array([labels[i] for i in test])
    correct = np.array(model.categories)[proba.argmax(1)] == truth
    assert model.accuracy is not None
    return {
        "held_out": float(correct.mean()),
        "estimate": model.accuracy.value,
        "calibration_error": calibration_error(proba.max(1), correct),
    }


def main() -> None:
    args = parser(__doc__).parse_args()
    sets = data_sets(args.sets)[: 1 if args.quick else None]
    rows = []
    for name in sets:
        runs = [split(name, seed) for seed in range(2 if args.quick else 5)]
        gaps = np.array([run["estimate"] - run["held_out"] for run in runs])
        rows.append(
            {
                "set": name,
                "held-out": float(np.mean([run["held_out"] for run in runs])),
                "leave-one-out": float(np.mean([run["estimate"] for run in runs])),
                "mean gap": float(gaps.mean()),
                "mean |gap|": float(np.abs(gaps).mean()),
                "calibration error": float(np.mean([run["calibration_error"] for run in runs])),
            }
        )
    if not rows:
        print("no data sets found; set ASTERMIND_BENCH_DATA to a folder that holds them")
        return
    print(table(rows))
    save("honesty", rows, args.quick)


if __name__ == "__main__":
    main()
