"""The bubblewrap backend: a workspace in namespaces of its own, its files in memory only."""

from __future__ import annotations

import logging
import platform
import subprocess
from functools import partial
from pathlib import Path
from typing import IO, ClassVar

from engine.errors import SandboxError
from engine.execute.workspaces.backend import Backend, Means
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
from engine.execute.workspaces.channel import Descriptors, LostError
from engine.execute.workspaces.resident import ETC, HIDDEN, ROOT, RUN_BYTES, TMP_BYTES, Orders, start_words
from engine.execute.workspaces.seccomp import filter_for
from engine.execute.workspaces.snapshot import Snapshot
from engine.execute.workspaces.template import is_worth_sharing, lay_out
from engine.schema.sandbox import SandboxLimits

log = logging.getLogger(__name__)
_PROC = {"/proc/cmdline": b"", "/proc/partitions": b"", "/proc/version": b"Linux\n"}


class Bubblewrap(Backend):
    """Workspaces made by the bwrap binary."""

    NAME: ClassVar[str] = "bubblewrap"

    def __init__(
        self,
        template: Path,
        limits: SandboxLimits | None = None,
        *,
        web: Path | None = None,
        find: Finder = find_bwrap,
    ) -> None:
        super().__init__(template, limits, web=web)
        self._find_binary = find

    def _find(self, snapshot: Snapshot) -> tuple[Means, ...]:
        """With a large template shared, if that can be had here, and with a copy of it."""
        binary = self._find_binary()
        if binary is None:
            raise SandboxError(NOT_FOUND)
        for program in ("/usr/bin/bash", "/usr/bin/python3"):
            if not Path(program).exists():
                raise SandboxError(f"{program} is missing: 'apt-get install bash python3' mends it")
        version, kernel = read_version(binary), platform.release()
        copying = Means(version, kernel, partial(Namespaces, binary, self._limits))
        if not is_worth_sharing(snapshot) or _version_numbers(version) < WITH_OVERLAYS:
            return (copying,)
        try:
            shared = lay_out(snapshot, sandbox_owner())
        except SandboxError as error:
            log.warning("each workspace has a copy of the template: %s", error)
            return (copying,)
        start = partial(Namespaces, binary, self._limits, shared)
        return Means(version, kernel, start, Orders(has_template=True)), copying


class Namespaces:
    """One sandbox made by bwrap; see `engine.execute.workspaces.resident.Sandbox`."""

    def __init__(self, binary: BwrapBinary, limits: SandboxLimits, shared: Path | None = None) -> None:
        words = _namespaces(limits, is_layered=shared is not None)
        layers = None if shared is None else Layers(shared, limits.workspace_bytes)
        self._process = start_bwrap(binary, words, {**ETC, **_PROC}, _sealed(), filter_for(), layers)
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


def _version_numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in version.split(".") if number.isdigit())


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
        words += f"{below} --ro-overlay {HIDDEN}/template".split()
    else:
        words += f"--size {limits.workspace_bytes} --tmpfs {ROOT}".split()
    return [*words, "--chdir", ROOT, *shared_words()]


def _sealed() -> list[str]:
    words = "--remount-ro / --remount-ro /dev --remount-ro /usr/local --"
    return [*words.split(), *start_words()]
