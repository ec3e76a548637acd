"""Vectors of a project's intents: the missing ones made and kept, all of them read."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from engine.errors import InputError
from engine.ports import Embedder, Progress
from engine.schema.intent import Intent
from engine.store.project import Project
from engine.store.vectors import append_vectors, read_vectors

if TYPE_CHECKING:
    from numpy.typing import NDArray

_CHUNK = 128
"""Texts that are embedded at once: what a killed process loses at least (half a minute of two cores)."""
_SAVE_EVERY_S = 20.0
"""Seconds between two writes, so that a fast embedder does not leave hundreds of small files."""


def embed_missing(
    project: Project, embedder: Embedder, intents: Sequence[Intent], progress: Progress | None = None
) -> int:
    """Makes and keeps the vectors that `intents` lack; how many were made.

    They are saved as they come, so that a killed process goes on where it was. `progress` counts the
    missing texts only; it is not called when none is missing.

    Raises:
        StudioError: The weights are missing or broken, or the vectors cannot be written.
        InputError: A file of vectors is damaged.
    """
    texts = list(dict.fromkeys(intent.utterance for intent in intents))
    missing = [texts[i] for i in read_vectors(project, embedder.name, texts).missing]
    missing.sort(key=len, reverse=True)
    keep = _Keeper(project, embedder.name)
    try:
        for start in range(0, len(missing), _CHUNK):
            chunk = missing[start : start + _CHUNK]
            keep.add(chunk, embedder.encode(chunk, _shifted(progress, start, len(missing))))
    finally:  # what an interruption finds unsaved is saved too
        keep.save()
    return len(missing)


class _Keeper:
    """Saves vectors as they come, but not more often than needed."""

    def __init__(self, project: Project, model: str) -> None:
        self._project = project
        self._model = model
        self._texts: list[str] = []
        self._vectors: list[NDArray[np.float32]] = []
        self._saved_at = time.monotonic()

    def add(self, texts: Sequence[str], vectors: NDArray[np.float32]) -> None:
        self._texts += texts
        self._vectors.append(vectors)
        if time.monotonic() - self._saved_at >= _SAVE_EVERY_S:
            self.save()

    def save(self) -> None:
        if self._texts:
            append_vectors(self._project, self._model, self._texts, np.concatenate(self._vectors))
        self._texts, self._vectors, self._saved_at = [], [], time.monotonic()


def random_part(intents: Sequence[Intent], n: int, seed: int) -> list[Intent]:
    """`n` of the intents at random, in their order; larger parts hold the smaller of the same seed.

    The choice hangs on each intent's id alone, so it stays as it is when others are added, short of those
    that the new ones push out.
    """
    chosen = sorted(intents, key=lambda i: hashlib.sha256(f"{seed} {i.intent_id}".encode()).digest())[:n]
    wanted = {i.intent_id for i in chosen}
    return [i for i in intents if i.intent_id in wanted]


def _shifted(progress: Progress | None, start: int, total: int) -> Progress | None:
    if progress is None:
        return None
    return lambda done, _chunk: progress(start + done, total)


def vectors_of(project: Project, model: str, intents: Sequence[Intent]) -> NDArray[np.float32]:
    """The kept unit vectors of `intents`, float32, shape (len(intents), dimension), in their order.

    Raises:
        InputError: Some have none yet, or a file of vectors is damaged.
    """
    vectors = read_vectors(project, model, [intent.utterance for intent in intents])
    if vectors.missing:
        raise InputError(
            f"{len(vectors.missing)} of {len(intents)} intents have no {model} vector: "
            "embed first with 'ise-studio intents embed', or a random part of them with its --sample N"
        )
    return vectors.array
