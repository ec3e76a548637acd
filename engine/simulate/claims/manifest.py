"""The files of the workspace as the ledger's changes tell them."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase

from engine.schema.sandbox import IMPORTED, ChangeKind, FileChange
from engine.schema.trajectory import ToolCall

_TEMPLATE = ("MEMORY.md", "memory/")
"""What a workspace may hold from the start."""
_ROOT = "/workspace"
_GLOB = re.compile(r"[*?\[]")


class Presence(StrEnum):
    """Whether a file is in the workspace."""

    THERE = "there"
    GONE = "gone"
    NEVER = "never"
    UNKNOWN = "unknown"
    """The record does not follow this place, or not all changes stand in it."""


@dataclass(slots=True)
class Manifest:
    """What every path was last seen as."""

    last: dict[str, FileChange] = field(default_factory=dict)
    """Path in lower case -> its last change; a folder's path ends in a slash."""
    deleted_by: dict[str, ToolCall] = field(default_factory=dict)
    modified: set[str] = field(default_factory=set)
    """Paths that were changed after they were made."""
    is_complete: bool = True
    """False where a call's changes were too many to be listed, or come from a record without a ledger."""

    @property
    def n_there(self) -> int:
        """How many files there are."""
        return sum(c.kind is not ChangeKind.DELETED and not p.endswith("/") for p, c in self.last.items())

    def presence(self, name: str) -> Presence:
        """Where a file or folder stands that a text calls by its name or the end of its path."""
        wanted = place_of(name)
        if wanted is None:
            return Presence.UNKNOWN
        if wanted in ("", "."):
            return Presence.THERE
        found = self.changes_of(wanted)
        if any(change.kind is not ChangeKind.DELETED for change in found):
            return Presence.THERE
        if any(wanted == t.lower().rstrip("/") or wanted.startswith("memory/") for t in _TEMPLATE):
            return Presence.GONE if found else Presence.UNKNOWN
        if found and self.is_complete:
            return Presence.GONE
        return Presence.NEVER if self.is_complete else Presence.UNKNOWN

    def changes_of(self, wanted: str) -> list[FileChange]:
        """The last changes of all paths that the name may mean."""
        if _GLOB.search(wanted):
            pattern = "*/" + wanted.replace("[", "[[]")
            return [c for p, c in self.last.items() if fnmatchcase("/" + p.rstrip("/"), pattern)]
        inner, end = f"/{wanted}/", f"/{wanted}"
        return [
            change
            for path, change in self.last.items()
            if (whole := "/" + path.rstrip("/")).endswith(end) or inner in whole
        ]

    def size_of(self, name: str) -> int | None:
        """The size of the one file that the name means; None where it is not known."""
        wanted = place_of(name)
        found = self.changes_of(wanted) if wanted else []
        sizes = {c.size_bytes for c in found if c.kind is not ChangeKind.DELETED and not c.path.endswith("/")}
        return next(iter(sizes)) if len(sizes) == 1 else None


def place_of(name: str) -> str | None:
    """The name as it may end a path of the manifest; None for a place that the ledger does not follow."""
    path = name.strip().lower().replace("\\", "/")
    if path == _ROOT or path.startswith(_ROOT + "/"):
        path = path[len(_ROOT) + 1 :]
    elif path.startswith("~/"):
        path = path[2:]
    elif path.startswith("/"):
        return None
    path = posixpath.normpath(path) if path else "."
    return None if path.startswith("..") else path


def manifest_of(calls: Iterable[ToolCall]) -> Manifest:
    """The manifest after these calls."""
    manifest = Manifest()
    for call in calls:
        entry = call.ledger
        if (
            entry.n_changes > len(entry.changes)
            or entry.action == IMPORTED
            or entry.limit == "workspace_lost"
        ):
            manifest.is_complete = False
        for change in entry.changes:
            if change.kind is ChangeKind.MODIFIED:
                manifest.modified.add(change.path.lower())
            manifest.last[change.path.lower()] = change
            if change.kind is ChangeKind.DELETED:
                manifest.deleted_by[change.path.lower()] = call
    return manifest
