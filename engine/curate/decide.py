"""A curator's word on a flag."""

from __future__ import annotations

import os
from collections.abc import Iterable

from engine.catalog.judged import flags_of
from engine.errors import NotFoundError
from engine.schema.base import utc_now
from engine.schema.flags import Decision, FlagDecision, FlagKey
from engine.store.flags import add_flag_decision
from engine.store.project import Project
from engine.store.runs import read_trajectory


def decide_on_flag(
    project: Project, key: FlagKey, decision: Decision, *, note: str = "", author: str | None = None
) -> FlagDecision:
    """Confirms or overrules a flag, or takes back what was said of it; the meters count accordingly.

    Raises:
        NotFoundError: There is no such trajectory, or it has no such flag; the message names those it has.
    """
    trajectory = read_trajectory(project, key.trajectory_id)
    flags = {FlagKey(key.trajectory_id, f.turn, f.said_by, f.verdict.check) for f in flags_of(trajectory)}
    if key not in flags:
        raise NotFoundError(
            f"{key.trajectory_id} has no flag of {key.check} on what the {key.said_by} said at turn "
            f"{key.turn}: it has {_named(flags)}"
        )
    made = FlagDecision(
        trajectory_id=key.trajectory_id,
        turn=key.turn,
        said_by=key.said_by,
        check=key.check,
        decision=decision,
        author=author or os.environ.get("USER") or "curator",
        created_at=utc_now(),
        note=note,
    )
    add_flag_decision(project, made)
    return made


def _named(flags: Iterable[FlagKey]) -> str:
    return ", ".join(f"{f.check} (turn {f.turn}, {f.said_by})" for f in sorted(flags)[:8]) or "none"
