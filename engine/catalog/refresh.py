"""Brings the derived tables up to date with the records, reading only what is new or has changed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from engine.catalog.columns import TRAJECTORY_TABLES
from engine.catalog.manifest import Manifest, Segment, Whole, intact, read_manifest
from engine.catalog.segments import Built, Source, build_segment, chunks, is_full, merge_segments
from engine.catalog.wholes import (
    Rows,
    flag_decisions_source,
    intents_source,
    read_flag_decision_rows,
    read_intent_rows,
    read_run_rows,
    rows_source,
    write_whole,
)
from engine.ports import Progress
from engine.query.files import TableFiles
from engine.store.project import Project
from engine.store.runs import is_id, list_run_ids
from engine.store.tables import Stamp, TableFolder, scan_stamps

MAX_SMALL_SEGMENTS = 8
"""More segments than this that are not full are merged into one."""
GRACE_S = 600.0
"""A part that nothing names any more is kept this long, for readers that hold an older snapshot."""


def refresh(project: Project, *, anew: bool = False, progress: Progress | None = None) -> TableFiles:
    """The project's tables, up to date with its records.

    Cheap where nothing changed: of trajectories and intents it looks at names, sizes and times only; the
    runs' small files are read. Safe to call from several processes at once. A record that cannot be read
    is left out and named in the `problems`.

    Args:
        project: May lie on a read-only file system: then the tables are built in the cache folder.
        anew: Build everything again, whatever is there.
        progress: Called with (records read, records to read).

    Raises:
        StudioError: The tables cannot be written.
    """
    folder = TableFolder.of(project)
    plan = _plan(project, folder, anew=anew)
    if not plan.up_to_date:
        with folder.locked():
            plan = _plan(project, folder, anew=anew)
            if not plan.up_to_date:
                plan = _carried_out(project, folder, plan, progress)
    return _files(folder, plan)


@dataclass(frozen=True, slots=True)
class _Plan:
    """The manifest without what is stale, and what is to be made anew."""

    manifest: Manifest
    stale_segments: frozenset[str]
    sources: dict[str, Source]
    missing: list[Source]
    runs: Rows
    sources_of_wholes: Mapping[str, str]
    """Table -> a hash of what it is made from."""
    skipped: tuple[str, ...]
    stale_wholes: frozenset[str]

    @property
    def up_to_date(self) -> bool:
        return not (self.missing or self.stale_segments or self.stale_wholes or not self.manifest.segments)


def _plan(project: Project, folder: TableFolder, *, anew: bool) -> _Plan:
    manifest = Manifest() if anew else read_manifest(folder)
    sources, skipped = _sources(project)
    live = {name: s for name, s in manifest.segments.items() if _is_live(folder, s, sources)}
    unreadable = {
        key: entry
        for key, entry in manifest.unreadable.items()
        if key in sources and sources[key].stamp == entry.stamp
    }
    covered = {key for segment in live.values() for key in segment.members} | unreadable.keys()
    runs, intents = read_run_rows(project), intents_source(project)
    decisions = flag_decisions_source(project)
    wanted = {"intents": intents, "runs": rows_source(runs), "flag_decisions": decisions}
    wholes = {
        table: whole
        for table, whole in manifest.wholes.items()
        if whole.source == wanted[table] and intact(folder, {whole.part: whole.stamp})
    }
    return _Plan(
        manifest=manifest.model_copy(update={"segments": live, "wholes": wholes, "unreadable": unreadable}),
        stale_segments=frozenset(manifest.segments.keys() - live.keys()),
        sources=sources,
        missing=[source for key, source in sources.items() if key not in covered],
        runs=runs,
        sources_of_wholes=wanted,
        skipped=skipped,
        stale_wholes=frozenset(wanted.keys() - wholes.keys()),
    )


def _is_live(folder: TableFolder, segment: Segment, sources: dict[str, Source]) -> bool:
    same = all(key in sources and sources[key].stamp == stamp for key, stamp in segment.members.items())
    return same and intact(folder, segment.parts)


def _sources(project: Project) -> tuple[dict[str, Source], tuple[str, ...]]:
    """Every finished record by its key, of an id in two runs the newer run's; and what was passed over."""
    by_id: dict[str, Source] = {}
    skipped = []
    for run_id in list_run_ids(project):
        run = project.paths.run(run_id)
        again = dict(scan_stamps(run.reexecutions, ".json"))
        for trajectory_id, stamp in scan_stamps(run.trajectories, ".json"):
            if not is_id(trajectory_id):
                skipped.append(f"{run_id}: the name of the file {trajectory_id!a}.json is no id: rename it")
                continue
            if older := by_id.get(trajectory_id):
                skipped.append(f"{older.key}: run {run_id} has a trajectory of the same id, which is shown")
            by_id[trajectory_id] = Source(
                f"{run_id}/{trajectory_id}", run, trajectory_id, stamp.with_other(again.get(trajectory_id))
            )
    return {source.key: source for source in by_id.values()}, tuple(skipped)


