"""Vectors of texts: per model, Parquet parts keyed by the sha256 of the text; appended, never recomputed."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from engine.errors import InputError, StudioError, one_line
from engine.store.files import exclusive, write_bytes
from engine.store.project import Project

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

_MODEL = re.compile(r"[a-z0-9][a-z0-9._-]{0,79}")
_PART = re.compile(r"part-[0-9]{1,9}\.parquet")
HASH_BYTES = 32
"""Of the hash by which a vector is kept."""


class Vectors(NamedTuple):
    """What `read_vectors` found."""

    array: NDArray[np.float32]
    """Shape (n, dimension), one row per text; rows of missing texts are zeros. Width 0 if none was found."""
    missing: list[int]
    """Indices of the texts that have no vector yet."""


class PartStamp(NamedTuple):
    """By which a part file is known again."""

    n_bytes: int
    changed_ns: int
    """When it was last written, nanoseconds since 1970."""


def text_hash(text: str) -> bytes:
    """The 32 bytes by which a text's vector is kept."""
    return hashlib.sha256(text.encode("utf-8", errors="surrogatepass")).digest()


def read_vectors(project: Project, model: str, texts: Sequence[str]) -> Vectors:
    """The kept vectors of `texts`, and which have none.

    Raises:
        InputError: A part file is damaged, or `model` is no name of a model.
    """
    return read_hashed_vectors(project, model, [text_hash(text) for text in texts])


def read_hashed_vectors(project: Project, model: str, hashes: Sequence[bytes]) -> Vectors:
    """The kept vectors of the texts with these hashes; of part files that hold none, no vector is read.

    Raises:
        InputError: A part file is damaged, or `model` is no name of a model.
    """
    rows: dict[bytes, list[int]] = {}
    for index, key in enumerate(hashes):
        rows.setdefault(key, []).append(index)
    array: NDArray[np.float32] | None = None
    found = np.zeros(len(hashes), bool)
    for path in _parts(_folder(project, model)):
        keys = _read_part(path, ["hash"]).column("hash").to_pylist()
        wanted = [(row, index) for row, key in enumerate(keys) for index in rows.get(key, ())]
        if not wanted:
            continue
        vectors = _matrix(path, _read_part(path, ["hash", "vector"]).column("vector"))
        if array is None:
            array = np.zeros((len(hashes), vectors.shape[1]), np.float32)
        elif vectors.shape[1] != array.shape[1]:
            raise _damaged(path, f"its vectors have {vectors.shape[1]} numbers, others {array.shape[1]}")
        sources, targets = [row for row, _ in wanted], [index for _, index in wanted]
        array[targets] = vectors[sources]
        found[targets] = True
    if array is None:
        array = np.zeros((len(hashes), 0), np.float32)
    return Vectors(array, np.flatnonzero(~found).tolist())


def list_parts(project: Project, model: str) -> dict[str, PartStamp]:
    """The part files of a model's vectors by name.

    Raises:
        InputError: `model` is no name of a model.
    """
    stats = {path.name: path.stat() for path in _parts(_folder(project, model))}
    return {name: PartStamp(stat.st_size, stat.st_mtime_ns) for name, stat in stats.items()}


def append_vectors(project: Project, model: str, texts: Sequence[str], vectors: NDArray[np.float32]) -> int:
    """Keeps the vectors of those `texts` that have none yet, in one new part; how many those were.

    Several processes may append at once.

    Raises:
        InputError: A part file is damaged, or `model` is no name of a model.
        StudioError: The disk is full or not writable; nothing half-written is left.
        ValueError: `vectors` has not one finite row per text.
    """
    if vectors.ndim != 2 or len(vectors) != len(texts) or not np.isfinite(vectors).all():
        raise ValueError(f"expected {len(texts)} finite rows, got shape {vectors.shape}")
    folder = _folder(project, model)
    with exclusive(folder / ".lock"):
        parts = _parts(folder)
        known = {key for path in parts for key in _read_part(path, ["hash"]).column("hash").to_pylist()}
        fresh = {key: i for i, key in enumerate(map(text_hash, texts)) if key not in known}
        if fresh:
            last = max((int(path.stem.removeprefix("part-")) for path in parts), default=0)
            data = _to_parquet(list(fresh), vectors[list(fresh.values())])
            write_bytes(folder / f"part-{last + 1:04d}.parquet", data)
    return len(fresh)


def checked_model(model: str) -> str:
    """`model`, if it is safe as the name of a folder.

    Raises:
        InputError: It is not.
    """
    if not _MODEL.fullmatch(model):
        raise InputError(
            f"{one_line(model, 60)!r} is no name of an embedding model: "
            "use small letters, digits, dots and dashes"
        )
    return model


def _folder(project: Project, model: str) -> Path:
    return project.paths.embeddings(checked_model(model))


def _parts(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("part-*.parquet") if _PART.fullmatch(path.name))


def _to_parquet(keys: list[bytes], vectors: NDArray[np.float32]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    flat = pa.array(np.ascontiguousarray(vectors, np.float32).ravel())
    columns = {
        "hash": pa.array(keys, pa.binary(HASH_BYTES)),
        "vector": pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1]),
    }
    sink = pa.BufferOutputStream()
    pq.write_table(
        pa.table(columns), sink, compression="zstd", use_dictionary=False, write_page_checksum=True
    )
    return bytes(sink.getvalue())


def _read_part(path: Path, columns: list[str]) -> pa.Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            table = file.read(columns)
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise StudioError(f"cannot read {path}: {error.strerror}") from error
        raise _damaged(path, one_line(error, 80)) from error
    if table.column_names != columns or table.schema.field("hash").type != pa.binary(HASH_BYTES):
        raise _damaged(path, "its columns are not hash and vector")
    return table


def _matrix(path: Path, column: pa.ChunkedArray) -> NDArray[np.float32]:
    import pyarrow as pa

    kind = column.type
    if not pa.types.is_fixed_size_list(kind) or kind.value_type != pa.float32() or column.null_count:
        raise _damaged(path, f"its vectors are {kind}")
    flat = np.asarray(column.combine_chunks().flatten(), np.float32)
    if not np.isfinite(flat).all():
        raise _damaged(path, "some of its numbers are not finite")
    return flat.reshape(len(column), kind.list_size)


def _damaged(path: Path, why: str) -> InputError:
    return InputError(f"{path} is damaged ({why}): delete it and run 'ise-studio intents embed' again")
