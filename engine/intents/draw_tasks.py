"""Draws the tasks of a cell: every domain gives one at least, constraints hold, no task falls behind."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np

from engine.intents.balance import Debts, choose
from engine.schema.taxonomy import Taxonomy
from engine.taxonomy.links import task_links


class TaskDrawer:
    """Draws task sets of a taxonomy, and remembers what was drawn."""

    def __init__(self, taxonomy: Taxonomy, *, even: bool = True) -> None:
        """Args: what to draw from, and whether tasks that are behind their share are drawn sooner."""
        self._even = even
        tasks = [t for domain in taxonomy.tasks_by_domain.values() for t in domain]
        self._ids = [t.task_id for t in tasks]
        self._place = {task_id: place for place, task_id in enumerate(self._ids)}
        self._weights = np.array([t.weight for t in tasks], np.float64)
        self._quotas = np.array([t.quota or np.inf for t in tasks], np.float64)
        self._links = task_links(taxonomy)
        self._bound = self._links.constrained()
        self._domain_of = [t.domain_id for t in tasks]
        self._slices: dict[str, slice] = {}
        start = 0
        for domain_id, members in taxonomy.tasks_by_domain.items():
            self._slices[domain_id] = slice(start, start + len(members))
            start += len(members)
        self._debts = Debts(len(tasks))

    def offers(self, domain_id: str) -> bool:
        """True where the domain has a task that can be drawn."""
        return bool(self._weights[self._slices[domain_id]].any())

    def draw(
        self, rng: random.Random, domain_ids: Sequence[str], number: int, n_cells: int
    ) -> tuple[str, ...] | None:
        """`number` tasks in the order of asking; None where this draw came to a dead end.

        Args:
            rng: Where chance comes from.
            domain_ids: Each gives one task at least.
            number: How many tasks.
            n_cells: Cells drawn so far, for the quotas.
        """
        pull = self._weights * self._debts.pull() if self._even else self._weights.copy()
        pull[self._debts.counts + 1 > self._quotas * (n_cells + 1) + 1] = 0
        open_places = np.zeros(len(pull), bool)
        for domain_id in domain_ids:
            open_places[self._slices[domain_id]] = True
        pull[~open_places] = 0
        chosen: dict[str, None] = {}
        for domain_id in rng.sample(list(domain_ids), len(domain_ids)):
            if any(self._domain_of[self._place[t]] == domain_id for t in chosen):
                continue
            only = np.zeros(len(pull))
            only[self._slices[domain_id]] = pull[self._slices[domain_id]]
            if not self._add(chosen, only, pull, domain_ids, number, rng):
                return None
        while len(chosen) < number:
            if not self._add(chosen, pull, pull, domain_ids, number, rng):
                return None
        order = list(chosen)
        rng.shuffle(order)
        return self._links.in_order(order)

    def _add(
        self,
        chosen: dict[str, None],
        weights: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
        drawable: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
        domain_ids: Sequence[str],
        number: int,
        rng: random.Random,
    ) -> bool:
        """Chooses one more task that fits, with what it needs; False where none does."""
        weights = weights.copy()
        weights[[self._place[t] for t in chosen]] = 0
        while (place := choose(weights, rng)) is not None:
            task_id = self._ids[place]
            wanted = [t for t in self._links.closures[task_id] if t not in chosen]
            if task_id not in self._bound or self._fits(wanted, chosen, drawable):
                covered = {self._domain_of[self._place[t]] for t in (*chosen, *wanted)}
                if len(chosen) + len(wanted) + len(set(domain_ids) - covered) <= number:
                    chosen.update(dict.fromkeys(sorted(wanted)))
                    return True
            weights[place] = 0
        return False

    def _fits(
        self,
        wanted: Sequence[str],
        chosen: dict[str, None],
        drawable: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
    ) -> bool:
        together = {*chosen, *wanted}
        return all(
            drawable[self._place[t]] > 0 and self._links.conflicts[t].isdisjoint(together) for t in wanted
        )

    def keep(self, task_ids: Sequence[str]) -> None:
        """Remembers a task set that was drawn and taken."""
        places = [self._place[t] for t in task_ids]
        self._debts.counts[places] += 1
        for domain_id in {self._domain_of[place] for place in places}:
            at = self._slices[domain_id]
            n_given = sum(at.start <= place < at.stop for place in places)
            weights = self._weights[at]
            self._debts.promise(n_given * weights / weights.sum(), at)
