"""The resident program: runs commands, reads and writes files, and says what changed.

It is meant to be process 1 of its own pid namespace: nothing that runs beside it can end it, and when it ends
so does everything else. It ends when its input does.

A frame, both ways, is a header length (u32), a body length (u64), a JSON header and raw bytes. The first
frame in holds the snapshot's files; then each request gets one reply.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import resource
import signal
import struct
import sys
from contextlib import suppress
from typing import Any, NamedTuple

from . import programs
from .changes import Watch
from .checkpoints import Checkpoints
from .files import ROOT, explain, inside, load, shown, store
from .left import left_since
from .processes import LostError, Processes, others
from .sessions import Session, Sessions
from .shell import Shell

HEAD = struct.Struct(">IQ")
PR_SET_DUMPABLE = 4
PR_SET_SECCOMP = 22
SECCOMP_MODE_FILTER = 2
BACKSTOP_S = 2.0
"""How much longer than its own alarm a program may take before all is ended."""


class Result(NamedTuple):
    """A reply's header, as far as an action knows it, and the two streams."""

    header: dict[str, Any]
    out: bytes = b""
    err: bytes = b""


class Frames:
    """The frames to and from the host."""

    def __init__(self, fd_in: int, fd_out: int) -> None:
        self.fd_in = fd_in
        self.fd_out = fd_out

    def receive(self) -> tuple[dict[str, Any], bytes]:
        """The next frame."""
        n_header, n_body = HEAD.unpack(self._take(HEAD.size))
        return json.loads(self._take(n_header)), self._take(n_body)

    def send(self, header: dict[str, Any], body: bytes = b"") -> None:
        """Sends one frame."""
        head = json.dumps(header).encode()
        view = memoryview(HEAD.pack(len(head), len(body)) + head + body)
        while view:
            view = view[os.write(self.fd_out, view) :]

    def _take(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            piece = os.read(self.fd_in, min(1 << 20, size - len(data)))
            if not piece:
                raise LostError
            data += piece
        return bytes(data)


class Runner:
    """The actions, one at a time."""

    def __init__(self, frames: Frames) -> None:
        first, body = frames.receive()
        unpack(first["files"], body)
        for name, value in first["rlimits"].items():
            resource.setrlimit(getattr(resource, name), (value, value))
        if first["filter"]:
            refuse_calls(bytes.fromhex(first["filter"]))
        self.frames = frames
        self.output_bytes = int(first["output_bytes"])
        self.shell = Shell(first["env"], int(first["cpu_s"]))
        self.processes = Processes(
            frames.fd_in, self.output_bytes, int(first["memory_bytes"]), int(first["n_files"])
        )
        self.sessions = Sessions(self.processes)
        self.pages: list[dict[str, Any]] = first["web"]
        template = {path.encode("utf-8"): bytes.fromhex(sha) for path, sha in first["template"].items()}
        self.watch = Watch(2 * int(first["workspace_bytes"]), template)
        self.checkpoints = Checkpoints(int(first["checkpoint_bytes"]), self.watch.seen)
        frames.send({"ready": True})

    def serve(self) -> None:
        """Answers requests until the host closes its end."""
        actions = {
            "exec": self.exec,
            "read": self.read,
            "write": self.write,
            "checkpoint": self.checkpoint,
            "restore": self.restore,
            "process": self.process,
            "memory_search": self.program,
            "memory_get": self.program,
            "web_fetch": self.program,
            "web_search": self.program,
        }
        while True:
            self.processes.wait_for_host()
            request, body = self.frames.receive()
            before, sessions = others(), self.sessions.running()
            header, out, err = actions[request["op"]](request, body)
            left, n_left = left_since(before, [s.pid for s in sessions if not s.has_ended()])
            changes, n_changes = self.watch.changes()
            header.update(left=left, n_left=n_left, changes=changes, n_changes=n_changes)
            header.update(stdout_bytes=len(out), stderr_bytes=len(err))
            self.frames.send(header, out + err)

    def exec(self, request: dict[str, Any], body: bytes) -> Result:
        """Runs one command in a fresh shell and follows it to its end, or begins a session with it."""
        workdir, shell = request["workdir"], self.shell
        cwd = shell.cwd
        try:
            if workdir is not None:
                cwd = inside(workdir)
            elif not os.path.isdir(cwd):
                cwd = shell.cwd = ROOT
            if request["background_after_s"] is not None:
                return self._session(request, cwd)
            started = shell.start(request["command"], cwd, request["env"])
        except (OSError, ValueError) as error:
            return self._not_started(error, "command" if workdir is None else workdir, cwd)
        call = self.processes.follow(*started, timeout_s=request["timeout_s"])
        shell.remember(with_cwd=workdir is None)
        return Result({"cwd": shown(cwd), **call.ending(), **call.totals()}, *call.taken())

    def _not_started(self, error: Exception, what: str, cwd: bytes) -> Result:
        """Why nothing was started; where so many run that nothing can be, all are ended."""
        if not isinstance(error, BlockingIOError):
            return Result({"cwd": shown(cwd), "error": explain(error, what)})
        self.processes.kill_all("processes")
        full = OSError(errno.EAGAIN, "too many processes ran, so all were ended")
        return Result({"cwd": shown(cwd), "error": explain(full, what), "limit": "processes"})

    def _session(self, request: dict[str, Any], cwd: bytes) -> Result:
        """Begins a session; one that has ended by the time named is told like any other command."""
        try:
            session = self.sessions.start(
                self.shell, request["command"], cwd, request["env"], request["session_timeout_s"]
            )
        except ValueError as error:
            return Result({"cwd": shown(cwd), "error": str(error)})
        if request["background_after_s"] > 0:
            self.sessions.wait(session, request["background_after_s"])
        return self._news(session, {"cwd": shown(cwd)})

    def _news(self, session: Session, header: dict[str, Any]) -> Result:
        """What a session has written since it was last told of, and how it ended if it has."""
        out, total = self.sessions.news(session)
        header.update(sessions=[session.state()], stdout_total=total)
        if session.has_ended() and not session.killed:
            header.update(session.ending())
        return Result(header, out)

    def process(self, request: dict[str, Any], body: bytes) -> Result:
        """Looks at the background sessions, or does something to one."""
        header: dict[str, Any] = {"cwd": shown(self.shell.cwd)}
        try:
            if request["action"] == "list":
                return Result({**header, "sessions": [s.state() for s in self.sessions.by_name.values()]})
            session = self.sessions.find(request.get("session_id"))
            if request["action"] == "poll":
                self.sessions.wait(session, request.get("wait_s") or 0.0)
                return self._news(session, header)
            if request["action"] == "log":
                self.sessions.wait(session, 0.0)
                header.update(sessions=[session.state()], stdout_total=session.out.total)
                return Result(header, bytes(session.out.kept))
            if request["action"] == "write":
                self.sessions.write(session, body, bool(request.get("eof")), request["timeout_s"])
            else:
                self.sessions.kill(session)
        except ValueError as error:
            return Result({**header, "error": str(error)})
        if request["action"] == "kill":
            return self._news(session, header)
        return Result({**header, "sessions": [session.state()]})

    def program(self, request: dict[str, Any], body: bytes) -> Result:
        """Runs one of the programs that come with the workspace, as a process of its own."""
        try:
            started = programs.start(lambda: self._answer(request), request["timeout_s"])
        except OSError as error:
            return self._not_started(error, request["op"], ROOT)
        call = self.processes.follow(*started, timeout_s=request["timeout_s"] + BACKSTOP_S)
        return Result({"cwd": shown(ROOT), **call.ending(), **call.totals()}, *call.taken())

    def read(self, request: dict[str, Any], body: bytes) -> Result:
        """A regular file's bytes, up to the output limit."""
        path = request["path"]
        try:
            data, total = load(inside(path), self.output_bytes)
        except (OSError, ValueError) as error:
            return Result({"cwd": shown(ROOT), "error": explain(error, path)})
        return Result({"cwd": shown(ROOT), "stdout_total": total}, data)

    def write(self, request: dict[str, Any], body: bytes) -> Result:
        """Writes a whole regular file, making its parent folders."""
        path = request["path"]
        try:
            target = inside(path)
            with suppress(FileExistsError):
                os.makedirs(os.path.dirname(target))
            store(target, body)
        except (OSError, ValueError) as error:
            return Result({"cwd": shown(ROOT), "error": explain(error, path)})
        return Result({"cwd": shown(ROOT)})

    def checkpoint(self, request: dict[str, Any], body: bytes) -> Result:
        """Keeps files, working directory and exported variables as they are; processes go on."""
        try:
            name = self.checkpoints.take(self.shell)
        except OSError as error:
            return Result({"cwd": shown(ROOT), "error": explain(error, "checkpoint"), "limit": "checkpoints"})
        return Result({"cwd": shown(self.shell.cwd), "checkpoint": name})

    def restore(self, request: dict[str, Any], body: bytes) -> Result:
        """Ends every process and puts all back as it was kept.

        Where that fails half-way the workspace is neither here nor there, so it is given up.
        """
        name = request["checkpoint"]
        if name not in self.checkpoints.kept:
            error = OSError(errno.ENOENT, "no such checkpoint")
            return Result({"cwd": shown(ROOT), "error": explain(error, name)})
        self.processes.kill_all("restore")
        try:
            self.checkpoints.restore(name, self.shell)
        except OSError as error:
            raise LostError from error
        return Result({"cwd": shown(self.shell.cwd)})

    def _answer(self, wanted: dict[str, Any]) -> dict[str, Any]:
        """A program's answer. Run in its own process, which alone reads the code that it needs."""
        if wanted["op"].startswith("memory"):
            from . import memory

            if wanted["op"] == "memory_get":
                return memory.get(wanted["path"], wanted["first"], wanted["n_lines"])
            return memory.search(wanted["query"], wanted["n_results"], wanted["min_score"])
        from . import web

        if wanted["op"] == "web_fetch":
            return web.fetch(self.pages, wanted["url"], wanted["markdown"], self.output_bytes // 4)
        return web.search(self.pages, wanted["query"], wanted["n_results"])


def unpack(files: list[tuple[str, int, int | None]], body: bytes) -> None:
    """Lays out the snapshot: (path, mode, size) each, size None for a folder."""
    offset = 0
    for path, mode, size in files:
        target = inside(path)
        if size is None:
            os.makedirs(target, exist_ok=True)
        else:
            store(target, body[offset : offset + size])
            offset += size
        os.chmod(target, mode)


class Program(ctypes.Structure):
    """The kernel's struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("steps", ctypes.c_char_p))


def refuse_calls(steps: bytes) -> None:
    """Puts this process and all that come after it under a filter of system calls, for good."""
    libc = ctypes.CDLL(None, use_errno=True)
    filter_ = ctypes.byref(Program(len(steps) // 8, steps))
    if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, filter_, 0, 0):
        sys.exit(f"no filter of system calls can be had: {os.strerror(ctypes.get_errno())}")


def _hear_again() -> None:
    """Undoes what the host's start ignores, as under nohup: children inherit that, and no shell can trap it.

    But for what Python ignores for itself and gives back to its children.
    """
    for number in signal.valid_signals() - {signal.SIGPIPE, signal.SIGXFSZ}:
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


def main() -> None:
    """Puts the frames out of the children's reach, then serves."""
    if os.getpid() != 1:  # "kill all others" would mean others indeed
        sys.exit("the runner is not process 1 of a pid namespace of its own")
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    os.closerange(3, 4096)
    os.umask(0o022)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # so that process 1 is deaf to it like to all the others
    _hear_again()
    frames = Frames(os.dup(0), os.dup(1))
    null = os.open("/dev/null", os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    try:
        Runner(frames).serve()
    except (LostError, BrokenPipeError):
        os._exit(0)
