"""Selections: a SQL condition over the trajectories table, saved under a name with what it selected."""

from __future__ import annotations

from engine.catalog import refresh
from engine.query.run import select_ids
from engine.schema.base import utc_now
from engine.schema.split import Selection
from engine.store.curation import check_name, write_selection
from engine.store.project import Project


def save_selection(project: Project, name: str, where: str) -> Selection:
    """Saves what the condition selects now, in the place of an older selection of that name.

    Args:
        project: Where the trajectories are.
        name: Lower-case letters, digits, '.', '_' and '-'.
        where: What stands after WHERE over the trajectories table; from anyone.

    Raises:
        InputError: The name or the condition is wrong; nothing was written.
        QueryLimitError: The condition was ended at its bound of time or memory.
    """
    check_name(name)
    ids = select_ids(refresh(project), where)
    selection = Selection(name=name, where=where, trajectory_ids=tuple(ids), created_at=utc_now())
    write_selection(project, selection)
    return selection
