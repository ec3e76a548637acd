"""Exports: a split or a selection written for training, with its card and manifest."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import engine
from engine.catalog import Catalog
from engine.curate.card import render_card
from engine.curate.formats import openai
from engine.curate.manifest import ExportedFile, ExportedSplit, Manifest
from engine.curate.splits import check_parts, check_split
from engine.curate.statistics import Statistics
from engine.errors import InputError, one_line
from engine.schema.base import Record, utc_now
from engine.schema.split import Split
from engine.schema.trajectory import Trajectory
from engine.store.curation import read_selection, read_split
from engine.store.files import read_record, write_record, write_text, writing
from engine.store.project import Project

FORMATS: Mapping[str, Callable[[Trajectory], dict[str, Any]]] = {"openai": openai.to_record}
"""Format name -> what makes one line's object of a trajectory."""
CARD = "README.md"
MANIFEST = "manifest.json"


class ExportReport(Record):
    """What an export wrote."""

    out: str
    format: str
    n_trajectories: int
    files: tuple[ExportedFile, ...]


class _Order(NamedTuple):
    """What is to be exported: file stem -> trajectory ids, and where that comes from."""

    name: str
    parts: Mapping[str, Sequence[str]]
    split: ExportedSplit | None
    selection: str
    where: str


def export(
    project: Project,
    out: Path,
    *,
    split: str | None = None,
    selection: str | None = None,
    format: str = "openai",
) -> ExportReport:
    """Writes a JSONL file for every part of a split, `data.jsonl` for a selection; a card; a manifest.

    The folder appears whole or not at all. Trajectories are read one at a time.

    Args:
        project: Where the trajectories are.
        out: A folder that does not exist yet, or is empty.
        split: Name of the split to export; or
        selection: Name of the selection to export.
        format: One of `FORMATS`.

    Raises:
        InputError: The words are wrong, `out` holds something, a trajectory is gone or cannot be read, or
            the split's parts share an intent or a trajectory.
        StudioError: The folder cannot be written.
    """
    if format not in FORMATS:
        raise InputError(f"no format {one_line(format, 40)!r}: the formats are {', '.join(sorted(FORMATS))}")
    order = _order(project, split, selection)
    _check_out(out)
    sources = _sources(project, order)
    with _appearing(out) as folder:
        return _write(project, folder, out, order, sources, format)


def _order(project: Project, split: str | None, selection: str | None) -> _Order:
    if split is not None and selection is None:
        cut = read_split(project, split)
        _check_parts(project, cut)
        origin = ExportedSplit(name=cut.name, selection=cut.selection, ratios=cut.ratios, seed=cut.seed)
        name = f"{project.settings.name}: {cut.name}"
        return _Order(name, cut.parts, origin, cut.selection, cut.where)
    if selection is not None and split is None:
        chosen = read_selection(project, selection)
        name = f"{project.settings.name}: {chosen.name}"
        return _Order(name, {"data": chosen.trajectory_ids}, None, chosen.name, chosen.where)
    raise InputError("an export is of one split or of one selection: name exactly one of them")


def _check_parts(project: Project, split: Split) -> None:
    """Passes a split whose parts share nothing; that its trajectories are there is seen later."""
    check_parts(split.parts)
    report = check_split(project, split.name)
    if twice := (*report.shared_intents, *report.repeated):
        raise InputError(
            f"split {split.name!r} has {len(twice)} intents or trajectories more than once, first "
            f"{twice[0]}: make it again with 'ise-studio split make {split.name}'"
        )


def _check_out(out: Path) -> None:
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise InputError(f"{out} is no folder: choose a new or empty folder for the export")
    if out.is_dir() and any(out.iterdir()):
        raise InputError(f"{out} is not empty: choose a new or empty folder for the export")


class _Source(NamedTuple):
    """Where a record lies, and which of the format's optional parts its line will have."""

    path: Path
    shape: tuple[object, ...]


