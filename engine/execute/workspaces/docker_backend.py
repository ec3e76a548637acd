"""The Docker backend: a workspace in a container without network, its files in memory only."""

from __future__ import annotations

import os
import socket
import struct
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from engine.errors import SandboxError, one_line
from engine.execute.workspaces.backend import Backend, Means
from engine.execute.workspaces.channel import Descriptors, LostError
from engine.execute.workspaces.docker_engine import (
    OWNER,
    RUN,
    Finder,
    Image,
    check_runtime,
    explained,
    find_engine,
    find_image,
    remove,
    remove_leftovers,
)
from engine.execute.workspaces.owner import this_process
from engine.execute.workspaces.probe import Differences
from engine.execute.workspaces.resident import ROOT, RUN_BYTES, TMP_BYTES, Orders, start_words
from engine.execute.workspaces.seccomp import filter_for
from engine.execute.workspaces.snapshot import Snapshot
from engine.schema.sandbox import ContainerInfo, DockerSettings, SandboxLimits

if TYPE_CHECKING:
    from docker import APIClient

STREAM_HEAD = struct.Struct(">BxxxL")
STDOUT = 1
LAST_WORDS_BYTES = 4096
CPU_PERIOD_US = 100_000
USER = 1000

_SHARED_USER_NAMESPACE = (
    "the engine keeps one for all unless it runs with userns-remap; inside are no root and no capability"
)
_PROC = (
    "acpi asound cmdline config.gz diskstats interrupts iomem ioports kallsyms kcore keys key-users "
    "latency_stats modules partitions sched_debug scsi timer_list timer_stats version"
)
_SYS = (
    "block bus class dev devices firmware hypervisor kernel module power "
    "fs/bpf fs/btrfs fs/ext4 fs/pstore fs/xfs"
)
# The engine's own lists, and all that tells of the host's hardware and boot.
MASKED = [*(f"/proc/{name}" for name in _PROC.split()), *(f"/sys/{name}" for name in _SYS.split())]
READ_ONLY = [f"/proc/{name}" for name in ("bus", "fs", "irq", "sys", "sysrq-trigger")]


class Docker(Backend):
    """Workspaces made by a Docker engine of this machine."""

    NAME: ClassVar[str] = "docker"

    def __init__(
        self,
        template: Path,
        limits: SandboxLimits | None = None,
        *,
        web: Path | None = None,
        settings: DockerSettings | None = None,
        run_id: str = "",
        find: Finder = find_engine,
    ) -> None:
        super().__init__(template, limits, web=web)
        self._settings = settings or DockerSettings()
        self._run_id = run_id
        self._find_engine = find

    def _find(self, snapshot: Snapshot) -> tuple[Means, ...]:
        engine, settings = self._find_engine(), self._settings
        remove_leftovers(engine)
        image = find_image(engine, settings)
        runtime = check_runtime(engine, settings.runtime)
        options = container_options(engine.api, settings, self._limits)
        labels = {OWNER: this_process(), RUN: self._run_id}
        shared = {} if engine.has_user_namespaces else {"user": _SHARED_USER_NAMESPACE}
        means = Means(
            version=f"{engine.version}, {runtime}",
            kernel=engine.kernel,
            start=partial(Container, engine.api, image, {**options, "labels": labels}),
            orders=Orders(limits_processes=False, filter=filter_for(engine.machine) or b""),
            differences=Differences(shared_namespaces=shared),
            container=ContainerInfo(
                image=image.name, image_id=image.image_id, runtime=runtime, cpus=settings.cpus
            ),
        )
        return (means,)


class Container:
    """One started container; see `engine.execute.workspaces.resident.Sandbox`."""

    def __init__(self, api: APIClient, image: Image, options: dict[str, Any]) -> None:
        self._api = api
        self._streams: socket.socket | None = None
        with explained("the Docker engine makes no container", "look at the engine's own log"):
            self._id: str = api.create_container(image.image_id, **options)["Id"]
        try:
            with explained("the Docker engine starts no container", "look at the engine's own log"):
                self._streams = streams = attach(api, self._id)
                api.start(self._id)
        except SandboxError:
            self.end()
            raise
        self.line = Attached(streams.fileno())

    @property
    def pid(self) -> int:
        """The host's process id of the container's first process; 0 where it has none."""
        with explained("the container cannot be looked at", "look at the engine's own log"):
            return int(self._api.inspect_container(self._id)["State"]["Pid"])

    def end(self) -> None:
        """Hangs up, which ends the resident program, and has the engine kill and remove the rest."""
        if self._streams is not None:
            self._streams.close()
        remove(self._api, self._id)

    def explain(self, error: LostError) -> SandboxError:
        """What the first process said, with the mend."""
        said = self.line.last_words.decode("utf-8", "replace").strip() or str(error)
        self.end()
        return SandboxError(
            f"the container did not start its resident program ({one_line(said.splitlines()[-1], 160)}): "
            "it needs /usr/bin/python3 and /usr/bin/bash, 'ise-studio image build' makes an image with them"
        )


