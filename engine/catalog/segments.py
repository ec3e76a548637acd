"""Segments of the trajectory tables: built from records, merged from parts."""

from __future__ import annotations

import io
import secrets
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from engine.catalog.columns import TRAJECTORY_TABLES, polars_schema
from engine.catalog.manifest import Segment, Unreadable
from engine.catalog.rows import Row, trajectory_rows
from engine.catalog.signals import STDERR_TAIL_BYTES
from engine.errors import StudioError, one_line
from engine.paths import RunPaths
from engine.schema.sandbox import BlobRef
from engine.schema.trajectory import ToolCall
from engine.store.reexecutions import read_reexecution
from engine.store.runs import read_blob, read_finished
from engine.store.tables import Stamp, TableFolder

if TYPE_CHECKING:
    import polars as pl

ROWS_PER_GROUP = 8192
"""Small row groups: one trajectory is found by reading few rows, and filters skip the other groups."""
SEGMENT_SIZE = 2000
"""Trajectories in a full segment."""
SEGMENT_BYTES = 128 * 2**20
"""Or so many bytes of records: a segment is built in memory."""
_ROWS_IN_MEMORY = 20_000
"""Rows are turned into columns at this many, which take a tenth of the memory."""


class Source(NamedTuple):
    """A finished record as it lies on disk; its stamp covers what came of re-executing it too."""

    key: str
    run: RunPaths
    trajectory_id: str
    stamp: Stamp


@dataclass(slots=True)
class Built:
    """What came of building: segments by name, and the records that could not be read."""

    segments: dict[str, Segment] = field(default_factory=dict)
    unreadable: dict[str, Unreadable] = field(default_factory=dict)


def build_segment(folder: TableFolder, sources: Iterable[Source], built: Built) -> None:
    """Reads the sources' records and writes one segment of those that can be read."""
    tables = {table: _Columns(table) for table in TRAJECTORY_TABLES}
    members: dict[str, Stamp] = {}
    odd: list[str] = []
    for source in sources:
        try:
            rows, lost = _rows(source)
        except StudioError as error:
            built.unreadable[source.key] = Unreadable(stamp=source.stamp, reason=one_line(error))
            continue
        for table, found in rows.items():
            tables[table].add(found)
        odd += lost
        members[source.key] = source.stamp
    frames = {table: columns.frame() for table, columns in tables.items()}
    _write(folder, frames, members, tuple(odd), built)


def merge_segments(folder: TableFolder, segments: Mapping[str, Segment], built: Built) -> bool:
    """Writes the segments' rows as one segment; False, and nothing written, where a part is broken."""
    import polars as pl

    try:
        frames = {
            table: pl.concat(
                pl.read_parquet(folder.part(f"{table}-{name}"), schema=polars_schema(table))
                for name in segments
            ).sort("trajectory_id", maintain_order=True)
            for table in TRAJECTORY_TABLES
        }
    except (pl.exceptions.PolarsError, OSError):
        return False
    members = {key: stamp for segment in segments.values() for key, stamp in segment.members.items()}
    odd = tuple(problem for segment in segments.values() for problem in segment.problems)
    _write(folder, frames, members, odd, built)
    return True


class _Rows(NamedTuple):
    by_table: dict[str, list[Row]]
    odd: list[str]


def _rows(source: Source) -> _Rows:
    """What one record gives to the tables.

    Raises:
        StudioError: It cannot be read, or holds what no table can.
    """
    trajectory = read_finished(source.run, source.trajectory_id)
    stderr_of = _StderrReader(source)
    again = read_reexecution(source.run, source.trajectory_id)
    try:
        return _Rows(trajectory_rows(trajectory, source.run.root.name, stderr_of, again), stderr_of.odd)
    except (OverflowError, ValueError) as error:
        path = source.run.trajectory(source.trajectory_id)
        raise StudioError(f"{path} has a number or a time that no table holds: {one_line(error)}") from error


@dataclass(frozen=True, slots=True)
class _StderrReader:
    """Reads the end of a call's stderr; a stream that cannot be read is noted and reads as empty."""

    source: Source
    odd: list[str] = field(default_factory=list)

    def __call__(self, call: ToolCall) -> str:
        ref: BlobRef | None = call.ledger.stderr
        if ref is None:
            return ""
        try:
            data = read_blob(self.source.run, ref)
        except StudioError as error:
            self.odd.append(f"{self.source.key}: the stderr of call {call.id!r} is gone: {one_line(error)}")
            return ""
        return data[-STDERR_TAIL_BYTES:].decode("utf-8", errors="replace")


class _Columns:
    """Collects rows of one table, keeping most of them as columns."""

    def __init__(self, table: str) -> None:
        self._schema = polars_schema(table)
        self._rows: list[Row] = []
        self._frames: list[pl.DataFrame] = []

    def add(self, rows: list[Row]) -> None:
        self._rows.extend(rows)
        if len(self._rows) >= _ROWS_IN_MEMORY:
            self._flush()

    def _flush(self) -> None:
        self._frames.append(frame_of(self._rows, self._schema))
        self._rows = []

    def frame(self) -> pl.DataFrame:
        import polars as pl

        self._flush()
        return pl.concat(self._frames)


def frame_of(rows: list[Row], schema: Mapping[str, Any]) -> pl.DataFrame:
    """The rows as columns of exactly this schema; a column that a row does not name is null in it."""
    import polars as pl

    return pl.DataFrame({name: [row.get(name) for row in rows] for name in schema}, schema=schema)


def parquet_bytes(frame: pl.DataFrame) -> bytes:
    """The frame as a Parquet file."""
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression="zstd", row_group_size=ROWS_PER_GROUP, statistics=True)
    return buffer.getvalue()


def _write(
    folder: TableFolder,
    frames: Mapping[str, pl.DataFrame],
    members: Mapping[str, Stamp],
    problems: tuple[str, ...],
    built: Built,
) -> None:
    name = new_name()
    parts = {
        f"{table}-{name}": folder.write_part(f"{table}-{name}", parquet_bytes(frame))
        for table, frame in frames.items()
    }
    built.segments[name] = Segment(members=dict(members), parts=parts, problems=problems)


def new_name() -> str:
    """A name that no part has had before, so that a file never changes under a reader."""
    return secrets.token_hex(6)


def chunks(sources: list[Source]) -> Iterator[list[Source]]:
    """The sources in the order of their trajectory ids, as many at a time as make a full segment."""
    chunk: list[Source] = []
    size_bytes = 0
    for source in sorted(sources, key=lambda source: source.trajectory_id):
        chunk.append(source)
        size_bytes += source.stamp.size_bytes
        if len(chunk) >= SEGMENT_SIZE or size_bytes >= SEGMENT_BYTES:
            yield chunk
            chunk, size_bytes = [], 0
    if chunk:
        yield chunk


def is_full(stamps: Collection[Stamp]) -> bool:
    """True where a segment of records with these stamps is not merged any more."""
    return len(stamps) >= SEGMENT_SIZE or sum(s.size_bytes for s in stamps) >= SEGMENT_BYTES
