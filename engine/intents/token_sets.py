"""Texts as sets of numbered tokens: their words, and their word 3-shingles."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHINGLE = 3
"""Words in one shingle; a text of fewer words is one shingle."""


@dataclass(frozen=True, slots=True)
class TokenSets:
    """One set of tokens per text. Tokens are numbered by rarity: the rarest of all texts is the smallest."""

    tokens: NDArray[np.int32]
    """The sets one after the other, each in ascending order."""
    starts: NDArray[np.int64]
    """Set i is `tokens[starts[i]:starts[i + 1]]`."""
    n_unique: int
    """Tokens below this number occur once and no more."""
    n_tokens: int
    """How many different tokens there are."""

    def __len__(self) -> int:
        return len(self.starts) - 1

    def jaccard(self, index: int, others: Iterable[int]) -> list[float]:
        """The Jaccard similarity of one text to each of `others`, in 0 to 1."""
        own = set(self._of(index))
        similarities = []
        for other in others:
            tokens = self._of(other)
            shared = len(own.intersection(tokens))
            similarities.append(shared / max(len(own) + len(tokens) - shared, 1))
        return similarities

    def _of(self, index: int) -> list[int]:
        tokens: list[int] = self.tokens[self.starts[index] : self.starts[index + 1]].tolist()
        return tokens


def word_sets(texts: Iterable[Sequence[str]]) -> tuple[TokenSets, TokenSets]:
    """The sets of words and of word 3-shingles of texts that are given as words."""
    numbers = defaultdict[str, int](count(1).__next__, {"": 0})
    flat_words, sizes = array("i"), array("q")
    for words in texts:
        flat_words.extend(map(numbers.__getitem__, words))
        flat_words.extend([0] * (SHINGLE - len(words)))
        sizes.append(max(len(words), SHINGLE))
    flat, n = np.asarray(flat_words, np.int32), len(sizes)
    owner = np.repeat(np.arange(n, dtype=np.int32), np.asarray(sizes, np.int64))
    whole = owner[:-2] == owner[2:]
    real = flat > 0
    shingles = _token_sets(owner[:-2][whole], _shingles(flat, len(numbers))[whole], n)
    return _token_sets(owner[real], flat[real], n), shingles


def _shingles(flat: NDArray[np.int32], n_words: int) -> NDArray[np.int32]:
    """The number of the shingle that begins at each word, in the order of first appearance."""
    codes = flat[:-2].astype(np.int64) * n_words + flat[1:-1]
    if n_words**SHINGLE >= 2**63:
        codes = _numbered(codes).astype(np.int64)
    return _numbered(codes * n_words + flat[2:])


def _numbered(codes: NDArray[np.int64]) -> NDArray[np.int32]:
    """The same codes as small numbers, in the order of first appearance (by hashing: np.unique sorts)."""
    import pyarrow as pa

    return np.asarray(pa.array(codes).dictionary_encode().indices, np.int32)


def _token_sets(owner: NDArray[np.int32], token: NDArray[np.int32], n: int) -> TokenSets:
    """The sets of `n` texts: `owner`, ascending, says whose each token is."""
    times = np.bincount(token)
    n_tokens = len(times)
    rank = np.empty(n_tokens, np.int32)
    rank[np.argsort(times, kind="stable")] = np.arange(n_tokens, dtype=np.int32)
    n_never, n_once = (int((times == t).sum()) for t in (0, 1))
    every = owner.astype(np.int64) * n_tokens
    every += rank[token]
    every.sort()
    every = every[np.diff(every, prepend=-1) != 0]
    starts = np.searchsorted(every, np.arange(n + 1, dtype=np.int64) * n_tokens)
    every %= max(n_tokens, 1)
    return TokenSets(every.astype(np.int32), starts, n_never + n_once, n_tokens)
