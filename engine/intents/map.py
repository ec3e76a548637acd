"""The map of a pool: fitted once and then kept; new intents are placed on it, and nothing else moves."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from engine.errors import InputError
from engine.intents.embed import vectors_of
from engine.intents.layout import FEWEST, place_among, trustworthiness, umap_coordinates
from engine.ports import Progress
from engine.schema.intent import Intent
from engine.store.maps import MapInfo, StoredMap, read_stored_map, write_stored_map
from engine.store.project import Project
from engine.store.vectors import read_hashed_vectors, text_hash

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_PLACED = 0.5
"""A map with more placed than this share of what was fitted is fitted again."""
_RECIPE = "umap cosine 15 neighbours, started from pca, 200 epochs from 4096 points on, 100 above 10000, v2"

_Texts = dict[bytes, Intent]
"""The different texts of a pool, by the hash they are kept under."""


@dataclass(frozen=True, slots=True)
class MapResult:
    """Where each intent lies."""

    coordinates: NDArray[np.float32]
    """Shape (n, 2), in the order of the intents that were asked for. The axes have no meaning or unit."""
    placed: NDArray[np.bool_]
    """Shape (n,): which were placed among their neighbours after the fit; the others were fitted."""
    method: str
    """"umap", or "pca" for fewer than 5 different texts."""
    seed: int
    trustworthiness: float
    """0 to 1: how far neighbours on the map are neighbours by cosine; 1 if all are (15 neighbours)."""
    trustworthiness_placed: float | None
    """The same for the placed ones alone; None where there are none."""
    reused: bool
    """True if the map stood in the project already: what lay on it has not moved."""


def build_map(
    project: Project,
    model: str,
    intents: Sequence[Intent],
    seed: int,
    progress: Progress | None = None,
    *,
    anew: bool = False,
) -> MapResult:
    """The map of `intents`: the kept one with the new ones placed on it, where that will do, else a new one.

    The kept one will do unless it was made with another seed, or the intents that were not fitted come to
    more than half of those that were. Equal texts lie on one point. A fit of the same texts with the same
    seed gives the same map on the same machine. What was dropped keeps its place, should it come back.

    Args:
        project: Where the map is kept.
        model: The embedding model.
        intents: The pool.
        seed: Of the fit.
        progress: Told the start and the end of a fit.
        anew: Fit again whatever is kept.

    Raises:
        InputError: Some intents have no vector yet, or a file is damaged.
        StudioError: The map cannot be written.
    """
    texts = _texts(intents)
    kept = None if anew else _standing(project, model, texts, seed)
    drawn = kept if kept and _is_drawn(kept, texts) else None
    if drawn is None:
        x = vectors_of(project, model, list(texts.values()))
        drawn = _extended(project, model, kept, texts, x) if kept else _fitted(texts, x, seed, progress)
        write_stored_map(project, model, drawn)
    return _shown(drawn, intents, reused=kept is not None)


def read_map(project: Project, model: str, intents: Sequence[Intent], seed: int) -> MapResult | None:
    """What `build_map` would give without a fit, None if it takes one; nothing is written.

    Raises:
        InputError: Some intents have no vector yet, or a file is damaged.
    """
    texts = _texts(intents)
    kept = _standing(project, model, texts, seed)
    if kept is None:
        return None
    if not _is_drawn(kept, texts):
        x = vectors_of(project, model, list(texts.values()))
        kept = _extended(project, model, kept, texts, x)
    return _shown(kept, intents, reused=True)


def _texts(intents: Iterable[Intent]) -> _Texts:
    return {text_hash(i.utterance): i for i in sorted(intents, key=lambda i: i.utterance)}


def _is_drawn(kept: StoredMap, texts: _Texts) -> bool:
    """True when the figures of the kept map are about just these texts."""
    return kept.info.key == _key(texts, kept.info.seed)


def _key(texts: _Texts, seed: int) -> str:
    return hashlib.sha256(b"".join(sorted(texts)) + f"{seed} {_RECIPE}".encode()).hexdigest()


def _standing(project: Project, model: str, texts: _Texts, seed: int) -> StoredMap | None:
    """The kept map, None where there is none that these texts can be placed on."""
    kept = read_stored_map(project, model)
    if kept is None or (kept.info.seed, kept.info.recipe) != (seed, _RECIPE):
        return None
    fitted = {key for key, placed in zip(kept.hashes, kept.placed, strict=True) if not placed}
    n_placed = len(texts.keys() - fitted)
    most = MOST_PLACED * len(fitted) if kept.info.method == "umap" else 0
    return kept if n_placed <= most else None


def _fitted(texts: _Texts, x: NDArray[np.float32], seed: int, progress: Progress | None) -> StoredMap:
    coordinates = umap_coordinates(x, seed, progress)
    info = MapInfo(
        key=_key(texts, seed),
        recipe=_RECIPE,
        method="umap" if len(x) >= FEWEST else "pca",
        seed=seed,
        n_fitted=len(x),
        n_placed=0,
        trustworthiness=trustworthiness(x, coordinates, seed),
    )
    return StoredMap(info, list(texts), coordinates, np.zeros(len(x), np.bool_))


def _extended(
    project: Project, model: str, kept: StoredMap, texts: _Texts, x: NDArray[np.float32]
) -> StoredMap:
    """`kept` with those of `texts` that are not on it placed, and with the figures of these texts.

    Only fitted points count as neighbours, so that it does not matter in which order intents come.
    """
    on_it = set(kept.hashes)
    new = np.array([key not in on_it for key in texts], np.bool_)
    hashes, coordinates, placed = kept.hashes, kept.coordinates, kept.placed
    if new.any():
        anchors = _anchors(project, model, kept)
        hashes = [*hashes, *(key for key in texts if key not in on_it)]
        coordinates = np.concatenate([coordinates, place_among(x[new], *anchors)])
        placed = np.concatenate([placed, np.ones(new.sum(), np.bool_)])
    row_of = {key: row for row, key in enumerate(hashes)}
    rows = np.array([row_of[key] for key in texts], np.int64)
    info = _judged(kept.info, texts, x, coordinates[rows], placed[rows])
    return StoredMap(info, hashes, coordinates, placed)


def _anchors(
    project: Project, model: str, kept: StoredMap
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The vectors of the fitted points and where those lie; a point whose vector was deleted is left out."""
    hashes = [key for key, placed in zip(kept.hashes, kept.placed, strict=True) if not placed]
    vectors = read_hashed_vectors(project, model, hashes)
    known = np.ones(len(hashes), np.bool_)
    known[vectors.missing] = False
    if not known.any():
        raise InputError(
            f"no {model} vector of the fitted intents is left to place new ones by: "
            "run 'ise-studio intents map --anew'"
        )
    return vectors.array[known], kept.coordinates[~kept.placed][known]


def _judged(
    info: MapInfo,
    texts: _Texts,
    x: NDArray[np.float32],
    coordinates: NDArray[np.float32],
    placed: NDArray[np.bool_],
) -> MapInfo:
    """`info` about just these texts: their number and how true the picture of them is."""
    seed = info.seed
    of_placed = trustworthiness(x, coordinates, seed, placed) if placed.any() else None
    return info.model_copy(
        update={
            "key": _key(texts, seed),
            "n_placed": int(placed.sum()),
            "trustworthiness": trustworthiness(x, coordinates, seed),
            "trustworthiness_placed": of_placed,
        }
    )


def _shown(kept: StoredMap, intents: Sequence[Intent], *, reused: bool) -> MapResult:
    row_of = {key: row for row, key in enumerate(kept.hashes)}
    rows = np.array([row_of[text_hash(i.utterance)] for i in intents], np.int64)
    info = kept.info
    return MapResult(
        coordinates=kept.coordinates[rows],
        placed=kept.placed[rows],
        method=info.method,
        seed=info.seed,
        trustworthiness=info.trustworthiness,
        trustworthiness_placed=info.trustworthiness_placed,
        reused=reused,
    )
