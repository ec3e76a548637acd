"""Foresees where an intent would lie before it is written: its vector from its cell, learnt from the pool.

A ridge regression from the parts of a cell (tasks, domains, industry, complexity) to the vector of its
utterance. It knows the middle of what such cells came to, not the single text: enough to tell which cells
lie where the pool is thin.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from engine.intents.one_thread import one_thread
from engine.intents.targets import Part, parts_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from engine.intents.gram import Gram
    from engine.schema.intent import Cell, Intent

_KINDS = frozenset({"task", "domain", "industry", "complexity"})
_RIDGE = 40.0
"""Weight of the pull to zero, in intents: a part seen forty times counts half. Of 4, 15, 40, 100 and 300 the
best on mpnet vectors, for 200, 500 and 1,500 intents alike."""


class Foresight:
    """Learns from a pool of intents and their vectors; foresees those of cells."""

    def __init__(self, intents: Sequence[Intent], vectors: NDArray[np.float32]) -> None:
        """Learns from `intents`, whose unit vectors are the rows of `vectors`, shape (n, d)."""
        rows = [_learnable(parts_of(i.cell, i.persona.industry)) for i in intents]
        self._place: dict[Part, int] = {}
        for row in rows:
            for part in row:
                self._place.setdefault(part, len(self._place))
        self._mean = vectors.mean(axis=0, dtype=np.float64)
        x = self._design(rows)
        gram = x.T @ x + _RIDGE * np.eye(x.shape[1])
        self._weights = np.linalg.solve(gram, x.T @ (vectors - self._mean))

    def vectors(self, cells: Sequence[Cell], industries: Sequence[str]) -> NDArray[np.float64]:
        """Unit rows, shape (len(cells), d): where utterances of these cells would lie on the whole."""
        x = self._design([_learnable(parts_of(c, i)) for c, i in zip(cells, industries, strict=True)])
        foreseen = self._mean + x @ self._weights
        unit: NDArray[np.float64] = foreseen / np.linalg.norm(foreseen, axis=1, keepdims=True)
        return unit

    def _design(self, rows: Sequence[Sequence[Part]]) -> NDArray[np.float64]:
        x = np.zeros((len(rows), len(self._place)))
        for number, row in enumerate(rows):
            x[number, [self._place[part] for part in row if part in self._place]] = 1
        return x


def _learnable(parts: Iterable[Part]) -> list[Part]:
    return [part for part in parts if part[0] in _KINDS]


def first_order_gain(pool: Gram, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """What each row of `x` would add to the entropy of the pool, to first order, up to a common constant.

    The entropy of the eigenvalues of G / n grows along x by -xᵀ log(G / n) x: large where the pool is thin.

    Args:
        pool: Of the pool's vectors.
        x: Unit rows, shape (m, d).
    """
    with one_thread():
        eigenvalues, basis = np.linalg.eigh(pool.matrix / max(pool.n, 1))
    floor = 1.0 / (10 * max(pool.n, 1))
    along = (x @ basis) ** 2
    gain: NDArray[np.float64] = -(along @ np.log(np.maximum(eigenvalues, floor)))
    return gain
