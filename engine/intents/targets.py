"""The share of the intents that each part of the taxonomy is due by its weights: the measure of coverage."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from engine.intents.draw_domains import DomainDrawer
from engine.intents.sample import P_THREE_DOMAINS
from engine.schema.intent import Cell
from engine.schema.taxonomy import Taxonomy
from engine.taxonomy.stats import N_DOMAINS

if TYPE_CHECKING:
    from numpy.typing import NDArray

Part = tuple[str, ...]
"""A part of the taxonomy: its kind and the ids that make it, e.g. ("task", "draw-chart")."""


@dataclass(frozen=True, slots=True)
class Targets:
    """Expected number of occurrences per intent of every part that can be drawn."""

    shares: Mapping[Part, float]

    def of_kind(self, kind: str) -> dict[Part, float]:
        """The parts of one kind."""
        return {part: share for part, share in self.shares.items() if part[0] == kind}


def parts_of(cell: Cell, industry: str) -> list[Part]:
    """The parts that one cell reaches."""
    domain_ids = sorted(cell.domain_ids)
    return [
        ("complexity", cell.complexity.value),
        ("persona", cell.persona_id),
        ("industry", industry),
        *(("task", t) for t in cell.task_ids),
        *(("domain", d) for d in domain_ids),
        *(("pair", *pair) for pair in combinations(domain_ids, 2)),
        *(("triple", *triple) for triple in combinations(domain_ids, 3)),
        *(("industry x domain", industry, d) for d in domain_ids),
    ]


def targets_of(taxonomy: Taxonomy) -> Targets:
    """The shares that the weights, priors and leanings promise; constraints and quotas are left out of it."""
    shares: defaultdict[Part, float] = defaultdict(float)
    for level in taxonomy.complexities:
        shares["complexity", level.level.value] += level.prior
    drawn = [p for p in taxonomy.personas if p.weight > 0]
    total = sum(p.weight for p in drawn)
    for persona in drawn:
        shares["persona", persona.persona_id] += persona.weight / total
        shares["industry", persona.industry] += persona.weight / total
    n_tasks = _mean_tasks(taxonomy)
    weights = {d: sum(t.weight for t in tasks) for d, tasks in taxonomy.tasks_by_domain.items()}
    for domain_ids, industry, share in _domain_sets(taxonomy):
        union = sum(weights[d] for d in domain_ids)
        for domain_id in domain_ids:
            shares["domain", domain_id] += share
            shares["industry x domain", industry, domain_id] += share
            given = 1 + (n_tasks - len(domain_ids)) * weights[domain_id] / union
            for task in taxonomy.tasks_by_domain[domain_id]:
                if task.weight > 0:
                    shares["task", task.task_id] += share * given * task.weight / weights[domain_id]
        for pair in combinations(domain_ids, 2):
            shares["pair", *pair] += share
        for triple in combinations(domain_ids, 3):
            shares["triple", *triple] += share
    return Targets(shares)


def _mean_tasks(taxonomy: Taxonomy) -> float:
    """The mean number of tasks of an intent."""
    return sum(
        level.prior * sum(n * w for n, w in level.n_tasks.items()) / sum(level.n_tasks.values())
        for level in taxonomy.complexities
    )


def _domain_sets(taxonomy: Taxonomy) -> Iterable[tuple[tuple[str, ...], str, float]]:
    """Each domain set (sorted) and industry with its share; personas of like leanings are taken together."""
    domains = [
        d
        for d in sorted(taxonomy.domains, key=lambda d: d.domain_id)
        if d.weight > 0 and any(t.weight > 0 for t in taxonomy.tasks_by_domain[d.domain_id])
    ]
    drawn = [p for p in taxonomy.personas if p.weight > 0]
    total = sum(p.weight for p in drawn)
    drawers = {size: DomainDrawer(domains, size, lambda _: True) for size in N_DOMAINS}
    of_size = {2: 1 - P_THREE_DOMAINS, 3: P_THREE_DOMAINS} if len(drawers[3]) else {2: 1.0}
    by_industry: dict[tuple[str, int], NDArray[np.float64]] = {}
    for persona in drawn:
        for size in of_size:
            key = persona.industry, size
            share = drawers[size].share_of(persona) * persona.weight / total
            by_industry[key] = by_industry[key] + share if key in by_industry else share
    for (industry, size), sums in by_industry.items():
        for number, share in enumerate(sums):
            yield drawers[size].domain_ids(number), industry, float(share) * of_size[size]
