"""A workspace as the host has it: it speaks with the program that is resident in its sandbox.

What a backend adds is the sandbox; everything that happens in it goes the same way, whatever it is made of.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from engine.errors import SandboxError, one_line
from engine.execute.workspaces.channel import Channel, Line, LostError
from engine.execute.workspaces.snapshot import Snapshot
from engine.schema.base import utc_now
from engine.schema.sandbox import Action, Effect, SandboxInfo, SandboxLimits

ROOT = "/workspace"
HIDDEN = "/.ise"
"""Where a sandbox with a shared template has it once more, as it was."""
TMP_BYTES = 64 * 2**20
RUN_BYTES = 16 * 2**20
START_TIMEOUT_S = 30.0
FILE_TIMEOUT_S = 30.0
GRACE_S = 5.0
"""How much longer than the resident program the host waits before it ends the sandbox."""

ENVIRONMENT = {
    "HOME": ROOT,
    "PATH": "/usr/bin:/bin",
    "USER": "user",
    "LANG": "C.UTF-8",
    "TERM": "dumb",
    "PYTHONDONTWRITEBYTECODE": "1",
    "GIT_AUTHOR_NAME": "user",
    "GIT_AUTHOR_EMAIL": "user@ws",
    "GIT_COMMITTER_NAME": "user",
    "GIT_COMMITTER_EMAIL": "user@ws",
}
ETC = {
    "/etc/passwd": b"root:x:0:0::/:/usr/sbin/nologin\nuser:x:1000:1000::/workspace:/bin/bash\n",
    "/etc/group": b"root:x:0:\nuser:x:1000:\n",
    "/etc/hosts": b"127.0.0.1 localhost ws\n::1 localhost\n",
}
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Sandbox(Protocol):
    """One started sandbox, with the resident program as the first of its processes."""

    @property
    def line(self) -> Line:
        """The program's input and output."""
        ...

    @property
    def pid(self) -> int:
        """The host's process id of the sandbox's outermost process."""
        ...

    def end(self) -> None:
        """Ends every process in it, in every case. Safe to call twice."""
        ...

    def explain(self, error: LostError) -> SandboxError:
        """Why it has not started, with the mend; ends it."""
        ...


@dataclass(frozen=True, slots=True)
class Orders:
    """What the resident program is to impose on itself and its children, beside what holds from outside."""

    limits_processes: bool = True
    """By RLIMIT_NPROC, which counts by user: right where the sandbox has a user namespace of its own."""
    has_template: bool = False
    """The snapshot's files lie in the sandbox already, below an overlay, and need not be handed over."""
    filter: bytes = b""
    """System calls to refuse, on top of any filter that it was started under."""


