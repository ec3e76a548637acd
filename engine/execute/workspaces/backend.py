"""What all backends share: a sandbox is found, proven by the live probe, and only then used."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, NamedTuple

from engine.errors import SandboxError, one_line
from engine.execute.workspaces.probe import Differences, probe
from engine.execute.workspaces.resident import Orders, ResidentWorkspace, Sandbox
from engine.execute.workspaces.snapshot import Snapshot, pack
from engine.schema.sandbox import ContainerInfo, SandboxInfo, SandboxLimits

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Means:
    """How a backend makes sandboxes on this machine, as it found it."""

    version: str
    kernel: str
    start: Callable[[], Sandbox]
    """Starts one; raises SandboxError where none can be had."""
    orders: Orders = field(default_factory=Orders)
    differences: Differences = field(default_factory=Differences)
    container: ContainerInfo | None = None


class _Proven(NamedTuple):
    means: Means
    snapshot: Snapshot
    info: SandboxInfo


class Backend(ABC):
    """Opens workspaces on one snapshot, once its isolation is proven."""

    NAME: ClassVar[str]

    def __init__(
        self, template: Path, limits: SandboxLimits | None = None, *, web: Path | None = None
    ) -> None:
        self._template = template
        self._web = web
        self._limits = limits or SandboxLimits()
        self._proven: _Proven | None = None

    @abstractmethod
    def _find(self, snapshot: Snapshot) -> tuple[Means, ...]:
        """The means of this machine, best first; SandboxError with the mend where there are none."""

    def prove(self) -> SandboxInfo:
        """What the live isolation probe found, every check proven.

        Raises:
            SandboxError: There is no such sandbox, it is refused here, or a check failed; with the mend.
        """
        self._proven = None
        snapshot = pack(self._template, self._web)
        *better, last = self._find(snapshot)
        for means in better:
            try:
                return self._probed(means, snapshot)
            except SandboxError as error:
                log.warning("the better way to a sandbox does not work here: %s", error)
        return self._probed(last, snapshot)

    def _probed(self, means: Means, snapshot: Snapshot) -> SandboxInfo:
        info = SandboxInfo(
            backend=self.NAME,
            version=means.version,
            kernel=means.kernel,
            probe=(),
            limits=self._limits,
            template_hash=snapshot.sha256,
            template_shared=means.orders.has_template,
            container=means.container,
        )
        workspace = ResidentWorkspace(means.start(), snapshot, info, means.orders)
        try:
            checks = probe(workspace, self._limits, means.differences)
            info = info.model_copy(update={"probe": checks})
        finally:
            workspace.close()
        if failed := [c for c in info.probe if not c.proven]:
            raise SandboxError(
                f"{self.NAME}'s isolation probe failed: {failed[0].name} "
                f"({one_line(failed[0].detail, 160)}): use another host or {self.NAME}, "
                "nothing is run without isolation"
            )
        self._proven = _Proven(means, snapshot, info)
        return info

    def open(self) -> ResidentWorkspace:
        """A fresh workspace.

        Raises:
            SandboxError: The isolation has not been proven, or no sandbox can be made.
        """
        if self._proven is None:
            raise SandboxError("the sandbox's isolation has not been proven: call prove() first")
        means, snapshot, info = self._proven
        return ResidentWorkspace(means.start(), snapshot, info, means.orders)
