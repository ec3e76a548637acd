"""Gram matrices of vectors: added to, taken away from, and scored without starting over.

X Xᵀ / n, the matrix of cosines of n unit rows, and the d x d matrix Xᵀ X / n have the same non-zero
eigenvalues, and Xᵀ X is a sum over rows: so whatever was added or left out, the score costs one d x d
eigenvalue problem. Sums are kept in float64, where a float32 row's products are exact.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from engine.intents.one_thread import one_thread

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float32] | NDArray[np.float64]

_BLOCK = 8192


@dataclass(frozen=True, slots=True, eq=False)
class Gram:
    """The number of rows and their Xᵀ X: all that the Vendi Score of a set needs to know of it."""

    n: int
    matrix: NDArray[np.float64]
    """Shape (d, d), symmetric."""

    @classmethod
    def empty(cls, d: int) -> Gram:
        """Of no rows, of width `d`."""
        return cls(0, np.zeros((d, d)))

    @classmethod
    def of(cls, rows: Floats) -> Gram:
        """Of `rows`, shape (n, d); they are brought to unit length.

        Raises:
            ValueError: A row is all zeros or not finite.
        """
        return cls(len(rows), products(unit_rows(rows), np.float64))

    def add(self, rows: Floats) -> Gram:
        """With `rows`, shape (m, d), as well."""
        return self.joined(Gram.of(rows))

    def without(self, rows: Floats) -> Gram:
        """Without `rows`, shape (m, d), all of which must be in it."""
        return self.less(Gram.of(rows))

    def joined(self, other: Gram) -> Gram:
        """Over the rows of both."""
        return Gram(self.n + other.n, self.matrix + other.matrix)

    def less(self, part: Gram) -> Gram:
        """Without the rows of `part`, all of which must be in it.

        Raises:
            ValueError: `part` has more rows than this.
        """
        if part.n > self.n:
            raise ValueError(f"{part.n} rows cannot be taken from {self.n}")
        return Gram(self.n - part.n, self.matrix - part.matrix)

    def score(self, q: float = 1.0) -> float:
        """The Vendi Score of the rows; 0 if there are none.

        Args:
            q: Order of the entropy, 0.1 to infinity.
        """
        check_order(q)
        return effective_number(eigenvalues_of(self.matrix, self.n), q) if self.n else 0.0


def check_order(q: float) -> None:
    """Raises ValueError for an order below 0.1."""
    if not q >= 0.1:
        raise ValueError(f"the order q is {q}, expected 0.1 to infinity")


def unit_rows(x: Floats) -> Floats:
    """The rows of `x` at unit length; `x` itself where they are.

    Raises:
        ValueError: A row is all zeros or not finite.
    """
    norms = np.sqrt(np.einsum("ij,ij->i", x, x))
    if not np.isfinite(norms).all() or not norms.all():
        raise ValueError("a row is all zeros or not finite: it has no direction")
    # Unit vectors up to rounding stay as they are: the eigenvalues are brought to sum 1 anyway. Each row is
    # judged by itself, so that what is taken away later equals what was added, whatever stood beside it.
    off = np.abs(norms - 1) >= 1e-6
    return x / np.where(off, norms, 1)[:, None] if off.any() else x


def products(x: Floats, kind: type[np.float32 | np.float64]) -> NDArray[np.float64]:
    """Xᵀ X, shape (d, d), summed in float64; each block's product is computed in `kind`."""
    total = np.zeros((x.shape[1], x.shape[1]))
    for start in range(0, len(x), _BLOCK):
        block: NDArray[Any] = x[start : start + _BLOCK].astype(kind, copy=False)
        total += block.T @ block
    return total


def eigenvalues_of(matrix: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """The eigenvalues of the Gram matrix of `n` rows, of either form, over n; ascending."""
    # numpy's, not scipy's: it lets go of the interpreter's lock, so that two can run at once.
    with one_thread():
        values: NDArray[np.float64] = np.linalg.eigvalsh(matrix / n).astype(np.float64, copy=False)
    return values


def effective_number(eigenvalues: NDArray[np.float64], q: float) -> float:
    """The exponential of the Rényi entropy; what rounding left of zeros goes (orders below 1 see it)."""
    floor = eigenvalues.max() * len(eigenvalues) * np.finfo(np.float64).eps * 8
    p = eigenvalues[eigenvalues > floor]
    p = p / p.sum()
    if math.isinf(q):
        return float(1 / p.max())
    if abs(q - 1) < 1e-9:
        return float(np.exp(-(p * np.log(p)).sum()))
    return float((p**q).sum() ** (1 / (1 - q)))
