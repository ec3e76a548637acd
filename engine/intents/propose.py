"""Proposes the cells to realise next: those that pay most coverage debt and promise most diversity.

Many cells are drawn; of these the best are taken one after another, each choice counting as drawn for the
next. A cell's debt is how far its tasks, domains, pairs, industry and so on are behind their shares; its gain
is what an intent there is expected to add to the entropy behind the Vendi Score, from the vectors that the
pool's cells came to. The two are brought to one scale and weighed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from engine.errors import InputError
from engine.intents.coverage import count_parts
from engine.intents.foresee import Foresight, first_order_gain
from engine.intents.gram import Gram
from engine.intents.sample import sample_cells
from engine.intents.targets import Part, parts_of, targets_of
from engine.ports import Progress
from engine.schema.intent import Cell, Intent
from engine.schema.taxonomy import Taxonomy

if TYPE_CHECKING:
    from numpy.typing import NDArray

BALANCE = 0.5
"""Weight of the expected gain in a choice; the rest is the coverage debt's."""

_CANDIDATES_PER_CELL = 8
_MOST_CANDIDATES = 20_000
_ROUNDS = 20
"""The choices are made in so many rounds; after each, debts and gains are worked out anew."""
_REASONS = 3
_FEWEST_TO_LEARN = 50
"""Embedded intents from which a gain can be foreseen."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A cell worth realising next, and the evidence for it."""

    cell: Cell
    debt: float
    """Mean share of what its parts are due that is still open, 0 (all paid) to 1 (never reached)."""
    gain: float | None
    """Expected gain in entropy over that of a mean candidate; None where too little is embedded to tell."""
    reasons: tuple[str, ...]
    """Its most open parts in words, such as "task rank-options: 0 of 3.2"."""


@dataclass(frozen=True, slots=True)
class Pool:
    """The intents that are there, and the unit vectors (n, d) of all of them, where they are embedded."""

    intents: Sequence[Intent]
    vectors: NDArray[np.float32] | None


