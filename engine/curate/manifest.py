"""An export's manifest: what the folder holds and what it was made from."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from engine.schema.base import Record


class ExportedFile(Record):
    """One data file of an export."""

    file: str
    """Its name in the export's folder."""
    part: str
    """The split's part, or "data"."""
    n_records: int
    size_bytes: int
    sha256: str


class ExportedSplit(Record):
    """Which split an export is of."""

    name: str
    selection: str
    ratios: Mapping[str, float]
    seed: int


class Manifest(Record):
    """manifest.json: what the folder holds and what it was made from."""

    name: str
    format: str
    created_at: datetime
    engine_version: str
    project: str
    split: ExportedSplit | None
    selection: str
    where: str
    """The condition by which the trajectories were selected; empty where that is not known."""
    files: tuple[ExportedFile, ...]
    n_trajectories: int
    n_intents: int
    n_scripted: int
    """Trajectories in which user or agent was the scripted provider."""
    taxonomy_versions: tuple[str, ...]
    run_ids: tuple[str, ...]