def _sources(project: Project, order: _Order) -> dict[str, _Source]:
    """The source of every trajectory of the order."""
    wanted = {trajectory_id for ids in order.parts.values() for trajectory_id in ids}
    if not wanted:
        raise InputError(f"selection {order.selection!r} holds no trajectory: widen its condition")
    with Catalog.open(project) as catalog:
        rows = catalog.rows(_SHAPES)
    found = {}
    for row in rows:
        trajectory_id, run_id, *shape = row.values()
        if trajectory_id in wanted:
            found[trajectory_id] = _Source(project.paths.run(run_id).trajectory(trajectory_id), tuple(shape))
    if gone := sorted(wanted - found.keys()):
        raise InputError(
            f"{len(gone)} trajectories are gone or cannot be read, first {gone[0]}: save the selection "
            "again, and make the split again"
        )
    return found


_SHAPES = """
    select trajectory_id, run_id, tool_schemas_hash, n_tool_calls > 0,
        trajectory_id in (select trajectory_id from messages where reasoning <> '') from trajectories
"""


def _varied_first(sources: Sequence[_Source]) -> list[Path]:
    """The paths in order, but before all others one of every shape.

    `datasets` takes the types of a whole file from its first lines, and fails on what they did not show.
    """
    leaders = {source.shape: source.path for source in reversed(sources)}
    first = [source.path for source in sources if leaders[source.shape] == source.path]
    return [*first, *(source.path for source in sources if leaders[source.shape] != source.path)]


@contextmanager
def _appearing(out: Path) -> Iterator[Path]:
    """A folder beside `out`: takes its place when the block ends well, is removed when it does not."""
    out = out.absolute()
    with writing(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        folder = out.parent / f".{out.name[:40]}.{secrets.token_hex(6)}.tmp"
        folder.mkdir()
    try:
        yield folder
        with writing(out):
            folder.rename(out)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _write(
    project: Project, folder: Path, out: Path, order: _Order, sources: Mapping[str, _Source], format_: str
) -> ExportReport:
    statistics = Statistics()
    files = tuple(
        _write_lines(
            folder / f"{part}.jsonl", part, _varied_first([sources[i] for i in ids]), format_, statistics
        )
        for part, ids in order.parts.items()
        if ids
    )
    manifest = Manifest(
        name=order.name,
        format=format_,
        created_at=utc_now(),
        engine_version=engine.__version__,
        project=project.settings.name,
        split=order.split,
        selection=order.selection,
        where=order.where,
        files=files,
        n_trajectories=statistics.n_trajectories,
        n_intents=len(statistics.intents),
        n_scripted=statistics.n_scripted,
        taxonomy_versions=tuple(sorted(statistics.counts["taxonomy version"])),
        run_ids=tuple(sorted(statistics.counts["run"])),
    )
    write_text(folder / CARD, render_card(manifest, statistics))
    write_record(folder / MANIFEST, manifest)
    return ExportReport(out=str(out), format=format_, n_trajectories=statistics.n_trajectories, files=files)


def _write_lines(
    path: Path, part: str, sources: Sequence[Path], format_: str, statistics: Statistics
) -> ExportedFile:
    digest, n_records, size_bytes = hashlib.sha256(), 0, 0
    with writing(path), path.open("wb") as file:
        for source in sources:
            trajectory = read_record(source, Trajectory)
            line = json_line(FORMATS[format_](trajectory))
            file.write(line)
            digest.update(line)
            statistics.add(trajectory)
            n_records, size_bytes = n_records + 1, size_bytes + len(line)
        file.flush()
        os.fsync(file.fileno())
    return ExportedFile(
        file=path.name, part=part, n_records=n_records, size_bytes=size_bytes, sha256=digest.hexdigest()
    )


def json_line(record: Mapping[str, Any]) -> bytes:
    """The object as one line of UTF-8; characters that some readers take for a line's end are escaped."""
    text = json.dumps(record, ensure_ascii=False)
    for character in "\x85\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text.encode() + b"\n"
