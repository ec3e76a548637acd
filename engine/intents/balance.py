"""Evenness in random draws: decks that deal by weight, and debts that pull a draw back to its shares.

A plain draw by weight leaves holes: of 45 pairs drawn 45 times, 16 never come. Both tools here keep every
count within a few of what its weight promises, and stay random in the order.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

T = TypeVar("T")
_SMALLEST_ROUND = 20
_MOST_DEBT = 3.0
"""Bound on what a debt weighs (e^3, twentyfold): what can never be drawn must not crowd out the rest."""


class Deck(Generic[T]):
    """Deals items in shuffled rounds, so that each comes as often as its weight says, within one.

    Items of weight 0 are never dealt.
    """

    def __init__(self, items: Sequence[T], weights: Sequence[float], rng: random.Random) -> None:
        self._items = [item for item, weight in zip(items, weights, strict=True) if weight > 0]
        positive = np.array([weight for weight in weights if weight > 0], np.float64)
        self._share = positive / positive.sum() if len(positive) else positive
        self._owed = np.zeros(len(positive))
        self._hand: list[T] = []
        self._rng = rng

    def __len__(self) -> int:
        return len(self._items)

    def deal(self) -> T:
        """One item."""
        while not self._hand:
            self._hand = [i for i, n in zip(self._items, self._round(), strict=True) for _ in range(n)]
            self._rng.shuffle(self._hand)
        return self._hand.pop()

    def _round(self) -> NDArray[np.int64]:
        """How many cards of each item the next round has: what it is owed, rounded up or down by chance."""
        size = max(len(self._items), _SMALLEST_ROUND)
        self._owed += self._share * size
        cards = np.maximum(np.floor(self._owed + 1e-9), 0)
        n_more = size - int(cards.sum())
        if n_more > 0:
            # One random offset, then every whole number: each fraction is met with its own probability.
            fractions = np.cumsum(np.clip(self._owed - cards, 0, 1))
            marks = (self._rng.random() + np.arange(n_more)) * fractions[-1] / n_more
            np.add.at(cards, np.minimum(np.searchsorted(fractions, marks), len(cards) - 1), 1)
        self._owed -= cards
        return cards.astype(np.int64)


class Debts:
    """How far each of n entries is behind its share of what was drawn."""

    def __init__(self, n: int) -> None:
        self._promised = np.zeros(n)
        self.counts = np.zeros(n)

    def pull(self) -> NDArray[np.float64]:
        """Factors on the entries' weights, shape (n,): above 1 where behind, below 1 where ahead."""
        return np.exp(np.clip(self._promised - self.counts, -_MOST_DEBT, _MOST_DEBT))

    def promise(self, share: NDArray[np.float64], at: slice | None = None) -> None:
        """Adds what one draw owes to each entry, to all of them or to those of a slice."""
        self._promised[at if at is not None else slice(None)] += share


def choose(weights: NDArray[np.float64], rng: random.Random) -> int | None:
    """A position, by weight; None where all weights are 0."""
    sums = np.cumsum(weights)
    if not len(sums) or not sums[-1] > 0:
        return None
    # What rounds up to the very end must not land on an entry of weight 0 behind the last one.
    drawn = int(np.searchsorted(sums, rng.random() * sums[-1], side="right"))
    return min(drawn, int(np.searchsorted(sums, sums[-1])))
