"""Sets of tokens as sorted integers: Jaccard similarity, and an exact index of what is near by it."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHINGLE = 3
"""Words in one shingle; a text of fewer words is one shingle."""
_IN_COMMON = 4
"""How many of their rarest tokens two sets must share before they are compared (fewer for small sets)."""


class Near(NamedTuple):
    """An earlier item that is near, and how near."""

    row: int
    similarity: float


@dataclass(frozen=True, slots=True)
class TokenSets:
    """One set of tokens per text. Tokens are numbered by rarity: the rarest of all texts is the smallest."""

    tokens: NDArray[np.int64]
    """The sets one after the other, each in ascending order."""
    starts: NDArray[np.int64]
    """Set i is `tokens[starts[i]:starts[i + 1]]`."""
    n_unique: int
    """Tokens below this number are in one text only."""

    def __len__(self) -> int:
        return len(self.starts) - 1

    def of(self, index: int) -> NDArray[np.int64]:
        """The tokens of one text."""
        return self.tokens[self.starts[index] : self.starts[index + 1]]

    def jaccard(self, index: int, others: Iterable[int]) -> list[float]:
        """The Jaccard similarity of one text to each of `others`, in 0 to 1."""
        own = set(self.of(index).tolist())
        similarities = []
        for other in others:
            tokens = self.of(other).tolist()
            shared = len(own.intersection(tokens))
            similarities.append(shared / max(len(own) + len(tokens) - shared, 1))
        return similarities


def word_sets(texts: Iterable[Sequence[str]]) -> tuple[TokenSets, TokenSets]:
    """The sets of words and of word 3-shingles of texts that are given as words."""
    numbers: dict[str, int] = {"": 0}
    flat_words, sizes = array("q"), array("q")
    for words in texts:
        flat_words.extend([numbers.setdefault(word, len(numbers)) for word in words])
        flat_words.extend([0] * (SHINGLE - len(words)))
        sizes.append(max(len(words), SHINGLE))
    flat, n = np.array(flat_words, np.int64), len(sizes)
    owner = np.repeat(np.arange(n), np.array(sizes, np.int64))
    codes = flat[:-2] * len(numbers) + flat[1:-1]
    pairs = _numbered(codes)
    shingles = pairs * len(numbers) + flat[2:]
    whole = owner[:-2] == owner[2:]
    real = flat > 0
    return _token_sets(owner[real], flat[real], n), _token_sets(owner[:-2][whole], shingles[whole], n)


def _numbered(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """The same codes as small numbers, in the order of first appearance (by hashing: np.unique sorts)."""
    import pyarrow as pa

    return np.asarray(pa.array(codes).dictionary_encode().indices, np.int64)


def _token_sets(owner: NDArray[np.int64], codes: NDArray[np.int64], n: int) -> TokenSets:
    token = _numbered(codes)
    n_tokens = int(token.max(initial=0)) + 1
    every = np.sort(owner * n_tokens + token)
    once = every[np.diff(every, prepend=-1) != 0]
    owner, token = np.divmod(once, n_tokens)
    n_texts = np.bincount(token, minlength=n_tokens)
    rank = np.empty(n_tokens, np.int64)
    rank[np.argsort(n_texts, kind="stable")] = np.arange(n_tokens)
    ordered = np.sort(owner * n_tokens + rank[token])
    starts = np.concatenate(([0], np.cumsum(np.bincount(owner, minlength=n))))
    return TokenSets(ordered % n_tokens, starts, int((n_texts == 1).sum()))


class JaccardIndex:
    """Finds, among the texts added, the nearest by the Jaccard similarity of their sets: exact.

    Two sets of similarity t or more have at least ⌈t |s|⌉ tokens in common, so that the |s| - ⌈t |s|⌉ + k
    rarest tokens of each have at least k in common: only sets that share k of these are compared.

    Source: Wang, Li, Feng 2012, "Can we beat the prefix filtering?".
    """

    def __init__(self, sets: TokenSets, threshold: float) -> None:
        sizes = np.diff(sets.starts)
        overlap = np.ceil(threshold * sizes - 1e-9).astype(np.int64)
        in_common = np.minimum(overlap, _IN_COMMON)
        self._sets = sets
        self._threshold = threshold
        self._needed: list[int] = in_common.tolist()
        self._prefix_length: list[int] = (sizes - overlap + in_common).tolist()
        self._postings: dict[int, list[int]] = {}

    def add(self, index: int) -> None:
        """Makes a text findable."""
        for token in self._prefix(index):
            self._postings.setdefault(token, []).append(index)

    def nearest(self, index: int) -> Near | None:
        """The text added that is nearest to this one, the earliest of equals; None if none is near enough."""
        hits = Counter(chain.from_iterable(self._postings.get(t, ()) for t in self._prefix(index)))
        own = self._needed[index]
        near = [c for c, shared in hits.items() if shared >= own or shared >= self._needed[c]]
        return best(zip(near, self._sets.jaccard(index, near), strict=True), self._threshold)

    def _prefix(self, index: int) -> list[int]:
        tokens = self._sets.of(index)[: self._prefix_length[index]].tolist()
        return [token for token in tokens if token >= self._sets.n_unique]


def best(near: Iterable[tuple[int, float]], threshold: float) -> Near | None:
    """The most similar at or above the threshold, the earliest of equals."""
    reaching = [Near(row, similarity) for row, similarity in near if similarity >= threshold]
    return min(reaching, key=lambda n: (-n.similarity, n.row), default=None)
