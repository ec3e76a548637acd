"""What curators said of flags: one file, to which lines are only ever added."""

from __future__ import annotations

from collections.abc import Iterable

from engine.errors import NotFoundError
from engine.schema.flags import Decision, FlagDecision, FlagKey
from engine.store.files import exclusive, read_json_lines, write_json_lines
from engine.store.project import Project


def read_flag_decisions(project: Project) -> list[FlagDecision]:
    """All that curators said of flags, in the order in which they said it.

    Raises:
        InputError: A line is no valid decision; the message names file and line.
    """
    try:
        return read_json_lines(project.paths.flag_decisions, FlagDecision)
    except NotFoundError:
        return []


def add_flag_decision(project: Project, decision: FlagDecision) -> None:
    """Adds a decision. Writers take turns."""
    path = project.paths.flag_decisions
    with exclusive(path.parent / ".lock"):
        write_json_lines(path, [*read_flag_decisions(project), decision])


def latest_decisions(decisions: Iterable[FlagDecision]) -> dict[FlagKey, FlagDecision]:
    """The decision that counts, by flag; of a flag whose decision was taken back there is none."""
    last = {d.key: d for d in decisions}
    return {key: d for key, d in last.items() if d.decision is not Decision.OPEN}
