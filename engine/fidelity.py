"""Re-executes a project's trajectories, several at once, and keeps what came of each."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field

from engine import __version__, build
from engine.errors import StudioError, one_line
from engine.execute.compare import sha256_of
from engine.execute.reexecute import OpenWorkspace, not_replayable, reexecute, why_not
from engine.paths import RunPaths
from engine.ports import Progress
from engine.schema.base import utc_now
from engine.schema.reexecution import CallReexecution, Reexecution
from engine.schema.run import Limits
from engine.schema.sandbox import BlobRef, DockerSettings, SandboxInfo
from engine.schema.trajectory import Trajectory
from engine.store import Project
from engine.store.reexecutions import record_sha256, write_reexecution
from engine.store.runs import read_blob, read_config, read_finished, run_of

CONCURRENCY = 4
"""Trajectories at once, where nobody says otherwise: a good part of their time is commands that wait."""


class _Backend:
    """A sandbox that was proven once for all trajectories that need it."""

    def __init__(self, name: str, docker: DockerSettings) -> None:
        backend = build.sandbox(name, docker)
        self.info: SandboxInfo = backend.prove()
        self.open: OpenWorkspace = backend.open


@dataclass(slots=True)
class _Backends:
    """Proven sandboxes by name, each proven when it is first asked for; or why one cannot be had."""

    docker: DockerSettings
    """What containers are made of, where one is asked for."""
    by_name: dict[str, _Backend | str] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, name: str) -> _Backend | str:
        """The backend, or why there is none."""
        with self.lock:
            if name not in self.by_name:
                try:
                    self.by_name[name] = _Backend(name, self.docker)
                except StudioError as error:
                    self.by_name[name] = one_line(error)
            return self.by_name[name]


def reexecute_trajectories(
    project: Project,
    trajectory_ids: Sequence[str],
    *,
    sandbox: str | None = None,
    concurrency: int = CONCURRENCY,
    progress: Progress = lambda done, total: None,
) -> Iterator[Reexecution]:
    """Runs each trajectory's calls again and keeps the result; gives them as they are through.

    Args:
        project: Holds the trajectories.
        trajectory_ids: Finished trajectories.
        sandbox: The backend to run in; by default each trajectory's own.
        concurrency: How many workspaces at once.
        progress: Called with (trajectories through, trajectories in all).

    Raises:
        NotFoundError: No run has finished one of them; nothing was run.
        SandboxError: The named `sandbox` cannot be proven; nothing was run.
        StudioError: The disk refuses a result.
    """
    wanted = [(run_of(project, one), one) for one in dict.fromkeys(trajectory_ids)]
    for run, one in wanted:
        record_sha256(run, one)
    backends = _Backends(project.settings.docker)
    if sandbox is not None:
        backends.by_name[sandbox] = _Backend(sandbox, backends.docker)
    # Every sandbox is started by a thread that lives until all are through: one dies with its starter.
    with ThreadPoolExecutor(concurrency, thread_name_prefix="reexecute") as pool:
        futures = [pool.submit(_Task(run, one, backends, sandbox)) for run, one in wanted]
        try:
            for done, future in enumerate(as_completed(futures), start=1):
                yield future.result()
                progress(done, len(futures))
        finally:
            for future in futures:
                future.cancel()


@dataclass(frozen=True, slots=True)
class _Task:
    """One trajectory to run again."""

    run: RunPaths
    trajectory_id: str
    backends: _Backends
    sandbox: str | None

    def __call__(self) -> Reexecution:
        """Runs it and keeps the result."""
        made_at, clock = utc_now(), time.monotonic()
        sha256 = record_sha256(self.run, self.trajectory_id)
        trajectory = read_finished(self.run, self.trajectory_id)
        backend = self.backends.get(self.sandbox or trajectory.provenance.sandbox.backend)
        calls = self._calls(trajectory, backend)
        made = Reexecution(
            trajectory_id=self.trajectory_id,
            record_sha256=sha256,
            made_at=made_at,
            engine_version=__version__,
            sandbox=None if isinstance(backend, str) else backend.info,
            calls=calls,
            duration_s=round(time.monotonic() - clock, 3),
        )
        write_reexecution(self.run, made)
        return made

    def _calls(self, trajectory: Trajectory, backend: _Backend | str) -> tuple[CallReexecution, ...]:
        if isinstance(backend, str):
            return not_replayable(trajectory, backend)
        if reason := why_not(trajectory, backend.info.template_hash):
            return not_replayable(trajectory, reason)
        return reexecute(trajectory, backend.open, self._read, _limits(self.run).call_timeout_s)

    def _read(self, ref: BlobRef) -> bytes | None:
        """A recorded stream; None where it is gone or is not what its hash names."""
        try:
            data = read_blob(self.run, ref)
        except StudioError:
            return None
        return data if sha256_of(data) == ref.sha256 else None


def _limits(run: RunPaths) -> Limits:
    """What the run's calls were bounded by; the defaults where its configuration is lost."""
    try:
        return read_config(run).limits
    except StudioError:
        return Limits()
