"""What a batch would add, before it is kept: drawn, realised and embedded like one, but not written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from engine import build
from engine.errors import InputError
from engine.generation import draw_intents, next_seed
from engine.intents.dedup import find_duplicates
from engine.intents.embed import embed_missing, vectors_of
from engine.intents.gram import Gram
from engine.intents.pool_gram import pool_gram
from engine.intents.vendi import SetScore, vendi_score
from engine.ports import Progress
from engine.providers.embedders import embedder_name
from engine.schema.intent import DedupDecision, Intent
from engine.store import Project
from engine.store.intents import known_ids, read_kept_intents

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Preview:
    """What a batch would be worth to the pool of kept intents."""

    n: int
    """Intents of the batch."""
    seed: int
    """With which the same draw, kept, writes these very intents while the pool and the taxonomy stand."""
    model: str
    n_repeats: int
    """Of the batch, those that repeat an intent of the pool."""
    n_repeats_within: int
    """Of the batch, those that repeat another one of the batch."""
    batch: SetScore
    """The Vendi Score (q = 1) of the batch by itself."""
    pool: SetScore
    """As it is."""
    after: SetScore
    """With the whole batch, repeats included: a later dedup would drop those."""
    adds: float
    per_100: float
    """What it adds for every 100 intents of it."""


def preview_intents(
    project: Project,
    count: int,
    *,
    seed: int | None = None,
    where: str | None = None,
    balance: float | None = None,
    progress: Progress | None = None,
) -> Preview:
    """What `generate_intents` with the same words would add. Only vectors are kept, by their text.

    Raises:
        InputError: Wrong condition, the pool is not embedded, or these intents are in the project already.
        StudioError: The weights are missing.
    """
    chosen = next_seed(project) if seed is None else seed
    drawn = draw_intents(project, count, chosen, where, balance)
    known = known_ids(project)
    if repeated := [i.intent_id for i in drawn if i.intent_id in known]:
        raise InputError(
            f"{len(repeated)} intents are in the project already, first {repeated[0]}: take another --seed"
        )
    pool = read_kept_intents(project)
    model = embedder_name(project.settings.embedder)
    old = vectors_of(project, model, pool)
    embed_missing(project, build.embedder(project.settings), drawn, progress)
    new = vectors_of(project, model, drawn)
    before = pool_gram(project, model, pool) if pool else Gram.empty(new.shape[1])
    now, after = before.score(), before.add(new).score()
    repeats = _repeats(pool, drawn, np.vstack([old, new]) if pool else new)
    n_within = sum(d.duplicate_of in {i.intent_id for i in drawn} for d in repeats)
    return Preview(
        n=len(drawn),
        seed=chosen,
        model=model,
        n_repeats=len(repeats) - n_within,
        n_repeats_within=n_within,
        batch=SetScore(len(drawn), vendi_score(new)),
        pool=SetScore(before.n, now),
        after=SetScore(before.n + len(drawn), after),
        adds=after - now,
        per_100=100 * (after - now) / len(drawn),
    )


def _repeats(
    pool: Sequence[Intent], drawn: Sequence[Intent], vectors: NDArray[np.float32]
) -> list[DedupDecision]:
    """The decisions about `drawn`, taken after the pool; `vectors` are those of both."""
    new = {intent.intent_id for intent in drawn}
    return [d for d in find_duplicates([*pool, *drawn], vectors) if d.intent_id in new]
