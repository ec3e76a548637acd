"""The Gram matrix of a project's pool: kept beside the vectors, brought up to date instead of summed anew."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress

from engine.errors import StudioError
from engine.intents.embed import vectors_of
from engine.intents.gram import Gram
from engine.schema.intent import Intent
from engine.store.grams import StoredGram, read_stored_gram, write_stored_gram
from engine.store.project import Project
from engine.store.vectors import PartStamp, list_parts, read_hashed_vectors, text_hash

_MOST_UPDATES = 1000
"""Each update rounds once more in the 16th digit; after so many the sum is made anew."""


def pool_gram(project: Project, model: str, intents: Sequence[Intent]) -> Gram:
    """The Gram matrix of the vectors of `intents`, equal to the full sum to about 1e-12.

    What was kept last is brought up to date: only the vectors of texts that came or went are read.

    Raises:
        InputError: Some intents have no vector yet, or a file of vectors is damaged.
    """
    parts = list_parts(project, model)
    hashes = [text_hash(intent.utterance) for intent in intents]
    kept = _trusted(project, model, parts)
    if kept:
        came, went = _difference(kept.hashes, hashes)
        if not came and not went:
            return Gram(len(hashes), kept.matrix)
        worth_it = len(came) + len(went) < len(hashes)
        gram = _updated(project, model, kept, came, went) if worth_it else None
        if gram:
            _keep(project, model, StoredGram(hashes, gram.matrix, kept.n_updates + 1, parts))
            return gram
    gram = Gram.of(vectors_of(project, model, intents))
    if gram.n:
        _keep(project, model, StoredGram(hashes, gram.matrix, 0, parts))
    return gram


def _trusted(project: Project, model: str, parts: Mapping[str, PartStamp]) -> StoredGram | None:
    """What was kept, if it is whole and the vectors that it was summed over still stand there."""
    try:
        kept = read_stored_gram(project, model)
    except StudioError:
        return None  # damaged or not readable: the full sum replaces it where it can
    if kept is None or kept.n_updates >= _MOST_UPDATES:
        return None
    # A part that is gone or was written again may give other vectors for the same texts.
    return kept if kept.parts.items() <= parts.items() else None


def _updated(
    project: Project, model: str, kept: StoredGram, came: list[bytes], went: list[bytes]
) -> Gram | None:
    """`kept` with what came and without what went; None where not all of that has a vector of its width."""
    vectors = read_hashed_vectors(project, model, came + went)
    if vectors.missing or vectors.array.shape[1] != len(kept.matrix):
        return None
    gram = Gram(len(kept.hashes), kept.matrix)
    return gram.add(vectors.array[: len(came)]).without(vectors.array[len(came) :])


def _keep(project: Project, model: str, stored: StoredGram) -> None:
    # It only saves time: a pool in a project that cannot be written is measured all the same.
    with suppress(StudioError):
        write_stored_gram(project, model, stored)


def _difference(old: Sequence[bytes], new: Sequence[bytes]) -> tuple[list[bytes], list[bytes]]:
    """What `new` has beyond `old`, and `old` beyond `new`; texts that come several times count so often."""
    before, after = Counter(old), Counter(new)
    return list((after - before).elements()), list((before - after).elements())