def attach(api: APIClient, container: str) -> socket.socket:
    """The connection to a container's streams, which the engine takes for its input as long as it is open."""
    ways = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
    stream = api.attach_socket(container, params=ways)
    streams = socket.socket(fileno=os.dup(stream.fileno()))
    stream._response.close()  # the client's own hold on it would last until the garbage is collected
    return streams


class Attached:
    """The line to an attached container: its two output streams come in one, each piece under a head."""

    def __init__(self, fd: int) -> None:
        self._line = Descriptors(fd, fd)
        self._n_left = 0
        self.last_words = b""
        """The end of what came on the error stream."""

    def send(self, data: memoryview, deadline: float) -> int:
        """How many of the first bytes of `data` went out."""
        return self._line.send(data, deadline)

    def receive(self, size: int, deadline: float) -> bytes:
        """The next bytes of the output stream, at most `size`; none where it has closed."""
        while not self._n_left:
            head = self._all(STREAM_HEAD.size, deadline)
            if len(head) < STREAM_HEAD.size:
                return b""
            kind, n = STREAM_HEAD.unpack(head)
            if kind == STDOUT:
                self._n_left = n
            else:
                self._keep(n, deadline)
        data = self._line.receive(min(size, self._n_left), deadline)
        self._n_left -= len(data)
        return data

    def _all(self, size: int, deadline: float) -> bytes:
        data = b""
        while len(data) < size and (piece := self._line.receive(size - len(data), deadline)):
            data += piece
        return data

    def _keep(self, size: int, deadline: float) -> None:
        while size and (piece := self._line.receive(min(size, 1 << 16), deadline)):
            size -= len(piece)
            self.last_words = (self.last_words + piece)[-LAST_WORDS_BYTES:]


def container_options(api: APIClient, settings: DockerSettings, limits: SandboxLimits) -> dict[str, Any]:
    """All that shuts a container in: no way out, nothing to write to but bounded memory, no privilege."""
    words = start_words()
    return {
        "entrypoint": list(words[:1]),
        "command": list(words[1:]),
        "hostname": "ws",
        "user": f"{USER}:{USER}",
        "working_dir": ROOT,
        "stdin_open": True,
        "tty": False,
        "healthcheck": {"test": ["NONE"]},
        "host_config": _host_config(api, settings, limits),
    }


def _host_config(api: APIClient, settings: DockerSettings, limits: SandboxLimits) -> dict[str, Any]:
    from docker.types import LogConfig, Ulimit

    in_memory = limits.workspace_bytes + 2 * TMP_BYTES + RUN_BYTES
    # The resident program keeps to `memory_bytes`; what it overlooks ends at the engine's limit.
    memory = limits.memory_bytes + limits.checkpoint_bytes + in_memory
    config: dict[str, Any] = api.create_host_config(
        auto_remove=True,
        cap_drop=["ALL"],
        cgroupns="private",
        cpu_period=CPU_PERIOD_US,
        cpu_quota=max(1000, int(settings.cpus * CPU_PERIOD_US)),
        init=False,
        ipc_mode="private",
        log_config=LogConfig(type="none"),
        mem_limit=memory,
        memswap_limit=memory,
        network_mode="none",
        pids_limit=limits.n_processes,
        read_only=True,
        runtime=settings.runtime,
        security_opt=["no-new-privileges:true"],
        shm_size=TMP_BYTES,
        tmpfs={
            ROOT: _tmpfs(limits, limits.workspace_bytes, "755"),
            "/run": _tmpfs(limits, RUN_BYTES, "755"),
            "/tmp": _tmpfs(limits, TMP_BYTES, "1777"),
        },
        ulimits=[Ulimit(name="core", soft=0, hard=0), Ulimit(name="nofile", soft=1024, hard=1024)],
    )
    return {**config, "MaskedPaths": MASKED, "ReadonlyPaths": READ_ONLY}


def _tmpfs(limits: SandboxLimits, size: int, mode: str) -> str:
    n_inodes = 2 * limits.n_files  # the resident program ends a call before that; this holds when it does not
    return f"rw,exec,nosuid,nodev,size={size},nr_inodes={n_inodes},mode={mode},uid={USER},gid={USER}"
