"""Tallies against NumPy and against counting by hand."""

from __future__ import annotations

import math
import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from astermind_lab.core.tally import (
    Features,
    FeatureSums,
    Observation,
    Tally,
    bin_of_confidence,
    bin_of_latency,
    confidence_of_bin,
    latency_of_bin,
    level_of,
)
from astermind_lab.core.tally_bytes import Packed, UnknownFormat, add_up, cells_of, pack

CONFIDENCES = st.floats(0, 1)
LATENCIES = st.floats(1e-6, 1e9)
LABELS = st.sampled_from(["a", "b", "ä ö", "'; --"])


@st.composite
def observations(draw: st.DrawFn) -> Observation:
    values = draw(st.one_of(st.none(), st.binary(min_size=4, max_size=4)))
    return Observation(
        truth=draw(st.one_of(st.none(), LABELS)),
        predicted=draw(LABELS),
        confidence=draw(CONFIDENCES),
        latency_ms=draw(st.one_of(st.none(), st.just(0.0), LATENCIES)),
        at=draw(st.integers(-(2**50), 2**50)),
        features=None if values is None else Features(draw(st.sampled_from("mn")), values),
        fold=draw(st.integers(0, 1)),
    )


ROWS = st.lists(observations(), max_size=40)


def plain(tally: Tally) -> dict[str, object]:
    """Everything in a tally, comparable."""
    features = {
        name: [part.tolist() for part in vars(sums).values()]
        for name, sums in tally.features.items()
    }
    return {**vars(tally), "features": features}


@given(CONFIDENCES, CONFIDENCES)
def test_bins_of_confidence_keep_the_order(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert bin_of_confidence(low) <= bin_of_confidence(high)
    assert level_of(low) <= level_of(high)
    middle = confidence_of_bin(bin_of_confidence(one))
    assert bin_of_confidence(middle) == bin_of_confidence(one)
    assert abs(middle - one) <= 0.008


@given(LATENCIES)
def test_a_latency_is_kept_to_four_per_mille(value: float) -> None:
    assert latency_of_bin(bin_of_latency(value)) == pytest.approx(value, rel=0.004)


def test_no_latency_is_no_latency() -> None:
    assert latency_of_bin(bin_of_latency(0.0)) == 0.0


@given(ROWS, st.randoms())
def test_sums_do_not_depend_on_the_order(rows: list[Observation], chance: random.Random) -> None:
    whole = Tally.of(rows)
    mixed = list(rows)
    chance.shuffle(mixed)
    cut = chance.randrange(len(rows) + 1)
    parts = Tally.of(mixed[:cut])
    parts.add(Tally.of(mixed[cut:]))
    assert plain(parts) == plain(whole) and parts.n == len(rows)
    parts.add(Tally.of(mixed[:cut]), -1)
    rest = Tally.of(mixed[cut:])
    assert {**plain(parts), "first": 0, "last": 0} == {**plain(rest), "first": 0, "last": 0}
    parts.add(rest, -1)
    assert not parts


@given(st.lists(ROWS, max_size=5))
def test_bytes_add_up_to_the_same(groups: list[list[Observation]]) -> None:
    total = Tally()
    packed = []
    for rows in groups:
        tally = Tally.of(rows)
        total.add(tally)
        packed.append(pack(tally))
    assert plain(add_up(packed)) == plain(total)
    assert plain(add_up([pack(total)])) == plain(total)
    bare = add_up(part._replace(features=None) for part in packed)
    assert plain(bare) == {**plain(total), "features": {}}


@given(ROWS)
def test_cells_alone_are_those_of_the_tally(rows: list[Observation]) -> None:
    tally = Tally.of(rows)
    found = cells_of(pack(tally).data)
    counts: Counter[tuple[str | None, str]] = Counter()
    for truth, predicted, n in zip(found.truth, found.predicted, found.n, strict=True):
        counts[None if truth < 0 else found.labels[truth], found.labels[predicted]] += int(n)
    assert counts == tally.pairs


def test_differences_survive_the_bytes() -> None:
    delta = Tally.of([Observation("a", "b", 0.5, 1.0, 7, Features("m", b"\x05\xfb"))])
    delta.add(Tally.of([Observation("a", "a", 0.7, None, 7)]), -1)
    assert plain(add_up([pack(delta)])) == plain(delta)


def test_large_sums_are_whole() -> None:
    sums = FeatureSums.of(np.full((1, 3), 127, np.int8), np.array([1]))
    for _ in range(21):
        sums.add(sums.copy())
    tally = Tally(features={"m": sums})
    assert plain(add_up([pack(tally)])) == plain(tally)
    assert int(sums.products[0, 0]) == 127**2 * 2**21 > 2**31


def test_a_later_version_is_not_read() -> None:
    import json
    import zlib

    header = json.dumps({"format": 99}).encode()
    data = zlib.compress(len(header).to_bytes(4, "little") + header)
    with pytest.raises(UnknownFormat, match="99"):
        add_up([Packed(data)])


def test_features_are_what_numpy_says() -> None:
    rng = np.random.default_rng(0)
    values, folds = rng.integers(-127, 128, (50, 6)).astype(np.int8), rng.integers(0, 2, 50)
    sums = FeatureSums.of(values, folds)
    wide = values.astype(np.int64)
    assert (sums.n == [(folds == 0).sum(), (folds == 1).sum()]).all()
    assert (sums.sums == [wide[folds == f].sum(0) for f in (0, 1)]).all()
    assert (sums.products == wide.T @ wide).all()


@pytest.mark.parametrize("n", [1, 2, 7, 5_000])
def test_quantiles_are_within_one_per_cent(n: int) -> None:
    values = np.random.default_rng(n).lognormal(1, 2, n)
    tally = Tally.of(Observation(None, "a", 0.5, float(x), 0) for x in values)
    for level in (0.0, 0.5, 0.95, 0.99, 1.0):
        found, low, high = tally.latency_quantile(level)
        assert found == pytest.approx(np.quantile(values, level), rel=0.01)
        assert low <= found <= high
    assert tally.mean_latency_ms == pytest.approx(values.mean(), rel=1e-12)


def test_the_interval_of_a_quantile_covers_it() -> None:
    rng = np.random.default_rng(1)
    truth = math.exp(1.0)
    covered = 0
    for _ in range(200):
        rows = (Observation(None, "a", 0.5, float(x), 0) for x in rng.lognormal(1, 1, 120))
        _, low, high = Tally.of(rows).latency_quantile(0.5)
        covered += low <= truth <= high
    assert covered >= 185


def test_nothing_has_no_figures() -> None:
    assert (Tally().mean_confidence, Tally().mean_latency_ms, Tally().n) == (None, None, 0)
    with pytest.raises(ValueError, match="no latency"):
        Tally().latency_quantile(0.5)
