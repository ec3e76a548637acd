"""The processes of a workspace: one call at a time, and the orphans of all that went before."""

from __future__ import annotations

import os
import select
import signal
import time
from contextlib import suppress
from typing import Any

from .files import PLACES

LINGER_S = 0.2
"""How long a call waits for its streams to end after its shell has: others may still write to them."""
WATCH_S = 0.25
FLOOD = 64
"""A call that writes this many times the output limit is ended."""
MAX_STREAMS = 128
SOCKET_BYTES = 2 * 212_992
"""What one socket's buffers may hold: they are the kernel's memory and no process's."""
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class LostError(Exception):
    """The host is gone."""


CALL_TIME = "call_time"
"""The limit of a session that was ended since a call beside it ran out of time."""


class Stream:
    """One output stream of a command: kept up to a cap, counted in full."""

    def __init__(self, fd: int, cap: int) -> None:
        self.fd = fd
        self.cap = cap
        self.kept = bytearray()
        self.total = 0
        self.open = True
        os.set_blocking(fd, False)

    def drain(self) -> None:
        """Takes what is there, at most a mebibyte, without waiting."""
        for _ in range(16):
            try:
                piece = os.read(self.fd, 65536)
            except BlockingIOError:
                return
            if not piece:
                self.close()
                return
            self.total += len(piece)
            self.kept += piece[: max(0, self.cap - len(self.kept))]

    def take(self) -> bytes:
        """What was kept; whatever comes later is thrown away."""
        kept, self.kept, self.cap = bytes(self.kept), bytearray(), 0
        return kept

    def close(self) -> None:
        """Stops listening."""
        if self.open:
            self.open = False
            os.close(self.fd)


class Call:
    """One command as it runs, and how it ended."""

    def __init__(self, pid: int, *streams: Stream) -> None:
        self.pid = pid
        self.streams = streams
        self.status: int | None = None
        self.limit: str | None = None

    def has_ended(self) -> bool:
        """True once the shell has ended."""
        return self.status is not None

    def is_over(self) -> bool:
        """True once the shell has ended and nobody can write to its streams any more."""
        return self.status is not None and not any(stream.open for stream in self.streams)

    def taken(self) -> list[bytes]:
        """What was kept of each stream."""
        return [stream.take() for stream in self.streams]

    def was_killed(self) -> bool:
        """True when SIGKILL ended the shell, or the last thing that the shell ran."""
        return self.status in (signal.SIGKILL, (128 + signal.SIGKILL) << 8)

    def ending(self) -> dict[str, Any]:
        """How the call ended, from its wait status."""
        status = self.status or 0
        signalled = os.WIFSIGNALED(status)
        if signalled and os.WTERMSIG(status) == signal.SIGXCPU:
            self.limit = self.limit or "cpu"
        return {
            "exit_code": None if signalled or self.limit else os.WEXITSTATUS(status),
            "signal": os.WTERMSIG(status) if signalled else None,
            "timed_out": self.limit == "time",
            "limit": self.limit,
        }

    def totals(self) -> dict[str, int]:
        """How many bytes went to each stream in all."""
        names = ("stdout_total", "stderr_total")
        return {names[n]: stream.total for n, stream in enumerate(self.streams)}


class Watched(Call):
    """A call that goes on while others come and go: what is looked at on every turn."""

    def watch(self, processes: Processes, now: float) -> None:
        """Ends it where it has gone too far."""


