"""Points in two dimensions: UMAP, the two main axes, new points among those that lie, and how true it is."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.intents.compiled import keep_compiled
from engine.ports import Progress

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEWEST = 5
"""Below so many points there is no neighbourhood to keep: their layout is their PCA."""
_NEIGHBORS = 15
_MANY = 4096
"""From so many points on UMAP looks for neighbours by pynndescent: here that is done for it."""
_MANY_MORE = 10_000
"""Above so many points UMAP itself runs fewer epochs, 200 instead of 500."""
_EPOCHS, _EPOCHS_OF_MORE = 200, 100
"""Fewer than UMAP's own, since the start is the PCA: trustworthiness falls by less than .005."""
_STEPS = 10
"""Towards a geometric median: after so many it moves by less than a point is wide."""
_JUDGED = 2000
"""Points on which trustworthiness is measured (it is quadratic)."""
_BLOCK = 256
"""New points placed at once: bounds the memory for their cosines to all that lie already."""


def umap_coordinates(
    x: NDArray[np.float32], seed: int, progress: Progress | None = None
) -> NDArray[np.float32]:
    """UMAP of the rows of `x` by cosine, float32, shape (n, 2); their PCA if there are fewer than 5.

    The same rows and seed give the same layout on one machine. The first call on a machine compiles for up to
    a minute, the first in a process for a few seconds, with many points 20. `progress` is told the start and
    the end only: UMAP does not report in between.
    """
    n = len(x)
    if n < FEWEST:
        return pca_coordinates(x)
    from umap import UMAP

    keep_compiled()
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
        **_shortcuts(x, seed),
    )
    coordinates = np.asarray(model.fit_transform(x), np.float32)
    if progress:
        progress(n, n)
    return coordinates


def _shortcuts(x: NDArray[np.float32], seed: int) -> dict[str, Any]:
    """What makes UMAP faster for many points: fewer epochs, and neighbours sought with fewer candidates.

    One thread here too: what pynndescent finds depends on its seed and on the number of threads.
    """
    if len(x) < _MANY:
        return {}
    from pynndescent import NNDescent

    index = NNDescent(x, metric="cosine", n_neighbors=_NEIGHBORS, random_state=seed, n_jobs=1)
    n_epochs = _EPOCHS if len(x) <= _MANY_MORE else _EPOCHS_OF_MORE
    return {"n_epochs": n_epochs, "precomputed_knn": (*index.neighbor_graph, index)}


def pca_coordinates(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """The rows of `x` along their two main axes, float32, shape (n, 2): a first picture within a second."""
    from scipy.linalg import eigh
    from threadpoolctl import threadpool_limits

    n, d = x.shape
    centred = x - x.mean(axis=0) if n else x
    coordinates = np.zeros((n, 2), np.float32)
    if n < 2:
        return coordinates
    gram = (centred.T @ centred).astype(np.float64)
    # Threads only wait for each other on so small a matrix, most of all on a busy machine.
    with threadpool_limits(1):
        axes = eigh(gram, subset_by_index=(max(d - 2, 0), d - 1))[1][:, ::-1]
    # An axis has no sign of its own: its largest part is made positive, so that the picture does not flip.
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
    coordinates[:, : axes.shape[1]] = centred @ axes.astype(np.float32)
    return coordinates


def place_among(
    new: NDArray[np.float32], mapped: NDArray[np.float32], coordinates: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Where new points lie among points that stay where they are, float32, shape (len(new), 2).

    Each lies at the geometric median of its 15 nearest by cosine (exact), weighted by the softmax of their
    cosines: where they lie in two places their mean would be in the void between, and near neither.
    What the others of `new` are does not matter: a point placed alone or with others lies at one place.

    Args:
        new: Unit rows.
        mapped: Unit rows of the points that lie already, at least one.
        coordinates: Where those lie, shape (len(mapped), 2).
    """
    n, k = len(mapped), min(_NEIGHBORS, len(mapped))
    placed = np.empty((len(new), 2), np.float32)
    for start in range(0, len(new), _BLOCK):
        cosines = new[start : start + _BLOCK] @ mapped.T
        nearest = np.argpartition(cosines, n - k, axis=1)[:, n - k :]
        weights = _softmax(np.take_along_axis(cosines, nearest, axis=1))
        placed[start : start + _BLOCK] = _medians(coordinates[nearest], weights)
    return placed


def _medians(points: NDArray[np.float32], weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """The weighted geometric median of each row's points, shape (n, 2), by Weiszfeld's steps from the mean.

    Args:
        points: Shape (n, k, 2).
        weights: Shape (n, k), each row with the sum 1.
    """
    medians: NDArray[np.float32] = np.einsum("ij,ijk->ik", weights, points)
    for _ in range(_STEPS):
        pulls = weights / np.maximum(np.linalg.norm(points - medians[:, None], axis=2), 1e-3)
        medians = np.einsum("ij,ijk->ik", pulls / pulls.sum(axis=1, keepdims=True), points)
    return medians


def _softmax(cosines: NDArray[np.float32]) -> NDArray[np.float32]:
    """Weights a row, with the row's own mean distance below its nearest as temperature, as UMAP scales."""
    below = cosines - cosines.max(axis=1, keepdims=True)
    weights = np.exp(below / np.maximum(-below.mean(axis=1, keepdims=True), 1e-6))
    scaled: NDArray[np.float32] = weights / weights.sum(axis=1, keepdims=True)
    return scaled


def trustworthiness(
    x: NDArray[np.float32],
    coordinates: NDArray[np.float32],
    seed: int,
    of: NDArray[np.bool_] | None = None,
) -> float:
    """How far neighbours in a layout are neighbours by cosine, 0 to 1; 1 where there are too few to say.

    Measured on at most 2,000 points, drawn with `seed`.

    Args:
        x: Unit rows.
        coordinates: Where they lie, shape (n, 2).
        seed: Of the draw.
        of: Which rows to judge, at least one; all by default. The others are their possible neighbours.

    Source: Venna and Kaski 2001, with 15 neighbours; over all rows it is scikit-learn's figure.
    """
    rows, judged = _drawn(len(x), seed, of)
    n = len(rows)
    k = min(_NEIGHBORS, (n - 1) // 2)
    if k < 1:
        return 1.0
    itself = np.arange(len(judged)), judged
    flat = coordinates[rows]
    distances = np.linalg.norm(flat[judged, None] - flat[None], axis=2)
    cosines = x[rows[judged]] @ x[rows].T
    distances[itself], cosines[itself] = np.inf, np.inf
    neighbors = np.argpartition(distances, k - 1, axis=1)[:, :k]
    ranks = np.argsort(np.argsort(-cosines, axis=1, kind="stable"), axis=1, kind="stable")
    excess = np.maximum(np.take_along_axis(ranks, neighbors, axis=1) - k, 0).sum()
    return float(1 - excess * 2 / (len(judged) * k * (2 * n - 3 * k - 1)))


def _drawn(n: int, seed: int, of: NDArray[np.bool_] | None) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """At most 2,000 of n rows, half of them at most from `of`, and which of those drawn are to be judged."""
    order = np.random.default_rng(seed).permutation(n)
    if of is None:
        rows = np.sort(order[:_JUDGED])
        return rows, np.arange(len(rows))
    wanted, others = order[of[order]], order[~of[order]]
    wanted = wanted[: max(_JUDGED // 2, _JUDGED - len(others))]
    rows = np.concatenate([wanted, others[: _JUDGED - len(wanted)]])
    return rows, np.arange(len(wanted))
