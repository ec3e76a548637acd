"""The Vendi Score of vectors: of a pool, of its growing parts, of its groups and of the pool without them.

The Vendi Score of n unit vectors is the exponential of the Rényi entropy of order q of the eigenvalues of
K / n, K being the n x n matrix of cosines (order 1: Shannon). X Xᵀ / n and the d x d matrix Xᵀ X / n have
the same non-zero eigenvalues, so the smaller of the two is used: exact, and linear in n. Gram matrices add
up, which gives the growth curve and every leave-one-out for the price of additions.

Source: Friedman and Dieng 2023 (order 1); Pasarkar and Dieng 2024 (other orders).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from engine.intents.gram import (
    Gram,
    check_order,
    effective_number,
    eigenvalues_of,
    products,
    unit_rows,
)
from engine.intents.one_thread import one_thread

if TYPE_CHECKING:
    from engine.intents.gram import Floats

R = TypeVar("R")

_EXACT_GROUPS = 256
"""Up to so many groups each leave-one-out is exact; it costs one eigenvalue problem a group."""
_WELL_CONDITIONED = 1e-6
"""Smallest eigenvalue from which a Gram matrix summed in float32 is as good as one in float64."""


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """The Vendi Score of a random part of the pool."""

    n: int
    vendi: float


@dataclass(frozen=True, slots=True)
class GroupScore:
    """One group of intents, by itself and by what the pool would lack without it."""

    group: str
    n: int
    vendi: float
    leave_one_out: float
    """The score of the pool without this group; 0 if nothing is left."""
    adds: float
    """The pool's score less `leave_one_out`; negative if the group makes the pool more uniform."""


@dataclass(frozen=True, slots=True)
class SetScore:
    """The Vendi Score of a set of intents."""

    n: int
    vendi: float


@dataclass(frozen=True, slots=True)
class MarginalGain:
    """What a selection is worth to the pool that it is part of."""

    selection: SetScore
    """By itself."""
    pool: SetScore
    without: SetScore
    """The pool without the selection."""
    adds: float
    """The pool's score less that of the rest; negative if the selection makes the pool more uniform."""


def vendi_score(x: Floats, q: float = 1.0) -> float:
    """The Vendi Score of the rows of `x` under cosine similarity: 1 (all alike) to n (all orthogonal).

    Args:
        x: Shape (n, d); rows are brought to unit length. No rows score 0.
        q: Order of the entropy, 0.1 to infinity; larger weighs the common more.

    Raises:
        ValueError: `q` is out of range, or a row is all zeros or not finite.
    """
    check_order(q)
    x = unit_rows(x)
    n, d = x.shape
    if n == 0:
        return 0.0
    if n < d:
        wide = x.astype(np.float64)
        return effective_number(eigenvalues_of(wide @ wide.T, n), q)
    if x.dtype == np.float32 and q >= 1:
        eigenvalues = eigenvalues_of(products(x, np.float32), n)
        if eigenvalues[0] >= _WELL_CONDITIONED:
            return effective_number(eigenvalues, q)
    return Gram.of(x).score(q)


def scaling_curve(
    x: Floats, seed: int, sizes: Sequence[int] | None = None, *, q: float = 1.0
) -> list[CurvePoint]:
    """The score of growing parts of `x`, intents being added in one random order.

    Args:
        x: Shape (n, d); rows are brought to unit length.
        seed: Of the order.
        sizes: Ascending or not; those beyond n are left out. By default 25, 50, 100, 200, 500, 1,000, ..., n.
        q: Order of the entropy.
    """
    x = unit_rows(x)
    n, d = x.shape
    chosen = sorted({size for size in (default_sizes(n) if sizes is None else sizes) if 0 < size <= n})
    order = np.random.default_rng(seed).permutation(n)
    gram = Gram.empty(d)
    points = []
    for size in chosen:
        gram = gram.add(x[order[gram.n : size]])
        points.append(CurvePoint(size, gram.score(q)))
    return points


def default_sizes(n: int) -> list[int]:
    """25, 50, 100, 200, 500, 1,000, 2,000, 5,000, ... below `n`, then `n` itself."""
    steps = [25, 50] + [step * 10**power for power in range(2, 8) for step in (1, 2, 5)]
    return [size for size in steps if size < n] + ([n] if n else [])