def propose_cells(
    taxonomy: Taxonomy,
    pool: Pool,
    count: int,
    seed: int,
    where: str | None = None,
    balance: float = BALANCE,
    progress: Progress | None = None,
) -> list[Proposal]:
    """`count` different cells that the pool does not have, the most urgent first.

    Args:
        taxonomy: What to draw from.
        pool: What is there.
        count: How many cells.
        seed: Seeds the draw of the candidates.
        where: Expression that every cell must meet.
        balance: 0 looks at coverage alone, 1 at the expected gain alone.
        progress: Called as cells are chosen.

    Raises:
        InputError: The expression is wrong, or the taxonomy has not that many cells left.
    """
    cells = _candidates(taxonomy, pool, count, seed, where)
    if not cells:
        return []
    industries = [taxonomy.persona_by_id[c.persona_id].industry for c in cells]
    ledger = _DebtLedger(taxonomy, pool.intents, cells, industries, count)
    outlook = _Outlook(pool, cells, industries) if _can_foresee(pool) else None
    chosen: list[Proposal] = []
    left = np.ones(len(cells), bool)
    while len(chosen) < count:
        debts = ledger.debts()
        gains = outlook.gains() if outlook else None
        score = _standard(debts)
        if gains is not None:
            score = (1 - balance) * score + balance * _standard(gains)
        score[~left] = -np.inf
        n_now = min(-(-count // _ROUNDS), count - len(chosen))
        taken = _best_apart(score, cells, n_now)
        for place in taken:
            gain = None if gains is None else float(gains[place] - gains.mean())
            chosen.append(Proposal(cells[place], float(debts[place]), gain, ledger.reasons(place)))
        left[taken] = False
        ledger.pay(taken)
        if outlook:
            outlook.add(taken)
        if progress:
            progress(len(chosen), count)
    return chosen


def _can_foresee(pool: Pool) -> bool:
    return pool.vectors is not None and len(pool.intents) >= _FEWEST_TO_LEARN


def _candidates(taxonomy: Taxonomy, pool: Pool, count: int, seed: int, where: str | None) -> list[Cell]:
    """More cells than are wanted; just as many where the taxonomy has no more."""
    known = [i.cell for i in pool.intents]
    wanted = max(count, min(count * _CANDIDATES_PER_CELL, _MOST_CANDIDATES))
    try:
        return sample_cells(taxonomy, wanted, seed, where, without=known)
    except InputError:
        return sample_cells(taxonomy, count, seed, where, without=known)


def _standard(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values at mean 0 and deviation 1; all 0 where they do not differ."""
    spread = float(values.std())
    centred: NDArray[np.float64] = values - values.mean()
    return centred / spread if spread > 0 else np.zeros_like(centred)


def _best_apart(score: NDArray[np.float64], cells: Sequence[Cell], number: int) -> list[int]:
    """The best `number` places; one round takes a domain set or a persona only once while others are left."""
    taken: list[int] = []
    seen: set[object] = set()
    spare: list[int] = []
    for place in np.argsort(-score, kind="stable"):
        if len(taken) == number or not np.isfinite(score[place]):
            break
        cell = cells[int(place)]
        marks = {frozenset(cell.domain_ids), cell.persona_id}
        if seen.isdisjoint(marks):
            taken.append(int(place))
            seen |= marks
        else:
            spare.append(int(place))
    return [*taken, *spare[: number - len(taken)]]


class _DebtLedger:
    """What each part is due and has; candidates by the parts that they reach."""

    def __init__(
        self,
        taxonomy: Taxonomy,
        intents: Sequence[Intent],
        cells: Sequence[Cell],
        industries: Sequence[str],
        count: int,
    ) -> None:
        shares = targets_of(taxonomy).shares
        self._parts = list(shares)
        place = {part: number for number, part in enumerate(self._parts)}
        self._due = np.array([shares[p] for p in self._parts]) * (len(intents) + count)
        had: Counter[Part] = count_parts(intents)
        self._had = np.array([had[p] for p in self._parts], np.float64)
        self._reached = [
            np.array([place[p] for p in parts_of(c, i) if p in place], np.int64)
            for c, i in zip(cells, industries, strict=True)
        ]
        lengths = [len(r) for r in self._reached]
        self._flat = np.concatenate(self._reached)
        self._owner = np.repeat(np.arange(len(cells)), lengths)
        self._lengths = np.maximum(np.array(lengths), 1)

    def _open(self) -> NDArray[np.float64]:
        """Of each part, the share of what it is due that is still open, 0 to 1."""
        due = np.maximum(self._due, 1.0)  # what is due less than one intent is paid by the first
        share: NDArray[np.float64] = np.clip((due - self._had) / due, 0.0, 1.0)
        return share

    def debts(self) -> NDArray[np.float64]:
        """The mean open share of each candidate's parts, shape (candidates,)."""
        sums = np.bincount(self._owner, self._open()[self._flat], minlength=len(self._lengths))
        means: NDArray[np.float64] = sums / self._lengths
        return means

    def reasons(self, place: int) -> tuple[str, ...]:
        """The most open parts of a candidate, in words."""
        still_open = self._open()
        worst = sorted(self._reached[place], key=lambda p: (-still_open[p], -self._due[p]))[:_REASONS]
        return tuple(
            f"{self._parts[p][0]} {' + '.join(self._parts[p][1:])}: {self._had[p]:.0f} of {self._due[p]:.1f}"
            for p in worst
            if still_open[p] > 0
        )

    def pay(self, places: Sequence[int]) -> None:
        """Counts candidates as drawn."""
        for place in places:
            self._had[self._reached[place]] += 1


class _Outlook:
    """What each candidate is expected to add to the diversity of the pool."""

    def __init__(self, pool: Pool, cells: Sequence[Cell], industries: Sequence[str]) -> None:
        if pool.vectors is None:
            raise ValueError("nothing can be foreseen without vectors")
        self._vectors = Foresight(pool.intents, pool.vectors).vectors(cells, industries)
        self._gram = Gram.of(pool.vectors)

    def gains(self) -> NDArray[np.float64]:
        """First-order gains, shape (candidates,)."""
        return first_order_gain(self._gram, self._vectors)

    def add(self, places: Sequence[int]) -> None:
        """Counts candidates as part of the pool."""
        self._gram = self._gram.add(self._vectors[places])
