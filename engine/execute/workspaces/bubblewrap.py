"""The bubblewrap backend: a workspace in namespaces of its own, its files in memory only."""

from __future__ import annotations

import platform
import subprocess
from pathlib import Path
from typing import IO, ClassVar

from engine.errors import SandboxError
from engine.execute.workspaces.backend import Backend, Means
from engine.execute.workspaces.bwrap import (
    NOT_FOUND,
    BwrapBinary,
    Finder,
    explain_failure,
    find_bwrap,
    read_version,
    start_bwrap,
)
from engine.execute.workspaces.channel import Descriptors, LostError
from engine.execute.workspaces.resident import ETC, ROOT, RUN_BYTES, TMP_BYTES, start_words
from engine.execute.workspaces.seccomp import filter_for
from engine.schema.sandbox import SandboxLimits

_HIDDEN = {"/proc/cmdline": b"", "/proc/partitions": b"", "/proc/version": b"Linux\n"}


class Bubblewrap(Backend):
    """Workspaces made by the bwrap binary."""

    NAME: ClassVar[str] = "bubblewrap"

    def __init__(
        self, template: Path, limits: SandboxLimits | None = None, *, find: Finder = find_bwrap
    ) -> None:
        super().__init__(template, limits)
        self._find_binary = find

    def _find(self) -> Means:
        binary = self._find_binary()
        if binary is None:
            raise SandboxError(NOT_FOUND)
        for program in ("/usr/bin/bash", "/usr/bin/python3"):
            if not Path(program).exists():
                raise SandboxError(f"{program} is missing: 'apt-get install bash python3' mends it")
        return Means(read_version(binary), platform.release(), lambda: Namespaces(binary, self._limits))


class Namespaces:
    """One sandbox made by bwrap; see `engine.execute.workspaces.resident.Sandbox`."""

    def __init__(self, binary: BwrapBinary, limits: SandboxLimits) -> None:
        self._process = start_bwrap(binary, _namespaces(limits), {**ETC, **_HIDDEN}, _sealed(), filter_for())
        stdin, stdout, self._stderr = _pipes(self._process)
        self.line = Descriptors(stdin.fileno(), stdout.fileno())

    @property
    def pid(self) -> int:
        """The process id of bwrap itself."""
        return self._process.pid

    def end(self) -> None:
        """Kills bwrap, and with it its pid namespace."""
        self._process.kill()
        self._process.wait()
        for pipe in _pipes(self._process):
            pipe.close()

    def explain(self, error: LostError) -> SandboxError:
        """What bwrap said, with the mend."""
        self._process.kill()
        stderr = self._stderr.read(4096) or str(error).encode()
        self.end()
        return explain_failure(stderr.decode("utf-8", "replace"))


def _pipes(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes], IO[bytes]]:
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    return process.stdin, process.stdout, process.stderr


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
    words = "--remount-ro / --remount-ro /dev --remount-ro /usr/local --"
    return [*words.split(), *start_words()]
