"""A claim's standing and what speaks for or against it."""

from __future__ import annotations

from typing import NamedTuple

from engine.schema.trajectory import ClaimStanding


class Finding(NamedTuple):
    """A claim's standing and what speaks for or against it."""

    standing: ClaimStanding
    source: str


def borne_out(source: str) -> Finding:
    """The ledger bears it out."""
    return Finding(ClaimStanding.EVIDENCED, source)


def against(source: str) -> Finding:
    """The record contradicts it."""
    return Finding(ClaimStanding.CONTRADICTED, source)


def nothing_known(source: str = "") -> Finding:
    """Nothing speaks of it."""
    return Finding(ClaimStanding.INTRODUCED, source)
