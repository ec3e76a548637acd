"""How large a taxonomy is: sizes of its dimensions and the exact number of cells that it can yield."""

from __future__ import annotations

from math import comb

from engine.schema.base import Record
from engine.schema.taxonomy import Taxonomy

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

    A cell is a persona, 2 or 3 domains, a set of tasks to which every one of these domains contributes, and
    a complexity that gives that number of tasks a weight. Order does not count.
    """
    sets = _task_sets(taxonomy)
    drawable = sum(
        sets.get(number, 0)
        for level in taxonomy.complexities
        if level.prior > 0
        for number, weight in level.n_tasks.items()
        if weight > 0
    )
    return sum(p.weight > 0 for p in taxonomy.personas) * drawable


def _task_sets(taxonomy: Taxonomy) -> dict[int, int]:
    """Number of tasks -> number of task sets of that size over all allowed domain sets.

    Counts by a product of polynomials: the coefficient of x^n in (1+x)^t - 1 is the number of ways in which
    a domain of t tasks contributes n of them, at least one.
    """
    highest = max((n for level in taxonomy.complexities for n in level.n_tasks), default=0)
    by_size: list[dict[int, int]] = [{0: 1}] + [{} for _ in range(max(N_DOMAINS))]
    for domain in taxonomy.domains:
        n_tasks = sum(t.weight > 0 for t in taxonomy.tasks_by_domain[domain.domain_id])
        if domain.weight <= 0 or not n_tasks:
            continue
        for size in range(max(N_DOMAINS), 0, -1):
            for taken, ways in by_size[size - 1].items():
                for more in range(1, min(n_tasks, highest - taken) + 1):
                    total = taken + more
                    by_size[size][total] = by_size[size].get(total, 0) + ways * comb(n_tasks, more)
    counts: dict[int, int] = {}
    for size in N_DOMAINS:
        for number, ways in by_size[size].items():
            counts[number] = counts.get(number, 0) + ways
    return counts
