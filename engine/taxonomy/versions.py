"""A project's taxonomy: the current one, its saved versions, and what changed between two of them.

The current files are `taxonomy/*.yaml`; `taxonomy/versions/vNNNN/` holds every save, whole. A save first
says so in `taxonomy/.saving`, then makes the version folder, then replaces the current files, then removes
the mark: with the mark and the version both there, the version is what counts, so that a save that was cut
short half-way is complete for every reader.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from engine.errors import InputError, NotFoundError, StudioError
from engine.paths import data_dir
from engine.schema.base import Record
from engine.schema.taxonomy import Taxonomy
from engine.store.files import exclusive, read_bytes, write_text, writing
from engine.store.project import Project
from engine.taxonomy.check import FILES, as_error, content_hash, parse_taxonomy, read_texts, validate

STARTER = "starter"
CURRENT = "current"
EDITED = "edited"
"""Version name of current files that were changed by hand and not saved as a version yet."""

_VERSION = re.compile(r"v[0-9]{4,9}")


class EntryChange(Record):
    """One entry that differs between two versions."""

    dimension: str
    """File name without its ending: personas, domains, tasks or complexities."""
    id: str
    kind: str
    """"added", "removed" or "changed"."""
    fields: Mapping[str, tuple[Any, Any]] = {}
    """Field -> (before, after), for a changed entry."""


def list_versions(project: Project) -> list[str]:
    """Names of the saved versions, oldest first."""
    folder = project.paths.taxonomy_versions
    if not folder.is_dir():
        return []
    return sorted((p.name for p in folder.iterdir() if _VERSION.fullmatch(p.name)), key=lambda v: int(v[1:]))


def current_taxonomy(project: Project) -> Taxonomy:
    """The taxonomy in force.

    Its version is the saved version with the same content, "starter" for the untouched starter, and
    "edited" for files that were changed by hand: `keep_taxonomy` makes a version of those.

    Raises:
        InputError: A file is wrong; the message says file, line and mend.
    """
    texts = _current_texts(project)
    labels = {name: str(project.paths.taxonomy / name) for name in FILES}
    return parse_taxonomy(texts, _name_of(project, texts), labels)


def keep_taxonomy(project: Project) -> Taxonomy:
    """The taxonomy in force, made a saved version if it is none yet: for work that names its version.

    Raises:
        InputError: A file is wrong; the message says file, line and mend.
    """
    with _one_writer(project):
        texts = _current_texts(project)
        taxonomy = parse_taxonomy(texts, CURRENT)
        version = _save(project, texts, keep_starter=True)
    return taxonomy.model_copy(update={"version": version})


def save_taxonomy(project: Project, texts: Mapping[str, str]) -> Taxonomy:
    """Makes `texts` (file name -> YAML) the current taxonomy and a new version, whole or not at all.

    Unchanged texts make no new version. The files that are replaced become a version of their own first
    if they are none yet, so that the first save keeps the starter as v0001. Two writers take turns.

    Raises:
        InputError: The texts are wrong; nothing was written.
    """
    missing = [name for name in FILES if name not in texts]
    unknown = [name for name in texts if name not in FILES]
    if missing or unknown:
        raise InputError(
            f"a taxonomy has the files {', '.join(FILES)}: {(missing or unknown)[0]} does not fit"
        )
    taxonomy = parse_taxonomy(texts, CURRENT)
    with _one_writer(project):
        version = _save(project, texts, keep_starter=False)
    return taxonomy.model_copy(update={"version": version})


def _one_writer(project: Project) -> AbstractContextManager[bool]:
    return exclusive(project.paths.taxonomy / ".lock")


def _save(project: Project, texts: Mapping[str, str], *, keep_starter: bool) -> str:
    before, faults = read_texts(_current_folder(project))
    unchanged = not faults and content_hash(before) == content_hash(texts)
    name = _name_of(project, texts)
    if unchanged and (_VERSION.fullmatch(name) or (name == STARTER and not keep_starter)):
        return name
    if (
        not (unchanged or faults or _VERSION.fullmatch(_name_of(project, before)))
        and validate(before, CURRENT)[0]
    ):
        _write_version(project, _next_version(project), before)
    version, mark = _next_version(project), project.paths.taxonomy / ".saving"
    write_text(mark, version)
    _write_version(project, version, texts)
    for file in FILES:
        write_text(project.paths.taxonomy / file, texts[file])
    with writing(mark):
        mark.unlink()
    return version


def _next_version(project: Project) -> str:
    taken = [int(v[1:]) for v in list_versions(project)]
    return f"v{max(taken, default=0) + 1:04d}"


def _write_version(project: Project, version: str, texts: Mapping[str, str]) -> None:
    folder = project.paths.taxonomy_versions
    beside = folder / f".{version}.tmp"
    with writing(beside):
        shutil.rmtree(beside, ignore_errors=True)
        for file in FILES:
            write_text(beside / file, texts[file])
        beside.rename(folder / version)


def _current_folder(project: Project) -> Path:
    """The folder whose files count: a version's while a save of it is on its way or was cut short."""
    try:
        marked = read_bytes(project.paths.taxonomy / ".saving").decode("ascii")
    except (StudioError, UnicodeDecodeError):
        return project.paths.taxonomy
    folder = project.paths.taxonomy_versions / marked
    return folder if _VERSION.fullmatch(marked) and folder.is_dir() else project.paths.taxonomy


