"""How large a taxonomy is: sizes of its dimensions and the exact number of cells that it can yield."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import combinations
from math import comb

from engine.schema.base import Record
from engine.schema.taxonomy import Taxonomy
from engine.taxonomy.links import task_links

N_DOMAINS = (2, 3)
"""How many domains an intent may span."""


class TaxonomyStats(Record):
    """Sizes of a taxonomy."""

    version: str
    content_hash: str
    personas: int
    roles: int
    industries: int
    styles: int
    levels: int
    domains: int
    tasks: int
    complexities: int
    n_combinations: int
    """Cells that can be drawn: persona x domain set x task set x complexity, those of weight 0 left out."""


def taxonomy_stats(taxonomy: Taxonomy) -> TaxonomyStats:
    """Counts over the four dimensions."""
    personas = taxonomy.personas
    return TaxonomyStats(
        version=taxonomy.version,
        content_hash=taxonomy.content_hash,
        personas=len(personas),
        roles=len({p.role for p in personas}),
        industries=len({p.industry for p in personas}),
        styles=len({p.communication_style for p in personas}),
        levels=len({p.experience_level for p in personas}),
        domains=len(taxonomy.domains),
        tasks=len(taxonomy.tasks),
        complexities=len(taxonomy.complexities),
        n_combinations=n_combinations(taxonomy),
    )


def n_combinations(taxonomy: Taxonomy) -> int:
    """The number of cells that can be drawn, exactly.

    A cell is a persona, 2 or 3 domains that it does not keep out of, a set of tasks to which every one of
    these domains contributes and that meets the tasks' constraints, and a complexity that gives that number
    of tasks a weight. Order does not count; quotas bound shares, not cells.
    """
    levels = [
        number
        for level in taxonomy.complexities
        if level.prior > 0
        for number, weight in level.n_tasks.items()
        if weight > 0
    ]
    if not levels:
        return 0
    drawable = [d.domain_id for d in taxonomy.domains if d.weight > 0]
    barred = Counter(
        frozenset(d for d, factor in p.leans.items() if factor == 0)
        for p in taxonomy.personas
        if p.weight > 0
    )
    count = _TaskSetCounter(taxonomy, max(levels))
    total = 0
    for size in N_DOMAINS:
        for domain_ids in combinations(drawable, size):
            n_personas = sum(n for closed, n in barred.items() if closed.isdisjoint(domain_ids))
            if n_personas:
                sizes = count.by_size(domain_ids)
                total += n_personas * sum(sizes[number] for number in levels)
    return total


class _TaskSetCounter:
    """Counts the task sets that a set of domains allows, by their size."""

    def __init__(self, taxonomy: Taxonomy, highest: int) -> None:
        self._highest = highest
        self._links = task_links(taxonomy)
        constrained = self._links.constrained()
        self._free: dict[str, int] = {}
        self._bound: dict[str, list[str]] = {}
        for domain_id, tasks in taxonomy.tasks_by_domain.items():
            ids = [t.task_id for t in tasks if t.weight > 0]
            self._bound[domain_id] = [t for t in ids if t in constrained]
            self._free[domain_id] = len(ids) - len(self._bound[domain_id])

    def by_size(self, domain_ids: Sequence[str]) -> list[int]:
        """Number of task sets of each size, 0 to the highest."""
        bound = [(task_id, place) for place, d in enumerate(domain_ids) for task_id in self._bound[d]]
        known = {task_id for task_id, _ in bound}
        usable = [pair for pair in bound if self._links.closures[pair[0]] <= known]
        counts = [0] * (self._highest + 1)
        for chosen in self._sound_sets(usable):
            ways = [1] + [0] * self._highest
            for place, domain_id in enumerate(domain_ids):
                ways = self._with_domain(ways, self._free[domain_id], any(at == place for _, at in chosen))
            for number in range(len(chosen), self._highest + 1):
                counts[number] += ways[number - len(chosen)]
        return counts

    def _sound_sets(self, bound: Sequence[tuple[str, int]]) -> Iterator[list[tuple[str, int]]]:
        """Every subset of the constrained tasks that holds what it needs and nothing that it excludes."""
        for size in range(min(len(bound), self._highest) + 1):
            for chosen in combinations(bound, size):
                ids = {task_id for task_id, _ in chosen}
                if all(
                    self._links.closures[t] <= ids and self._links.conflicts[t].isdisjoint(ids) for t in ids
                ):
                    yield list(chosen)

    def _with_domain(self, ways: list[int], n_free: int, served: bool) -> list[int]:
        """Ways after one more domain gave 0 or more of its free tasks, at least one if it gave none yet."""
        after = [0] * len(ways)
        for taken, number in enumerate(ways):
            for more in range(0 if served else 1, min(n_free, self._highest - taken) + 1):
                after[taken + more] += number * comb(n_free, more)
        return after
