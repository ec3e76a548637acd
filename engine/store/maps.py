"""The 2-D map of one model's vectors: one Parquet file, derived, safe to delete."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from pydantic import ValidationError

from engine.errors import InputError, NotFoundError, one_line
from engine.schema.base import Count, Record
from engine.store.files import first_problem, read_bytes, write_bytes
from engine.store.project import Project
from engine.store.vectors import checked_model

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ABOUT = b"ise_map"


class MapInfo(Record):
    """How a map came to be."""

    key: str
    """sha256 over the set of texts that the map was last drawn for, the seed and the recipe."""
    recipe: str
    """The way of fitting; a map of another recipe is fitted again."""
    method: str
    seed: int
    n_fitted: Count
    """Texts at the fit, those that have been dropped since included."""
    n_placed: Count
    """How many of the texts that it was last drawn for were placed after the fit."""
    trustworthiness: float
    """Of the map as it was last drawn."""
    trustworthiness_placed: float | None = None
    """Of its placed points; None where there are none."""


@dataclass(frozen=True, slots=True)
class StoredMap:
    """A map as it is kept: which text lies where."""

    info: MapInfo
    hashes: list[bytes]
    coordinates: NDArray[np.float32]
    """Shape (n, 2), in the order of `hashes`."""
    placed: NDArray[np.bool_]
    """Shape (n,): which were placed after the fit, from their neighbours; the others were fitted."""


def read_stored_map(project: Project, model: str) -> StoredMap | None:
    """The kept map of a model's vectors, None if there is none.

    Raises:
        InputError: The file is damaged, or `model` is no name of a model.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = project.paths.map(checked_model(model))
    try:
        data = read_bytes(path)
    except NotFoundError:
        return None
    mend = "delete it and run 'ise-studio intents map' again"
    try:
        table = pq.read_table(pa.BufferReader(data), page_checksum_verification=True)
        info = MapInfo.model_validate_json((table.schema.metadata or {}).get(_ABOUT, b""))
    except ValidationError as error:
        raise InputError(f"{path} is damaged ({first_problem(error)}): {mend}") from error
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path} is damaged ({one_line(error, 80)}): {mend}") from error
    kinds = {"hash": pa.binary(32), "x": pa.float32(), "y": pa.float32(), "placed": pa.bool_()}
    if {field.name: field.type for field in table.schema} != kinds:
        raise InputError(f"{path} is damaged (its columns are not hash, x, y and placed): {mend}")
    coordinates = np.column_stack([table.column("x").to_numpy(), table.column("y").to_numpy()])
    placed = table.column("placed").to_numpy()
    return StoredMap(info, table.column("hash").to_pylist(), coordinates, placed)


def write_stored_map(project: Project, model: str, kept: StoredMap) -> None:
    """Replaces the kept map of a model's vectors.

    Raises:
        StudioError: The disk is full or not writable.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table(
        {
            "hash": pa.array(kept.hashes, pa.binary(32)),
            "x": pa.array(kept.coordinates[:, 0], pa.float32()),
            "y": pa.array(kept.coordinates[:, 1], pa.float32()),
            "placed": pa.array(kept.placed, pa.bool_()),
        }
    ).replace_schema_metadata({_ABOUT: kept.info.model_dump_json().encode()})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", use_dictionary=False, write_page_checksum=True)
    write_bytes(project.paths.map(checked_model(model)), bytes(sink.getvalue()))
