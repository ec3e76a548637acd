"""What curators said of flags: a failed verdict on something sent, confirmed or overruled."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from pydantic import Field

from engine.schema.base import Count, Record, Slug


class SaidBy(StrEnum):
    """Whose text a verdict is about."""

    USER = "user"
    AGENT = "agent"
    ENDING = "ending"
    """The user's own account of how it ended."""


class Decision(StrEnum):
    """What a curator says of a flag."""

    CONFIRMED = "confirmed"
    OVERRULED = "overruled"
    OPEN = "open"
    """Neither: an earlier decision is taken back."""


class FlagKey(NamedTuple):
    """Which flag: the text that was flagged, and by which check."""

    trajectory_id: str
    turn: int
    said_by: SaidBy
    check: str


class FlagDecision(Record):
    """One decision on one flag; the last one on a flag counts."""

    trajectory_id: Slug
    turn: Count
    said_by: SaidBy
    check: Slug
    decision: Decision
    author: str = Field(min_length=1, max_length=200)
    created_at: datetime
    note: str = Field(default="", max_length=2000)

    @property
    def key(self) -> FlagKey:
        """Which flag it is about."""
        return FlagKey(self.trajectory_id, self.turn, self.said_by, self.check)
