"""Draws cells (p, D, T, c) from a taxonomy, seeded, never one twice, and evenly over the whole of it.

Source: ISE paper, stage I: one persona, 2 or 3 domains (mean 2.35), 3 to 6 tasks of these (mean 4.40), and
a complexity by its prior. The draw is coverage-driven: personas, complexities and numbers of tasks are dealt
from decks; domain sets and tasks that are behind their share are drawn sooner; and a persona comes to a
domain set for the second time only after it had the others, as far as its leanings allow.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

import numpy as np

from engine.errors import InputError
from engine.intents.balance import Deck
from engine.intents.draw_domains import DomainDrawer
from engine.intents.draw_tasks import TaskDrawer
from engine.intents.where import (
    DOMAIN_FIELDS,
    PERSONA_FIELDS,
    SIZE_FIELDS,
    Candidate,
    Condition,
    parse_where,
)
from engine.schema.intent import Cell
from engine.schema.taxonomy import Complexity, ComplexityLevel, Persona, Taxonomy
from engine.taxonomy.stats import N_DOMAINS, n_combinations

P_THREE_DOMAINS = 0.35
"""Share of intents that span three domains, the others two: a mean of 2.35."""

MAX_DRY_DRAWS = 3_000
"""Draws without a new cell after which there is taken to be none."""

_TRIES = 8
"""Draws for one persona and complexity before the next are dealt, so that hard ones keep their share."""

CellKey = tuple[str, frozenset[str], ComplexityLevel]


def key_of(cell: Cell) -> CellKey:
    """What tells two cells apart: the persona, the set of tasks and the complexity."""
    return cell.persona_id, frozenset(cell.task_ids), cell.complexity


class CellSampler:
    """Draws cells of a taxonomy that meet the conditions, one after another, and evenly."""

    def __init__(self, taxonomy: Taxonomy, conditions: Sequence[Condition], seed: int) -> None:
        self._rng = random.Random(seed)
        of_persona = [c for c in conditions if c.fields <= PERSONA_FIELDS]
        of_size = [c for c in conditions if c.fields <= SIZE_FIELDS]
        of_domains = [c for c in conditions if c.fields <= DOMAIN_FIELDS]
        known = [*of_persona, *of_size, *of_domains]
        self._others = [c for c in conditions if c not in known]
        personas = [p for p in taxonomy.personas if _meets(of_persona, Candidate(persona=p))]
        numbers = {c.level: _numbers_of(c, of_size) for c in taxonomy.complexities}
        levels = [c for c in taxonomy.complexities if numbers[c.level]]
        self.personas = Deck(personas, [p.weight for p in personas], self._rng)
        self.levels = Deck(levels, [c.prior for c in levels], self._rng)
        self._numbers = {
            level: Deck(list(weights), list(weights.values()), self._rng)
            for level, weights in numbers.items()
        }
        # Under a condition on tasks evenness would fight it: what it asks for is soon ahead of its share.
        even = not self._others
        self._tasks = TaskDrawer(taxonomy, even=even)
        domains = [d for d in taxonomy.domains if d.weight > 0 and self._tasks.offers(d.domain_id)]
        self._domain_ids = [d.domain_id for d in domains]
        self._domain_quotas = np.array([d.quota or np.inf for d in domains])
        by_size = {
            size: DomainDrawer(
                domains, size, lambda s: _meets(of_domains, Candidate(domain_ids=s)), even=even
            )
            for size in N_DOMAINS
        }
        shares = {2: 1 - P_THREE_DOMAINS, 3: P_THREE_DOMAINS}
        sizes = [size for size in N_DOMAINS if len(by_size[size])]
        self._sets = by_size
        self._sizes = Deck(sizes, [shares[size] for size in sizes], self._rng)
        self._n_cells = 0
        self._of_domain: Counter[str] = Counter()
        self._of_persona: Counter[str] = Counter()
        self._drawn: set[CellKey] = set()

    def draw(self) -> Cell | None:
        """A new cell, or None where this persona and complexity came to none."""
        level, persona, size = self.levels.deal(), self.personas.deal(), self._sizes.deal()
        number = self._numbers[level.level].deal()
        if self._is_full(self._of_persona[persona.persona_id], persona.quota):
            return None
        for _ in range(_TRIES):
            if cell := self._propose(level, persona, size, number):
                return cell
        return None

    def exclude(self, cell: Cell) -> None:
        """Counts a cell as drawn, so that it never comes."""
        self._drawn.add(key_of(cell))

    @property
    def is_empty(self) -> bool:
        """True where no persona, complexity or domain set is left to draw from."""
        return not (len(self.personas) and len(self.levels) and len(self._sizes))

    def _propose(self, level: Complexity, persona: Persona, size: int, number: int) -> Cell | None:
        sets, rng = self._sets[size], self._rng
        chosen = sets.draw(rng, persona, self._full_domains())
        if chosen is None:
            return None
        domain_ids = list(sets.domain_ids(chosen))
        task_ids = self._tasks.draw(rng, domain_ids, number, self._n_cells)
        if task_ids is None:
            return None
        rng.shuffle(domain_ids)
        candidate = Candidate(persona, level.level.value, domain_ids, task_ids)
        if not _meets(self._others, candidate):
            return None
        cell = Cell(
            persona_id=persona.persona_id,
            domain_ids=tuple(domain_ids),
            task_ids=task_ids,
            complexity=level.level,
        )
        if key_of(cell) in self._drawn:
            return None
        sets.keep(chosen, persona)
        self._keep(cell)
        return cell

    def _keep(self, cell: Cell) -> None:
        self._drawn.add(key_of(cell))
        self._tasks.keep(cell.task_ids)
        self._of_domain.update(cell.domain_ids)
        self._of_persona[cell.persona_id] += 1
        self._n_cells += 1

    def _full_domains(self) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
        counts = np.array([self._of_domain[d] for d in self._domain_ids])
        full: np.ndarray[tuple[int, ...], np.dtype[np.bool_]] = (
            counts + 1 > self._domain_quotas * (self._n_cells + 1) + 1
        )
        return full

    def _is_full(self, count: int, quota: float | None) -> bool:
        return quota is not None and count + 1 > quota * (self._n_cells + 1) + 1


def _numbers_of(complexity: Complexity, conditions: Sequence[Condition]) -> dict[int, float]:
    """The numbers of tasks that a complexity may have under the conditions, with their weights."""
    return {
        number: weight
        for number, weight in complexity.n_tasks.items()
        if weight > 0
        # How many tasks there are is all that these conditions ask of them.
        and _meets(conditions, Candidate(complexity=complexity.level.value, task_ids=("",) * number))
    }


def _meets(conditions: Sequence[Condition], candidate: Candidate) -> bool:
    return all(condition.holds(candidate) for condition in conditions)


def sample_cells(
    taxonomy: Taxonomy, count: int, seed: int, where: str | None = None, without: Sequence[Cell] = ()
) -> list[Cell]:
    """`count` different cells; the same arguments give the same cells, and more of them begin alike.

    Two cells differ if persona, task set or complexity differ; the order of the tasks does not count.

    Args:
        taxonomy: What to draw from.
        count: How many cells.
        seed: Seeds the draw.
        where: Expression that every cell must meet; its grammar stands in `engine.intents.where`.
        without: Cells that are there already and are not drawn again.

    Raises:
        InputError: The expression is wrong, or the taxonomy is too small for `count` cells.
    """
    if count < 0:
        raise InputError(f"cannot draw {count} cells: ask for 0 or more")
    sampler = CellSampler(taxonomy, parse_where(where, taxonomy) if where and where.strip() else [], seed)
    possible = n_combinations(taxonomy)
    if count > possible:
        raise InputError(
            f"the taxonomy yields {possible:,} cells, not {count:,}: ask for fewer, or add entries"
        )
    if count and sampler.is_empty:
        raise InputError(
            f"no cell meets {where!r}: no persona, complexity or domain set is left; widen the expression"
        )
    for known in without:
        sampler.exclude(known)
    cells: list[Cell] = []
    n_dry = 0
    while len(cells) < count and n_dry < MAX_DRY_DRAWS:
        cell = sampler.draw()
        n_dry = 0 if cell else n_dry + 1
        if cell:
            cells.append(cell)
    if len(cells) < count:
        narrowed = f" that meet {where!r}" if where else ""
        raise InputError(
            f"found only {len(cells):,} different cells{narrowed}, not {count:,}: ask for fewer, "
            "widen the expression, raise quotas or add entries to the taxonomy"
        )
    return cells
