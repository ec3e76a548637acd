"""Selections and splits of a project: one JSON file each, written whole."""

from __future__ import annotations

import re
from pathlib import Path

from engine.errors import InputError, NotFoundError, one_line
from engine.schema.split import Selection, Split
from engine.store.files import R, read_record, write_record
from engine.store.project import Project

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,79}")


def check_name(name: str) -> str:
    """The name, if it can name a selection, a split or one of its parts.

    Raises:
        InputError: It cannot; nothing was written.
    """
    if not _NAME.fullmatch(name):
        raise InputError(
            f"{one_line(name, 90)!r} cannot be a name: use lower-case letters, digits, '.', '_' and '-', "
            "at most 80, beginning with a letter or digit"
        )
    return name


def write_selection(project: Project, selection: Selection) -> None:
    """Writes a selection, in the place of an older one of its name."""
    write_record(project.paths.selection(selection.name), selection)


def read_selection(project: Project, name: str) -> Selection:
    """A selection by its name.

    Raises:
        NotFoundError: There is none of that name.
        InputError: Its file is no valid selection.
    """
    path = _existing(project.paths.selection(name), name)
    if path is None:
        raise NotFoundError(
            f"no selection {one_line(name, 90)!r} in {project.root}: 'ise-studio select list' names them"
        )
    return read_record(path, Selection)


def list_selections(project: Project) -> list[Selection]:
    """All selections, by name."""
    return _all(project.paths.selections, Selection)


def write_split(project: Project, split: Split) -> None:
    """Writes a split, in the place of an older one of its name."""
    write_record(project.paths.split(split.name), split)


def read_split(project: Project, name: str) -> Split:
    """A split by its name.

    Raises:
        NotFoundError: There is none of that name.
        InputError: Its file is no valid split.
    """
    path = _existing(project.paths.split(name), name)
    if path is None:
        raise NotFoundError(
            f"no split {one_line(name, 90)!r} in {project.root}: 'ise-studio split make NAME' makes one"
        )
    return read_record(path, Split)


def list_splits(project: Project) -> list[Split]:
    """All splits, by name."""
    return _all(project.paths.splits, Split)


def _existing(path: Path, name: str) -> Path | None:
    return path if _NAME.fullmatch(name) and path.is_file() else None


def _all(folder: Path, kind: type[R]) -> list[R]:
    if not folder.is_dir():
        return []
    return [read_record(p, kind) for p in sorted(folder.glob("*.json")) if not p.name.startswith(".")]
