"""Pairs of vectors whose cosine reaches a threshold: exact, block by block, most of it in 129 dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_AXES = 128
_ROUNDING = 1e-4
"""How far below the threshold a float32 bound may fall for a pair that reaches it."""
_CHUNK = 8192


class NearVectors:
    """Finds which rows are near which earlier rows.

    Split along the main axes, x = (a, r), x · y ≤ a · b + |r| |s|: with |r| as one more coordinate the bound
    is a dot product of its own. Only pairs whose bound reaches the threshold are compared in full.
    """

    def __init__(self, x: NDArray[np.float32], threshold: float) -> None:
        self._x = x
        self._threshold = threshold
        worth_it = min(x.shape) > _AXES + 1
        self._short = _shortened(x) if worth_it else x

    def of(self, rows: range, earlier: Sequence[int]) -> dict[int, list[tuple[int, float]]]:
        """For each of `rows`, those of `earlier` and of the rows before it that are near, with their cosine.

        Args:
            rows: A block of rows.
            earlier: Rows before the block.
        """
        columns = np.concatenate((np.asarray(earlier, np.int64), np.arange(rows.start, rows.stop)))
        bounds = self._short[rows.start : rows.stop] @ self._short[columns].T
        reaching = np.flatnonzero(bounds >= self._threshold - _ROUNDING)
        left, right = reaching // len(columns) + rows.start, columns[reaching % len(columns)]
        left, right = left[right < left], right[right < left]
        near: dict[int, list[tuple[int, float]]] = {}
        for start in range(0, len(left), _CHUNK):
            i, j = left[start : start + _CHUNK], right[start : start + _CHUNK]
            cosines = np.einsum("ij,ij->i", self._x[i], self._x[j], dtype=np.float64)
            for k in np.flatnonzero(cosines >= self._threshold):
                near.setdefault(int(i[k]), []).append((int(j[k]), float(cosines[k])))
        return near


def _shortened(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """The rows along their main axes, and the length of what is left of each as one more coordinate."""
    from scipy.linalg import eigh

    d = x.shape[1]
    axes = eigh((x.T @ x).astype(np.float64), subset_by_index=(d - _AXES, d - 1))[1].astype(np.float32)
    along = x @ axes
    left = np.sqrt(np.maximum((x**2).sum(axis=1) - (along**2).sum(axis=1), 0))
    return np.hstack([along, left[:, None]])
