"""Background sessions: commands that go on while other calls come and go."""

from __future__ import annotations

import os
import select
import signal
import time
from contextlib import suppress
from typing import Any

from .files import shown
from .processes import Processes, Stream, Watched, n_files, others
from .shell import Shell

MAX_SESSIONS = 16
"""Sessions that are remembered; the output of each is kept up to the output limit."""
KILL_GRACE_S = 2.0
MAX_LAST_TURNS = 64
MAX_COMMAND_CHARS = 200


class Session(Watched):
    """One command in the background. As on a terminal, both its streams go to one."""

    def __init__(
        self, name: str, command: str, pid: int, out: Stream, stdin: int, timeout_s: float | None
    ) -> None:
        super().__init__(pid, out)
        self.name = name
        self.command = command
        self.out = out
        self.stdin: int | None = stdin
        self.timeout_s = timeout_s
        self.until = None if timeout_s is None else time.monotonic() + timeout_s
        self.killed = False
        self.told = 0
        """How many bytes of its output have been told."""
        os.set_blocking(stdin, False)

    def watch(self, processes: Processes, now: float) -> None:
        """Ends the session where it has run too long or has written too much."""
        if self.has_ended():
            return
        if self.limit is None and self.until is not None and now >= self.until:
            self.limit = "time"
        elif self.limit is None and processes.is_flood(self):
            self.limit = "output"
        if self.limit is not None:
            send(self.pid, signal.SIGKILL)

    def close_stdin(self) -> None:
        """Ends its input."""
        if self.stdin is not None:
            os.close(self.stdin)
            self.stdin = None

    def state(self) -> dict[str, Any]:
        """The session as the host's record has it."""
        ended = self.has_ended()
        ending = self.ending() if ended else {"exit_code": None, "signal": None}
        return {
            "session_id": self.name,
            "command": shown(self.command)[:MAX_COMMAND_CHARS],
            "pid": self.pid,
            "running": not ended,
            "exit_code": ending["exit_code"],
            "signal": ending["signal"],
            "limit": self.limit,
            "killed": self.killed,
            "timeout_s": self.timeout_s,
            "n_bytes": self.out.total,
        }


class Sessions:
    """The sessions of a workspace, and what can be done with them. Errors are ValueErrors, in words."""

    def __init__(self, processes: Processes) -> None:
        self.processes = processes
        self.n_started = 0
        self.by_name: dict[str, Session] = {}

    def start(
        self, shell: Shell, command: str, cwd: bytes, env: dict[str, str], timeout_s: float | None
    ) -> Session:
        """Starts a command; what it does by `cd` and `export` stays its own."""
        self._make_room(shell)
        name = f"s{self.n_started + 1}"
        pid, out, stdin = shell.start_session(name, command, cwd, env)
        self.n_started += 1
        session = Session(name, command, pid, Stream(out, self.processes.output_bytes), stdin, timeout_s)
        self.by_name[name] = session
        self.processes.watched.append(session)
        self.processes.listen(session)
        return session

    def running(self) -> list[Session]:
        """The sessions that have not ended."""
        return [session for session in self.by_name.values() if not session.has_ended()]

    def find(self, name: str | None) -> Session:
        """The session of this name."""
        if name in self.by_name:
            return self.by_name[str(name)]
        known = ", ".join(self.by_name) or "none"
        raise ValueError(f"no session {shown(name)[:80]!r}: there are {known}")

    def wait(self, session: Session, wait_s: float) -> None:
        """Waits until the session has ended and its output is quiet, so long at most."""
        until, had = time.monotonic() + wait_s, n_files()
        while not session.has_ended() and time.monotonic() < until:
            self.processes.turn(1000 * max(0.0, min(0.25, until - time.monotonic())) + 1)
            self.processes.keep_bounds(had)
        for _ in range(1 if not session.has_ended() else MAX_LAST_TURNS):  # others may write to it for ever
            self.processes.turn(0)
            if not session.out.open or not select.select([session.out.fd], [], [], 0)[0]:
                return

    def news(self, session: Session) -> tuple[bytes, int]:
        """What has been written since the last time this was asked, and how many bytes that were in all."""
        told, session.told = session.told, session.out.total
        return bytes(session.out.kept[told:]), session.out.total - told

    def write(self, session: Session, data: bytes, eof: bool, timeout_s: float) -> None:
        """Writes to its standard input, then ends that if `eof`."""
        until, view, had = time.monotonic() + timeout_s, memoryview(data), n_files()
        self._input_of(session)
        while view:
            self.processes.turn(0)
            self.processes.keep_bounds(had)
            stdin = self._input_of(session)
            if time.monotonic() >= until:
                raise ValueError(f"session {session.name} took {len(data) - len(view)} of {len(data)} bytes")
            if select.select([], [stdin], [], 0.05)[1]:
                view = view[self._put(session, stdin, view) :]
        if eof:
            session.close_stdin()

    def _input_of(self, session: Session) -> int:
        if session.has_ended():
            raise ValueError(f"session {session.name} has ended: nothing can be written to it")
        if session.stdin is None:
            raise ValueError(f"session {session.name} had its input ended: nothing can be written to it")
        return session.stdin

    def _put(self, session: Session, stdin: int, view: memoryview) -> int:
        try:
            return os.write(stdin, view[: 1 << 16])
        except BlockingIOError:
            return 0
        except BrokenPipeError:
            session.close_stdin()
            raise ValueError(f"session {session.name} reads no input any more") from None

    def kill(self, session: Session) -> None:
        """Asks the session's processes to end, and ends those that have not after a while."""
        if session.has_ended():
            raise ValueError(f"session {session.name} has ended already")
        session.killed = True
        send(session.pid, signal.SIGTERM)
        until = time.monotonic() + KILL_GRACE_S
        while members(session.pid) and time.monotonic() < until:
            self.processes.turn(10)
        until = time.monotonic() + KILL_GRACE_S
        while not session.has_ended() or (members(session.pid) and time.monotonic() < until):
            send(session.pid, signal.SIGKILL)
            self.processes.turn(1)
        self.wait(session, 0.0)

    def _make_room(self, shell: Shell) -> None:
        if len(self.by_name) < MAX_SESSIONS:
            return
        ended = next((s for s in self.by_name.values() if s.has_ended()), None)
        if ended is None:
            raise ValueError(f"{MAX_SESSIONS} background sessions are running: kill one of them first")
        ended.close_stdin()
        if ended.out.open:  # else its number may be another stream's by now
            self.processes.forget(ended.out.fd)
        shell.forget_session(ended.name)
        self.processes.watched.remove(ended)
        del self.by_name[ended.name]


def send(leader: int, number: int) -> None:
    """Sends a signal to every process of a session."""
    for pid in members(leader):
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def members(leader: int) -> list[int]:
    """The living processes that `leader` began: those of its session, and all that descend from them.

    One that has made a session of its own and lost its parent is out of reach; the ledger shows it as left
    behind.
    """
    table = {int(pid): known for pid in others() if (known := _parent_and_session(pid)) is not None}
    found = {pid for pid, (_, session) in table.items() if session == leader or pid == leader}
    while True:
        more = {pid for pid, (parent, _) in table.items() if parent in found} - found
        if not more:
            return sorted(found)
        found |= more


def _parent_and_session(pid: str) -> tuple[int, int] | None:
    """A process's parent and session; None for one that is gone, or dead and not yet reaped."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return None if fields[0] == b"Z" else (int(fields[1]), int(fields[3]))
