"""Intent batches of a project, what dedup decided about them, and what a curator did."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from engine.errors import InputError, NotFoundError, StudioError
from engine.schema.base import utc_now
from engine.schema.intent import Batch, DedupDecision, DedupReport, Intent, Overrule
from engine.store.files import (
    exclusive,
    read_bytes,
    read_json_lines,
    read_record,
    write_json_lines,
    write_record,
    writing,
)
from engine.store.project import Project

_BATCH = re.compile(r"batch-[0-9]{1,9}")
_ID_FIRST = re.compile(rb'\{"intent_id":"([a-z0-9][a-z0-9._-]{0,79})"')


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
    """Ids of all intents of the project; of a line that begins as we write it, no more than that is read."""
    ids = set()
    for batch in list_batches(project):
        for line in read_bytes(project.paths.batch(batch)).splitlines():
            if begun := _ID_FIRST.match(line):
                ids.add(begun[1].decode("ascii"))
            elif line.strip():
                return {intent.intent_id for intent in read_intents(project)}
    return ids


def write_batch(
    project: Project,
    intents: Sequence[Intent],
    *,
    origin: str = "unknown",
    seed: int | None = None,
    where: str | None = None,
) -> str:
    """Writes one new batch, whole, and gives its name. Writers take turns.

    Args:
        project: Where it goes.
        intents: What it holds.
        origin: Who wrote it; see `Batch`.
        seed: Of the draw.
        where: What narrowed the cells.

    Raises:
        InputError: An intent id stands in the project already (nothing is written).
    """
    with exclusive(project.paths.intents / ".lock"):
        known = known_ids(project)
        repeated = [i.intent_id for i in intents if i.intent_id in known]
        if repeated:
            raise InputError(f"{len(repeated)} intents are in the project already, first {repeated[0]}")
        name = f"batch-{max(map(_number, list_batches(project)), default=0) + 1:04d}"
        about = Batch(
            name=name, created_at=utc_now(), n_intents=len(intents), origin=origin, seed=seed, where=where
        )
        note = project.paths.batch_info(name)
        write_record(note, about)
        try:
            write_json_lines(project.paths.batch(name), intents)
        except StudioError:
            note.unlink(missing_ok=True)  # of a batch that is not there
            raise
    return name


def read_batch(project: Project, name: str) -> Batch | None:
    """How a batch came to be; None where its note is lost."""
    try:
        return read_record(project.paths.batch_info(name), Batch)
    except StudioError:
        return None


def read_decisions(project: Project) -> list[DedupDecision]:
    """What dedup decided last; empty where it has not run."""
    try:
        return read_json_lines(project.paths.dedup_decisions, DedupDecision)
    except NotFoundError:
        return []


def write_decisions(project: Project, decisions: list[DedupDecision]) -> None:
    """Replaces what dedup decided; the report goes, as it was about the decisions that went."""
    with writing(project.paths.dedup_report):
        project.paths.dedup_report.unlink(missing_ok=True)
    write_json_lines(project.paths.dedup_decisions, decisions)


def dedup_has_run(project: Project) -> bool:
    """True when there are decisions of dedup, be it that nothing repeats anything."""
    return project.paths.dedup_decisions.is_file()


def read_dedup_report(project: Project) -> DedupReport | None:
    """How dedup's decisions came to be; None where nothing says so.

    Raises:
        InputError: The file is damaged.
    """
    try:
        return read_record(project.paths.dedup_report, DedupReport)
    except NotFoundError:
        return None


def write_dedup_report(project: Project, report: DedupReport) -> None:
    """Says how the decisions that stand came to be."""
    write_record(project.paths.dedup_report, report)


def read_overrules(project: Project) -> list[Overrule]:
    """All that curators said about single intents, in the order in which they said it."""
    try:
        return read_json_lines(project.paths.overrules, Overrule)
    except NotFoundError:
        return []


def add_overrule(project: Project, overrule: Overrule) -> None:
    """Adds a line to the overrules. Writers take turns."""
    with exclusive(project.paths.intents / ".lock"):
        write_json_lines(project.paths.overrules, [*read_overrules(project), overrule])


def latest(overrules: Iterable[Overrule]) -> dict[str, Overrule]:
    """The overrule that counts, by intent id; of an intent whose overrule was taken back there is none."""
    last = {o.intent_id: o for o in overrules}
    return {intent_id: overrule for intent_id, overrule in last.items() if overrule.keep is not None}


def by_hand(overrules: Iterable[Overrule]) -> dict[str, bool]:
    """Whether a curator wants an intent kept (or dropped), by its id."""
    return {intent_id: bool(overrule.keep) for intent_id, overrule in latest(overrules).items()}


def read_kept_intents(project: Project) -> list[Intent]:
    """The intents that dedup did not drop, but for those on which a curator said otherwise."""
    return kept_among(read_intents(project), read_decisions(project), read_overrules(project))


def kept_among(
    intents: Iterable[Intent], decisions: Iterable[DedupDecision], overrules: Iterable[Overrule]
) -> list[Intent]:
    """Those of `intents` that dedup did not drop, but for those on which a curator said otherwise."""
    kept = {d.intent_id: False for d in decisions} | by_hand(overrules)
    return [i for i in intents if kept.get(i.intent_id, True)]
