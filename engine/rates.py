"""Rates with their intervals: how many of how many, and between what the true share is likely to lie.

Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", 1927.
"""

from __future__ import annotations

from typing import NamedTuple

CONFIDENCE = 0.95


class Rate(NamedTuple):
    """`k` of `n`, with Wilson's interval at 95 %."""

    k: int
    n: int
    low: float
    high: float

    @classmethod
    def of(cls, k: int, n: int) -> Rate:
        """The rate with its interval; from 0 to 1 where there is nothing to count."""
        from scipy.stats import binomtest

        if n == 0:
            return cls(0, 0, 0.0, 1.0)
        found = binomtest(k, n).proportion_ci(CONFIDENCE, method="wilson")
        return cls(k, n, float(found.low), float(found.high))

    @property
    def value(self) -> float | None:
        """The share, 0 to 1; None where there is nothing to count."""
        return self.k / self.n if self.n else None

    def in_percent(self) -> str:
        """Share and interval as text: "0.42 % (0.14 to 1.22)"; a dash of nothing."""
        if self.value is None:
            return "–"
        return f"{self.value:.2%} ({100 * self.low:.2f} to {100 * self.high:.2f})".replace("%", " %")
