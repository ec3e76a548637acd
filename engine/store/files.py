"""Atomic files and locks: whole files by write-beside-and-rename, errors that name the file and the mend."""

from __future__ import annotations

import errno
import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from engine.errors import InputError, NotFoundError, StudioError, one_line

R = TypeVar("R", bound=BaseModel)

_MENDS = {
    errno.ENOSPC: "the disk is full: free some space and try again",
    errno.EDQUOT: "the disk quota is used up: free some space and try again",
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
        handle, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.", suffix=".tmp")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(beside).chmod(0o644)
            Path(beside).replace(path)
        except BaseException:
            Path(beside).unlink(missing_ok=True)
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
        StudioError: It cannot be read.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise NotFoundError(f"{path} does not exist") from error
    except OSError as error:
        raise StudioError(f"cannot read {path}: {error.strerror or error}") from error


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


def first_problem(error: ValidationError) -> str:
    """The first thing that pydantic found, in one line: field and reason."""
    problem = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in problem["loc"]) or "the whole file"
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


def write_json_lines(path: Path, records: list[R]) -> None:
    """Writes a whole JSONL file, one record a line."""
    write_text(path, "".join(r.model_dump_json() + "\n" for r in records))


@contextmanager
def exclusive(path: Path, *, blocking: bool = True) -> Iterator[bool]:
    """Holds an exclusive flock on `path` within the block; yields whether it was obtained.

    The system frees the lock when the process dies, however it dies. Local file systems only: on NFS a
    lock may outlive a lost client.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if blocking else fcntl.LOCK_NB))
            held = True
        except BlockingIOError:
            held = False
        yield held
    finally:
        os.close(handle)


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
