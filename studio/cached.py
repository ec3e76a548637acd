"""What the pages read again and again, kept in memory until the files it came from change.

`st.cache_resource` hands out the one object without copying it: fit for frozen records and for arrays that
nobody writes to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import streamlit as st

from engine.catalog import Catalog
from engine.errors import InputError
from engine.intents.coverage import Coverage, coverage
from engine.intents.crosstab import Crosstab, crosstab
from engine.intents.review import Pair, pairs_of
from engine.intents.targets import Targets, targets_of
from engine.providers.embedders import embedder_name
from engine.schema.intent import DedupDecision, Intent
from engine.schema.taxonomy import Taxonomy
from engine.store.intents import kept_among, read_decisions, read_intents, read_overrules
from engine.store.project import Project
from engine.taxonomy import content_hash, current_taxonomy
from engine.taxonomy.check import validate
from engine.taxonomy.nodes import Fault

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from engine.intents.diversity import Diversity
    from engine.intents.gram import Gram

Stamp = tuple[tuple[str, int, int], ...]
"""Names, times of change (ns) and sizes of files: what a cached value is good for."""

_BY_ROOT: dict[str | type[Any], Callable[[Any], Any]] = {Project: lambda project: str(project.root.resolve())}


class Vendi(NamedTuple):
    """The Vendi Score of the kept intents."""

    n: int
    vendi: float
    model: str


def stamp(folder: Path, pattern: str = "*") -> Stamp:
    """The stamp of a folder's files, subfolders left out; empty where there is no folder."""
    files = sorted(folder.glob(pattern)) if folder.is_dir() else []
    return tuple((path.name, s.st_mtime_ns, s.st_size) for path in files if (s := path.stat()))


def _intents_stamp(project: Project) -> Stamp:
    return stamp(project.paths.intents, "*.jsonl")


def _vectors_stamp(project: Project) -> Stamp:
    return _intents_stamp(project) + stamp(project.paths.embeddings(embedder_name(project.settings.embedder)))


def n_files(folder: Path) -> int:
    """How many JSON files a folder holds, those of its subfolders included."""
    return sum(1 for _ in folder.rglob("*.json")) if folder.is_dir() else 0


def is_mapped(project: Project) -> bool:
    """True when the map of the project's embedder has been drawn."""
    return project.paths.map(embedder_name(project.settings.embedder)).is_file()


def intents(project: Project) -> list[Intent]:
    """All intents, the repeats included; not to be written to."""
    return _intents(project, stamp(project.paths.intents, "batch-*.jsonl"))


@st.cache_resource(show_spinner="Reading the intents", max_entries=2, hash_funcs=_BY_ROOT)
def _intents(project: Project, at: Stamp) -> list[Intent]:
    return read_intents(project)


def kept_intents(project: Project) -> list[Intent]:
    """The intents that dedup kept; not to be written to."""
    return _kept_intents(project, _intents_stamp(project))


@st.cache_resource(show_spinner=False, max_entries=2, hash_funcs=_BY_ROOT)
def _kept_intents(project: Project, at: Stamp) -> list[Intent]:
    # A curator's word changes one small file: the batches are not read again for it.
    return kept_among(intents(project), _decisions(project), read_overrules(project))


def pairs(project: Project) -> list[Pair]:
    """What dedup found and what curators said of it; not to be written to."""
    return _pairs(project, _intents_stamp(project))


@st.cache_resource(show_spinner=False, max_entries=2, hash_funcs=_BY_ROOT)
def _pairs(project: Project, at: Stamp) -> list[Pair]:
    return list(pairs_of(intents(project), _decisions(project), read_overrules(project)))


def _decisions(project: Project) -> list[DedupDecision]:
    return _decided(project, stamp(project.paths.intents, "decisions.jsonl"))


@st.cache_resource(show_spinner=False, max_entries=2, hash_funcs=_BY_ROOT)
def _decided(project: Project, at: Stamp) -> list[DedupDecision]:
    return read_decisions(project)


def taxonomy(project: Project) -> Taxonomy:
    """The taxonomy in force.

    Raises:
        InputError: It is wrong.
    """
    return _taxonomy(project, stamp(project.paths.taxonomy, "*.yaml"))


@st.cache_resource(show_spinner="Reading the taxonomy", max_entries=2, hash_funcs=_BY_ROOT)
def _taxonomy(project: Project, at: Stamp) -> Taxonomy:
    return current_taxonomy(project)


def checked(texts: Mapping[str, str], version: str) -> tuple[Taxonomy | None, list[Fault]]:
    """What `validate` finds in the four texts of a taxonomy."""
    return _checked(texts, version, content_hash(texts))


@st.cache_resource(show_spinner="Checking the taxonomy", max_entries=4)
def _checked(_texts: Mapping[str, str], version: str, at: str) -> tuple[Taxonomy | None, list[Fault]]:
    return validate(_texts, version)


def targets(taxonomy: Taxonomy) -> Targets:
    """The shares that a taxonomy's weights promise."""
    return _targets(taxonomy, taxonomy.content_hash)


@st.cache_resource(show_spinner="Working out the shares", max_entries=4)
def _targets(_taxonomy: Taxonomy, at: str) -> Targets:
    return targets_of(_taxonomy)


def covered(project: Project) -> Coverage:
    """What the kept intents cover of the taxonomy in force."""
    known = taxonomy(project)
    return _covered(project, known, known.content_hash, _intents_stamp(project))


