"""Selections and splits: named, saved, reproducible cuts of the trajectories."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from pydantic import Field

from engine.schema.base import Record, Seed, Slug


class Selection(Record):
    """A named, saved filter with what it selected when it was saved."""

    name: Slug
    where: str
    """SQL condition over the trajectories table."""
    trajectory_ids: tuple[Slug, ...]
    created_at: datetime


class Split(Record):
    """A selection cut into parts that share no intent."""

    name: Slug
    selection: Slug
    where: str = ""
    """The selection's condition when it was cut; a selection of that name may be saved anew."""
    seed: Seed
    ratios: Mapping[Slug, float] = Field(min_length=1)
    parts: Mapping[Slug, tuple[Slug, ...]]
    """Part name -> trajectory ids."""
    created_at: datetime
