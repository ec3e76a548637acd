"""The snapshot that every workspace starts from, packed from a template folder."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import SandboxError
from engine.execute.workspaces.fixture_web import read_web


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A template's files, ready to be handed into a sandbox.

    `files` holds (relative path, mode, size in bytes), size None for a folder; `body` is the files' contents
    one after another. `web` holds the pages of the web that the workspace reaches.
    """

    files: tuple[tuple[str, int, int | None], ...]
    body: bytes
    sha256: str
    hashes: dict[str, str]
    """sha256 of each file by its path."""
    web: tuple[dict[str, Any], ...] = ()


def pack(template: Path, web: Path | None = None) -> Snapshot:
    """The snapshot of a template folder and a folder of web pages; its hash covers all of both.

    Modes are 755 for folders and executables and 644 for the rest, whatever the host's umask was.

    Raises:
        SandboxError: The folder is missing, cannot be read, or holds a link or a device.
    """
    files: list[tuple[str, int, int | None]] = []
    bodies: list[bytes] = []
    hashes: dict[str, str] = {}
    digest = hashlib.sha256()
    try:
        if not template.is_dir():
            raise SandboxError(f"the workspace template {template} is not a folder: name one that exists")
        for path in sorted(template.rglob("*")):
            mode, data = _content(path)
            name = path.relative_to(template).as_posix()
            files.append((name, mode, None if data is None else len(data)))
            bodies.append(data or b"")
            if data is not None:
                hashes[name] = hashlib.sha256(data).hexdigest()
            digest.update(f"{name}\0{mode:o}\0{files[-1][2]}\0".encode() + bodies[-1])
    except OSError as error:
        raise SandboxError(f"cannot read the workspace template {template}: {error.strerror}") from error
    pages = read_web(web) if web is not None else ()
    digest.update(json.dumps(pages, sort_keys=True).encode() if pages else b"")
    return Snapshot(tuple(files), b"".join(bodies), digest.hexdigest(), hashes, pages)


def _content(path: Path) -> tuple[int, bytes | None]:
    if path.is_symlink() or not (path.is_dir() or path.is_file()):
        raise SandboxError(
            f"{path} in the workspace template is neither file nor folder: replace it with a plain file"
        )
    if path.is_dir():
        return 0o755, None
    return (0o755 if path.stat().st_mode & 0o100 else 0o644), path.read_bytes()