@st.cache_resource(show_spinner="Counting the cells", max_entries=2, hash_funcs=_BY_ROOT)
def _covered(project: Project, _taxonomy: Taxonomy, taxonomy_hash: str, at: Stamp) -> Coverage:
    return coverage(kept_intents(project), _taxonomy)


def met(project: Project, rows: str, columns: str) -> Crosstab:
    """How often two dimensions of the taxonomy meet in the kept intents; not to be written to."""
    known = taxonomy(project)
    return _met(project, known, known.content_hash, _intents_stamp(project), rows, columns)


@st.cache_resource(show_spinner="Counting the cells", max_entries=6, hash_funcs=_BY_ROOT)
def _met(
    project: Project, _taxonomy: Taxonomy, taxonomy_hash: str, at: Stamp, rows: str, columns: str
) -> Crosstab:
    return crosstab(kept_intents(project), _taxonomy, rows, columns)


def pool_stamp(project: Project) -> Stamp:
    """What proposals are good for: they hang on the kept intents, their vectors and the taxonomy."""
    return _vectors_stamp(project) + stamp(project.paths.taxonomy, "*.yaml")


def vendi(project: Project) -> Vendi | None:
    """The Vendi Score of the kept intents (order 1); None until they are embedded."""
    model = embedder_name(project.settings.embedder)
    if not kept_intents(project) or not project.paths.embeddings(model).is_dir():
        return None
    return _vendi(project, model, _vectors_stamp(project))


@st.cache_data(show_spinner="Measuring the Vendi Score", max_entries=4, hash_funcs=_BY_ROOT)
def _vendi(project: Project, model: str, at: Stamp) -> Vendi | None:
    from engine.intents.diversity import vendi_score

    try:
        known = vectors(project)
    except InputError:
        return None
    return Vendi(len(known), vendi_score(known), model)


def vectors(project: Project) -> NDArray[np.float32]:
    """The unit vectors of the kept intents, in their order; not to be written to.

    Raises:
        InputError: Some are not embedded yet.
    """
    return _vectors(project, embedder_name(project.settings.embedder), _vectors_stamp(project))


@st.cache_resource(show_spinner="Reading the vectors", max_entries=1, hash_funcs=_BY_ROOT)
def _vectors(project: Project, model: str, at: Stamp) -> NDArray[np.float32]:
    from engine.intents.embed import vectors_of

    return vectors_of(project, model, kept_intents(project))


def pool_gram(project: Project) -> Gram:
    """The Gram matrix of the kept intents' vectors; not to be written to.

    Raises:
        InputError: Some are not embedded yet.
    """
    return _pool_gram(project, embedder_name(project.settings.embedder), _vectors_stamp(project))


@st.cache_resource(show_spinner="Measuring the Vendi Score", max_entries=1, hash_funcs=_BY_ROOT)
def _pool_gram(project: Project, model: str, at: Stamp) -> Gram:
    from engine.intents import pool_gram

    return pool_gram.pool_gram(project, model, kept_intents(project))


def diversity(project: Project, q: float, by: str | None) -> Diversity:
    """Everything that is measured about the kept intents.

    Raises:
        InputError: Some are not embedded yet.
    """
    return _diversity(project, embedder_name(project.settings.embedder), _vectors_stamp(project), q, by)


@st.cache_data(show_spinner="Measuring diversity", max_entries=16, hash_funcs=_BY_ROOT)
def _diversity(project: Project, model: str, at: Stamp, q: float, by: str | None) -> Diversity:
    from engine.intents.diversity import measure_diversity

    return measure_diversity(
        kept_intents(project), vectors(project), model, q=q, by=by, seed=project.settings.seed
    )


class MapPoints(NamedTuple):
    """Where the kept intents lie, in their order."""

    points: NDArray[np.int16]
    """Shape (n, 2), scaled to the range of the type: two bytes a coordinate on the wire."""
    method: str
    """"umap", or "pca" while there is none that these intents can be placed on."""
    trustworthiness: float | None
    """0 to 1; None for a stand-in."""


def map_points(project: Project) -> MapPoints:
    """The map of the kept intents; their two main axes where it has not been drawn yet.

    Raises:
        InputError: Some are not embedded yet.
    """
    model = embedder_name(project.settings.embedder)
    return _map_points(project, model, _vectors_stamp(project))


@st.cache_resource(show_spinner="Reading the map", max_entries=2, hash_funcs=_BY_ROOT)
def _map_points(project: Project, model: str, at: Stamp) -> MapPoints:
    from engine.intents.layout import pca_coordinates
    from engine.intents.map import read_map

    kept = read_map(project, model, kept_intents(project), project.settings.seed)
    if kept is None:
        return MapPoints(_quantised(pca_coordinates(vectors(project))), "pca", None)
    return MapPoints(_quantised(kept.coordinates), kept.method, kept.trustworthiness)


def _quantised(coordinates: NDArray[np.float32]) -> NDArray[np.int16]:
    """Coordinates in one common scale, so that shapes stay as they are."""
    import numpy as np

    middle = (coordinates.max(axis=0) + coordinates.min(axis=0)) / 2
    extent = float(np.abs(coordinates - middle).max()) or 1.0
    scaled: NDArray[np.int16] = ((coordinates - middle) / extent * 32_000).astype(np.int16)
    return scaled


def played_ids(project: Project) -> frozenset[str]:
    """Ids of the intents that have a trajectory."""
    with Catalog.open(project) as catalog:
        return frozenset(
            row["intent_id"] for row in catalog.rows("select distinct intent_id from trajectories")
        )
