"""The request log: a line is added for every request to a model; a torn last line costs that line alone."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from engine.errors import NotFoundError
from engine.schema.request import RequestRecord
from engine.store.files import read_bytes, writing


class RequestLog:
    """Adds records to a JSONL file, from any number of threads and processes."""

    def __init__(self, path: Path) -> None:
        """Args: the file; it is made with its first line."""
        self._path = path
        self._mutex = threading.Lock()

    def add(self, record: RequestRecord) -> None:
        """Adds one line, in one write.

        Raises:
            StudioError: The disk refuses it.
        """
        line = record.model_dump_json().encode("utf-8", errors="replace") + b"\n"
        with self._mutex, writing(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
            with os.fdopen(handle, "r+b", buffering=0) as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                # What a killed writer left of its last line must not spoil the line that comes now.
                size = os.fstat(handle).st_size
                torn = size > 0 and os.pread(handle, 1, size - 1) != b"\n"
                file.write(b"\n" + line if torn else line)


def scan_requests(path: Path) -> Iterator[RequestRecord]:
    """The records of a request log in their order; none where there is no log. Torn lines are passed over."""
    try:
        lines = read_bytes(path).splitlines()
    except NotFoundError:
        return
    for line in lines:
        try:
            yield RequestRecord.model_validate_json(line)
        except ValidationError:
            continue
