"""A fresh bash for each command, with working directory and exported variables carried over."""

from __future__ import annotations

import os
import shlex
import subprocess
from contextlib import suppress
from typing import NamedTuple

from .files import ROOT, load, replace

PLACE = "/run/shell"
MAX_ARGUMENT_BYTES = 96 * 1024
"""A longer command goes by a file: the kernel takes no argument over 128 KiB."""
MAX_STATE_BYTES = 4 << 20
END = b"#end"

# Runs as the shell leaves, however it leaves: its folder, then its exported variables as bash declares them.
# No fork, and nothing to be seen of it under `set -x`.
SAVE = (
    'trap \'{ builtin printf "%s\\0" "${PWD-}"; RESTORE builtin declare +x PWD SHLVL _; '
    f'builtin declare -px; builtin printf "{END.decode()}"; }} 2>/dev/null >|{PLACE}/after\' EXIT\n'
)


class Started(NamedTuple):
    """A started shell: its process and the reading ends of its streams."""

    pid: int
    out: int
    err: int


class StartedSession(NamedTuple):
    """A started shell in the background: its process, the reading end of its output, its input."""

    pid: int
    out: int
    stdin: int


class Shell:
    """What carries over from command to command."""

    def __init__(self, env: dict[str, str], cpu_s: int) -> None:
        self.cwd = ROOT
        self.limit = f"unset BASH_ENV\nulimit -S -t {cpu_s}\nulimit -H -t {cpu_s + 1}\n".encode()
        self.declared = "".join(f"declare -x {k}={shlex.quote(v)}\n" for k, v in env.items()).encode()

    def start(self, command: str, cwd: bytes, env: dict[str, str]) -> Started:
        """Starts bash in a session of its own; `env` holds for this command alone.

        The variables come by BASH_ENV, so that the command is run just as `bash -c` runs it.
        """
        os.makedirs(PLACE, exist_ok=True)
        replace(f"{PLACE}/after", b"")
        err, err_w = os.pipe()
        try:
            pid, out = self._bash("", command, cwd, self._prelude(env), subprocess.DEVNULL, err_w)
        except (OSError, ValueError):
            os.close(err)
            raise
        finally:
            os.close(err_w)
        return Started(pid, out, err)

    def start_session(self, name: str, command: str, cwd: bytes, env: dict[str, str]) -> StartedSession:
        """Starts bash in the background, both streams one, its input a pipe; nothing of it carries over."""
        os.makedirs(PLACE, exist_ok=True)
        own = "".join(f"export {k}={shlex.quote(v)} 2>/dev/null\n" for k, v in env.items())
        prelude = self.limit + self.declared + own.encode("utf-8")
        stdin_r, stdin = os.pipe()
        try:
            pid, out = self._bash(f"-{name}", command, cwd, prelude, stdin_r, subprocess.STDOUT)
        except (OSError, ValueError):
            os.close(stdin)
            raise
        finally:
            os.close(stdin_r)
        return StartedSession(pid, out, stdin)

    def forget_session(self, name: str) -> None:
        """Takes away what was laid down to start a session."""
        for kind in ("before", "command"):
            with suppress(OSError):
                os.unlink(f"{PLACE}/{kind}-{name}")

    def _bash(
        self, name: str, command: str, cwd: bytes, prelude: bytes, stdin: int, stderr: int
    ) -> tuple[int, int]:
        """The process id of a started bash, and the reading end of its standard output."""
        raw = command.encode("utf-8")
        replace(f"{PLACE}/before{name}", prelude)
        if len(raw) > MAX_ARGUMENT_BYTES:
            replace(f"{PLACE}/command{name}", raw)
            raw = f'eval "$(<{PLACE}/command{name})"'.encode()
        out, out_w = os.pipe()
        try:
            process = subprocess.Popen(
                [b"bash", b"-c", raw],
                executable="/usr/bin/bash",
                stdin=stdin,
                stdout=out_w,
                stderr=stderr,
                cwd=cwd,
                env={b"BASH_ENV": f"{PLACE}/before{name}".encode(), b"PWD": cwd},
                start_new_session=True,
            )
        except (OSError, ValueError):
            os.close(out)
            raise
        finally:
            os.close(out_w)
        process.returncode = 0  # it is reaped elsewhere, never by subprocess
        first_to_go(process.pid)
        return process.pid, out

    def remember(self, with_cwd: bool) -> None:
        """Takes over what the shell saved as it left; one that was killed has saved nothing."""
        try:
            saved, _ = load(f"{PLACE}/after".encode(), MAX_STATE_BYTES)
        except OSError:
            return
        cwd, _, declared = saved.partition(b"\0")
        if declared.endswith(END):
            self.declared = declared[: -len(END)]
            if with_cwd and cwd.startswith(b"/"):
                self.cwd = cwd

    def _prelude(self, env: dict[str, str]) -> bytes:
        own, restore = "", ""
        if env:
            names = " ".join(env)
            own = f"declare -px {names} >|{PLACE}/outer 2>/dev/null\n"
            own += "".join(f"export {k}={shlex.quote(v)} 2>/dev/null\n" for k, v in env.items())
            restore = f"unset {names}; . {PLACE}/outer;"
        return self.limit + self.declared + (own + SAVE.replace("RESTORE", restore)).encode("utf-8")


def first_to_go(pid: int) -> None:
    """If the host runs out of memory, this process is to go before the host's own."""
    with suppress(OSError), open(f"/proc/{pid}/oom_score_adj", "w") as file:
        file.write("500")
