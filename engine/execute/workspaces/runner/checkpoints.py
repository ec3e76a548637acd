"""Checkpoints: what the workspace's places held at one moment, kept where no process beside us can reach.

Contents are kept once by their hash, in this program's own memory and within a limit of their own. What lies
deeper than a path can name is in no checkpoint.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from .files import PLACES, TEMPLATE, StaleError, is_settled, key_of, open_seen, remove
from .shell import PLACE as STATE_OF_SHELL
from .shell import Shell

ENTRY_BYTES = 300
"""What remembering one path costs, beside the path itself."""


class Entry(NamedTuple):
    """One path as it was."""

    key: tuple[int, ...]
    mode: int
    mtime_ns: int
    content: bytes
    """Of a regular file the hash, of a link the target."""
    twins: tuple[int, int]
    """Device and inode: paths that share them are one file."""


class Checkpoint(NamedTuple):
    """All paths, and what carries over from command to command."""

    entries: dict[bytes, Entry]
    cwd: bytes
    declared: bytes


class Checkpoints:
    """What `take` has kept, until the workspace ends."""

    def __init__(self, max_bytes: int, template: dict[bytes, bytes]) -> None:
        self.max_bytes = max_bytes
        self.template = template
        self.used = 0
        self.blobs: dict[bytes, bytes] = {}
        self.known: dict[bytes, Entry] = {}
        self.kept: dict[str, Checkpoint] = {}

    def take(self, shell: Shell) -> str:
        """Keeps the places as they are, and gives the name to restore them by."""
        used, before = self.used, set(self.blobs)
        try:
            entries = dict(self._entries())
            self._use(sum(ENTRY_BYTES + len(path) for path in entries))
        except OSError:
            self.used = used
            for added in self.blobs.keys() - before:
                del self.blobs[added]
            raise
        self.known = entries
        name = f"c{len(self.kept) + 1}"
        self.kept[name] = Checkpoint(entries, shell.cwd, shell.declared)
        return name

    def restore(self, name: str, shell: Shell) -> None:
        """Puts everything back; nobody else may be running."""
        wanted = self.kept[name].entries
        found = dict(walk(reclose=False))
        for path, info in sorted(found.items(), reverse=True):
            if path not in wanted or stat.S_IFMT(wanted[path].mode) != stat.S_IFMT(info.st_mode):
                if path not in PLACES:
                    remove(path, info.st_mode)
                found.pop(path)
        for path, entry in wanted.items():
            if path not in found or (not stat.S_ISDIR(entry.mode) and entry.key != key_of(found[path])):
                self._lay(path, entry, path in found)
        self._link_twins(wanted)
        self.known = {path: _now(path, entry) for path, entry in wanted.items()}
        for path, entry in sorted(wanted.items(), reverse=True):  # last, since some close their folder
            if stat.S_ISDIR(entry.mode):
                _finish(path, entry)
        self.kept[name] = self.kept[name]._replace(entries=self.known)
        shell.cwd, shell.declared = self.kept[name].cwd, self.kept[name].declared

    def _entries(self) -> Iterator[tuple[bytes, Entry]]:
        for path, info in walk():
            known = self.known.get(path)
            if known is not None and known.key == key_of(info):
                yield path, known
                continue
            with suppress(FileNotFoundError, StaleError):  # it goes as we look
                yield path, self._entry(path, info)

    def _entry(self, path: bytes, info: os.stat_result) -> Entry:
        content, key = b"", key_of(info)
        if stat.S_ISLNK(info.st_mode):
            content = os.readlink(path)
        elif stat.S_ISREG(info.st_mode):
            content = self._keep(path, info)
            key = key if is_settled(info) else ()
        return Entry(key, info.st_mode, info.st_mtime_ns, content, (info.st_dev, info.st_ino))

    def _keep(self, path: bytes, info: os.stat_result) -> bytes:
        if info.st_size > self.max_bytes - self.used and path not in self.template:
            raise _full()
        data = b"" if info.st_size == 0 else _content(path, info)
        digest = hashlib.sha256(data).digest()
        if digest not in self.blobs and self.template.get(path) != digest:
            self._use(len(data))
            self.blobs[digest] = data
        return digest

    def _use(self, n_bytes: int) -> None:
        if self.used + n_bytes > self.max_bytes:
            raise _full()
        self.used += n_bytes

    def _lay(self, path: bytes, entry: Entry, is_there: bool) -> None:
        if is_there:
            os.unlink(path)
        if stat.S_ISDIR(entry.mode):
            os.mkdir(path, 0o700)
        elif stat.S_ISLNK(entry.mode):
            os.symlink(entry.content, path)
        elif stat.S_ISFIFO(entry.mode):
            os.mkfifo(path, 0o600)
        elif stat.S_ISREG(entry.mode):
            self._write(path, entry)
        if not stat.S_ISDIR(entry.mode):
            _finish(path, entry)

    def _write(self, path: bytes, entry: Entry) -> None:
        data = self.blobs.get(entry.content)
        if data is None:
            with open(TEMPLATE + path[len(PLACES[0]) :], "rb") as file:
                data = file.read()
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb", 0) as file:
            view = memoryview(data)
            while view:
                view = view[file.write(view) :]

    def _link_twins(self, wanted: dict[bytes, Entry]) -> None:
        """Makes one file of those that were one, wherever they are not any more."""
        firsts: dict[tuple[int, int], bytes] = {}
        for path, entry in wanted.items():
            if not stat.S_ISREG(entry.mode):
                continue
            first = firsts.setdefault(entry.twins, path)
            if first is not path and not os.path.samefile(first, path):
                os.unlink(path)
                os.link(first, path)


def walk(reclose: bool = True) -> Iterator[tuple[bytes, os.stat_result]]:
    """Every path of every place with its status, folders before what is in them.

    Folders that are closed to their owner are opened, and closed again at the end if so wished.
    """
    closed: list[tuple[bytes, int]] = []
    try:
        for place in PLACES:
            yield from _under(place, closed)
    finally:
        for path, mode in reversed(closed if reclose else []):
            with suppress(OSError):
                os.chmod(path, mode)


def _under(place: bytes, closed: list[tuple[bytes, int]]) -> Iterator[tuple[bytes, os.stat_result]]:
    stack = [(place, os.lstat(place))]
    while stack:
        path, info = stack.pop()
        yield path, info
        if not stat.S_ISDIR(info.st_mode):
            continue
        if info.st_mode & 0o700 != 0o700:
            closed.append((path, stat.S_IMODE(info.st_mode)))
            with suppress(OSError):
                os.chmod(path, stat.S_IMODE(info.st_mode) | 0o700)
        with suppress(OSError), os.scandir(path) as entries:
            for entry in entries:
                if entry.path != STATE_OF_SHELL.encode():
                    with suppress(OSError):
                        stack.append((entry.path, entry.stat(follow_symlinks=False)))


def _content(path: bytes, info: os.stat_result) -> bytes:
    """A file's bytes, even where its mode forbids its owner to read it."""
    try:
        fd = open_seen(path, info)
    except PermissionError:
        os.chmod(path, stat.S_IMODE(info.st_mode) | 0o400)
        try:
            fd = open_seen(path, info)
        finally:
            os.chmod(path, stat.S_IMODE(info.st_mode))
    with os.fdopen(fd, "rb", buffering=0) as file:
        return file.read(info.st_size) or b""


def _now(path: bytes, entry: Entry) -> Entry:
    """The entry with the key that it has since it was put back."""
    try:
        info = os.lstat(path)
    except FileNotFoundError:  # a socket: nobody listens at it any more
        return entry
    return entry._replace(key=key_of(info) if is_settled(info) else (), twins=(info.st_dev, info.st_ino))


def _finish(path: bytes, entry: Entry) -> None:
    follow = not stat.S_ISLNK(entry.mode)
    with suppress(PermissionError):  # a place itself may belong to another user
        if follow:
            os.chmod(path, stat.S_IMODE(entry.mode))
        os.utime(path, ns=(time.time_ns(), entry.mtime_ns), follow_symlinks=follow)


def _full() -> OSError:
    return OSError(errno.ENOSPC, "no space left for checkpoints")
