"""The map of a pool: UMAP of its vectors, kept in the project for as long as the pool is the same."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from engine.intents.embed import vectors_of
from engine.ports import Progress
from engine.schema.intent import Intent
from engine.store.maps import MapInfo, StoredMap, read_stored_map, write_stored_map
from engine.store.project import Project
from engine.store.vectors import text_hash

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FEWEST = 5
"""Below so many points there is no neighbourhood to keep: the map is their PCA."""
_NEIGHBORS = 15
_JUDGED = 2000
"""Points on which trustworthiness is measured (it is quadratic)."""
_RECIPE = "umap cosine 15 neighbours, started from pca, v1"


@dataclass(frozen=True, slots=True)
class MapResult:
    """Where each intent lies."""

    coordinates: NDArray[np.float32]
    """Shape (n, 2), in the order of the intents that were asked for. The axes have no meaning or unit."""
    method: str
    """"umap", or "pca" for fewer than 5 different texts."""
    seed: int
    trustworthiness: float
    """0 to 1: how far neighbours on the map are neighbours by cosine; 1 if all are (15 neighbours)."""
    reused: bool
    """True if the map stood in the project already."""


def build_map(
    project: Project, model: str, intents: Sequence[Intent], seed: int, progress: Progress | None = None
) -> MapResult:
    """The map of `intents`, computed only if these texts have not been mapped with this seed before.

    Equal texts lie on one point. The same texts and seed give the same map on the same machine.

    Raises:
        InputError: Some intents have no vector yet, or a file is damaged.
        StudioError: The map cannot be written.
    """
    distinct = {text_hash(i.utterance): i for i in sorted(intents, key=lambda i: i.utterance)}
    key = hashlib.sha256(b"".join(sorted(distinct)) + f"{seed} {_RECIPE}".encode()).hexdigest()
    kept = read_stored_map(project, model)
    if kept is not None and kept.info.key == key:
        return _placed(kept, intents, reused=True)
    x = vectors_of(project, model, list(distinct.values()))
    coordinates = umap_coordinates(x, seed, progress)
    method = "umap" if len(x) >= _FEWEST else "pca"
    info = MapInfo(key=key, method=method, seed=seed, trustworthiness=trustworthiness(x, coordinates, seed))
    kept = StoredMap(info, list(distinct), coordinates)
    write_stored_map(project, model, kept)
    return _placed(kept, intents, reused=False)


def read_map(project: Project, model: str, intents: Sequence[Intent]) -> MapResult | None:
    """The kept map for `intents`; None if there is none, or if one of them does not lie on it.

    Raises:
        InputError: The file is damaged.
    """
    kept = read_stored_map(project, model)
    if kept is None or not {text_hash(i.utterance) for i in intents} <= set(kept.hashes):
        return None
    return _placed(kept, intents, reused=True)


def umap_coordinates(
    x: NDArray[np.float32], seed: int, progress: Progress | None = None
) -> NDArray[np.float32]:
    """UMAP of the rows of `x` by cosine, float32, shape (n, 2); their PCA if there are fewer than 5.

    The first call in a process compiles for up to a minute. `progress` is told the start and the end only:
    UMAP does not report in between.
    """
    n = len(x)
    if n < _FEWEST:
        return pca_coordinates(x)
    from umap import UMAP

    if progress:
        progress(0, n)
    # A seed means one thread (said here, or umap warns); no distance is too far (or points get lost); the
    # start is shaken a little, since umap divides by its extent, which is zero where all rows are alike.
    shaken = np.random.default_rng(seed).normal(scale=1e-4, size=(n, 2)).astype(np.float32)
    model = UMAP(
        n_neighbors=min(_NEIGHBORS, n - 1),
        metric="cosine",
        init=pca_coordinates(x) + shaken,
        random_state=seed,
        n_jobs=1,
        disconnection_distance=math.inf,
    )
    coordinates = np.asarray(model.fit_transform(x), np.float32)
    if progress:
        progress(n, n)
    return coordinates


def pca_coordinates(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """The rows of `x` along their two main axes, float32, shape (n, 2): a first picture within a second."""
    from scipy.linalg import eigh

    n, d = x.shape
    centred = x - x.mean(axis=0) if n else x
    coordinates = np.zeros((n, 2), np.float32)
    if n < 2:
        return coordinates
    axes = eigh((centred.T @ centred).astype(np.float64), subset_by_index=(max(d - 2, 0), d - 1))[1][:, ::-1]
    # An axis has no sign of its own: its largest part is made positive, so that the picture does not flip.
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
    coordinates[:, : axes.shape[1]] = centred @ axes.astype(np.float32)
    return coordinates


def trustworthiness(x: NDArray[np.float32], coordinates: NDArray[np.float32], seed: int) -> float:
    """How far neighbours on the map are neighbours by cosine, 0 to 1, on at most 2,000 points."""
    n = min(len(x), _JUDGED)
    neighbors = min(_NEIGHBORS, (n - 1) // 2)
    if neighbors < 1:
        return 1.0
    from sklearn.manifold import trustworthiness as measure

    rows = np.sort(np.random.default_rng(seed).permutation(len(x))[:n])
    return float(measure(x[rows], coordinates[rows], n_neighbors=neighbors, metric="cosine"))


def _placed(kept: StoredMap, intents: Sequence[Intent], *, reused: bool) -> MapResult:
    row_of = {key: row for row, key in enumerate(kept.hashes)}
    rows = np.array([row_of[text_hash(i.utterance)] for i in intents], np.int64)
    info = kept.info
    return MapResult(kept.coordinates[rows], info.method, info.seed, info.trustworthiness, reused)
