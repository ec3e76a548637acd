"""The tables that are rebuilt as a whole: intents, runs and what curators said of flags."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, ValidationError

from engine.catalog.columns import polars_schema
from engine.catalog.manifest import Whole
from engine.catalog.rows import Row, flag_decision_row, intent_row, run_row
from engine.catalog.segments import frame_of, new_name, parquet_bytes
from engine.errors import NotFoundError, StudioError, one_line
from engine.schema.flags import FlagDecision
from engine.schema.intent import DedupDecision, Intent, Overrule
from engine.store.files import R, first_problem, read_bytes
from engine.store.flags import latest_decisions
from engine.store.intents import latest, list_batches, read_batch
from engine.store.project import Project
from engine.store.runs import list_run_ids, read_config, read_status
from engine.store.tables import Stamp, TableFolder, stamp_of, stray_runs


class Rows(NamedTuple):
    """A table's rows, and what could not be read."""

    rows: list[Row]
    problems: tuple[str, ...]


def intents_source(project: Project) -> str:
    """A hash that changes with every change of a batch, of what dedup decided or of an overrule."""
    paths = project.paths
    files = [paths.batch(batch) for batch in list_batches(project)]
    stamps: list[tuple[str, Stamp | None]] = [
        (path.name, stamp_of(path)) for path in (*files, paths.dedup_decisions, paths.overrules)
    ]
    return _hash(stamps)


def read_intent_rows(project: Project) -> Rows:
    """A row for every intent that can be read; a line that cannot is a problem, named with its number."""
    problems: list[str] = []
    paths = project.paths
    decisions = {d.intent_id: d for d in _scan_lines(paths.dedup_decisions, DedupDecision, problems)}
    by_hand = latest(_scan_lines(paths.overrules, Overrule, problems))
    decisions = {i: d for i, d in decisions.items() if i not in by_hand or not by_hand[i].keep}
    dropped = decisions.keys() | {i for i, overrule in by_hand.items() if not overrule.keep}
    rows: dict[str, Row] = {}
    for batch in list_batches(project):
        made_at = _made_at(project, batch)
        for intent in _scan_lines(paths.batch(batch), Intent, problems):
            try:
                rows[intent.intent_id] = intent_row(
                    intent,
                    batch,
                    made_at,
                    kept=intent.intent_id not in dropped,
                    decision=decisions.get(intent.intent_id),
                )
            except OverflowError as error:
                problems.append(f"{paths.batch(batch)}: intent {intent.intent_id}: {one_line(error)}")
    return Rows(list(rows.values()), tuple(problems))


def _made_at(project: Project, batch: str) -> datetime | None:
    """When a batch was made; None where its note does not say, or says what no table holds."""
    about = read_batch(project, batch)
    try:
        return about.created_at.astimezone(UTC) if about else None
    except OverflowError:
        return None


def _scan_lines(path: Path, kind: type[R], problems: list[str]) -> Iterator[R]:
    try:
        lines = read_bytes(path).splitlines()
    except NotFoundError:
        return
    except StudioError as error:
        problems.append(one_line(error))
        return
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            yield kind.model_validate_json(line)
        except ValidationError as error:
            problems.append(f"{path}:{number} is not a valid {kind.__name__}: {first_problem(error)}")


def read_run_rows(project: Project) -> Rows:
    """A row for every run. Read anew each time: whether a worker lives is written in no file."""
    rows: list[Row] = []
    problems = [
        f"the folder {name!a} in {project.paths.runs} has no config.json, or a name that is none of a run: "
        "the trajectories in it are not shown"
        for name in stray_runs(project)
    ]
    for run_id in list_run_ids(project):
        run = project.paths.run(run_id)
        try:
            rows.append(run_row(read_config(run), read_status(run)))
        except StudioError as error:
            problems.append(one_line(error))
        except OverflowError as error:
            problems.append(f"{run.root} has a time that no table holds: {one_line(error)}")
    return Rows(rows, tuple(problems))


def flag_decisions_source(project: Project) -> str:
    """A hash that changes with every decision."""
    return _hash(str(stamp_of(project.paths.flag_decisions)))


def read_flag_decision_rows(project: Project) -> Rows:
    """A row for every decision that counts; a line that cannot be read is a problem."""
    problems: list[str] = []
    said = latest_decisions(_scan_lines(project.paths.flag_decisions, FlagDecision, problems))
    return Rows([flag_decision_row(decision) for decision in said.values()], tuple(problems))


def rows_source(found: Rows) -> str:
    """A hash that changes with the rows themselves, but for the time of a status that says nothing new."""
    said = [{name: value for name, value in row.items() if name != "updated_at"} for row in found.rows]
    return _hash([list(map(repr, said)), found.problems])


def write_whole(folder: TableFolder, table: str, source: str, found: Rows) -> Whole:
    """Writes the whole table as a new part."""
    part = f"{table}-{new_name()}"
    stamp = folder.write_part(part, parquet_bytes(frame_of(found.rows, polars_schema(table))))
    return Whole(source=source, part=part, stamp=stamp, problems=found.problems)


def _hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value, default=_plain).encode()).hexdigest()


def _plain(value: object) -> object:
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else str(value)