def by_group(x: Floats, groups: Sequence[Sequence[str]], *, q: float = 1.0) -> list[GroupScore]:
    """The score of each group and of the pool without it, the most adding first.

    With more than 256 groups `leave_one_out` is a first-order estimate (exact to about 0.1 % of the score
    for groups that are small beside the pool); everything else is exact.

    Args:
        x: Shape (n, d); rows are brought to unit length.
        groups: The groups of each row; a row may be in several, or in none.
        q: Order of the entropy.
    """
    x = unit_rows(x)
    members = _members(groups)
    if not members:
        return []
    pool = Gram.of(x)
    whole = pool.score(q)
    without = _leave_out(x, pool, q, exact=len(members) <= _EXACT_GROUPS)

    def score(group: str, rows: list[int]) -> GroupScore:
        rest = without(rows)
        return GroupScore(group, len(rows), vendi_score(x[rows], q), rest, whole - rest)

    return sorted(_each(members, score), key=lambda s: (-s.adds, s.group))


def leave_one_out(
    x: Floats, groups: Sequence[Sequence[str]], *, q: float = 1.0, exact: bool | None = None
) -> dict[str, float]:
    """The score of the pool without each group.

    Args:
        x: Shape (n, d); rows are brought to unit length.
        groups: The groups of each row; a row may be in several, or in none.
        q: Order of the entropy.
        exact: False estimates to first order, at the price of one product of matrices for all groups. None is
            exact up to 256 groups.
    """
    x = unit_rows(x)
    members = _members(groups)
    if not members:
        return {}
    exactly = len(members) <= _EXACT_GROUPS if exact is None else exact
    pool = Gram(len(x), products(x, np.float64 if exactly else np.float32))
    without = _leave_out(x, pool, q, exact=exactly)
    scores = _each(members, lambda group, rows: (group, without(rows)))
    return dict(scores)


def marginal_gain(pool: Gram, part: Floats, q: float = 1.0) -> MarginalGain:
    """What a part of a pool scores by itself, and what the pool would lack without it.

    Args:
        pool: Of the whole pool.
        part: Rows of the pool, shape (m, d).
        q: Order of the entropy.
    """
    rest = pool.without(part)
    selection = SetScore(len(part), vendi_score(part, q))
    whole, left = SetScore(pool.n, pool.score(q)), SetScore(rest.n, rest.score(q))
    return MarginalGain(selection, whole, left, whole.vendi - left.vendi)


def mean_pairwise_cosine(x: Floats) -> float:
    """The mean cosine over all pairs of different rows; 1 if there is no pair."""
    x = unit_rows(x)
    n = len(x)
    if n < 2:
        return 1.0
    total = x.sum(axis=0, dtype=np.float64)
    return float((total @ total - n) / (n * (n - 1)))


def _members(groups: Sequence[Sequence[str]]) -> dict[str, list[int]]:
    """The rows of each group."""
    members: dict[str, list[int]] = {}
    for row, names in enumerate(groups):
        for name in dict.fromkeys(names):
            members.setdefault(name, []).append(row)
    return members


def _each(members: Mapping[str, list[int]], work: Callable[[str, list[int]], R]) -> list[R]:
    """What `work` gives for each group.

    Two eigenvalue problems at once, each on one thread, are twice as fast as one after the other on two.
    """
    with one_thread(), ThreadPoolExecutor(2) as workers:
        return list(workers.map(work, members.keys(), members.values()))


def _leave_out(x: Floats, pool: Gram, q: float, *, exact: bool) -> Callable[[list[int]], float]:
    """Gives the score of `x`, unit rows whose Gram is `pool`, without some of them."""
    if exact:
        return lambda rows: pool.without(x[rows]).score(q)
    return _leave_out_estimator(x, pool, q)


def _leave_out_estimator(x: Floats, pool: Gram, q: float) -> Callable[[list[int]], float]:
    """Estimates the score without some rows, from the pool's eigenvectors held fixed."""
    check_order(q)
    with one_thread():
        eigenvalues, basis = np.linalg.eigh(pool.matrix)
    energy = (x @ basis.astype(x.dtype)) ** 2

    def without(rows: list[int]) -> float:
        if len(rows) == pool.n:
            return 0.0
        rest = eigenvalues - energy[rows].sum(axis=0, dtype=np.float64)
        return effective_number(np.maximum(rest, 0) / (pool.n - len(rows)), q)

    return without
