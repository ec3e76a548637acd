"""Pairs of vectors whose cosine reaches a threshold: exact, block by block, most of it in few dimensions."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_AXES = (32, 64, 96, 128, 192)
"""Numbers of axes to choose from."""
_SAMPLE = 2048
"""Rows by which the axes are found and their number is chosen."""
_ROUNDS = 3
"""Multiplications that turn random directions towards the main axes."""
_DEAR = 100.0
"""What it costs to compare one pair in full, against its share of a product of blocks over as many axes."""
_ROUNDING = 1e-4
"""How far below the threshold a float32 bound may fall for a pair that reaches it."""
_ROUNDING_SQUARED = 2e-6
"""The same for the square of what is left of a row beside the axes."""
_TILE = 2048
"""Columns of one product, few enough for it to stay in the cache while it is looked through."""
_CHUNK = 8192


class _Pairs(NamedTuple):
    """Pairs of rows, the later one left, and their cosines."""

    left: NDArray[np.int64]
    right: NDArray[np.int64]
    cosines: NDArray[np.float64]


class NearVectors:
    """Finds which rows are near which earlier rows.

    Split along some axes, x = (a, r), x · y ≤ a · b + |r| |s|: with |r| as one more coordinate the bound
    is a dot product of its own. Only pairs whose bound reaches the threshold are compared in full.
    """

    def __init__(self, x: NDArray[np.float32], threshold: float) -> None:
        from threadpoolctl import threadpool_limits

        self._x = x
        self._threshold = threshold
        # Cut up among threads, small factorisations take a hundred times as long on a busy machine.
        with threadpool_limits(1):
            axes = _axes(x, threshold)
            self._short = x if axes is None else _shortened(x, axes)

    def of(self, rows: range, earlier: Sequence[int]) -> dict[int, list[tuple[int, float]]]:
        """For each of `rows`, those of `earlier` and of the rows before it that are near, with their cosine.

        Args:
            rows: A block of rows.
            earlier: Rows before the block.
        """
        from threadpoolctl import threadpool_limits

        columns = np.concatenate((np.asarray(earlier, np.int64), np.arange(rows.start, rows.stop)))
        tiles = [columns[start : start + _TILE] for start in range(0, len(columns), _TILE)]
        near: dict[int, list[tuple[int, float]]] = {}
        # A thread for each tile, not each product cut up among threads: they would wait for one another.
        with threadpool_limits(1), ThreadPoolExecutor(os.cpu_count()) as pool:
            for pairs in pool.map(lambda tile: self._in_tile(rows, tile), tiles):
                for left, right, cosine in zip(*(part.tolist() for part in pairs), strict=True):
                    near.setdefault(left, []).append((right, cosine))
        return near

    def _in_tile(self, rows: range, others: NDArray[np.int64]) -> _Pairs:
        bounds = self._short[rows.start : rows.stop] @ self._short[others].T
        row, column = np.divmod(_places(bounds >= self._threshold - _ROUNDING), len(others))
        left, right = row + rows.start, others[column]
        left, right = left[right < left], right[right < left]
        cosines = np.empty(len(left))
        for start in range(0, len(left), _CHUNK):
            some = slice(start, start + _CHUNK)
            a, b = self._x[left[some]], self._x[right[some]]
            cosines[some] = np.einsum("ij,ij->i", a, b, dtype=np.float64)
        reaching = cosines >= self._threshold
        return _Pairs(left[reaching], right[reaching], cosines[reaching])


def _places(true: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Where few are true, as `np.flatnonzero` but several times as fast: eight at a time."""
    packed = np.packbits(true)
    some = np.flatnonzero(packed)
    byte, bit = np.nonzero(np.unpackbits(packed[some][:, None], axis=1))
    return some[byte] * 8 + bit


def _axes(x: NDArray[np.float32], threshold: float) -> NDArray[np.float32] | None:
    """The axes, as columns, that make the comparison of all pairs cheapest; None where none are worth it."""
    n, d = len(x), int(x.shape[1])
    widest = max((m for m in _AXES if m + 1 < min(n, d)), default=0)
    if not widest:
        return None
    sample = x[:: max(n // _SAMPLE, 1)][:_SAMPLE]
    axes = _main_axes((sample.T @ sample).astype(np.float64), widest)
    later = np.tri(len(sample), k=-1, dtype=bool)

    def cost(m: int) -> float:
        short = _shortened(sample, axes[:, :m])
        share = float(np.mean((short @ short.T)[later] >= threshold - _ROUNDING))
        return m + 1 + share * d * _DEAR

    costs = {m: cost(m) for m in _AXES if m <= widest}
    best = min(costs, key=costs.__getitem__)
    return axes[:, :best] if costs[best] < d else None


def _main_axes(gram: NDArray[np.float64], n_axes: int) -> NDArray[np.float32]:
    """About the main axes, the first first, as columns; the bound holds for any orthonormal ones."""
    span = np.random.default_rng(0).standard_normal((len(gram), n_axes))
    for _ in range(_ROUNDS):
        span = np.linalg.qr(gram @ span)[0]
    turn = np.linalg.eigh(span.T @ gram @ span)[1][:, ::-1]
    return np.asarray(span @ turn, np.float32)


def _shortened(x: NDArray[np.float32], axes: NDArray[np.float32]) -> NDArray[np.float32]:
    """The rows along the axes, and the length of what is left of each, if anything too long, as one more."""
    along = x @ axes
    left = np.einsum("ij,ij->i", x, x) - np.einsum("ij,ij->i", along, along)
    return np.hstack([along, np.sqrt(np.maximum(left, 0) + _ROUNDING_SQUARED)[:, None]])
