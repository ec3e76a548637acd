"""The bubblewrap backend: a workspace in namespaces of its own, its files in memory only."""

from __future__ import annotations

import logging
import platform
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.errors import SandboxError, one_line
from engine.execute.workspaces.bwrap import (
    LAYERS,
    NOT_FOUND,
    WITH_OVERLAYS,
    BwrapBinary,
    Finder,
    Layers,
    explain_failure,
    find_bwrap,
    read_version,
    sandbox_owner,
    shared_words,
    start_bwrap,
)
from engine.execute.workspaces.channel import Channel, LostError
from engine.execute.workspaces.probe import probe
from engine.execute.workspaces.seccomp import filter_for
from engine.execute.workspaces.snapshot import Snapshot, pack
from engine.execute.workspaces.template import is_worth_sharing, lay_out
from engine.schema.base import utc_now
from engine.schema.sandbox import Effect, SandboxInfo, SandboxLimits

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
log = logging.getLogger(__name__)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Bubblewrap:
    """Opens workspaces on one snapshot, once its isolation is proven."""

    def __init__(
        self, template: Path, limits: SandboxLimits | None = None, *, find: Finder = find_bwrap
    ) -> None:
        self._template = template
        self._limits = limits or SandboxLimits()
        self._find = find
        self._proven: tuple[BwrapBinary, Snapshot, SandboxInfo, Path | None] | None = None

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
        snapshot = pack(self._template)
        info = SandboxInfo(
            backend="bubblewrap",
            version=read_version(binary),
            kernel=platform.release(),
            probe=(),
            limits=self._limits,
            template_hash=snapshot.sha256,
        )
        info, shared = self._probed_best(binary, snapshot, info)
        if failed := [c for c in info.probe if not c.proven]:
            raise SandboxError(
                f"bubblewrap's isolation probe failed: {failed[0].name} ({one_line(failed[0].detail, 160)}): "
                "use another host or bubblewrap, nothing is run without isolation"
            )
        self._proven = binary, snapshot, info, shared
        return info

    def _probed_best(
        self, binary: BwrapBinary, snapshot: Snapshot, info: SandboxInfo
    ) -> tuple[SandboxInfo, Path | None]:
        """With a large template shared if a sandbox like that can be had here, else with a copy."""
        if is_worth_sharing(snapshot) and _version_numbers(info.version) >= WITH_OVERLAYS:
            try:
                shared = lay_out(snapshot, sandbox_owner())
                found = self._probed(
                    binary, snapshot, info.model_copy(update={"template_shared": True}), shared
                )
                if found.proven:
                    return found, shared
                why = next(c.name for c in found.probe if not c.proven)
            except SandboxError as error:
                why = one_line(error)
            log.warning("each workspace has a copy of the template, since none can be shared: %s", why)
        return self._probed(binary, snapshot, info, None), None

    def _probed(
        self, binary: BwrapBinary, snapshot: Snapshot, info: SandboxInfo, shared: Path | None
    ) -> SandboxInfo:
        workspace = BubblewrapWorkspace(binary, snapshot, info, shared)
        try:
            return info.model_copy(update={"probe": probe(workspace, self._limits)})
        finally:
            workspace.close()

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

    def __init__(
        self, binary: BwrapBinary, snapshot: Snapshot, info: SandboxInfo, shared: Path | None
    ) -> None:
        self._info = info
        self._limits = info.limits
        self._lost: str | None = None
        sources = Path(__file__).with_name("runner").glob("*.py")
        data = {**_ETC, **{f"{HOME_OF_RUNNER}/runner/{p.name}": p.read_bytes() for p in sources}}
        layers = None if shared is None else Layers(shared, info.limits.workspace_bytes)
        words = _namespaces(info.limits, is_layered=shared is not None)
        self._process = start_bwrap(binary, words, data, _sealed(), filter_for(), layers)
        try:
            self._channel = Channel(self._process, 2 * info.limits.output_bytes)
            header = {
                **_first_frame(info.limits),
                "files": () if shared else snapshot.files,
                "template": snapshot.hashes if shared else {},
            }
            self._channel.start(header, b"" if shared else snapshot.body, START_TIMEOUT_S)
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
    ) -> Effect:
        """Runs `command` in a fresh bash.

        `workdir` and `env` hold for this call alone; what the command itself changes by `cd` and `export`
        carries over. At the deadline every process in the workspace is killed, those that earlier calls
        left running too.
        """
        if wrong := [k for k, v in (env or {}).items() if not _VARIABLE.fullmatch(k) or "\0" in v]:
            return self._refused("exec", f"EINVAL: not a variable: {one_line(wrong[0], 80)}")
        header = {"op": "exec", "command": command, "workdir": workdir, "env": dict(env or {})}
        return self._act({**header, "timeout_s": timeout_s}, b"", timeout_s, argv=("bash", "-c", command))

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


def _version_numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in version.split(".") if number.isdigit())


def _first_frame(limits: SandboxLimits) -> dict[str, Any]:
    return {
        "env": ENVIRONMENT,
        "output_bytes": limits.output_bytes,
        "memory_bytes": limits.memory_bytes,
        "workspace_bytes": limits.workspace_bytes,
        "checkpoint_bytes": limits.checkpoint_bytes,
        "n_files": limits.n_files,
        "cpu_s": limits.cpu_s_per_process,
        "rlimits": {
            "RLIMIT_NPROC": limits.n_processes,
            "RLIMIT_AS": limits.memory_bytes_per_process,
            "RLIMIT_FSIZE": limits.file_bytes,
            "RLIMIT_NOFILE": 1024,
            "RLIMIT_CORE": 0,
        },
    }


def _namespaces(limits: SandboxLimits, *, is_layered: bool) -> list[str]:
    """Everything of its own; of the host nothing but /usr, read-only and without /usr/local."""
    words = (
        "--unshare-user --unshare-ipc --unshare-pid --unshare-uts --unshare-cgroup-try --unshare-net "
        "--disable-userns --die-with-parent --new-session --as-pid-1 --uid 1000 --gid 1000 --hostname ws "
        "--cap-drop ALL --clearenv --ro-bind /usr /usr --tmpfs /usr/local "
        "--proc /proc --dev /dev "
        f"--size {TMP_BYTES} --tmpfs /dev/shm --perms 1777 --size {TMP_BYTES} --tmpfs /tmp "
        f"--size {RUN_BYTES} --tmpfs /run --dir /var --symlink /tmp /var/tmp"
    ).split()
    if is_layered:
        own = f"{LAYERS}/own/upper {LAYERS}/own/work {ROOT}"
        words += f"--overlay-src {LAYERS}/template --overlay {own}".split()
        # A plain bind would do, but would tell its place on the host in /proc/self/mountinfo.
        below = f"--overlay-src {LAYERS}/own/none --overlay-src {LAYERS}/template"
        words += f"{below} --ro-overlay {HOME_OF_RUNNER}/template".split()
    else:
        words += f"--size {limits.workspace_bytes} --tmpfs {ROOT}".split()
    return [*words, "--chdir", ROOT, *shared_words()]


def _sealed() -> list[str]:
    words = "--remount-ro / --remount-ro /dev --remount-ro /usr/local -- /usr/bin/python3 -I -S -c"
    return [*words.split(), START]
