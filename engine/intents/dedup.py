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

A curator's word comes first. What is kept by hand is dropped for nothing, and a later intent may repeat it;
what is dropped by hand is as if it were not there: nothing is a repeat of it.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from engine.intents.near_sets import NearSets
from engine.intents.near_vectors import NearVectors
from engine.intents.token_sets import TokenSets, word_sets
from engine.ports import Progress
from engine.schema.intent import DedupDecision, Intent
from engine.words import words_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

METHODS = ("exact", "lexical", "semantic")
"""In the order in which they decide."""
_BLOCK = 1024


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From which similarity on two intents are one."""

    lexical: float = 0.6
    """Jaccard similarity of word 3-shingles, above 0, up to 1."""
    cosine: float = 0.85
    """Cosine from which two intents may mean the same."""
    words: float = 0.55
    """Jaccard similarity of words that must come with it, in 0 to 1."""


DEFAULTS = Thresholds()

_Near = Mapping[int, list[tuple[int, float]]]
"""For each text those that are near it, with their similarity."""


class _Repeat(NamedTuple):
    of: int
    method: str
    similarity: float


@dataclass(frozen=True, slots=True)
class _Groups:
    """The intents by their words; one that is kept by hand speaks for itself, in whatever words."""

    keys: list[str]
    """The words of each group."""
    rows: list[int]
    """The intent that speaks for it, ascending."""
    by_hand: set[int]
    """The groups whose intent is kept by hand."""
    group_of: dict[int, int]
    """The group of each intent; those dropped by hand have none."""


def find_duplicates(
    intents: Sequence[Intent],
    vectors: NDArray[np.float32] | None,
    thresholds: Thresholds = DEFAULTS,
    *,
    by_hand: Mapping[str, bool] | None = None,
    progress: Progress | None = None,
) -> list[DedupDecision]:
    """One decision for each intent that repeats a kept one, in the order of `intents`.

    Args:
        intents: The pool; the first of a group is the one that is kept.
        vectors: Unit rows, shape (len(intents), d); None leaves the semantic comparison out.
        thresholds: What counts as a repeat.
        by_hand: Intent id -> whether a curator wants it kept (or dropped).
        progress: Called with (texts compared, texts), where there are more than a few.
    """
    groups = _grouped(intents, by_hand or {})
    words, shingles = word_sets(key.split(" ") for key in groups.keys)
    near = None if vectors is None else NearVectors(vectors[groups.rows], thresholds.cosine)
    search = _Search(words, NearSets(shingles, thresholds.lexical), near, thresholds.words, groups.by_hand)
    repeats = search.repeats(progress)
    decisions = []
    for n, group in groups.group_of.items():
        first, repeat = groups.rows[group], repeats.get(group)
        if repeat:
            repeat = repeat._replace(of=groups.rows[repeat.of])
        elif first != n:
            repeat = _Repeat(first, "exact", 1.0)
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


def _grouped(intents: Sequence[Intent], by_hand: Mapping[str, bool]) -> _Groups:
    firsts: dict[str, int] = {}
    groups = _Groups([], [], set(), {})
    for n, intent in enumerate(intents):
        keep = by_hand.get(intent.intent_id)
        if keep is False:
            continue
        key = " ".join(words_of(intent.utterance))
        group = firsts.setdefault(key, len(groups.keys))
        if keep or group == len(groups.keys):
            group = len(groups.keys)
            groups.keys.append(key)
            groups.rows.append(n)
        if keep:
            groups.by_hand.add(group)
        groups.group_of[n] = group
    return groups


@dataclass(frozen=True, slots=True)
class _Search:
    """What is compared with what; texts are numbered as in `words`."""

    words: TokenSets
    shingles: NearSets
    vectors: NearVectors | None
    word_jaccard: float
    always_kept: Set[int]

    def repeats(self, progress: Progress | None) -> dict[int, _Repeat]:
        """What each dropped text repeats."""
        repeats: dict[int, _Repeat] = {}
        kept: list[int] = []
        n_texts = len(self.words)
        for start in range(0, n_texts, _BLOCK):
            block = range(start, min(start + _BLOCK, n_texts))
            fresh = self._kept_of(block, kept, repeats)
            self.shingles.add(fresh)
            kept += fresh
            if progress and n_texts > _BLOCK:
                progress(block.stop, n_texts)
        return repeats

    def _kept_of(self, block: range, kept: list[int], repeats: dict[int, _Repeat]) -> list[int]:
        """The texts of a block that are kept; what the others repeat is added to `repeats`."""
        in_words = self.shingles.of(block)
        in_meaning = self.vectors.of(block, kept) if self.vectors else {}
        fresh = []
        for n in block:
            repeat = None if n in self.always_kept else self._repeat(n, in_words, in_meaning, repeats)
            if repeat:
                repeats[n] = repeat
            else:
                fresh.append(n)
        return fresh

    def _repeat(self, n: int, in_words: _Near, in_meaning: _Near, repeats: Container[int]) -> _Repeat | None:
        """What one text repeats, of those near it that are kept themselves."""
        if near := [pair for pair in in_words.get(n, ()) if pair[0] not in repeats]:
            return _nearest("lexical", near)
        if near := [pair for pair in in_meaning.get(n, ()) if pair[0] not in repeats]:
            overlaps = self.words.jaccard(n, [other for other, _ in near])
            same = [p for p, overlap in zip(near, overlaps, strict=True) if overlap >= self.word_jaccard]
            return _nearest("semantic", same)
        return None


def _nearest(method: str, near: list[tuple[int, float]]) -> _Repeat | None:
    """The most similar, the earliest of equals."""
    repeats = (_Repeat(other, method, similarity) for other, similarity in near)
    return min(repeats, key=lambda r: (-r.similarity, r.of), default=None)
