"""The host's end of the frames that go to and from a sandbox's resident program.

Everything that comes out of a sandbox is hostile until it has been checked: lengths are bounded, every wait
has a deadline, and a header is a closed record.
"""

from __future__ import annotations

import json
import os
import select
import struct
import time
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol, TypeVar

from pydantic import Field, ValidationError

from engine.schema.base import Record
from engine.schema.sandbox import FileChange, LeftProcess, SessionState

HEAD = struct.Struct(">IQ")
MAX_HEADER_BYTES = 32 * 2**20


class LostError(Exception):
    """The sandbox does not answer as it must; says why."""


class Ready(Record):
    """The resident's first word."""

    ready: bool


class Reply(Record):
    """The resident's answer to one request."""

    cwd: str
    exit_code: int | None = Field(default=None, ge=0, le=255)
    signal: int | None = Field(default=None, ge=1, le=64)
    timed_out: bool = False
    limit: str | None = None
    error: str | None = None
    stdout_bytes: int = Field(ge=0)
    stderr_bytes: int = Field(ge=0)
    stdout_total: int = Field(default=0, ge=0)
    stderr_total: int = Field(default=0, ge=0)
    changes: tuple[FileChange, ...] = ()
    n_changes: int = Field(default=0, ge=0)
    checkpoint: str = Field(default="", max_length=40)
    sessions: tuple[SessionState, ...] = ()
    left: tuple[LeftProcess, ...] = ()
    n_left: int = Field(default=0, ge=0)

    def outcome(self) -> dict[str, Any]:
        """What goes into an effect as it is."""
        streams = {"stdout_bytes", "stderr_bytes", "stdout_total", "stderr_total"}
        return {name: getattr(self, name) for name in type(self).model_fields if name not in streams}


class Answer(NamedTuple):
    """A checked reply with its two streams."""

    reply: Reply
    stdout: bytes
    stderr: bytes


Header = TypeVar("Header", bound=Record)


class Line(Protocol):
    """The bytes to and from a resident program. Every wait ends at a deadline of the monotonic clock.

    Raises (both methods): LostError at the deadline; OSError where the other end is gone.
    """

    def send(self, data: memoryview, deadline: float) -> int:
        """How many of the first bytes of `data` went out."""
        ...

    def receive(self, size: int, deadline: float) -> bytes:
        """The next bytes, at most `size`; none where the other end has closed."""
        ...


class Descriptors:
    """A line over two file descriptors, which may be the same."""

    def __init__(self, write_fd: int, read_fd: int) -> None:
        self._write_fd, self._read_fd = write_fd, read_fd
        os.set_blocking(write_fd, False)
        os.set_blocking(read_fd, False)

    def send(self, data: memoryview, deadline: float) -> int:
        """How many of the first bytes of `data` went out."""
        _wait(self._write_fd, select.POLLOUT, deadline)
        return os.write(self._write_fd, data[: 1 << 16])

    def receive(self, size: int, deadline: float) -> bytes:
        """The next bytes, at most `size`; none where the other end has closed."""
        _wait(self._read_fd, select.POLLIN, deadline)
        return os.read(self._read_fd, min(1 << 20, size))


class Channel:
    """Frames over one line."""

    def __init__(self, line: Line, max_body_bytes: int) -> None:
        self._line = line
        self._max_body_bytes = max_body_bytes

    def start(self, program: bytes, header: Mapping[str, Any], body: bytes, timeout_s: float) -> None:
        """Hands over the program and its first frame, and waits for the word that all is ready.

        Raises:
            LostError: It did not come.
        """
        self._exchange(header, body, timeout_s, Ready, before=program)

    def ask(self, header: Mapping[str, Any], body: bytes, timeout_s: float) -> Answer:
        """One request and its reply.

        Raises:
            LostError: None came in time, or it is no valid one.
        """
        reply, data = self._exchange(header, body, timeout_s, Reply)
        if reply.stdout_bytes + reply.stderr_bytes != len(data):
            raise LostError("it sent streams of another length than it said")
        return Answer(reply, data[: reply.stdout_bytes], data[reply.stdout_bytes :])

    def _exchange(
        self,
        header: Mapping[str, Any],
        body: bytes,
        timeout_s: float,
        kind: type[Header],
        before: bytes = b"",
    ) -> tuple[Header, bytes]:
        deadline = time.monotonic() + timeout_s
        head = json.dumps(header).encode("ascii")
        try:
            self._put(before + HEAD.pack(len(head), len(body)) + head + body, deadline)
            n_header, n_body = HEAD.unpack(self._take(HEAD.size, deadline))
            if n_header > MAX_HEADER_BYTES or n_body > self._max_body_bytes:
                raise LostError("it sent more than it may")
            raw = self._take(n_header, deadline)
            return kind.model_validate_json(raw), self._take(n_body, deadline)
        except ValidationError as error:
            raise LostError("it sent a reply that is no valid one") from error
        except OSError as error:
            raise LostError("it ended") from error

    def _put(self, data: bytes, deadline: float) -> None:
        view = memoryview(data)
        while view:
            view = view[self._line.send(view, deadline) :]

    def _take(self, size: int, deadline: float) -> bytes:
        data = bytearray()
        while len(data) < size:
            piece = self._line.receive(size - len(data), deadline)
            if not piece:
                raise LostError("it ended")
            data += piece
        return bytes(data)


def _wait(fd: int, event: int, deadline: float) -> None:
    poller = select.poll()
    poller.register(fd, event)
    left_ms = 1000 * (deadline - time.monotonic())
    if left_ms <= 0 or not poller.poll(left_ms):
        raise LostError("it did not answer in time")
