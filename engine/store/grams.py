"""The Gram matrix of a pool's vectors and the texts that it is over: a file per model, safe to delete.

A line of JSON, then the texts' hashes, 32 bytes each, then the matrix's lower triangle row by row, float64
little-endian. The file's length follows from the line, and its hash stands there too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field, ValidationError

from engine.errors import InputError, NotFoundError
from engine.schema.base import Count, Record, Sha256
from engine.store.files import first_problem, read_bytes, write_bytes
from engine.store.project import Project
from engine.store.vectors import HASH_BYTES, PartStamp, checked_model

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MOST_BYTES = 512 * 2**20
"""A larger file is none of ours: 4096 dimensions take 64 MiB, a million texts 31."""


class GramInfo(Record):
    """What a kept Gram matrix is over."""

    n_texts: Count
    dimension: int = Field(ge=1, le=2**14)
    n_updates: Count
    """How often something was added or taken away since the matrix was summed as a whole."""
    parts: Mapping[str, PartStamp]
    """The vector files that stood there."""
    sha256: Sha256
    """Over what follows the line."""


@dataclass(frozen=True, slots=True, eq=False)
class StoredGram:
    """A Gram matrix as it is kept."""

    hashes: list[bytes]
    """One for each row that it is over; a text that several intents share comes several times."""
    matrix: NDArray[np.float64]
    """Shape (d, d), symmetric."""
    n_updates: int
    parts: Mapping[str, PartStamp]


def read_stored_gram(project: Project, model: str) -> StoredGram | None:
    """The kept Gram matrix of a model's vectors, None if there is none.

    Raises:
        InputError: The file is damaged, or `model` is no name of a model.
    """
    path = project.paths.gram(checked_model(model))
    try:
        if path.is_file() and path.stat().st_size > _MOST_BYTES:
            raise _damaged(path, f"it is larger than {_MOST_BYTES} bytes")
        head, _, body = read_bytes(path).partition(b"\n")
    except NotFoundError:
        return None
    try:
        info = GramInfo.model_validate_json(head)
    except ValidationError as error:
        raise _damaged(path, first_problem(error)) from error
    d, cut = info.dimension, info.n_texts * HASH_BYTES
    if len(body) != cut + d * (d + 1) // 2 * 8 or hashlib.sha256(body).hexdigest() != info.sha256:
        raise _damaged(path, "its bytes are not those that were written")
    matrix = np.zeros((d, d))
    matrix[np.tril_indices(d)] = np.frombuffer(body, "<f8", offset=cut)
    matrix += np.tril(matrix, -1).T
    if not np.isfinite(matrix).all():
        raise _damaged(path, "some of its numbers are not finite")
    hashes = [body[at : at + HASH_BYTES] for at in range(0, cut, HASH_BYTES)]
    return StoredGram(hashes, matrix, info.n_updates, info.parts)


def write_stored_gram(project: Project, model: str, kept: StoredGram) -> None:
    """Replaces the kept Gram matrix of a model's vectors.

    Raises:
        StudioError: The disk is full or not writable.
    """
    d = len(kept.matrix)
    body = b"".join(kept.hashes) + kept.matrix[np.tril_indices(d)].astype("<f8").tobytes()
    info = GramInfo(
        n_texts=len(kept.hashes),
        dimension=d,
        n_updates=kept.n_updates,
        parts=kept.parts,
        sha256=hashlib.sha256(body).hexdigest(),
    )
    write_bytes(project.paths.gram(checked_model(model)), info.model_dump_json().encode() + b"\n" + body)


def _damaged(path: Path, why: str) -> InputError:
    return InputError(f"{path} is damaged ({why}): delete it, and it is made anew when it is needed")
