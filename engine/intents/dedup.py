"""Which intents repeat an earlier one: in the same words, in nearly the same words, or in meaning.

Intents are taken in their order. One is dropped if it repeats an earlier one that is *kept*; so nothing is
dropped for the sake of something that is itself dropped, and no two kept intents repeat each other. Chains
do not run on: if B repeats A and C repeats B but not A, then A and C are kept.

- exact: equal words, without case, punctuation and white space. Such texts count as one, for which the first
  speaks: they share its fate.
- lexical: the Jaccard similarity of the sets of word 3-shingles reaches the threshold.
- semantic: the cosine of the vectors reaches the threshold *and* the Jaccard similarity of the sets of words
  reaches its own. A cosine alone cannot tell a paraphrase from another task in the same setting.

Where several hold the first of them decides, and within it the most similar earlier intent, the earliest of
equals. All three are exact: no sampling, no approximate index.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from engine.intents.near_vectors import NearVectors
from engine.intents.token_sets import JaccardIndex, Near, TokenSets, best, word_sets
from engine.schema.intent import DedupDecision, Intent
from engine.words import words_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LEXICAL_THRESHOLD = 0.6
COSINE_THRESHOLD = 0.85
WORD_JACCARD = 0.55
_BLOCK = 512


class _Repeat(NamedTuple):
    of: int
    method: str
    similarity: float


def find_duplicates(
    intents: Sequence[Intent],
    vectors: NDArray[np.float32] | None,
    *,
    lexical_threshold: float = LEXICAL_THRESHOLD,
    cosine_threshold: float = COSINE_THRESHOLD,
    word_jaccard: float = WORD_JACCARD,
) -> list[DedupDecision]:
    """One decision for each intent that repeats a kept one, in the order of `intents`.

    Args:
        intents: The pool; the first of a group is the one that is kept.
        vectors: Unit rows, shape (len(intents), d); None leaves the semantic comparison out.
        lexical_threshold: Jaccard similarity of word 3-shingles, above 0, up to 1.
        cosine_threshold: Cosine from which two intents may mean the same.
        word_jaccard: Jaccard similarity of words that must come with it, in 0 to 1.
    """
    firsts: dict[str, int] = {}
    first_of = [firsts.setdefault(" ".join(words_of(i.utterance)), n) for n, i in enumerate(intents)]
    rows = list(firsts.values())
    words, shingles = word_sets(key.split(" ") for key in firsts)
    near = None if vectors is None else NearVectors(vectors[rows], cosine_threshold)
    found = _repeats(words, JaccardIndex(shingles, lexical_threshold), near, word_jaccard)
    repeats = {rows[n]: repeat._replace(of=rows[repeat.of]) for n, repeat in found.items()}
    decisions = []
    for n, first in enumerate(first_of):
        repeat = repeats.get(first) or (_Repeat(first, "exact", 1.0) if first != n else None)
        if repeat:
            decisions.append(
                DedupDecision(
                    intent_id=intents[n].intent_id,
                    duplicate_of=intents[repeat.of].intent_id,
                    method=repeat.method,
                    similarity=repeat.similarity,
                )
            )
    return decisions


def _repeats(
    words: TokenSets, shingles: JaccardIndex, near: NearVectors | None, word_jaccard: float
) -> dict[int, _Repeat]:
    """What each dropped text repeats; texts are numbered as in `words`."""
    repeats: dict[int, _Repeat] = {}
    kept: list[int] = []
    for start in range(0, len(words), _BLOCK):
        block = range(start, min(start + _BLOCK, len(words)))
        like = near.of(block, kept) if near else {}
        for n in block:
            if lexical := shingles.nearest(n):
                repeats[n] = _Repeat(lexical.row, "lexical", lexical.similarity)
            elif semantic := _same_meaning(
                n, [c for c in like.get(n, ()) if c[0] not in repeats], words, word_jaccard
            ):
                repeats[n] = _Repeat(semantic.row, "semantic", semantic.similarity)
            else:
                kept.append(n)
                shingles.add(n)
    return repeats


def _same_meaning(
    index: int, near: list[tuple[int, float]], words: TokenSets, word_jaccard: float
) -> Near | None:
    overlaps = words.jaccard(index, [other for other, _ in near])
    return best((pair for pair, overlap in zip(near, overlaps, strict=True) if overlap >= word_jaccard), -1.0)
