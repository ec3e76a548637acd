"""Draws the domain set of a cell: by weight and by what the persona leans to, evenly over all sets."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from engine.intents.balance import Debts, choose
from engine.schema.taxonomy import Domain, Persona

if TYPE_CHECKING:
    from numpy.typing import NDArray

_REPEAT = 30.0
"""How strongly a persona keeps off a domain set that was tried more often than its share."""


class _Seen(NamedTuple):
    """One persona's share of each set, and how often the set was tried for it, with success or not."""

    share: NDArray[np.float64]
    counts: NDArray[np.float64]


class DomainDrawer:
    """Draws sets of one size. The weight of a set is the product of its domains' weights and leanings."""

    def __init__(
        self,
        domains: Sequence[Domain],
        size: int,
        wanted: Callable[[Sequence[str]], bool],
        *,
        even: bool = True,
    ) -> None:
        """Args: the domains, how many a set has, which sets count, whether those behind come sooner."""
        self._even = even
        self._domains = domains
        self._sets = [s for s in combinations([d.domain_id for d in domains], size) if wanted(s)]
        position = {d.domain_id: i for i, d in enumerate(domains)}
        self._member = np.zeros((len(self._sets), len(domains)))
        for row, chosen in enumerate(self._sets):
            self._member[row, [position[d] for d in chosen]] = 1
        self._debts = Debts(len(self._sets))
        self._seen: dict[str, _Seen] = {}

    def __len__(self) -> int:
        return len(self._sets)

    def draw(self, rng: random.Random, persona: Persona, full: NDArray[np.bool_]) -> int | None:
        """The number of a set; None where the persona keeps out of all of them.

        Args:
            rng: Where chance comes from.
            persona: Whose set it is.
            full: Which domains have reached their quota, in the order of the domains.
        """
        seen = self._of(persona)
        n_own = seen.counts.sum()
        too_often = np.maximum(seen.counts - n_own * seen.share, 0)
        weights = seen.share.copy()
        if self._even:
            weights *= self._debts.pull() * np.exp(-_REPEAT * too_often)
        if full.any():
            weights[self._member[:, full].any(axis=1)] = 0
        number = choose(weights, rng)
        if number is not None:
            seen.counts[number] += 1
        return number

    def domain_ids(self, number: int) -> tuple[str, ...]:
        """The domains of a set."""
        return self._sets[number]

    def share_of(self, persona: Persona) -> NDArray[np.float64]:
        """The share of a persona's intents that each set is due, shape (number of sets,)."""
        return self._of(persona).share

    def keep(self, number: int, persona: Persona) -> None:
        """Remembers a set that was drawn and taken."""
        self._debts.counts[number] += 1
        self._debts.promise(self._of(persona).share)

    def _of(self, persona: Persona) -> _Seen:
        if persona.persona_id not in self._seen:
            factors = np.array([d.weight * persona.leans.get(d.domain_id, 1.0) for d in self._domains])
            with np.errstate(divide="ignore"):
                logs = np.log(factors)
            # Sums of logarithms, since a product of many small weights would vanish.
            barred = self._member @ (factors <= 0) > 0
            sums = self._member @ np.where(factors > 0, logs, 0.0)
            share = np.where(barred, 0.0, np.exp(sums - sums.max(initial=-np.inf, where=~barred)))
            total = share.sum()
            self._seen[persona.persona_id] = _Seen(share / total if total else share, np.zeros(len(share)))
        return self._seen[persona.persona_id]
