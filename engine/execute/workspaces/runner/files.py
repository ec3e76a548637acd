"""Files of the workspace, opened so that no trap laid there can hold up or mislead the runner."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress

ROOT = b"/workspace"


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
