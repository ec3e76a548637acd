"""Intent batches and dedup decisions of a project."""

from __future__ import annotations

from engine.errors import InputError, NotFoundError
from engine.schema.intent import DedupDecision, Intent
from engine.store.files import read_json_lines, write_json_lines
from engine.store.project import Project


def list_batches(project: Project) -> list[str]:
    """Names of the intent batches, in the order in which they were made."""
    folder = project.paths.intents
    if not folder.is_dir():
        return []
    return sorted(p.stem for p in folder.glob("batch-*.jsonl"))


def read_intents(project: Project) -> list[Intent]:
    """All intents of the project, batch by batch."""
    return [
        intent
        for batch in list_batches(project)
        for intent in read_json_lines(project.paths.intents / f"{batch}.jsonl", Intent)
    ]


def write_batch(project: Project, intents: list[Intent]) -> str:
    """Writes one new batch, whole, and gives its name.

    Raises:
        InputError: An intent id stands in the project already (nothing is written).
    """
    known = {i.intent_id for i in read_intents(project)}
    repeated = [i.intent_id for i in intents if i.intent_id in known]
    if repeated:
        raise InputError(f"{len(repeated)} intents are in the project already, first {repeated[0]}")
    taken = [int(name.removeprefix("batch-")) for name in list_batches(project)]
    name = f"batch-{max(taken, default=0) + 1:04d}"
    write_json_lines(project.paths.intents / f"{name}.jsonl", intents)
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
