"""What the constraints between tasks come to: which tasks ride along with a task, and which it rules out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from engine.schema.taxonomy import Taxonomy


class TaskLinks(NamedTuple):
    """The constraints of all tasks, worked out."""

    closures: Mapping[str, frozenset[str]]
    """Task -> itself and all that it needs, directly or through others."""
    conflicts: Mapping[str, frozenset[str]]
    """Task -> the tasks that can never stand in an intent with it and all that it needs."""

    def constrained(self) -> frozenset[str]:
        """Tasks that some constraint is about."""
        linked = {t for t, closure in self.closures.items() if len(closure) > 1 or self.conflicts[t]}
        return frozenset(t for task_id in linked for t in self.closures[task_id])

    def in_order(self, task_ids: list[str]) -> tuple[str, ...]:
        """The tasks in their order, but each after those that it needs."""
        ordered: dict[str, None] = {}

        def add(task_id: str) -> None:
            for needed in sorted(self.closures[task_id] - {task_id}, key=task_ids.index):
                if needed not in ordered:
                    add(needed)
            ordered.setdefault(task_id)

        for task_id in task_ids:
            add(task_id)
        return tuple(ordered)


def task_links(taxonomy: Taxonomy) -> TaskLinks:
    """The links of a sound taxonomy: every named task exists, and no task needs itself."""
    needs = {t.task_id: t.needs for t in taxonomy.tasks}
    closures = {task_id: closure_of(task_id, needs) for task_id in needs}
    excluded: dict[str, set[str]] = {task_id: set() for task_id in needs}
    for task in taxonomy.tasks:
        for other in task.excludes:
            excluded[task.task_id].add(other)
            excluded[other].add(task.task_id)
    conflicts = {
        task_id: frozenset(other for member in closure for other in excluded[member])
        for task_id, closure in closures.items()
    }
    return TaskLinks(closures, conflicts)


def closure_of(task_id: str, needs: Mapping[str, tuple[str, ...]]) -> frozenset[str]:
    """`task_id` and all that it needs; unknown tasks need nothing, circles end."""
    found, waiting = {task_id}, [task_id]
    while waiting:
        fresh = set(needs.get(waiting.pop(), ())) - found
        found |= fresh
        waiting += fresh
    return frozenset(found)