class ResidentWorkspace:
    """One sandbox; see `engine.ports.Workspace`. Once lost it is not had again: its files went with it."""

    def __init__(self, sandbox: Sandbox, snapshot: Snapshot, info: SandboxInfo, orders: Orders) -> None:
        self._sandbox = sandbox
        self._info = info
        self._lost: str | None = None
        self._channel = Channel(sandbox.line, 2 * info.limits.output_bytes)
        try:
            first = _first_frame(snapshot, info.limits, orders)
            body = b"" if orders.has_template else snapshot.body
            self._channel.start(program(), first, body, START_TIMEOUT_S)
        except LostError as error:
            raise sandbox.explain(error) from error

    @property
    def info(self) -> SandboxInfo:
        """Backend, versions, limits and what the isolation probe proved."""
        return self._info

    @property
    def pid(self) -> int:
        """The host's process id of the sandbox's outermost process."""
        return self._sandbox.pid

    def exec(
        self,
        command: str,
        *,
        workdir: str | None = None,
        env: Mapping[str, str] | None = None,
        timeout_s: float = 60.0,
        background_after_s: float | None = None,
        session_timeout_s: float | None = None,
    ) -> Effect:
        """Runs `command` in a fresh bash.

        `workdir` and `env` hold for this call alone; what the command itself changes by `cd` and `export`
        carries over, unless it goes to the background. At the deadline every process in the workspace is
        killed, those that earlier calls left running too.
        """
        if wrong := [k for k, v in (env or {}).items() if not _VARIABLE.fullmatch(k) or "\0" in v]:
            return self._refused("exec", f"EINVAL: not a variable: {one_line(wrong[0], 80)}")
        header = {
            "op": "exec",
            "command": command,
            "workdir": workdir,
            "env": dict(env or {}),
            "timeout_s": timeout_s,
            "background_after_s": background_after_s,
            "session_timeout_s": session_timeout_s,
        }
        return self._act(header, b"", timeout_s, argv=("bash", "-c", command))

    def perform(
        self, action: Action, arguments: Mapping[str, Any], data: bytes = b"", *, timeout_s: float = 60.0
    ) -> Effect:
        """Does one of the things that the resident program can do beside commands and files."""
        asked = (str(v) for v in arguments.values() if isinstance(v, str))
        header = {**arguments, "op": action.value, "timeout_s": timeout_s}
        return self._act(header, data, timeout_s, argv=(action.value, *asked))

    def read(self, path: str) -> Effect:
        """The bytes of a regular file, up to the output limit, as `stdout`."""
        return self._act({"op": "read", "path": path}, b"", FILE_TIMEOUT_S)

    def write(self, path: str, data: bytes) -> Effect:
        """Writes a whole regular file, making its parent folders."""
        return self._act({"op": "write", "path": path}, data, FILE_TIMEOUT_S)

    def checkpoint(self) -> Effect:
        """Keeps files, working directory and exported variables, in the memory of the resident program."""
        return self._act({"op": "checkpoint"}, b"", FILE_TIMEOUT_S)

    def restore(self, checkpoint: str) -> Effect:
        """Ends every process and puts back what a checkpoint kept."""
        return self._act({"op": "restore", "checkpoint": checkpoint}, b"", FILE_TIMEOUT_S)

    def close(self) -> None:
        """Ends every process; the files were in memory and are gone with them."""
        self._lost = self._lost or "it was closed"
        self._sandbox.end()

    def _act(
        self, header: Mapping[str, Any], body: bytes, timeout_s: float, argv: tuple[str, ...] = ()
    ) -> Effect:
        self._check_alive()
        self._lost = "a call was interrupted"  # holds until this one has ended well
        started_at, clock = utc_now(), time.monotonic()
        action = str(header["op"])
        try:
            answer = self._channel.ask(header, body, timeout_s + GRACE_S)
        except LostError as error:
            self._lost = str(error)
            self.close()
            return Effect(
                action=action,
                argv=argv,
                cwd=ROOT,
                started_at=started_at,
                duration_ms=_ms_since(clock),
                limit="workspace_lost",
                error=f"the workspace was lost: {error}",
            )
        self._lost = None
        return Effect(
            action=action,
            argv=argv,
            started_at=started_at,
            duration_ms=_ms_since(clock),
            stdout=answer.stdout,
            stderr=answer.stderr,
            stdout_total_bytes=max(answer.reply.stdout_total, len(answer.stdout)),
            stderr_total_bytes=max(answer.reply.stderr_total, len(answer.stderr)),
            **answer.reply.outcome(),
        )

    def _check_alive(self) -> None:
        if self._lost is not None:
            raise SandboxError(f"the workspace is gone ({self._lost}): play the intent again in a fresh one")

    def _refused(self, action: str, error: str) -> Effect:
        self._check_alive()
        return Effect(action=action, cwd=ROOT, started_at=utc_now(), duration_ms=0.0, error=error)


def _ms_since(clock: float) -> float:
    return round(1000 * (time.monotonic() - clock), 3)


@cache
def start_words() -> tuple[str, ...]:
    """The command that a sandbox runs as its first process; the program itself follows on its input."""
    size = len(_boot())
    # Byte by byte, for what is read too far would be lost to the frames.
    return (
        "/usr/bin/python3",
        "-I",
        "-S",
        "-c",
        f"import os; exec(b''.join(os.read(0, 1) for _ in range({size})))",
    )


@cache
def program() -> bytes:
    """What the first process reads before any frame: the boot module, then all the others."""
    sources = Path(__file__).with_name("runner").glob("*.py")
    names = {p: "runner" if p.stem == "__init__" else f"runner.{p.stem}" for p in sources}
    texts = json.dumps({name: p.read_text(encoding="utf-8") for p, name in names.items()}).encode()
    return _boot() + len(texts).to_bytes(4, "big") + texts


def _boot() -> bytes:
    return Path(__file__).with_name("runner").joinpath("boot.py").read_bytes()


def _first_frame(snapshot: Snapshot, limits: SandboxLimits, orders: Orders) -> dict[str, Any]:
    rlimits = {
        "RLIMIT_AS": limits.memory_bytes_per_process,
        "RLIMIT_FSIZE": limits.file_bytes,
        "RLIMIT_NOFILE": 1024,
        "RLIMIT_CORE": 0,
    }
    return {
        "files": () if orders.has_template else snapshot.files,
        "template": snapshot.hashes if orders.has_template else {},
        "env": ENVIRONMENT,
        "web": snapshot.web,
        "output_bytes": limits.output_bytes,
        "memory_bytes": limits.memory_bytes,
        "workspace_bytes": limits.workspace_bytes,
        "checkpoint_bytes": limits.checkpoint_bytes,
        "n_files": limits.n_files,
        "cpu_s": limits.cpu_s_per_process,
        "rlimits": {**rlimits, **({"RLIMIT_NPROC": limits.n_processes} if orders.limits_processes else {})},
        "filter": orders.filter.hex(),
    }
