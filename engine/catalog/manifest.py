"""What the derived tables were made from: the record by which a refresh knows what is stale."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import ValidationError

from engine.catalog.columns import FORMAT
from engine.schema.base import Record
from engine.store.tables import Stamp, TableFolder, stamp_of


class Segment(Record):
    """Some trajectories' rows: one part of each trajectory table, named `TABLE-NAME`."""

    members: Mapping[str, Stamp]
    """Source key (`RUN/TRAJECTORY`) -> the stamp of the record that was read."""
    parts: Mapping[str, Stamp]
    """Part name -> its stamp when it was written."""
    problems: tuple[str, ...] = ()
    """What was odd about a member that is in the tables all the same."""


class Whole(Record):
    """A table that is rebuilt as a whole when what it comes from has changed."""

    source: str
    """Hash of all that it comes from."""
    part: str
    stamp: Stamp
    problems: tuple[str, ...] = ()


class Unreadable(Record):
    """A record that is not in the tables, and why; tried again when its file changes."""

    stamp: Stamp
    reason: str


class Manifest(Record):
    """The whole of manifest.json."""

    format: str = FORMAT
    segments: Mapping[str, Segment] = {}
    wholes: Mapping[str, Whole] = {}
    unreadable: Mapping[str, Unreadable] = {}
    retired: Mapping[str, float] = {}
    """Part name -> epoch seconds since which nothing names it; kept a while for readers at work."""


def read_manifest(folder: TableFolder) -> Manifest:
    """The folder's manifest; an empty one where there is none, or none of this format."""
    try:
        found = Manifest.model_validate_json(folder.read_manifest())
    except ValidationError:
        return Manifest()
    return found if found.format == FORMAT else Manifest()


def intact(folder: TableFolder, parts: Mapping[str, Stamp]) -> bool:
    """True where every part stands as it was written."""
    return all(stamp_of(folder.part(name)) == stamp for name, stamp in parts.items())
