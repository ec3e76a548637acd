"""Files of the workspace, opened so that no trap laid there can hold up or mislead the runner."""

from __future__ import annotations

import errno
import os
import stat
import time
from contextlib import suppress

ROOT = b"/workspace"
PLACES = (ROOT, b"/tmp", b"/run", b"/dev/shm")
"""Everywhere that a command can write."""
TEMPLATE = b"/.ise/template"
"""Where the snapshot lies read-only, if it is shared and not copied."""
SETTLED_NS = 20_000_000
"""A kernel's clock for files stands still for up to 10 ms: two changes in that time may look like one."""


def explain(error: Exception, path: object) -> str:
    """`error` in one line, e.g. "ENOENT: no such file or directory: notes.txt"."""
    number = error.errno if isinstance(error, OSError) and error.errno else errno.EINVAL
    reason = (isinstance(error, OSError) and error.strerror) or os.strerror(number)
    return f"{errno.errorcode.get(number, 'EIO')}: {reason[:1].lower()}{reason[1:]}: {shown(path)}"


def shown(path: object) -> str:
    """A path as valid text, whatever bytes its name has."""
    raw = path if isinstance(path, bytes) else str(path).encode("utf-8", "backslashreplace")
    return raw.decode("utf-8", "backslashreplace")[:4096]


def inside(path: str) -> bytes:
    """The absolute path that a tool's `path` means: relative ones and ~ are under the workspace."""
    if path == "~" or path.startswith("~/"):
        path = "." + path[1:]
    return os.path.join(ROOT, path.encode("utf-8"))


def load(path: bytes, cap: int) -> tuple[bytes, int]:
    """The first `cap` bytes of a regular file, and its size. Never waits: a pipe or device is refused."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    with os.fdopen(fd, "rb", buffering=0) as file:
        info = regular(fd)
        if os.readlink(f"/proc/self/fd/{fd}").startswith("/proc/1/"):
            raise OSError(errno.EACCES, "permission denied")  # to us they are open, to nobody else
        data = bytearray()
        while len(data) < cap:
            piece = file.read(min(1 << 20, cap - len(data)))
            if not piece:
                break
            data += piece
        return bytes(data), max(len(data), info.st_size)


def store(path: bytes, data: bytes) -> None:
    """Replaces the content of a regular file, which is made where it is not there."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    fd = os.open(path, flags, 0o644)
    with os.fdopen(fd, "wb", buffering=0) as file:
        if regular(fd).st_dev == os.stat("/proc").st_dev:
            raise OSError(errno.EACCES, "permission denied")  # this program's own entries
        os.ftruncate(fd, 0)
        view = memoryview(data)
        while view:
            view = view[file.write(view) :]


class StaleError(OSError):
    """A path is not what it was a moment ago."""


def key_of(info: os.stat_result) -> tuple[int, ...]:
    """What changes whenever the file does; the change time cannot be set from inside."""
    return (info.st_ino, info.st_mtime_ns, info.st_ctime_ns, info.st_size, info.st_mode)


def is_settled(info: os.stat_result) -> bool:
    """True when a change from now on is bound to show in the key."""
    return time.time_ns() - info.st_ctime_ns > SETTLED_NS


def open_seen(path: bytes, info: os.stat_result) -> int:
    """A descriptor to read the file that `info` was asked of, and no other that has taken its place."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    now = os.fstat(fd)
    if (now.st_ino, stat.S_IFMT(now.st_mode)) != (info.st_ino, stat.S_IFMT(info.st_mode)):
        os.close(fd)
        raise StaleError(errno.ESTALE, "it has just been replaced")
    return fd


def remove(path: bytes, mode: int) -> None:
    """Takes away a path and all under it, however deep; nobody else may be running."""
    if not stat.S_ISDIR(mode):
        os.unlink(path)
        return
    here, names = os.getcwd(), []
    os.chmod(path, 0o700)
    os.chdir(path)
    while True:
        name = _empty_but_for_a_folder()
        if name is not None:
            os.chmod(name, 0o700)
            os.chdir(name)
            names.append(name)
        elif names:
            os.chdir("..")
            os.rmdir(names.pop())
        else:
            break
    os.chdir(here)
    os.rmdir(path)


def _empty_but_for_a_folder() -> str | None:
    with os.scandir(".") as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                return entry.name
            os.unlink(entry.name)
    return None


def regular(fd: int) -> os.stat_result:
    """The open file's status, if it is a regular file."""
    info = os.fstat(fd)
    if stat.S_ISDIR(info.st_mode):
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(info.st_mode):
        raise OSError(errno.EINVAL, "not a regular file")
    return info


def replace(path: str, data: bytes) -> None:
    """A new file in place of whatever is there: a link or a pipe laid as a trap goes with it."""
    with suppress(FileNotFoundError):
        os.unlink(path)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb", buffering=0) as file:
        file.write(data)
