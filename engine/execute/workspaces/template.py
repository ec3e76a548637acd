"""The unpacked snapshot on the host, which lies read-only under every workspace that shares it."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from engine.errors import SandboxError
from engine.execute.workspaces.snapshot import Snapshot, pack
from engine.paths import cache_dir
from engine.store.files import exclusive

SHARED_FROM_BYTES = 2**20
SHARED_FROM_FILES = 200
"""From here on: below it a copy is quicker than the mounts, and a plain tmpfs has no oddities."""
_UNUSED_S = 30 * 24 * 3600.0


def is_worth_sharing(snapshot: Snapshot) -> bool:
    """True where copying would cost each workspace more time or memory than an overlay does."""
    return len(snapshot.body) >= SHARED_FROM_BYTES or len(snapshot.files) >= SHARED_FROM_FILES


def lay_out(snapshot: Snapshot, owner: tuple[int, int]) -> Path:
    """The folder in the cache that holds the snapshot's files, made anew where it is not what it must be.

    It is named after the snapshot's hash, so it is shared by all workers and never changes. What nobody has
    used for 30 days, and what a killed process has left unfinished, is taken away.

    Args:
        snapshot: What it holds.
        owner: The user and group id that the sandbox runs as, who must own what may be changed inside.

    Raises:
        SandboxError: It cannot be made.
    """
    place = cache_dir() / "templates" / f"{snapshot.sha256[:32]}-{owner[0]}-{owner[1]}"
    try:
        with exclusive(place.parent / ".lock"):
            _tidy(place.parent)
            if not _is_intact(place, snapshot):
                shutil.rmtree(place, ignore_errors=True)
                _make(place, snapshot, owner)
            place.with_suffix(".used").touch()
    except OSError as error:
        raise SandboxError(f"cannot unpack the workspace template to {place}: {error.strerror}") from error
    return place


def _is_intact(place: Path, snapshot: Snapshot) -> bool:
    if not place.is_dir():
        return False
    found = pack(place)
    return (found.files, found.hashes) == (snapshot.files, snapshot.hashes)


def _make(place: Path, snapshot: Snapshot, owner: tuple[int, int]) -> None:
    part = place.with_suffix(".part")
    part.mkdir(mode=0o755)
    offset = 0
    for name, mode, size in snapshot.files:
        path = part / name
        if size is None:
            path.mkdir()
        else:
            path.write_bytes(snapshot.body[offset : offset + size])
            offset += size
        path.chmod(mode)
        os.chown(path, *owner)
    part.chmod(0o755)
    os.chown(part, *owner)
    part.rename(place)


def _tidy(folder: Path) -> None:
    """Only under the lock: nobody else is making anything."""
    for part in folder.glob("*.part"):
        shutil.rmtree(part, ignore_errors=True)
    for used in folder.glob("*.used"):
        if time.time() - used.stat().st_mtime > _UNUSED_S:
            shutil.rmtree(used.with_suffix(""), ignore_errors=True)
            used.unlink(missing_ok=True)