class Processes:
    """Waits for everything at once: the call, its streams, the orphans, the host.

    As process 1 of its pid namespace it is the parent of every process whose own parent has ended.
    """

    def __init__(self, host: int, output_bytes: int, memory_bytes: int, n_files: int) -> None:
        self.host = host
        self.output_bytes = output_bytes
        self.memory_bytes = memory_bytes
        self.n_files = n_files
        self.calls: dict[int, Call] = {}
        self.watched: list[Watched] = []
        self.has_children = False
        self.streams: dict[int, Stream] = {}
        self.poller = select.poll()
        self.wake, wake_w = os.pipe()
        for fd in (self.wake, wake_w):
            os.set_blocking(fd, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake_w, warn_on_full_buffer=False)
        self.poller.register(self.wake, select.POLLIN)

    def wait_for_host(self) -> None:
        """Until the host has something to say; meanwhile orphans are reaped and their output thrown away."""
        self.poller.register(self.host, select.POLLIN)
        had = n_files()
        while not self.turn(1000 if self.has_children else None):
            self.keep_bounds(had)
        self.poller.register(self.host, 0)

    def keep_bounds(self, had: int) -> None:
        """Ends all where they hold too much together; `had` is how many files there were before."""
        if self._too_many_files(had):
            self.kill_all("files")
        elif self._too_much_memory():
            self.kill_all("memory")

    def listen(self, call: Call) -> None:
        """Follows a started process from now on: its streams and its end."""
        self.calls[call.pid] = call
        for stream in call.streams:
            self.streams[stream.fd] = stream
            self.poller.register(stream.fd, select.POLLIN)
        self.has_children = True

    def follow(self, pid: int, out: int, err: int, timeout_s: float) -> Call:
        """Follows a started shell until it has ended and its streams are quiet, or a limit ends all."""
        call = Call(pid, Stream(out, self.output_bytes), Stream(err, self.output_bytes))
        self.listen(call)
        kills = kernel_kills()
        self._until_over(call, time.monotonic() + timeout_s)
        if call.limit is None and call.was_killed() and kernel_kills() > kills:
            call.limit = "memory"
        held = {stream.fd for session in self.watched for stream in session.streams if stream.open}
        for fd in [fd for fd in self.streams if fd not in held][:-MAX_STREAMS]:
            self.forget(fd)
        return call

    def kill_all(self, limit: str) -> None:
        """Ends every process but this one: groups and sessions are no hiding place in a pid namespace."""
        for session in self.watched:
            if session.status is None:
                session.limit = CALL_TIME if limit == "time" else limit
        self.has_children = True
        while self.has_children:
            with suppress(ProcessLookupError):
                os.kill(-1, signal.SIGKILL)
            self._reap()
            time.sleep(0.001)

    def _until_over(self, call: Call, until: float) -> None:
        ended, had = False, n_files()
        while not call.is_over():
            now = time.monotonic()
            if not ended and call.status is not None:
                ended, until = True, now + LINGER_S
            if ended and now >= until:
                return  # streams stay open: a closed one would end a background server at its next line
            if not ended and call.limit is None and self._exceeded(call, now >= until, had):
                self.kill_all(call.limit or "time")
            self.turn(1000 * max(0.0, min(WATCH_S, until - now)) + 1)

    def _exceeded(self, call: Call, is_late: bool, had: int) -> bool:
        if is_late:
            call.limit = "time"
        elif self.is_flood(call):
            call.limit = "output"
        elif self._too_many_files(had):
            call.limit = "files"
        elif self._too_much_memory():
            call.limit = "memory"
        return call.limit is not None

    def _too_many_files(self, had: int) -> bool:
        """True where there are too many and more than before: what is too full may still be tidied up."""
        return self.n_files < (now := n_files()) and (now > had or now > 2 * self.n_files)

    def is_flood(self, call: Call) -> bool:
        """True when a stream has brought far more than is kept of it."""
        return any(stream.total > FLOOD * self.output_bytes for stream in call.streams)

    def _too_much_memory(self) -> bool:
        if n_sockets() * SOCKET_BYTES > self.memory_bytes:
            return True
        return (
            sum(map(private_bytes, others())) > self.memory_bytes
            and sum(map(fair_bytes, others())) > self.memory_bytes
        )

    def turn(self, timeout_ms: float | None) -> bool:
        """Waits once and serves what came; True when the host has something to say."""
        spoken = False
        for fd, events in self.poller.poll(timeout_ms):
            if fd == self.host:
                if not events & select.POLLIN:
                    raise LostError
                spoken = True
            elif fd == self.wake:
                os.read(self.wake, 4096)
                self._reap()
            else:
                self.streams[fd].drain()
                if not self.streams[fd].open:
                    self.forget(fd)
        now = time.monotonic()
        for session in self.watched:
            session.watch(self, now)
        return spoken

    def forget(self, fd: int) -> None:
        """Stops listening to a stream, open or not."""
        self.poller.unregister(fd)
        self.streams.pop(fd).close()

    def _reap(self) -> None:
        self.has_children = True
        try:
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return
                if pid in self.calls:
                    self.calls.pop(pid).status = status
        except ChildProcessError:
            self.has_children = False


def n_files() -> int:
    """How many inodes the fullest place has: they cost the host memory."""
    usages = map(os.statvfs, PLACES)
    return max(usage.f_files - usage.f_ffree for usage in usages)


def n_sockets() -> int:
    """How many sockets there are in this network namespace."""
    try:
        with open("/proc/net/sockstat") as file:
            return int(file.readline().split()[2])
    except (OSError, IndexError, ValueError):
        return 0


def kernel_kills() -> int:
    """How many processes the kernel has ended here for their memory; 0 where no cgroup tells."""
    for place in ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control"):
        with suppress(OSError), open(place) as file:
            return sum(int(line.split()[1]) for line in file if line.startswith("oom_kill "))
    return 0


def others() -> list[str]:
    """Process ids of all others."""
    return [name for name in os.listdir("/proc") if name.isdigit() and name != "1"]


def private_bytes(pid: str) -> int:
    """Resident memory that is no file's; what a fork shares with its parent counts for both."""
    try:
        with open(f"/proc/{pid}/statm") as file:
            _, resident, shared, *_ = map(int, file.read().split())
    except OSError:
        return 0
    return (resident - shared) * PAGE_BYTES


def fair_bytes(pid: str) -> int:
    """Resident memory with shared pages split among their holders; dear to ask for."""
    try:
        with open(f"/proc/{pid}/smaps_rollup") as file:
            return sum(1024 * int(line.split()[1]) for line in file if line.startswith("Pss:"))
    except OSError:
        return 0
