"""Plain term scoring: BM25 over the words of short texts."""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import NamedTuple

K1, B = 1.2, 0.75
MAX_QUERY_WORDS = 64
_WORD = re.compile(r"\w+")


class Hit(NamedTuple):
    """One text that has words of the query: its score and its place among the texts."""

    score: float
    place: int


def words_of(text: str) -> list[str]:
    """The words of a text, in lower case."""
    return _WORD.findall(text.lower())


def rank(query: str, texts: list[list[str]]) -> list[Hit]:
    """The texts that share a word with the query, best first, equal ones in their order.

    Args:
        query: Any text; its different words count once each.
        texts: The words of every text.
    """
    wanted = list(dict.fromkeys(words_of(query)))[:MAX_QUERY_WORDS]
    counts = [Counter(words) for words in texts]
    mean = sum(map(len, texts)) / max(1, len(texts)) or 1.0
    rarity = {word: _rarity(len(texts), sum(word in count for count in counts)) for word in wanted}
    hits = []
    for place, count in enumerate(counts):
        length = K1 * (1 - B + B * len(texts[place]) / mean)
        score = sum(rarity[w] * count[w] * (K1 + 1) / (count[w] + length) for w in wanted if w in count)
        if score:
            hits.append(Hit(round(score, 3), place))
    return sorted(hits, key=lambda hit: (-hit.score, hit.place))


def _rarity(n_texts: int, n_with: int) -> float:
    return math.log(1 + (n_texts - n_with + 0.5) / (n_with + 0.5))
