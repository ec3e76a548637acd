"""Pairs of vectors whose cosine reaches a threshold: exact, block by block, most of it in few dimensions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_AXES = (32, 64, 96, 128, 192)
"""Numbers of axes to choose from."""
_SAMPLE = 2048
"""Rows by which the axes are found and their number is chosen."""
_DEAR = 100.0
"""What it costs to compare one pair in full, against its share of a product of blocks over as many axes."""
_ROUNDING = 1e-4
"""How far below the threshold a float32 bound may fall for a pair that reaches it."""
_TILE = 2048
"""Columns of one product, few enough for it to stay in the cache while it is looked through."""
_CHUNK = 8192


class NearVectors:
    """Finds which rows are near which earlier rows.

    Split along some axes, x = (a, r), x · y ≤ a · b + |r| |s|: with |r| as one more coordinate the bound
    is a dot product of its own. Only pairs whose bound reaches the threshold are compared in full.
    """

    def __init__(self, x: NDArray[np.float32], threshold: float) -> None:
        self._x = x
        self._threshold = threshold
        axes = _axes(x, threshold)
        self._short = x if axes is None else _shortened(x, axes)

    def of(self, rows: Sequence[int], earlier: Sequence[int]) -> dict[int, list[tuple[int, float]]]:
        """For each of `rows`, those of `earlier` and of the rows before it that are near, with their cosine.

        Args:
            rows: A block of rows, ascending.
            earlier: Rows before the block.
        """
        near: dict[int, list[tuple[int, float]]] = {}
        for left, right in self._candidates(np.asarray(rows, np.int64), np.asarray(earlier, np.int64)):
            cosines = np.einsum("ij,ij->i", self._x[left], self._x[right], dtype=np.float64)
            for k in np.flatnonzero(cosines >= self._threshold):
                near.setdefault(int(left[k]), []).append((int(right[k]), float(cosines[k])))
        return near

    def _candidates(
        self, rows: NDArray[np.int64], earlier: NDArray[np.int64]
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Pairs, the later row first, whose bound reaches the threshold."""
        columns = np.concatenate((earlier, rows))
        block = self._short[rows]
        for start in range(0, len(columns), _TILE):
            others = columns[start : start + _TILE]
            bounds = block @ self._short[others].T
            row, column = np.divmod(_places(bounds >= self._threshold - _ROUNDING), len(others))
            left, right = rows[row], others[column]
            left, right = left[right < left], right[right < left]
            for at in range(0, len(left), _CHUNK):
                yield left[at : at + _CHUNK], right[at : at + _CHUNK]


def _places(true: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Where few are true, as `np.flatnonzero` but several times as fast: eight at a time."""
    packed = np.packbits(true)
    some = np.flatnonzero(packed)
    byte, bit = np.nonzero(np.unpackbits(packed[some][:, None], axis=1))
    return some[byte] * 8 + bit


def _axes(x: NDArray[np.float32], threshold: float) -> NDArray[np.float32] | None:
    """The axes, as columns, that make the comparison of all pairs cheapest; None where none are worth it."""
    from scipy.linalg import eigh

    n, d = len(x), int(x.shape[1])
    widest = max((m for m in _AXES if m + 1 < min(n, d)), default=0)
    if not widest:
        return None
    sample = x[:: max(n // _SAMPLE, 1)][:_SAMPLE]
    gram = (sample.T @ sample).astype(np.float64)
    axes = eigh(gram, subset_by_index=(d - widest, d - 1))[1][:, ::-1].astype(np.float32)
    later = np.tri(len(sample), k=-1, dtype=bool)

    def cost(m: int) -> float:
        short = _shortened(sample, axes[:, :m])
        share = float(np.mean((short @ short.T)[later] >= threshold - _ROUNDING))
        return m + 1 + share * d * _DEAR

    best = min((m for m in _AXES if m <= widest), key=cost)
    return axes[:, :best] if cost(best) < d else None


def _shortened(x: NDArray[np.float32], axes: NDArray[np.float32]) -> NDArray[np.float32]:
    """The rows along the axes, and the length of what is left of each as one more coordinate."""
    along = x @ axes
    left = np.einsum("ij,ij->i", x, x) - np.einsum("ij,ij->i", along, along)
    return np.hstack([along, np.sqrt(np.maximum(left, 0))[:, None]])
