"""The Vendi Score: equal to the published package, exact where it adds up, sane at the edges."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from vendi_score import vendi

from engine.intents import vendi as ours
from engine.intents.diversity import (
    by_group,
    default_sizes,
    distinct_n,
    groups_of,
    mean_pairwise_cosine,
    measure_diversity,
    scaling_curve,
    vendi_score,
)
from engine.intents.vendi import leave_one_out
from tests.builders import make_intent

Matrix = NDArray[np.float64]


def _unit(n: int, d: int, seed: int, rank: int | None = None) -> Matrix:
    """Unit rows around a common centre with a decaying spectrum, as embeddings have."""
    rng = np.random.default_rng(seed)
    k = rank or d
    x = (rng.standard_normal((n, k)) / np.arange(1, k + 1)) @ rng.standard_normal((k, d)) + 0.3
    return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True))


matrices = st.builds(
    _unit,
    n=st.integers(1, 60),
    d=st.integers(1, 40),
    seed=st.integers(0, 10**6),
    rank=st.one_of(st.none(), st.integers(1, 5)),
)
orders = st.sampled_from([0.1, 0.5, 1.0, 1.5, 2.0, 10.0, math.inf])


@settings(deadline=None)
@given(matrices)
def test_order_one_agrees_with_the_published_package(x: Matrix) -> None:
    assert vendi_score(x) == pytest.approx(vendi.score_X(x), rel=1e-9)
    assert vendi_score(x) == pytest.approx(vendi.score_dual(x), rel=1e-9)


@settings(deadline=None)
@given(st.integers(2, 30), st.integers(0, 10**6), st.sampled_from([0.1, 0.5, 2.0, 5.0, math.inf]))
def test_other_orders_agree_with_the_published_package_at_full_rank(n: int, seed: int, q: float) -> None:
    x = np.linalg.qr(np.random.default_rng(seed).standard_normal((n, n)))[0] + 0.05
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    theirs = vendi.score_K(x @ x.T, q="inf" if math.isinf(q) else q)
    assert vendi_score(x, q) == pytest.approx(theirs, rel=1e-6)


@pytest.mark.parametrize(("n", "rank"), [(300, None), (3000, None), (3000, 30), (5000, 768)])
def test_float32_vectors_agree_with_the_package_in_float64(n: int, rank: int | None) -> None:
    x = _unit(n, 768, seed=n, rank=rank).astype(np.float32)
    assert vendi_score(x) == pytest.approx(vendi.score_dual(x.astype(np.float64)), rel=1e-6)


@pytest.mark.parametrize("q", [0.5, 1.0, 2.0, math.inf])
def test_two_thousand_rows_agree_with_both_routes_of_the_package(q: float) -> None:
    x = _unit(2000, 64, seed=11)
    theirs = "inf" if math.isinf(q) else q
    assert vendi_score(x, q) == pytest.approx(vendi.score_dual(x, q=theirs), rel=1e-6)
    assert vendi_score(x.astype(np.float32), q) == pytest.approx(vendi.score_dual(x, q=theirs), rel=1e-6)
    assert vendi_score(x, q) == pytest.approx(vendi.score_K(x @ x.T, q=theirs), rel=1e-6)


@settings(deadline=None)
@given(matrices, orders)
def test_the_score_lies_between_one_and_the_number_of_rows(x: Matrix, q: float) -> None:
    assert 1 - 1e-9 <= vendi_score(x, q) <= len(x) * (1 + 1e-9)


@settings(deadline=None)
@given(matrices, orders, orders)
def test_the_score_falls_as_the_order_grows(x: Matrix, a: float, b: float) -> None:
    low, high = sorted((a, b))
    assert vendi_score(x, low) >= vendi_score(x, high) - 1e-6


@settings(deadline=None)
@given(matrices, orders, st.floats(0.1, 10), st.integers(0, 100))
def test_neither_the_order_of_rows_nor_their_length_nor_a_second_copy_matters(
    x: Matrix, q: float, scale: float, seed: int
) -> None:
    shuffled = np.random.default_rng(seed).permutation(x) * scale
    assert vendi_score(shuffled, q) == pytest.approx(vendi_score(x, q), rel=1e-6)
    assert vendi_score(np.vstack([x, x]), q) == pytest.approx(vendi_score(x, q), rel=1e-5)


@pytest.mark.parametrize("q", [0.1, 1.0, 2.0, math.inf])
@pytest.mark.parametrize("d", [5, 50])
def test_orthogonal_rows_count_fully_and_equal_rows_once(q: float, d: int) -> None:
    assert vendi_score(np.eye(d), q) == pytest.approx(d)
    assert vendi_score(np.ones((70, d), np.float32), q) == pytest.approx(1)


def test_the_edges_are_sensible() -> None:
    empty = np.zeros((0, 8), np.float32)
    assert vendi_score(empty) == 0
    assert vendi_score(np.ones((1, 8), np.float32)) == pytest.approx(1)
    assert scaling_curve(empty, seed=1) == []
    assert by_group(empty, []) == []
    assert mean_pairwise_cosine(np.ones((1, 8), np.float32)) == 1
    for bad in (np.zeros((2, 3)), np.full((2, 3), np.nan)):
        with pytest.raises(ValueError, match="no direction"):
            vendi_score(bad)
    for q in (0.0, -1.0, math.nan):
        with pytest.raises(ValueError, match="order q"):
            vendi_score(np.eye(3), q)


def test_the_curve_is_exact_at_every_size_and_ends_at_the_whole() -> None:
    x = _unit(700, 32, seed=3)
    curve = scaling_curve(x, seed=9)
    assert [p.n for p in curve] == [25, 50, 100, 200, 500, 700] == default_sizes(700)
    order = np.random.default_rng(9).permutation(700)
    for point in curve:
        assert point.vendi == pytest.approx(vendi_score(x[order[: point.n]]), rel=1e-9)
    assert scaling_curve(x, seed=9) == curve
    assert [p.n for p in scaling_curve(x, seed=9, sizes=[300, 10, 10**6, 0])] == [10, 300]


@settings(deadline=None, max_examples=40)
@given(matrices, orders, st.data())
def test_leave_one_out_is_the_score_of_the_pool_without_the_group(
    x: Matrix, q: float, data: st.DataObject
) -> None:
    names = st.lists(st.sampled_from("abc"), max_size=3)
    groups = data.draw(st.lists(names, min_size=len(x), max_size=len(x)))
    scores = by_group(x, groups, q=q)
    assert {s.group for s in scores} == {name for row in groups for name in row}
    assert [s.adds for s in scores] == sorted((s.adds for s in scores), reverse=True)
    for s in scores:
        inside = np.array([s.group in row for row in groups])
        assert s.n == inside.sum()
        assert s.vendi == pytest.approx(vendi_score(x[inside], q), rel=1e-6)
        assert s.leave_one_out == pytest.approx(vendi_score(x[~inside], q), rel=1e-5)
        assert s.adds == pytest.approx(vendi_score(x, q) - s.leave_one_out, abs=1e-4)


@pytest.mark.parametrize("q", [0.5, 1.0, 2.0])
def test_every_leave_one_out_of_a_large_pool_is_that_of_summing_anew(q: float) -> None:
    x = _unit(5000, 48, seed=8).astype(np.float32)
    rng = np.random.default_rng(2)
    tasks = [tuple(f"task-{t}" for t in rng.choice(40, 3, replace=False)) for _ in range(5000)]
    domains = [tuple({f"domain-{int(t[5:]) % 10}" for t in row}) for row in tasks]
    for groups in (tasks, domains):
        left = leave_one_out(x, groups, q=q)
        assert len(left) in (40, 10)
        assert {s.group: s.leave_one_out for s in by_group(x, groups, q=q)} == left
        for group, score in left.items():
            outside = np.array([group not in row for row in groups])
            assert score == pytest.approx(vendi_score(x[outside].astype(np.float64), q), rel=1e-9)


def test_a_leave_one_out_may_be_estimated_on_demand() -> None:
    x = _unit(3000, 32, seed=4)
    names = [(f"g{n % 30}",) for n in range(3000)]
    exact, close = leave_one_out(x, names), leave_one_out(x, names, exact=False)
    assert close != exact
    assert close == {group: pytest.approx(score, rel=1e-3) for group, score in exact.items()}
    assert leave_one_out(x, [()] * 3000) == {}


def test_many_groups_are_estimated_closely() -> None:
    x = _unit(6000, 64, seed=5)
    names = [(f"g{n % 300}",) for n in range(6000)]
    estimated = {s.group: s.leave_one_out for s in by_group(x, names)}
    assert len(estimated) == 300 > ours._EXACT_GROUPS
    for group in ("g0", "g7", "g299"):
        exact = vendi_score(x[[name != (group,) for name in names]])
        assert estimated[group] == pytest.approx(exact, rel=1e-4)


@settings(deadline=None)
@given(matrices.filter(lambda x: len(x) > 1))
def test_mean_cosine_is_the_mean_over_pairs(x: Matrix) -> None:
    cosines = (x @ x.T)[np.triu_indices(len(x), 1)]
    assert mean_pairwise_cosine(x) == pytest.approx(cosines.mean(), abs=1e-9)


def test_distinct_n_counts_word_n_grams_without_case_and_punctuation() -> None:
    assert distinct_n(["Sort it, sort IT!"], 1) == 0.5
    assert distinct_n(["a b a b"], 2) == pytest.approx(2 / 3)
    assert distinct_n(["one two"], 3) == 0.0
    assert distinct_n([], 1) == 0.0


def test_a_pool_is_measured_whole_with_its_groups() -> None:
    intents = [
        make_intent(f"text {n}", domain_ids=("files", "web") if n % 2 else ("files",), complexity="simple")
        for n in range(30)
    ]
    x = _unit(30, 16, seed=1).astype(np.float32)
    measured = measure_diversity(intents, x, "some-model", q=2.0, by="domain")
    assert (measured.n, measured.model, measured.q) == (30, "some-model", 2.0)
    assert measured.vendi == vendi_score(x, 2.0)
    assert measured.curve[-1].vendi == pytest.approx(measured.vendi, rel=1e-5)
    assert {g.group: g.n for g in measured.groups} == {"files": 30, "web": 15}
    assert {g.group: g.leave_one_out for g in measured.groups}["files"] == 0
    assert measure_diversity(intents, x, "some-model").groups == []
    assert groups_of(intents[:1], "persona") == [(intents[0].cell.persona_id,)]
    assert groups_of(intents[:1], "industry") == [(intents[0].persona.industry,)]
    assert groups_of(intents[:1], "complexity") == [("simple",)]
    assert groups_of(intents[:1], "task") == [intents[0].cell.task_ids]
