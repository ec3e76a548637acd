"""Draws cells (p, D, T, c) from a taxonomy, seeded and never one twice.

Source: ISE paper, stage I: one persona, 2 or 3 domains (mean 2.35), 3 to 6 tasks of these (mean 4.40), and
a complexity by its prior.
"""

from __future__ import annotations

import random
from bisect import bisect
from collections.abc import Callable, Collection, Sequence
from heapq import nsmallest
from itertools import accumulate
from typing import Generic, TypeVar

from engine.errors import InputError
from engine.intents.where import COMPLEXITY_FIELDS, PERSONA_FIELDS, Candidate, Condition, parse_where
from engine.schema.intent import Cell
from engine.schema.taxonomy import ComplexityLevel, Taxonomy
from engine.taxonomy.stats import n_combinations

P_THREE_DOMAINS = 0.35
"""Share of intents that span three domains, the others two: a mean of 2.35."""

MAX_DRY_DRAWS = 100_000
"""Draws without a new cell after which there is taken to be none."""

T = TypeVar("T")


class _Weighted(Generic[T]):
    """Items to draw from by weight; those of weight 0 are never drawn."""

    def __init__(self, items: Sequence[T], weight: Callable[[T], float]) -> None:
        self.items = [item for item in items if weight(item) > 0]
        self.weights = [weight(item) for item in self.items]
        self._sums = list(accumulate(self.weights))

    def __len__(self) -> int:
        return len(self.items)

    def draw(self, rng: random.Random) -> T:
        """One item."""
        return self.items[bisect(self._sums, rng.random() * self._sums[-1], hi=len(self.items) - 1)]

    def draw_many(self, rng: random.Random, number: int, without: Collection[T] = ()) -> list[T]:
        """`number` different items, drawn one after another; fewer where there are fewer.

        Each item gets an exponential waiting time of rate weight; the earliest come first. That is the same
        as drawing by weight and removing, and takes no longer for lopsided weights.
        """
        waits = [
            (rng.expovariate(1.0) / weight, position)
            for position, (item, weight) in enumerate(zip(self.items, self.weights, strict=True))
            if item not in without
        ]
        return [self.items[position] for _, position in nsmallest(number, waits)]


class _Sampler:
    """Proposes cells of a taxonomy that meet the conditions."""

    def __init__(self, taxonomy: Taxonomy, conditions: Sequence[Condition]) -> None:
        of_persona = [c for c in conditions if c.fields <= PERSONA_FIELDS]
        of_level = [c for c in conditions if c.fields <= COMPLEXITY_FIELDS]
        self._others = [c for c in conditions if c not in of_persona and c not in of_level]
        personas = [p for p in taxonomy.personas if _meets(of_persona, Candidate(persona=p))]
        levels = [c for c in taxonomy.complexities if _meets(of_level, Candidate(complexity=c.level.value))]
        self.personas = _Weighted(personas, lambda p: p.weight)
        self.levels = _Weighted(levels, lambda c: c.prior)
        self._counts = {c.level: _Weighted(list(c.n_tasks), c.n_tasks.__getitem__) for c in levels}
        weights = {t.task_id: t.weight for t in taxonomy.tasks}
        self._tasks = {
            domain_id: _Weighted([t.task_id for t in tasks], weights.__getitem__)
            for domain_id, tasks in taxonomy.tasks_by_domain.items()
            if any(t.weight > 0 for t in tasks)
        }
        drawable = [d for d in taxonomy.domains if d.domain_id in self._tasks]
        self._domains = _Weighted(drawable, lambda d: d.weight)
        self._weights = weights
        self._unions: dict[tuple[str, ...], _Weighted[str]] = {}

    def propose(self, rng: random.Random) -> Cell | None:
        """A cell, or None where this draw does not fit."""
        level, persona = self.levels.draw(rng), self.personas.draw(rng)
        size = 3 if len(self._domains) > 2 and rng.random() < P_THREE_DOMAINS else 2
        domain_ids = tuple(d.domain_id for d in self._domains.draw_many(rng, size))
        task_ids = self._draw_tasks(rng, domain_ids, self._counts[level.level].draw(rng))
        candidate = Candidate(persona, level.level.value, domain_ids, task_ids)
        if not task_ids or not _meets(self._others, candidate):
            return None
        return Cell(
            persona_id=persona.persona_id,
            domain_ids=domain_ids,
            task_ids=task_ids,
            complexity=level.level,
        )

    def _draw_tasks(self, rng: random.Random, domain_ids: Sequence[str], number: int) -> tuple[str, ...]:
        """Tasks in the order of asking: one of each domain, the rest from all; none if they are too few."""
        pools = [self._tasks[domain_id] for domain_id in domain_ids]
        if not len(pools) <= number <= sum(len(pool) for pool in pools):
            return ()
        chosen = [pool.draw(rng) for pool in pools]
        if number > len(chosen):
            chosen += self._union(domain_ids).draw_many(rng, number - len(chosen), without=chosen)
        rng.shuffle(chosen)
        return tuple(chosen)

    def _union(self, domain_ids: Sequence[str]) -> _Weighted[str]:
        key = tuple(sorted(domain_ids))
        if key not in self._unions:
            tasks = [task_id for domain_id in key for task_id in self._tasks[domain_id].items]
            self._unions[key] = _Weighted(tasks, self._weights.__getitem__)
        return self._unions[key]


def _meets(conditions: Sequence[Condition], candidate: Candidate) -> bool:
    return all(condition.holds(candidate) for condition in conditions)


def sample_cells(taxonomy: Taxonomy, count: int, seed: int, where: str | None = None) -> list[Cell]:
    """`count` different cells; the same arguments give the same cells, and more of them begin alike.

    Two cells differ if persona, task set or complexity differ; the order of the tasks does not count.

    Args:
        taxonomy: What to draw from.
        count: How many cells.
        seed: Seeds the draw.
        where: Expression that every cell must meet; its grammar stands in `engine.intents.where`.

    Raises:
        InputError: The expression is wrong, or the taxonomy is too small for `count` cells.
    """
    if count < 0:
        raise InputError(f"cannot draw {count} cells: ask for 0 or more")
    sampler = _Sampler(taxonomy, parse_where(where, taxonomy) if where and where.strip() else [])
    possible = n_combinations(taxonomy)
    if count > possible:
        raise InputError(
            f"the taxonomy yields {possible:,} cells, not {count:,}: ask for fewer, or add entries"
        )
    if count and not (len(sampler.personas) and len(sampler.levels)):
        raise InputError(f"no cell meets {where!r}: no persona or complexity is left; widen the expression")
    cells: dict[tuple[str, frozenset[str], ComplexityLevel], Cell] = {}
    rng, since_new = random.Random(seed), 0
    while len(cells) < count and since_new < MAX_DRY_DRAWS:
        cell = sampler.propose(rng)
        n_before = len(cells)
        if cell is not None:
            cells.setdefault((cell.persona_id, frozenset(cell.task_ids), cell.complexity), cell)
        since_new = 0 if len(cells) > n_before else since_new + 1
    if len(cells) < count:
        narrowed = f" that meet {where!r}" if where else ""
        raise InputError(
            f"found only {len(cells):,} different cells{narrowed}, not {count:,}: ask for fewer, "
            "widen the expression or add entries to the taxonomy"
        )
    return list(cells.values())
