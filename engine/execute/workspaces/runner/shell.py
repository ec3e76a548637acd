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
        raw = command.encode("utf-8")
        os.makedirs(PLACE, exist_ok=True)
        replace(f"{PLACE}/before", self._prelude(env))
        replace(f"{PLACE}/after", b"")
        if len(raw) > MAX_ARGUMENT_BYTES:
            replace(f"{PLACE}/command", raw)
            raw = f'eval "$(<{PLACE}/command)"'.encode()
        out, out_w = os.pipe()
        err, err_w = os.pipe()
        try:
            process = subprocess.Popen(
                [b"bash", b"-c", raw],
                executable="/usr/bin/bash",
                stdin=subprocess.DEVNULL,
                stdout=out_w,
                stderr=err_w,
                cwd=cwd,
                env={b"BASH_ENV": f"{PLACE}/before".encode(), b"PWD": cwd},
                start_new_session=True,
            )
        except (OSError, ValueError):
            os.close(out)
            os.close(err)
            raise
        finally:
            os.close(out_w)
            os.close(err_w)
        process.returncode = 0  # it is reaped elsewhere, never by subprocess
        with suppress(OSError), open(f"/proc/{process.pid}/oom_score_adj", "w") as file:
            file.write("500")  # if the host runs out of memory, this is to go before its own processes
        return Started(process.pid, out, err)

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
