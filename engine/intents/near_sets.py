"""Pairs of token sets whose Jaccard similarity reaches a threshold: exact, block by block."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from engine.intents.token_sets import TokenSets

if TYPE_CHECKING:
    from numpy.typing import NDArray

_IN_COMMON = 16
"""How many of their rarest tokens two sets must share before they are compared (fewer for small sets)."""
_CHUNK = 8192


class _Segment(NamedTuple):
    """Rows that were added together."""

    rows: NDArray[np.int64]
    by_token: Any
    """Sparse matrix, tokens x rows: who has a token among its rarest."""


class NearSets:
    """Finds, among the texts added, those that are near by the Jaccard similarity of their sets.

    Two sets of similarity t or more have at least ⌈t |s|⌉ tokens in common, so that the |s| - ⌈t |s|⌉ + k
    rarest tokens of each have at least k in common: only sets that share k of these are compared. How many
    they share is a product of sparse matrices.

    Source: Wang, Li, Feng 2012, "Can we beat the prefix filtering?".
    """

    def __init__(self, sets: TokenSets, threshold: float) -> None:
        from scipy.sparse import csr_array

        self._sizes = np.diff(sets.starts)
        overlap = np.ceil(threshold * self._sizes - 1e-9).astype(np.int64)
        self._needed = np.minimum(overlap, _IN_COMMON)
        self._threshold = threshold
        shape = (len(sets), sets.n_tokens)
        self._sets = csr_array((np.ones(len(sets.tokens), np.int8), sets.tokens, sets.starts), shape)
        place = np.arange(len(sets.tokens)) - np.repeat(sets.starts[:-1], self._sizes)
        rarest = place < np.repeat(self._sizes - overlap + self._needed, self._sizes)
        rarest &= sets.tokens >= sets.n_unique
        starts = np.concatenate(([0], np.cumsum(rarest)))[sets.starts]
        tokens = sets.tokens[rarest]
        self._rarest = csr_array((np.ones(len(tokens), np.int32), tokens, starts), shape)
        self._segments: list[_Segment] = []

    def add(self, rows: Sequence[int]) -> None:
        """Makes texts findable."""
        added = np.asarray(rows, np.int64)
        # Segments double in size: each row is copied log n times, and few segments are to be looked into.
        while self._segments and len(self._segments[-1].rows) <= len(added):
            added = np.concatenate((self._segments.pop().rows, added))
        self._segments.append(self._segment(added))

    def of(self, rows: range) -> dict[int, list[tuple[int, float]]]:
        """For each of `rows`, the texts added and the rows before it that are near, with their similarity."""
        own = self._segment(np.arange(rows.start, rows.stop))
        near: dict[int, list[tuple[int, float]]] = {}
        for segment in (*self._segments, own):
            for left, right in self._candidates(rows, segment):
                shared = self._sets[left].multiply(self._sets[right]).sum(axis=1)
                similarity = shared / np.maximum(self._sizes[left] + self._sizes[right] - shared, 1)
                for k in np.flatnonzero(similarity >= self._threshold).tolist():
                    near.setdefault(int(left[k]), []).append((int(right[k]), float(similarity[k])))
        return near

    def _segment(self, rows: NDArray[np.int64]) -> _Segment:
        return _Segment(rows, self._rarest[rows].T.tocsr())

    def _candidates(
        self, rows: range, segment: _Segment
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Pairs, the later row first, that share enough of their rarest tokens and are of like size."""
        shared = self._rarest[rows.start : rows.stop] @ segment.by_token
        left = np.repeat(np.arange(rows.start, rows.stop), np.diff(shared.indptr))
        right = segment.rows[shared.indices]
        enough = shared.data >= np.minimum(self._needed[left], self._needed[right])
        enough &= right < left
        left, right = left[enough], right[enough]
        small, large = np.sort((self._sizes[left], self._sizes[right]), axis=0)
        like = small >= self._threshold * large - 1e-9
        left, right = left[like], right[like]
        for start in range(0, len(left), _CHUNK):
            yield left[start : start + _CHUNK], right[start : start + _CHUNK]
