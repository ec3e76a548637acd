"""Intent batches and dedup decisions of a project."""

from __future__ import annotations

import re

from engine.errors import InputError, NotFoundError
from engine.schema.intent import DedupDecision, Intent
from engine.store.files import exclusive, read_json_lines, write_json_lines
from engine.store.project import Project

_BATCH = re.compile(r"batch-[0-9]{1,9}")


def list_batches(project: Project) -> list[str]:
    """Names of the intent batches, in the order in which they were made; files of other names are none."""
    folder = project.paths.intents
    if not folder.is_dir():
        return []
    return sorted((p.stem for p in folder.glob("batch-*.jsonl") if _BATCH.fullmatch(p.stem)), key=_number)


def _number(batch: str) -> int:
    return int(batch.removeprefix("batch-"))


def read_intents(project: Project) -> list[Intent]:
    """All intents of the project, batch by batch."""
    return [
        intent
        for batch in list_batches(project)
        for intent in read_json_lines(project.paths.batch(batch), Intent)
    ]


def known_ids(project: Project) -> set[str]:
    """Ids of all intents of the project."""
    return {intent.intent_id for intent in read_intents(project)}


def write_batch(project: Project, intents: list[Intent]) -> str:
    """Writes one new batch, whole, and gives its name. Writers take turns.

    Raises:
        InputError: An intent id stands in the project already (nothing is written).
    """
    with exclusive(project.paths.intents / ".lock"):
        known = known_ids(project)
        repeated = [i.intent_id for i in intents if i.intent_id in known]
        if repeated:
            raise InputError(f"{len(repeated)} intents are in the project already, first {repeated[0]}")
        name = f"batch-{max(map(_number, list_batches(project)), default=0) + 1:04d}"
        write_json_lines(project.paths.batch(name), intents)
    return name


def read_decisions(project: Project) -> list[DedupDecision]:
    """What dedup decided last; empty where it has not run."""
    try:
        return read_json_lines(project.paths.dedup_decisions, DedupDecision)
    except NotFoundError:
        return []


def write_decisions(project: Project, decisions: list[DedupDecision]) -> None:
    """Replaces what dedup decided."""
    write_json_lines(project.paths.dedup_decisions, decisions)


def read_kept_intents(project: Project) -> list[Intent]:
    """The intents that dedup did not drop."""
    dropped = {d.intent_id for d in read_decisions(project)}
    return [i for i in read_intents(project) if i.intent_id not in dropped]
