"""What changed in the workspace since the action before."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterator
from typing import Any, NamedTuple

from .files import ROOT, TEMPLATE, is_settled, key_of, load, open_seen, shown

MAX_CHANGES = 2000
MAX_TEXT_BYTES = 64 * 1024
MAX_DIFF_BYTES = 16 * 1024
MAX_TEXTS_BYTES = 32 << 20
MAX_DIFFS_BYTES = 1 << 20
MAX_DIFF_LINES = 2000
GIT_INDEX = re.compile(rb"(?:.*/)?\.git/(?:worktrees/[^/]+/|modules/.+/)?index")
"""Holds the times and inode numbers of files: the same work gives other bytes each time."""


class Seen(NamedTuple):
    """What was last seen of one path."""

    key: tuple[int, ...]
    mode: int
    size: int
    sha256: str | None
    text: str | None
    settled: bool = True
    """False where a change within the same tick of the clock could leave the key as it is."""
    in_template: bool = False
    """True for what is as in the shared template, whose text is not read before it is needed."""

    def content(self, path: bytes) -> str | None:
        """The text, None where it is none or too long."""
        if not self.in_template:
            return self.text
        return (
            as_text(load(TEMPLATE + b"/" + path, MAX_TEXT_BYTES)[0]) if self.size <= MAX_TEXT_BYTES else None
        )


class Watch:
    """The workspace's files as last seen, and what has changed since."""

    def __init__(self, max_hash_bytes: int, template: dict[bytes, bytes]) -> None:
        self.max_hash_bytes = max_hash_bytes
        self.template = template
        self.budget = 0
        self.texts_bytes = 0
        self.seen: dict[bytes, Seen] = {}
        self.has_begun = False
        self._look_round()
        self.has_begun = True

    def changes(self) -> tuple[list[dict[str, Any]], int]:
        """The first changes by path, and how many there are in all."""
        before = self.seen
        self._look_round()
        paths = sorted(
            p
            for p in before.keys() | self.seen.keys()
            if before.get(p) is not self.seen.get(p) and differs(before.get(p), self.seen.get(p))
        )
        room, found = MAX_DIFFS_BYTES, []
        for path in paths[:MAX_CHANGES]:
            change = describe(path, before.get(path), self.seen.get(path), room > 0)
            room -= len(change["diff"] or "")
            found.append(change)
        return found, len(paths)

    def _look_round(self) -> None:
        self.budget = self.max_hash_bytes
        self.seen = dict(self.walk())
        self.texts_bytes = sum(len(s.text) for s in self.seen.values() if s.text)

    def walk(self) -> Iterator[tuple[bytes, Seen]]:
        """Every path under the workspace, folders with a slash at their end; links are never followed."""
        if not os.access(ROOT, os.R_OK | os.W_OK | os.X_OK):
            os.chmod(ROOT, 0o755)
        stack = [ROOT]
        while stack:
            folder = stack.pop()
            try:
                entries = list(os.scandir(folder))
            except PermissionError:
                yield from self.remembered(folder)
                continue
            except OSError:
                continue
            for entry in entries:
                try:
                    info = entry.stat(follow_symlinks=False)
                except OSError:
                    continue
                is_folder = stat.S_ISDIR(info.st_mode)
                if is_folder:
                    stack.append(entry.path)
                name = entry.path[len(ROOT) + 1 :] + (b"/" if is_folder else b"")
                yield name, self.look(name, entry.path, info)

    def remembered(self, folder: bytes) -> list[tuple[bytes, Seen]]:
        """What was last seen under a folder that has been closed to us: it is hidden, not deleted."""
        prefix = folder[len(ROOT) + 1 :] + b"/"
        return [(p, s) for p, s in self.seen.items() if p.startswith(prefix) and p != prefix]

    def look(self, name: bytes, path: bytes, info: os.stat_result) -> Seen:
        """The path as it is now; hashed only where its inode has changed."""
        if stat.S_ISDIR(info.st_mode):
            return Seen((info.st_mode,), info.st_mode, 0, None, None)
        key, old = key_of(info), self.seen.get(name)
        if old is not None and old.settled and old.key == key:
            return old
        if not self.has_begun and name in self.template:
            return Seen(key, info.st_mode, info.st_size, self.template[name].hex(), None, in_template=True)
        sha256, text = self.content(path, info)
        return Seen(key, info.st_mode, info.st_size, sha256, text, is_settled(info))

    def content(self, path: bytes, info: os.stat_result) -> tuple[str | None, str | None]:
        """Hash and, if small, text of a file; hash of a link's target; nothing of anything else."""
        try:
            if stat.S_ISLNK(info.st_mode):
                return hashlib.sha256(os.readlink(path)).hexdigest(), None
            if not stat.S_ISREG(info.st_mode) or info.st_size > self.budget:
                return None, None
            self.budget -= info.st_size
            return self.hash(path, info)
        except OSError:
            return None, None

    def hash(self, path: bytes, info: os.stat_result) -> tuple[str, str | None]:
        """SHA-256 of a regular file, and its text where that is small and is text."""
        digest, data, size = hashlib.sha256(), b"", info.st_size
        with os.fdopen(open_seen(path, info), "rb", buffering=0) as file:
            for data in iter(lambda: file.read(1 << 20), b""):
                digest.update(data)
        if size > MAX_TEXT_BYTES or self.texts_bytes > MAX_TEXTS_BYTES:
            return digest.hexdigest(), None
        self.texts_bytes += size
        return digest.hexdigest(), as_text(data if size else b"")


def as_text(data: bytes) -> str | None:
    """The text that `data` is, or None where it is not."""
    if b"\0" in data:
        return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None


def differs(old: Seen | None, new: Seen | None) -> bool:
    """True unless both are the same in mode and content (a mere `touch` is no change)."""
    if old is None or new is None:
        return True
    if (old.mode, old.size, old.sha256) != (new.mode, new.size, new.sha256):
        return True
    return old.sha256 is None and old.key[:2] != new.key[:2]


def describe(path: bytes, old: Seen | None, new: Seen | None, with_diff: bool) -> dict[str, Any]:
    """One change as the host's record has it."""
    plain = new is not None and not path.endswith(b"/")
    return {
        "path": shown(path),
        "kind": "created" if old is None else "deleted" if new is None else "modified",
        "mode": None if new is None else stat.S_IMODE(new.mode),
        "size_bytes": new.size if new is not None and plain else None,
        "sha256": None if new is None or GIT_INDEX.fullmatch(path) else new.sha256,
        "diff": unified(path, old, new) if with_diff else None,
    }


def unified(raw: bytes, old: Seen | None, new: Seen | None) -> str | None:
    """A unified diff where every side is small text and so is the diff."""
    path = shown(raw)
    before = "" if old is None else old.content(raw)
    after = "" if new is None else new.content(raw)
    if before is None or after is None or before == after:
        return None
    a, b = before.splitlines(True), after.splitlines(True)
    if max(len(a), len(b)) > MAX_DIFF_LINES:
        return None
    from difflib import unified_diff

    names = ("/dev/null" if old is None else "a/" + path, "/dev/null" if new is None else "b/" + path)
    lines = [
        x if x.endswith("\n") else x + "\n\\ No newline at end of file\n" for x in unified_diff(a, b, *names)
    ]
    diff = "".join(lines)
    return diff if len(diff.encode("utf-8")) <= MAX_DIFF_BYTES else None
