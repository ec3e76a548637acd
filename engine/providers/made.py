"""What a user knows to be there: the files that the evidence of the turns so far shows."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from engine.schema.playbook import FileOrigin, FileWish
from engine.schema.trajectory import Evidence

_SPOKEN = re.compile(r"[\w./+-]+")
_CAPITALS = re.compile(r"(?<![A-Za-z])[A-Z]{2,}(?![A-Za-z])")
_MAX_DEPTH = 5
_EVIDENCE_PATHS = 40
"""An evidence that names as many deleted paths may have left out others."""


class Played(NamedTuple):
    """One turn as its user knows it."""

    owner: str
    """The task, or the kind of aside, that it was part of."""
    is_aside: bool
    said: str
    evidence: Evidence

    @property
    def went_well(self) -> bool:
        """True where its last call did not fail."""
        return not (self.evidence.calls and self.evidence.calls[-1].failed)


class Made(NamedTuple):
    """A file that is there."""

    path: str
    by: Played
    """The turn that made it, or changed it last."""

    @property
    def was_asked_for(self) -> bool:
        """True where the user had named it."""
        return PurePosixPath(self.path).name in self.by.said


def files_made(turns: Iterable[Played]) -> dict[str, Made]:
    """The files that turns which went well left behind, by path; what was deleted since is not among them."""
    made: dict[str, Made] = {}
    for turn in turns:
        forget(made, turn.evidence.deleted)
        touched = (*turn.evidence.created, *turn.evidence.modified)
        if turn.went_well:
            made.update({path: Made(path, turn) for path in touched if is_spoken_of(path)})
        else:
            forget(made, touched)
    return made


def forget(made: dict[str, Made], deleted: Sequence[str]) -> None:
    """Takes out what was deleted; all of it where the evidence may not name every deleted path."""
    if len(deleted) >= _EVIDENCE_PATHS:
        made.clear()
    folders = tuple(path for path in deleted if path.endswith("/"))
    for path in [p for p in made if p in deleted or (folders and p.startswith(folders))]:
        del made[path]


def is_spoken_of(path: str) -> bool:
    """False for what no user would name: folders, hidden and compiled files, odd names, deep places."""
    if path.endswith("/"):
        return False
    parts = path.split("/")
    hidden = any(part.startswith((".", "__")) for part in parts) or path.endswith((".pyc", ".lock"))
    return not hidden and len(parts) <= _MAX_DEPTH and _SPOKEN.fullmatch(path) is not None


def lost_files(turns: Sequence[Played]) -> list[str]:
    """Files that the user took as done and that another task's turn deleted afterwards."""
    taken: dict[str, str] = {}
    lost: dict[str, None] = {}
    for turn, after in zip(turns, [*turns[1:], None], strict=True):
        touched = (*turn.evidence.created, *turn.evidence.modified)
        lost = {path: None for path in lost if path not in touched}
        lost |= {p: None for p in turn.evidence.deleted if taken.get(p, turn.owner) != turn.owner}
        if after:
            taken |= {path: turn.owner for path in touched if path in after.said}
    return list(lost)


def missing_files(turns: Sequence[Played], folder: str) -> list[str]:
    """Files below `folder` that the user asked for by their whole path and that no evidence ever showed.

    A word in capitals within a path, such as NAME.txt, may stand for several files. Nothing is missed where
    an evidence may not name every path, and what a command spoke of that failed was not asked for.
    """
    evidences = [turn.evidence for turn in turns]
    if any(len(paths) >= _EVIDENCE_PATHS for e in evidences for paths in (e.created, e.modified)):
        return []
    shown = {path for e in evidences for path in (*e.created, *e.modified)}
    spoken = " ".join(call.summary for e in evidences for call in e.calls if call.failed)
    named = re.compile(rf"(?<![\w./-]){re.escape(folder)}/[\w./+-]{{0,300}}\.\w+")
    asked = dict.fromkeys(path for turn in turns for path in named.findall(turn.said))
    return [
        path for path in asked if path not in shown and path not in spoken and not _stands_for(path, shown)
    ]


def _stands_for(path: str, shown: Iterable[str]) -> bool:
    pieces = _CAPITALS.split(path)
    if len(pieces) == 1:
        return False
    pattern = re.compile("[^/]{1,100}".join(map(re.escape, pieces)))
    return any(pattern.fullmatch(one) for one in shown)


def choose_files(
    wishes: Mapping[str, FileWish], turns: Sequence[Played], rng: random.Random
) -> dict[str, str] | None:
    """A file for each wish, all different; None where one of them has none.

    Files that the user had asked for by name come first.
    """
    made = files_made(turns).values()
    latest = next((turn.owner for turn in reversed(turns) if not turn.is_aside), "")
    chosen: dict[str, str] = {}
    for name, wish in wishes.items():
        fitting = [
            one
            for one in made
            if not one.by.is_aside
            and _is_lent(one.path)
            and (one.by.owner == latest) is (wish.origin is FileOrigin.LATEST)
            and one.path not in chosen.values()
            and one.path.endswith(wish.endings or "")
        ]
        best = [one for one in fitting if one.was_asked_for] or fitting
        if not best:
            return None
        chosen[name] = rng.choice(best).path
    return chosen


def _is_lent(path: str) -> bool:
    """False for the agent's memory, which later tasks write to, and for files outside every folder."""
    return "/" in path and not path.startswith("memory/")


def with_parts(files: Mapping[str, str]) -> dict[str, str]:
    """The files' slots, and beside each the slots of its name's parts."""
    slots = dict(files)
    for name, text in files.items():
        path = PurePosixPath(text)
        slots |= {
            f"{name}_name": path.name,
            f"{name}_stem": path.stem,
            f"{name}_ending": path.suffix,
            f"{name}_folder": str(path.parent),
        }
    return slots
