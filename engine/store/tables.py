"""The derived tables' folder: parts, manifest, lock; and what their sources look like from outside."""

from __future__ import annotations

import atexit
import functools
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from engine.errors import NotFoundError, StudioError
from engine.paths import RunPaths, cache_dir
from engine.store.files import exclusive, read_bytes, write_bytes, writing
from engine.store.project import Project
from engine.store.runs import list_run_ids

MANIFEST = "manifest.json"
_LOCK = ".lock"


class Stamp(NamedTuple):
    """What tells one version of a file from another without reading it."""

    size_bytes: int
    mtime_ns: int

    def with_other(self, other: Stamp | None) -> Stamp:
        """The stamp of this file together with another that belongs to it, where there is one."""
        if other is None:
            return self
        return Stamp(self.size_bytes + other.size_bytes, max(self.mtime_ns, other.mtime_ns))


def stamp_of(path: Path) -> Stamp | None:
    """The file's stamp; None where there is no such file."""
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return Stamp(status.st_size, status.st_mtime_ns)


def scan_stamps(folder: Path, suffix: str) -> Iterator[tuple[str, Stamp]]:
    """Name without suffix, and stamp, of every file of a folder; nothing where the folder is absent."""
    try:
        entries = os.scandir(folder)
    except FileNotFoundError:
        return
    except OSError as error:
        raise StudioError(f"cannot read {folder}: {error.strerror or error}") from error
    with entries:
        for entry in entries:
            if not entry.name.endswith(suffix) or entry.name.startswith("."):
                continue
            try:
                status = entry.stat()
            except OSError:  # gone meanwhile, or a link to nowhere
                continue
            yield entry.name.removesuffix(suffix), Stamp(status.st_size, status.st_mtime_ns)


def stray_runs(project: Project) -> list[str]:
    """Names of folders that hold trajectories and are no run: without a configuration, or misnamed."""
    folder = project.paths.runs
    if not folder.is_dir():
        return []
    known = set(list_run_ids(project))
    runs = (RunPaths(p) for p in folder.iterdir() if p.name not in known)
    return sorted(r.root.name for r in runs if r.trajectories.is_dir())


@functools.cache
def _temporary() -> Path:
    folder = tempfile.mkdtemp(prefix="ise-studio-tables-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


class TableFolder(NamedTuple):
    """Where a project's derived tables lie; safe to delete at any time."""

    path: Path

    @classmethod
    def of(cls, project: Project) -> TableFolder:
        """The project's own folder; for a project that cannot be written, one in the cache.

        Where the cache cannot be written either, it is a temporary folder that ends with the process.
        """
        own = project.paths.tables
        if os.access(own if own.is_dir() else project.root, os.W_OK):
            return cls(own)
        key = hashlib.sha256(str(project.root.resolve()).encode()).hexdigest()[:16]
        cached = cache_dir() / "tables" / key
        try:
            cached.mkdir(parents=True, exist_ok=True)
        except OSError:
            return cls(_temporary() / key)
        return cls(cached if os.access(cached, os.W_OK) else _temporary() / key)

    def part(self, name: str) -> Path:
        """The path of one part."""
        return self.path / f"{name}.parquet"

    def part_names(self) -> list[str]:
        """The names of all parts on disk."""
        return [name for name, _ in scan_stamps(self.path, ".parquet")]

    def write_part(self, name: str, data: bytes) -> Stamp:
        """Writes one part, whole, and gives its stamp."""
        path = self.part(name)
        write_bytes(path, data)
        stamp = stamp_of(path)
        if stamp is None:
            raise StudioError(f"{path} was deleted as it was written: try again")
        return stamp

    def drop_part(self, name: str) -> None:
        """Deletes one part."""
        path = self.part(name)
        with writing(path):
            path.unlink(missing_ok=True)

    def read_manifest(self) -> bytes:
        """The manifest's bytes; empty where there is none."""
        try:
            return read_bytes(self.path / MANIFEST)
        except NotFoundError:
            return b""

    def write_manifest(self, data: bytes) -> None:
        """Replaces the manifest."""
        write_bytes(self.path / MANIFEST, data)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lets one builder in at a time, across processes."""
        with exclusive(self.path / _LOCK):
            yield
