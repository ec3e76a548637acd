"""How diverse a pool of intents is: in meaning (the Vendi Score of its vectors) and in wording.

Source: ISE paper, evaluation of the intents (Vendi Score over all-mpnet-base-v2 vectors, cosine kernel).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.intents.vendi import (
    CurvePoint,
    GroupScore,
    by_group,
    default_sizes,
    mean_pairwise_cosine,
    scaling_curve,
    vendi_score,
)
from engine.words import words_of

if TYPE_CHECKING:
    from engine.intents.gram import Floats
    from engine.schema.intent import Intent

__all__ = [
    "CurvePoint",
    "Diversity",
    "GroupScore",
    "by_group",
    "default_sizes",
    "distinct_n",
    "groups_of",
    "mean_pairwise_cosine",
    "measure_diversity",
    "scaling_curve",
    "vendi_score",
]

_GROUPINGS: Mapping[str, Callable[[Intent], tuple[str, ...]]] = {
    "domain": lambda intent: intent.cell.domain_ids,
    "task": lambda intent: intent.cell.task_ids,
    "persona": lambda intent: (intent.cell.persona_id,),
    "industry": lambda intent: (intent.persona.industry,),
    "complexity": lambda intent: (intent.cell.complexity.value,),
}


@dataclass(frozen=True, slots=True)
class Diversity:
    """All that is measured about the diversity of one pool."""

    n: int
    model: str
    """The embedding model; scores of different models do not compare."""
    q: float
    vendi: float
    mean_cosine: float
    """Over all pairs of different intents."""
    distinct_1: float
    distinct_2: float
    distinct_3: float
    """Different word n-grams over all word n-grams, in 0 to 1."""
    curve: list[CurvePoint]
    groups: list[GroupScore]
    """The most adding first; empty where no grouping was asked for."""


def measure_diversity(
    intents: Sequence[Intent],
    vectors: Floats,
    model: str,
    *,
    q: float = 1.0,
    by: str | None = None,
    seed: int = 1,
) -> Diversity:
    """Every measure of `intents`, whose vectors are the rows of `vectors`.

    Args:
        intents: The pool.
        vectors: Unit rows, shape (len(intents), d).
        model: The name of the embedding model.
        q: Order of the entropy, 0.1 to infinity.
        by: "domain", "task", "persona", "industry" or "complexity"; None for no groups.
        seed: Of the order in which the curve adds intents.
    """
    texts = [intent.utterance for intent in intents]
    return Diversity(
        n=len(texts),
        model=model,
        q=q,
        vendi=vendi_score(vectors, q),
        mean_cosine=mean_pairwise_cosine(vectors),
        distinct_1=distinct_n(texts, 1),
        distinct_2=distinct_n(texts, 2),
        distinct_3=distinct_n(texts, 3),
        curve=scaling_curve(vectors, seed, q=q),
        groups=by_group(vectors, groups_of(intents, by), q=q) if by else [],
    )


def groups_of(intents: Sequence[Intent], by: str) -> list[tuple[str, ...]]:
    """The groups that each intent belongs to, by "domain", "task", "persona", "industry" or "complexity"."""
    return [_GROUPINGS[by](intent) for intent in intents]


def distinct_n(texts: Sequence[str], n: int) -> float:
    """Different word n-grams over all word n-grams of `texts`, in 0 to 1; 0 if there are none."""
    seen: set[tuple[str, ...]] = set()
    total = 0
    for text in texts:
        words = words_of(text)
        grams = list(zip(*(words[i:] for i in range(n)), strict=False))
        seen.update(grams)
        total += len(grams)
    return len(seen) / total if total else 0.0
