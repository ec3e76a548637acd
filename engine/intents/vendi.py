"""The Vendi Score of vectors: of a pool, of its growing parts, of its groups and of the pool without them.

The Vendi Score of n unit vectors is the exponential of the Rényi entropy of order q of the eigenvalues of
K / n, K being the n x n matrix of cosines (order 1: Shannon). X Xᵀ / n and the d x d matrix Xᵀ X / n have
the same non-zero eigenvalues, so the smaller of the two is used: exact, and linear in n. Gram matrices add
up, which gives the growth curve and every leave-one-out for the price of additions.

Source: Friedman and Dieng 2023 (order 1); Pasarkar and Dieng 2024 (other orders).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float32] | NDArray[np.float64]

_BLOCK = 4096
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


def vendi_score(x: Floats, q: float = 1.0) -> float:
    """The Vendi Score of the rows of `x` under cosine similarity: 1 (all alike) to n (all orthogonal).

    Args:
        x: Shape (n, d); rows are brought to unit length. No rows score 0.
        q: Order of the entropy, 0.1 to infinity; larger weighs the common more.

    Raises:
        ValueError: `q` is out of range, or a row is all zeros or not finite.
    """
    _check_order(q)
    x = _unit(x)
    n, d = x.shape
    if n == 0:
        return 0.0
    if n < d:
        wide = x.astype(np.float64)
        return _score(wide @ wide.T, n, q)
    if x.dtype == np.float32 and q >= 1:
        eigenvalues = _eigenvalues(_gram(x, np.float32), n)
        if eigenvalues[0] >= _WELL_CONDITIONED:
            return _effective_number(eigenvalues, q)
    return _score(_gram(x, np.float64), n, q)


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
    _check_order(q)
    x = _unit(x)
    n, d = x.shape
    chosen = sorted({size for size in (default_sizes(n) if sizes is None else sizes) if 0 < size <= n})
    order = np.random.default_rng(seed).permutation(n)
    total = np.zeros((d, d))
    points, start = [], 0
    for size in chosen:
        total += _gram(x[order[start:size]], np.float64)
        start = size
        points.append(CurvePoint(size, _score(total, size, q)))
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
    from threadpoolctl import threadpool_limits

    _check_order(q)
    x = _unit(x)
    members: dict[str, list[int]] = {}
    for row, names in enumerate(groups):
        for name in dict.fromkeys(names):
            members.setdefault(name, []).append(row)
    if not members:
        return []
    total = _gram(x, np.float64)
    whole = _score(total, len(x), q)
    estimate = _leave_out_estimator(x, total, q) if len(members) > _EXACT_GROUPS else None

    def score(item: tuple[str, list[int]]) -> GroupScore:
        name, rows = item
        part = x[rows]
        without = (
            estimate(rows) if estimate else _score(total - _gram(part, np.float64), len(x) - len(rows), q)
        )
        return GroupScore(name, len(rows), vendi_score(part, q), without, whole - without)

    # Two eigenvalue problems at once, each on one thread, are twice as fast as one after the other on two.
    with threadpool_limits(1), ThreadPoolExecutor(2) as pool:
        scores = list(pool.map(score, members.items()))
    return sorted(scores, key=lambda s: (-s.adds, s.group))


def mean_pairwise_cosine(x: Floats) -> float:
    """The mean cosine over all pairs of different rows; 1 if there is no pair."""
    x = _unit(x)
    n = len(x)
    if n < 2:
        return 1.0
    total = x.sum(axis=0, dtype=np.float64)
    return float((total @ total - n) / (n * (n - 1)))


def _unit(x: Floats) -> Floats:
    norms = np.sqrt(np.einsum("ij,ij->i", x, x))
    if not np.isfinite(norms).all() or not norms.all():
        raise ValueError("a row is all zeros or not finite: it has no direction")
    # Rows that are unit vectors up to rounding are not copied: the eigenvalues are brought to sum 1 anyway.
    return x if np.abs(norms - 1).max(initial=0) < 1e-6 else x / norms[:, None]


def _gram(x: Floats, kind: type[np.float32 | np.float64]) -> NDArray[np.float64]:
    """Xᵀ X in float64; each block's product is computed in `kind`."""
    total = np.zeros((x.shape[1], x.shape[1]))
    for start in range(0, len(x), _BLOCK):
        block: NDArray[Any] = x[start : start + _BLOCK].astype(kind, copy=False)
        total += block.T @ block
    return total


def _eigenvalues(gram: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    from scipy.linalg import eigvalsh

    values: NDArray[np.float64] = eigvalsh(gram / n, check_finite=False)
    return values


def _score(gram: NDArray[np.float64], n: int, q: float) -> float:
    """The score of `n` rows from their Gram matrix, of either form."""
    return _effective_number(_eigenvalues(gram, n), q) if n else 0.0


def _effective_number(eigenvalues: NDArray[np.float64], q: float) -> float:
    """The exponential of the Rényi entropy; what rounding left of zeros goes (orders below 1 see it)."""
    floor = eigenvalues.max() * len(eigenvalues) * np.finfo(np.float64).eps * 8
    p = eigenvalues[eigenvalues > floor]
    p = p / p.sum()
    if math.isinf(q):
        return float(1 / p.max())
    if abs(q - 1) < 1e-9:
        return float(np.exp(-(p * np.log(p)).sum()))
    return float((p**q).sum() ** (1 / (1 - q)))


def _leave_out_estimator(x: Floats, total: NDArray[np.float64], q: float) -> Callable[[list[int]], float]:
    """Estimates the score without some rows, from the pool's eigenvectors held fixed."""
    from scipy.linalg import eigh

    n = len(x)
    eigenvalues, basis = eigh(total / n, check_finite=False)
    energy = (x @ basis.astype(x.dtype)) ** 2

    def without(rows: list[int]) -> float:
        if len(rows) == n:
            return 0.0
        rest = n * eigenvalues - energy[rows].sum(axis=0, dtype=np.float64)
        return _effective_number(np.maximum(rest, 0) / (n - len(rows)), q)

    return without


def _check_order(q: float) -> None:
    if not q >= 0.1:
        raise ValueError(f"the order q is {q}, expected 0.1 to infinity")
