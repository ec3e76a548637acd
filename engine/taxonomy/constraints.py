"""What is wrong with the constraints of a taxonomy: leanings, needs, exclusions, quotas, twins."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import TypeVar

from engine.schema.base import Record
from engine.schema.taxonomy import Domain, Persona, Task
from engine.taxonomy.links import closure_of
from engine.taxonomy.nodes import Fault, Kept

R = TypeVar("R", bound=Record)


def twins(entries: Sequence[Kept[R]], *fields: str) -> Iterable[Fault]:
    """Entries that are alike in all these fields under different ids."""
    seen: dict[tuple[str, ...], Kept[R]] = {}
    for kept in entries:
        key = tuple(str(getattr(kept.record, name)).casefold() for name in fields)
        first = seen.setdefault(key, kept)
        if first is not kept:
            problem = f"{kept.id!r} is the same as {first.id!r} in {first.where()}: equal {', '.join(fields)}"
            yield Fault(kept.where(fields[0]), problem, "change or remove one of the two")


def lean_faults(personas: Sequence[Kept[Persona]], domains: Sequence[Kept[Domain]]) -> Iterable[Fault]:
    """Leanings to domains that are none, and personas that keep out of nearly all of them."""
    known = {kept.id: kept.record.weight for kept in domains}
    if not known:
        return
    for kept in personas:
        leans = kept.record.leans
        for domain_id in leans:
            if domain_id not in known:
                problem = f"persona {kept.id!r} leans to the unknown domain {domain_id!r}"
                yield Fault(kept.where("leans", domain_id), problem, f"use one of {_near(domain_id, known)}")
        if sum(weight > 0 and leans.get(name, 1.0) > 0 for name, weight in known.items()) < 2 <= len(known):
            mend = "an intent spans 2 or 3 domains: leave it at least two with a factor above 0"
            yield Fault(kept.where("leans"), f"persona {kept.id!r} can never be drawn", mend)


def link_faults(tasks: Sequence[Kept[Task]]) -> Iterable[Fault]:
    """Needs and exclusions of tasks that are none, of the task itself, in circles or at odds."""
    known = {kept.id: kept for kept in tasks}
    needs = {kept.id: kept.record.needs for kept in tasks}
    for kept in tasks:
        for field in ("needs", "excludes"):
            for place, other in enumerate(getattr(kept.record, field)):
                where = kept.where(field, place)
                if other == kept.id:
                    yield Fault(where, f"task {kept.id!r} {field} itself", "remove it from the list")
                elif other not in known:
                    problem = f"task {kept.id!r} {field} the unknown task {other!r}"
                    yield Fault(where, problem, f"use one of {_near(other, known)}")
        closure = closure_of(kept.id, needs)
        if any(kept.id in closure_of(n, needs) for n in kept.record.needs if n != kept.id):
            yield Fault(kept.where("needs"), f"task {kept.id!r} needs itself in a circle", "break the circle")
        for member in sorted(closure):
            at_odds = closure & set(known[member].record.excludes) if member in known else set()
            if at_odds - {member}:
                other = sorted(at_odds - {member})[0]
                problem = (
                    f"task {kept.id!r} can never be drawn: it needs both {member!r} and {other!r}, "
                    "of which one excludes the other"
                )
                yield Fault(kept.where("needs"), problem, "drop the need or the exclusion")


def unreachable_tasks(
    tasks: Sequence[Kept[Task]], domains: Sequence[Kept[Domain]], max_tasks: int, max_domains: int
) -> Iterable[Fault]:
    """Tasks with a weight that can never be drawn: what they need cannot, or is too much."""
    by_id = {kept.id: kept.record for kept in tasks}
    needs = {task_id: task.needs for task_id, task in by_id.items()}
    idle = {kept.id for kept in domains if not kept.record.weight}
    for kept in tasks:
        if not kept.record.weight:
            continue
        closure = [by_id[t] for t in sorted(closure_of(kept.id, needs)) if t in by_id]
        dead = [t.task_id for t in closure if t.task_id != kept.id and (not t.weight or t.domain_id in idle)]
        where = kept.where("needs") if kept.record.needs else kept.where()
        if dead:
            problem = f"task {kept.id!r} can never be drawn: it needs {dead[0]!r}, which has no weight"
            yield Fault(where, problem, "give that task and its domain a weight above 0, or drop the need")
        elif len(closure) > max_tasks or len({t.domain_id for t in closure}) > max_domains:
            size = f"{len(closure)} tasks of {len({t.domain_id for t in closure})} domains"
            problem = f"task {kept.id!r} can never be drawn: with all that it needs it is {size}"
            yield Fault(where, problem, f"an intent has {max_tasks} tasks of {max_domains} domains at most")


def quota_faults(domains: Sequence[Kept[Domain]]) -> Iterable[Fault]:
    """Quotas of the domains that leave no room for two domains an intent."""
    drawable = [kept for kept in domains if kept.record.weight]
    room = sum(kept.record.quota or 1.0 for kept in drawable)
    with_quota = [kept for kept in drawable if kept.record.quota]
    if with_quota and room < 2:
        problem = f"the quotas of the domains sum to {room:g}, and an intent spans 2 or 3 domains"
        yield Fault(with_quota[-1].where("quota"), problem, "raise them so that they sum to 2 or more")


def _near(name: str, known: Iterable[str], limit: int = 10) -> str:
    names = sorted(known)
    return ", ".join(get_close_matches(name, names, n=limit, cutoff=0.4) or names[:limit])