def _current_texts(project: Project) -> dict[str, str]:
    """The current files as one save left them, read again where a save came in between."""
    while True:
        before = (_current_folder(project), list_versions(project))
        texts, faults = read_texts(before[0])
        if before == (_current_folder(project), list_versions(project)):
            break
    if faults:
        raise as_error(faults)
    return texts


def _name_of(project: Project, texts: Mapping[str, str]) -> str:
    wanted = content_hash(texts)
    for version in reversed(list_versions(project)):
        saved, faults = read_texts(project.paths.taxonomy_versions / version)
        if not faults and content_hash(saved) == wanted:
            return version
    starter, faults = read_texts(data_dir() / "taxonomy")
    return STARTER if not faults and content_hash(starter) == wanted else EDITED


def read_version(project: Project, version: str) -> dict[str, str]:
    """The four files' texts of a saved version, of "starter" or of "current".

    Raises:
        NotFoundError: There is no such version.
    """
    if version == CURRENT:
        return _current_texts(project)
    known = list_versions(project)
    if version != STARTER and version not in known:
        choices = ", ".join([STARTER, *known[-5:], CURRENT])
        raise NotFoundError(f"no taxonomy version {version!r} in {project.root}: choose one of {choices}")
    folder = data_dir() / "taxonomy" if version == STARTER else project.paths.taxonomy_versions / version
    texts, faults = read_texts(folder)
    if faults:
        raise as_error(faults)
    return texts


def diff_versions(project: Project, a: str, b: str) -> list[EntryChange]:
    """What changed from version `a` to version `b`, entry by entry, in the order of the files.

    Raises:
        NotFoundError: One of the two does not exist.
    """
    before, after = (parse_taxonomy(read_version(project, v), v) for v in (a, b))
    return diff_taxonomies(before, after)


def diff_taxonomies(before: Taxonomy, after: Taxonomy) -> list[EntryChange]:
    """What changed between two taxonomies: removed, changed and added entries of each dimension."""
    changes = []
    for file in FILES:
        dimension = file.removesuffix(".yaml")
        old, new = _by_id(before, dimension), _by_id(after, dimension)
        for entry_id in [*old, *(i for i in new if i not in old)]:
            change = _entry_change(dimension, entry_id, old.get(entry_id), new.get(entry_id))
            if change:
                changes.append(change)
    return changes


def _by_id(taxonomy: Taxonomy, dimension: str) -> dict[str, dict[str, Any]]:
    rows: list[dict[str, Any]] = taxonomy.model_dump(mode="json")[dimension]
    return {str(next(iter(row.values()))): row for row in rows}


def _entry_change(
    dimension: str, entry_id: str, old: Mapping[str, Any] | None, new: Mapping[str, Any] | None
) -> EntryChange | None:
    if old is None or new is None:
        return EntryChange(dimension=dimension, id=entry_id, kind="added" if old is None else "removed")
    fields = {name: (old[name], new[name]) for name in old if old[name] != new[name]}
    return EntryChange(dimension=dimension, id=entry_id, kind="changed", fields=fields) if fields else None
