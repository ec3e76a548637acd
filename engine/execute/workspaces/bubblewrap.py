"""The bubblewrap backend: a workspace in namespaces of its own, its files in memory only."""

from __future__ import annotations

import platform
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.errors import SandboxError, one_line
from engine.execute.workspaces.bwrap import (
    NOT_FOUND,
    BwrapBinary,
    Finder,
    explain_failure,
    find_bwrap,
    read_version,
    start_bwrap,
)
from engine.execute.workspaces.channel import Channel, LostError
from engine.execute.workspaces.probe import probe
from engine.execute.workspaces.seccomp import filter_for
from engine.execute.workspaces.snapshot import Snapshot, pack
from engine.schema.base import utc_now
from engine.schema.sandbox import Action, Effect, SandboxInfo, SandboxLimits

ROOT = "/workspace"
TMP_BYTES = 64 * 2**20
RUN_BYTES = 16 * 2**20
START_TIMEOUT_S = 30.0
FILE_TIMEOUT_S = 30.0
GRACE_S = 5.0
"""How much longer than the resident program the host waits before it ends the sandbox."""
HOME_OF_RUNNER = "/.ise"
START = f"import sys; sys.path.append('{HOME_OF_RUNNER}'); from runner.main import main; main()"

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
_ETC = {
    "/etc/passwd": b"root:x:0:0::/:/usr/sbin/nologin\nuser:x:1000:1000::/workspace:/bin/bash\n",
    "/etc/group": b"root:x:0:\nuser:x:1000:\n",
    "/etc/hosts": b"127.0.0.1 localhost ws\n::1 localhost\n",
    "/proc/cmdline": b"",
    "/proc/partitions": b"",
    "/proc/version": b"Linux\n",
}
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Bubblewrap:
    """Opens workspaces on one snapshot, once its isolation is proven."""

    def __init__(
        self,
        template: Path,
        limits: SandboxLimits | None = None,
        *,
        web: Path | None = None,
        find: Finder = find_bwrap,
    ) -> None:
        self._template = template
        self._web = web
        self._limits = limits or SandboxLimits()
        self._find = find
        self._proven: tuple[BwrapBinary, Snapshot, SandboxInfo] | None = None

    def prove(self) -> SandboxInfo:
        """What the live isolation probe found, every check proven.

        Raises:
            SandboxError: There is no bubblewrap, it is refused here, or a check failed; with the mend.
        """
        self._proven = None
        binary = self._find()
        if binary is None:
            raise SandboxError(NOT_FOUND)
        for program in ("/usr/bin/bash", "/usr/bin/python3"):
            if not Path(program).exists():
                raise SandboxError(f"{program} is missing: 'apt-get install bash python3' mends it")
        snapshot = pack(self._template, self._web)
        info = SandboxInfo(
            backend="bubblewrap",
            version=read_version(binary),
            kernel=platform.release(),
            probe=(),
            limits=self._limits,
            template_hash=snapshot.sha256,
        )
        workspace = BubblewrapWorkspace(binary, snapshot, info)
        try:
            info = info.model_copy(update={"probe": probe(workspace, self._limits)})
        finally:
            workspace.close()
        if failed := [c for c in info.probe if not c.proven]:
            raise SandboxError(
                f"bubblewrap's isolation probe failed: {failed[0].name} ({one_line(failed[0].detail, 160)}): "
                "use another host or bubblewrap, nothing is run without isolation"
            )
        self._proven = binary, snapshot, info
        return info

    def open(self) -> BubblewrapWorkspace:
        """A fresh workspace.

        Raises:
            SandboxError: The isolation has not been proven, or no sandbox can be made.
        """
        if self._proven is None:
            raise SandboxError("the sandbox's isolation has not been proven: call prove() first")
        return BubblewrapWorkspace(*self._proven)


class BubblewrapWorkspace:
    """One sandbox; see `engine.ports.Workspace`. Once lost it is not had again: its files went with it."""

    def __init__(self, binary: BwrapBinary, snapshot: Snapshot, info: SandboxInfo) -> None:
        self._info = info
        self._limits = info.limits
        self._lost: str | None = None
        sources = Path(__file__).with_name("runner").glob("*.py")
        data = {**_ETC, **{f"{HOME_OF_RUNNER}/runner/{p.name}": p.read_bytes() for p in sources}}
        self._process = start_bwrap(binary, _namespaces(info.limits), data, _sealed(), filter_for())
        try:
            self._channel = Channel(self._process, 2 * info.limits.output_bytes)
            self._channel.start(_first_frame(snapshot, info.limits), snapshot.body, START_TIMEOUT_S)
        except LostError as error:
            raise self._not_started(error) from error
        if self._process.stderr is not None:
            self._process.stderr.close()

    @property
    def info(self) -> SandboxInfo:
        """Backend, versions, limits and what the isolation probe proved."""
        return self._info

    @property
    def pid(self) -> int:
        """The host's process id of the sandbox's outermost process."""
        return self._process.pid

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

    def close(self) -> None:
        """Ends every process; the files were in memory and are gone with them."""
        self._lost = self._lost or "it was closed"
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()

    def _not_started(self, error: LostError) -> SandboxError:
        self._process.kill()
        stderr = self._process.stderr.read(4096) if self._process.stderr is not None else b""
        self.close()
        return explain_failure((stderr or str(error).encode()).decode("utf-8", "replace"))

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


def _first_frame(snapshot: Snapshot, limits: SandboxLimits) -> dict[str, Any]:
    return {
        "files": snapshot.files,
        "env": ENVIRONMENT,
        "web": snapshot.web,
        "output_bytes": limits.output_bytes,
        "memory_bytes": limits.memory_bytes,
        "workspace_bytes": limits.workspace_bytes,
        "rlimits": {
            "RLIMIT_NPROC": limits.n_processes,
            "RLIMIT_AS": limits.memory_bytes_per_process,
            "RLIMIT_FSIZE": limits.file_bytes,
            "RLIMIT_NOFILE": 1024,
            "RLIMIT_CORE": 0,
        },
    }


def _namespaces(limits: SandboxLimits) -> list[str]:
    """Everything of its own; of the host nothing but /usr, read-only and without /usr/local."""
    words = (
        "--unshare-user --unshare-ipc --unshare-pid --unshare-uts --unshare-cgroup-try --unshare-net "
        "--disable-userns --die-with-parent --new-session --as-pid-1 --uid 1000 --gid 1000 --hostname ws "
        "--cap-drop ALL --clearenv --ro-bind /usr /usr --tmpfs /usr/local --dir /etc "
        "--ro-bind-try /etc/alternatives /etc/alternatives --ro-bind-try /etc/ld.so.cache /etc/ld.so.cache "
        "--proc /proc --dev /dev "
        f"--size {TMP_BYTES} --tmpfs /dev/shm --perms 1777 --size {TMP_BYTES} --tmpfs /tmp "
        f"--size {RUN_BYTES} --tmpfs /run --dir /var --symlink /tmp /var/tmp "
        f"--size {limits.workspace_bytes} --tmpfs {ROOT} --chdir {ROOT}"
    ).split()
    for name in ("bin", "sbin", "lib", "lib32", "lib64"):
        place = Path("/", name)
        if place.is_symlink():
            words += ["--symlink", f"usr/{name}", f"/{name}"]
        elif place.is_dir():
            words += ["--ro-bind", f"/{name}", f"/{name}"]
    return words


def _sealed() -> list[str]:
    words = "--remount-ro / --remount-ro /dev --remount-ro /usr/local -- /usr/bin/python3 -I -S -c"
    return [*words.split(), START]
