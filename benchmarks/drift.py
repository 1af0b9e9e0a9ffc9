"""Do the drift detectors stay quiet without drift, and do they see it as soon as others do?

False alarms: the share of windows without drift that are found different, at each level. Power:
the same with a small shift, beside SciPy's chi-squared test (its false alarms are shown too: where
they are too many, its power is worth less), SciPy's Kolmogorov-Smirnov test on the raw values, and
the MMD with a linear kernel by permutation. Features are rounded mixtures of heavy-tailed
clusters, and those of real texts where the data folder has them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from _common import data_sets, milliseconds, parser, read, save, table
from numpy.typing import NDArray
from scipy.stats import chi2_contingency, ks_2samp

from astermind_lab.core.tally import FeatureSums, Tally, bin_of_confidence
from astermind_lab.monitoring.drift import confidence, inputs, labels, performance, separability

Floats = NDArray[np.float64]
Row = dict[str, Any]

LEVELS = (0.01, 0.05, 0.1)
SIZES = ((20, 20), (200, 200), (2000, 2000), (2000, 20), (20, 200), (200, 2000))
LABELS = ((2, "even"), (2, "zipf"), (7, "zipf"), (20, "zipf"), (77, "even"), (77, "zipf"))
WIDTH = 32


def alarms(p_values: list[float]) -> dict[str, float]:
    found = np.array(p_values)
    return {f"at {level}": float((found <= level).mean()) for level in LEVELS}


def shares(k: int, kind: str) -> Floats:
    weights = 1 / np.arange(1, k + 1) if kind == "zipf" else np.ones(k)
    return weights / weights.sum()


def moved(p: Floats, how: str, size: float) -> Floats:
    """Label shares after a shift: one label grows, or the frequent one falls, or all move."""
    q = p.copy()
    if how == "one grows":
        q *= 1 - size
        q[len(q) // 2] += size
    elif how == "first falls":
        q[0] *= 1 - size
    else:
        q *= np.exp(3 * size * np.random.default_rng(0).standard_normal(len(q)))
    return q / q.sum()


def chi_squared(a: NDArray[np.int64], b: NDArray[np.int64]) -> float:
    seen = a + b > 0
    return float(chi2_contingency((a[seen], b[seen])).pvalue) if seen.sum() > 1 else 1.0


def label_rows(chance: np.random.Generator, runs: int) -> Iterator[Row]:
    for k, kind in LABELS:
        p = shares(k, kind)
        for n, m in SIZES:
            size = 1.6 * float(np.sqrt(1 / n + 1 / m)) * (0.7 if k > 20 else 1)
            for how in ("none", "one grows", "first falls", "all move"):
                q = p if how == "none" else moved(p, how, min(size, 0.9))
                ours, theirs = [], []
                for _ in range(runs if how == "none" else runs // 4):
                    a, b = chance.multinomial(n, p), chance.multinomial(m, q)
                    ours.append(labels.p_value(a, b))
                    theirs.append(chi_squared(a, b))
                yield result("labels", f"{k} {kind}", (n, m), how, ours, theirs)


def confidence_rows(chance: np.random.Generator, runs: int) -> Iterator[Row]:
    draws: dict[str, Callable[[int, float], Floats]] = {
        "smooth": lambda n, shift: chance.beta(4 * (1 - shift), 1.2, n),
        "mostly sure": lambda n, shift: 1 - 0.8 * chance.beta(0.4 * (1 + 1.5 * shift), 2, n),
        "one decimal": lambda n, shift: np.round(chance.beta(3 * (1 - shift), 1.5, n), 1),
    }
    for kind, draw in draws.items():
        for n, m in SIZES:
            for how in ("none", "less sure"):
                shift = 0.0 if how == "none" else min(float(np.sqrt(1 / n + 1 / m)), 0.9)
                ours, theirs = [], []
                for _ in range(runs if how == "none" else runs // 4):
                    x, y = draw(n, 0.0), draw(m, shift)
                    found = confidence.compare(sure(x), sure(y)).p_value
                    assert found is not None
                    ours.append(found)
                    if how != "none" or n + m <= 2020:
                        theirs.append(float(ks_2samp(x, y).pvalue))
                yield result("confidence", kind, (n, m), how, ours, theirs)


def sure(values: Floats) -> Tally:
    tally = Tally(cells={(None, "a", 0): len(values)}, confidence_sum=1)
    for value in values.tolist():
        tally.confidence.setdefault(bin_of_confidence(value), [0, 0, 0])[0] += 1
    return tally


def clusters(chance: np.random.Generator) -> Floats:
    spread = 30 * np.arange(1, WIDTH + 1) ** -0.6
    centres = chance.standard_t(3, (300, WIDTH)) * spread
    near = chance.choice(300, 40_000, p=shares(300, "zipf"))
    return whole(centres[near] + chance.standard_t(3, (40_000, WIDTH)) * spread * 0.4)


def texts(name: str) -> Floats:
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    found = TfidfVectorizer(min_df=2, sublinear_tf=True).fit_transform(read(name, "train")[0])
    values = TruncatedSVD(WIDTH, random_state=0).fit_transform(found)
    return whole(values * 32 / values.std(0).max())


def whole(values: Floats) -> Floats:
    return np.clip(np.rint(values), -127, 127)


def featured(values: Floats, chance: np.random.Generator) -> Tally:
    folds = chance.integers(0, 2, len(values))
    return Tally(features={"map": FeatureSums.of(values.astype(np.int8), folds)})


def permuted(x: Floats, y: Floats, chance: np.random.Generator, draws: int = 400) -> float:
    pool = np.concatenate((x, y))
    signs = np.repeat([[1 / len(x)] * len(x) + [-1 / len(y)] * len(y)], draws + 1, 0)
    signs[1:] = chance.permuted(signs[1:], axis=1)
    distances = ((signs @ (pool - pool.mean(0))) ** 2).sum(1)
    return float((distances >= distances[0] * (1 - 1e-12)).mean())


def feature_rows(chance: np.random.Generator, runs: int, pools: dict[str, Floats]) -> Iterator[Row]:
    for kind, pool in pools.items():
        spread = np.sqrt(pool.var(0))
        for n, m in SIZES:
            for how in ("none", "means move", "one cluster grows"):
                step = float(np.sqrt((1 / n + 1 / m) * (spread**2).sum() / 2))
                lists: tuple[list[float], list[float], list[float]] = ([], [], [])
                for _ in range(runs if how == "none" else runs // 8):
                    x = pool[chance.integers(0, len(pool), n)]
                    y = pool[chance.integers(0, len(pool), m)]
                    if how == "means move":
                        way = chance.standard_normal(WIDTH) * spread
                        y = whole(y + way * step / np.linalg.norm(way))
                    elif how != "none":
                        most = min(2.5 * np.sqrt(1 / n + 1 / m), 0.8)
                        y[: int(m * most)] = near(pool, chance, int(m * most))
                    before, after = featured(x, chance), featured(y, chance)
                    for found, compare in zip(lists, (inputs, separability), strict=False):
                        found.append(compare.compare(before, after).p_value or 1.0)
                    if how != "none":
                        lists[2].append(permuted(x, y, chance))
                yield result("inputs", kind, (n, m), how, lists[0], lists[2])
                yield result("separability", kind, (n, m), how, lists[1], [])


def near(pool: Floats, chance: np.random.Generator, n: int) -> Floats:
    """Some of the tenth of all inputs that is nearest to one of them."""
    distances = ((pool - pool[chance.integers(0, len(pool))]) ** 2).sum(1)
    nearest = np.argpartition(distances, len(pool) // 10)[: len(pool) // 10]
    return pool[chance.choice(nearest, n)]


def performance_rows(chance: np.random.Generator, runs: int) -> Iterator[Row]:
    """Looks after every answer, up to 500 of them; false alarms are of all looks together."""
    for n, accuracy in ((20, 0.8), (200, 0.9), (2000, 0.7)):
        for how, drop in (("none", 0.0), ("10 points less", 0.1)):
            least = []
            for _ in range(runs // 10):
                before = (int(chance.binomial(n, accuracy)), n)
                right = (chance.random(500) < accuracy - drop).cumsum().tolist()
                least.append(
                    min(performance.p_value(before, (right[t], t + 1)) for t in range(9, 500, 2))
                )
            yield result("performance", f"{accuracy:.0%} right", (n, 500), how, least, [])


def result(
    detector: str,
    data: str,
    sizes: tuple[int, int],
    shift: str,
    ours: list[float],
    theirs: list[float],
) -> Row:
    row: Row = {"detector": detector, "data": data, "windows": f"{sizes[0]}/{sizes[1]}"}
    other = alarms(theirs) if theirs else {f"at {level}": None for level in LEVELS}
    return row | {"shift": shift} | alarms(ours) | {f"other {at}": p for at, p in other.items()}


def speed_rows(chance: np.random.Generator) -> Iterator[Row]:
    for n in (20, 200, 2000, 10**6):
        windows = [everything(chance, n) for _ in range(2)]
        for module in (labels, confidence, inputs, separability, performance):
            times = milliseconds(partial(module.compare, windows[0]), [windows[1]] * 40)
            yield {"detector": module.DETECTOR, "n": n, "ms": times["p50"], "95 %": times["p95"]}


def everything(chance: np.random.Generator, n: int) -> Tally:
    """A window with 77 labels, feedback, confidences and features; large ones are scaled up."""
    rows, times = min(n, 50_000), max(n // 50_000, 1)
    tally = sure(chance.beta(4, 1.2, rows))
    tally.add(featured(whole(chance.normal(0, 20, (rows, WIDTH))), chance))
    tally.cells = {}
    for i, count in enumerate(chance.multinomial(rows, shares(77, "zipf")).tolist()):
        wrong = int(chance.binomial(count, 0.1))
        tally.cells |= {(str(i), str(i), 0): count - wrong, ("other", str(i), 0): wrong}
    whole_window = Tally()
    for _ in range(times):
        whole_window.add(tally)
    return whole_window


def main() -> None:
    args = parser(__doc__).parse_args()
    runs = 200 if args.quick else 2000
    chance = np.random.default_rng(0)
    pools = {"clusters": clusters(chance)}
    wanted = [name for name in ("banking77", "sms_spam") if name in data_sets(args.sets)]
    pools |= {name: texts(name) for name in wanted[: 0 if args.quick else None]}
    speed = list(speed_rows(chance))
    print(table(speed), flush=True)
    rows = []
    for part in (
        label_rows(chance, runs),
        confidence_rows(chance, runs),
        feature_rows(chance, runs, pools),
        performance_rows(chance, runs),
    ):
        found = list(part)
        print("\n" + table(found), flush=True)
        rows += found
    save("drift", [*speed, *rows], args.quick)


if __name__ == "__main__":
    main()