def _carried_out(project: Project, folder: TableFolder, plan: _Plan, progress: Progress | None) -> _Plan:
    """Builds what is missing, merges what is small, and writes the new manifest."""
    before = read_manifest(folder)
    built = Built(dict(plan.manifest.segments), dict(plan.manifest.unreadable))
    _build(folder, plan.missing, built, progress)
    _merge(folder, plan.sources, built)
    wholes = dict(plan.manifest.wholes)
    for table in plan.stale_wholes:
        wholes[table] = _whole(project, folder, table, plan)
    manifest = Manifest(segments=built.segments, wholes=wholes, unreadable=built.unreadable)
    manifest = manifest.model_copy(update={"retired": _retired(folder, manifest, before)})
    folder.write_manifest(manifest.model_dump_json().encode())
    return replace(plan, manifest=manifest, stale_segments=frozenset(), missing=[], stale_wholes=frozenset())


def _build(folder: TableFolder, missing: list[Source], built: Built, progress: Progress | None) -> None:
    done = 0
    for chunk in chunks(missing):
        build_segment(folder, chunk, built)
        done += len(chunk)
        if progress:
            progress(done, len(missing))
    if not built.segments:
        build_segment(folder, [], built)


def _merge(folder: TableFolder, sources: dict[str, Source], built: Built) -> None:
    """Makes one segment of small ones; from their records, where a part turns out to be broken."""
    small = {name: s for name, s in built.segments.items() if not is_full(s.members.values())}
    if len(small) <= MAX_SMALL_SEGMENTS:
        return
    merged: dict[str, Segment] = {}
    stamps: list[Stamp] = []
    for name, segment in sorted(small.items(), key=lambda item: len(item[1].members)):
        if is_full(stamps):
            break
        merged[name] = segment
        stamps.extend(segment.members.values())
    if not merge_segments(folder, merged, built):
        members = [sources[key] for segment in merged.values() for key in segment.members]
        _build(folder, members, built, None)
    for name in merged:
        del built.segments[name]


def _whole(project: Project, folder: TableFolder, table: str, plan: _Plan) -> Whole:
    read = {
        "runs": lambda _: plan.runs,
        "intents": read_intent_rows,
        "flag_decisions": read_flag_decision_rows,
    }
    return write_whole(folder, table, plan.sources_of_wholes[table], read[table](project))


def _retired(folder: TableFolder, manifest: Manifest, before: Manifest) -> dict[str, float]:
    """The parts that nothing names any more and since when; those out of their grace are deleted."""
    named = {part for s in manifest.segments.values() for part in s.parts}
    named |= {whole.part for whole in manifest.wholes.values()}
    now, retired = time.time(), {}
    for part in folder.part_names():
        if part in named:
            continue
        since = before.retired.get(part, now)
        if now - since > GRACE_S:
            folder.drop_part(part)
        else:
            retired[part] = since
    return retired


def _files(folder: TableFolder, plan: _Plan) -> TableFiles:
    manifest = plan.manifest
    parts: dict[str, tuple[Path, ...]] = {
        table: tuple(folder.part(f"{table}-{name}") for name in manifest.segments)
        for table in TRAJECTORY_TABLES
    }
    for table, whole in manifest.wholes.items():
        parts[table] = (folder.part(whole.part),)
    problems = [
        *(entry.reason for entry in manifest.unreadable.values()),
        *plan.skipped,
        *(problem for segment in manifest.segments.values() for problem in segment.problems),
        *(problem for whole in manifest.wholes.values() for problem in whole.problems),
    ]
    return TableFiles(parts, tuple(problems))
