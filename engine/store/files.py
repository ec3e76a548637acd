"""Atomic files and locks: whole files by write-beside-and-rename, errors that name the file and the mend."""

from __future__ import annotations

import errno
import fcntl
import math
import os
import secrets
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from engine.errors import InputError, NotFoundError, StudioError, one_line

R = TypeVar("R", bound=BaseModel)

_LOCK_POLL_S = 0.05
_MENDS = {
    errno.ENOSPC: "the disk is full: free some space and try again",
    errno.EDQUOT: "the disk quota is used up: free some space and try again",
    errno.EFBIG: "the file is larger than this process may write: raise 'ulimit -f' and try again",
    errno.EROFS: "the file system is read-only: choose a project folder that can be written",
    errno.EACCES: "permission denied: choose a folder that you may write, or change its owner",
    errno.EPERM: "permission denied: choose a folder that you may write, or change its owner",
    errno.ENOTDIR: "a part of this path is a file, not a folder: choose another folder",
    errno.ENAMETOOLONG: "the name is too long for the file system: choose a shorter one",
}


def write_error(path: Path, error: OSError) -> StudioError:
    """The one-line error for a write that the system refused."""
    code = error.errno or 0
    return StudioError(f"cannot write {path}: {_MENDS.get(code, error.strerror or str(error))}")


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns the system's refusals inside the block into `StudioError`s that name `path`."""
    try:
        yield
    except OSError as error:
        raise write_error(path, error) from error


def write_bytes(path: Path, data: bytes) -> None:
    """Writes the whole file or nothing: beside it, synced, then renamed into place.

    Raises:
        StudioError: The disk is full, read-only or not ours; no half-written file is left.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.parent / f".{path.name[:40]}.{secrets.token_hex(6)}.tmp"
        try:
            with beside.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise


def write_text(path: Path, text: str) -> None:
    """Writes the whole UTF-8 file or nothing."""
    write_bytes(path, text.encode("utf-8", errors="surrogatepass" if _has_surrogates(text) else "strict"))


def _has_surrogates(text: str) -> bool:
    return any("\ud800" <= c <= "\udfff" for c in text)


def write_record(path: Path, record: BaseModel) -> None:
    """Writes one record as JSON, whole."""
    write_bytes(path, record.model_dump_json(indent=1).encode("utf-8"))


def read_bytes(path: Path) -> bytes:
    """The file's bytes.

    Raises:
        NotFoundError: There is no such file.
        StudioError: It cannot be read, or is a folder, a pipe or a device.
    """
    try:
        # Without O_NONBLOCK, opening a pipe waits for someone to write into it.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if stat.S_ISREG(os.fstat(handle).st_mode):
                with os.fdopen(handle, "rb", closefd=False) as file:
                    return file.read()
        finally:
            os.close(handle)
    except FileNotFoundError as error:
        raise NotFoundError(f"{path} does not exist") from error
    except OSError as error:
        raise StudioError(f"cannot read {path}: {error.strerror or error}") from error
    raise StudioError(f"cannot read {path}: it is no regular file: move it away")


def read_record(path: Path, kind: type[R]) -> R:
    """One record from its JSON file.

    Raises:
        NotFoundError: There is no such file.
        InputError: It is no valid record of this kind; the message names the field.
    """
    data = read_bytes(path)
    try:
        return kind.model_validate_json(data)
    except ValidationError as error:
        raise InputError(f"{path} is not a valid {kind.__name__}: {first_problem(error)}") from error


def first_problem(error: ValidationError, whole: str = "the whole file") -> str:
    """The first thing that pydantic found, in one line: field (or `whole`) and reason."""
    problem = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in problem["loc"]) or whole
    return one_line(f"{where}: {problem['msg']}")


def read_json_lines(path: Path, kind: type[R]) -> list[R]:
    """All records of a JSONL file that was written whole.

    Raises:
        InputError: A line is no valid record; the message names file and line.
    """
    records = []
    for number, line in enumerate(read_bytes(path).splitlines(), start=1):
        if not line.strip():
            continue
        try:
            records.append(kind.model_validate_json(line))
        except ValidationError as error:
            raise InputError(
                f"{path}:{number} is not a valid {kind.__name__}: {first_problem(error)}"
            ) from error
    return records


def write_json_lines(path: Path, records: Sequence[BaseModel]) -> None:
    """Writes a whole JSONL file, one record a line."""
    write_text(path, "".join(r.model_dump_json() + "\n" for r in records))


@contextmanager
def exclusive(path: Path, *, wait_s: float = math.inf) -> Iterator[bool]:
    """Holds an exclusive flock on `path` within the block; yields whether it was obtained in `wait_s`.

    The system frees the lock when the process dies, however it dies. Local file systems only: on NFS a
    lock may outlive a lost client.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        yield _obtained(handle, wait_s)
    finally:
        os.close(handle)


def _obtained(handle: int, wait_s: float) -> bool:
    if wait_s == math.inf:
        fcntl.flock(handle, fcntl.LOCK_EX)
        return True
    deadline = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(_LOCK_POLL_S)
        else:
            return True


def is_locked(path: Path) -> bool:
    """True while a living process holds the lock."""
    if not path.exists():
        return False
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise StudioError(f"cannot read {path}: {error.strerror}") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False
