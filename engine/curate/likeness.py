"""How much of what their users say two conversations share: exact, over all pairs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

_BREAK = re.compile(r"[.!?]+(?=\s|$)|\n")
_WORD = re.compile(r"\w+")
_ROWS_AT_ONCE = 256


class Likeness(NamedTuple):
    """The two conversations that share most."""

    share: float
    """Of the sentences of the one that has fewer; 0 where there are no two."""
    pair: tuple[int, int] | None
    """Their places; None where no two share anything."""
    n_pairs: int


def sentences(texts: Iterable[str]) -> set[str]:
    """The different sentences of one user, without case, punctuation and line breaks."""
    parts = (part for text in texts for part in _BREAK.split(text))
    return {said for part in parts if (said := " ".join(_WORD.findall(part.casefold())))}


def largest_share(conversations: Sequence[set[str]]) -> Likeness:
    """The largest share of sentences that any two conversations have in common.

    Exact, by a sparse product of conversations and sentences: what only one of them says is left out, and
    a few rows at a time are multiplied, so that memory holds for tens of thousands.
    """
    n = len(conversations)
    matrix, sizes = _shared_sentences(conversations)
    best, pair = 0.0, None
    for start in range(0, n, _ROWS_AT_ONCE):
        found = (matrix[start : start + _ROWS_AT_ONCE] @ matrix.T).tocoo()
        rows, columns = found.row + start, found.col
        upper = rows < columns
        if not upper.any():
            continue
        rows, columns = rows[upper], columns[upper]
        shares = found.data[upper] / np.minimum(sizes[rows], sizes[columns])
        top = int(shares.argmax())
        if shares[top] > best:
            best, pair = float(shares[top]), (int(rows[top]), int(columns[top]))
    return Likeness(best, pair, n * (n - 1) // 2)


class _Shared(NamedTuple):
    matrix: Any
    """Sparse, conversations x sentences that stand in two of them at least, as ones."""
    sizes: np.ndarray[tuple[int], np.dtype[np.int64]]
    """How many different sentences each conversation has in all."""


def _shared_sentences(conversations: Sequence[set[str]]) -> _Shared:
    from scipy.sparse import csr_array

    columns: dict[str, int] = {}
    seen: list[int] = []
    for said in conversations:
        for sentence in said:
            place = columns.setdefault(sentence, len(columns))
            if place == len(seen):
                seen.append(0)
            seen[place] += 1
    indices: list[int] = []
    starts = [0]
    for said in conversations:
        indices += [place for sentence in said if seen[place := columns[sentence]] > 1]
        starts.append(len(indices))
    ones = np.ones(len(indices), np.int32)
    shape = (len(conversations), max(len(columns), 1))
    sizes = np.array([len(said) for said in conversations], np.int64)
    places = np.array(indices, np.int64), np.array(starts, np.int64)
    return _Shared(csr_array((ones, *places), shape=shape), sizes)
