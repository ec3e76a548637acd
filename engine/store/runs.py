"""Runs of a project: configuration, status, trajectories, streams."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

from engine.errors import NotFoundError
from engine.paths import RunPaths
from engine.schema.base import Record, utc_now
from engine.schema.run import RunConfig, RunState, RunStatus
from engine.schema.sandbox import BlobRef
from engine.schema.trajectory import Trajectory
from engine.store.files import is_locked, read_bytes, read_record, write_bytes, write_record, writing
from engine.store.project import Project

_START_GRACE = timedelta(seconds=20)
"""How long a new worker may take until it holds its lock."""
_NAME = re.compile(r"^[a-z0-9][a-z0-9._-]{0,79}$")


class Control(Record):
    """What the curator asks of a run's worker."""

    stop: bool = False


def list_run_ids(project: Project) -> list[str]:
    """Ids of the project's runs, oldest first."""
    folder = project.paths.runs
    if not folder.is_dir():
        return []
    return sorted(p.name for p in folder.iterdir() if (p / "config.json").is_file())


def run_paths(project: Project, run_id: str) -> RunPaths:
    """The files of an existing run.

    Raises:
        NotFoundError: There is no such run.
    """
    paths = project.paths.run(run_id) if _NAME.match(run_id) else None
    if paths is None or not paths.config.is_file():
        raise NotFoundError(f"no run {run_id!r} in {project.root}: 'ise-studio run list' names them")
    return paths


def read_config(run: RunPaths) -> RunConfig:
    """The run's configuration."""
    return read_record(run.config, RunConfig)


def read_status(run: RunPaths) -> RunStatus:
    """Where the run stands; a run whose worker is gone reads as interrupted, whatever its file says."""
    status = read_record(run.status, RunStatus)
    if status.state not in (RunState.STARTING, RunState.RUNNING) or is_locked(run.lock):
        return status
    if status.state is RunState.STARTING and utc_now() - status.updated_at < _START_GRACE:
        return status
    return status.model_copy(
        update={
            "state": RunState.INTERRUPTED,
            "playing": {},
            "message": "the worker was killed, or could not write its end: "
            f"'ise-studio run resume {status.run_id}' goes on",
        }
    )


def write_config(run: RunPaths, config: RunConfig) -> None:
    """Writes what the run was asked to do; once."""
    write_record(run.config, config)


def write_status(run: RunPaths, status: RunStatus) -> None:
    """Writes where the run stands; the worker's affair, and before it lives its starter's."""
    write_record(run.status, status)


def read_control(run: RunPaths) -> Control:
    """What the curator asked; the default where nothing was asked."""
    try:
        return read_record(run.control, Control)
    except NotFoundError:
        return Control()


def write_control(run: RunPaths, control: Control) -> None:
    """Asks something of the worker."""
    write_record(run.control, control)


def finished_ids(run: RunPaths) -> set[str]:
    """Ids of the trajectories that are finished."""
    if not run.trajectories.is_dir():
        return set()
    return {p.stem for p in run.trajectories.glob("*.json") if not p.name.startswith(".")}


def trajectory_id_of(run_id: str, intent_id: str) -> str:
    """The id of the trajectory that playing an intent in a run leaves: known before it is played."""
    digest = hashlib.sha256(f"{run_id}/{intent_id}".encode()).hexdigest()
    return f"traj_{digest[:16]}"


class Ending(NamedTuple):
    """How one finished trajectory ended and what it cost."""

    trajectory_id: str
    stop_reason: str
    cost_usd: float


def scan_endings(run: RunPaths) -> Iterator[Ending]:
    """The endings of all finished trajectories of a run."""
    for trajectory in scan_trajectories(run, finished_ids(run)):
        reason = trajectory.stop_reason.value if trajectory.stop_reason else ""
        yield Ending(trajectory.trajectory_id, reason, trajectory.usage.cost_usd or 0.0)


def drop_in_progress(run: RunPaths) -> None:
    """Drops what a worker before left unfinished: those rollouts are played anew."""
    with writing(run.playing):
        for path in run.playing.glob("*.json") if run.playing.is_dir() else ():
            path.unlink(missing_ok=True)


def write_trajectory(run: RunPaths, trajectory: Trajectory) -> None:
    """Writes a trajectory, whole: in progress until it has a stop reason, then among the finished ones."""
    trajectory_id = trajectory.trajectory_id
    if trajectory.stop_reason is None:
        write_record(run.in_progress(trajectory_id), trajectory)
        return
    write_record(run.trajectory(trajectory_id), trajectory)
    run.in_progress(trajectory_id).unlink(missing_ok=True)


def read_trajectory(project: Project, trajectory_id: str) -> Trajectory:
    """One trajectory, finished or in progress, wherever it stands.

    Raises:
        NotFoundError: No run has it.
    """
    return read_record(_find(project, trajectory_id)[1], Trajectory)


def run_of(project: Project, trajectory_id: str) -> RunPaths:
    """The run that holds a trajectory."""
    return _find(project, trajectory_id)[0]


def _find(project: Project, trajectory_id: str) -> tuple[RunPaths, Path]:
    if _NAME.match(trajectory_id):
        for run_id in reversed(list_run_ids(project)):
            run = project.paths.run(run_id)
            for path in (run.trajectory(trajectory_id), run.in_progress(trajectory_id)):
                if path.is_file():
                    return run, path
    raise NotFoundError(
        f"no trajectory {trajectory_id!r} in {project.root}: 'ise-studio trajectories list' names them"
    )


def scan_trajectories(run: RunPaths, ids: set[str]) -> Iterator[Trajectory]:
    """The named finished trajectories of a run, one at a time, in the order of their ids."""
    for trajectory_id in sorted(ids):
        yield read_record(run.trajectory(trajectory_id), Trajectory)


def write_blob(run: RunPaths, data: bytes, total_bytes: int) -> BlobRef | None:
    """Keeps a stream by its content hash; None for an empty one that lost nothing."""
    if not data and not total_bytes:
        return None
    digest = hashlib.sha256(data).hexdigest()
    path = run.blob(digest)
    if not path.exists():
        write_bytes(path, data)
    return BlobRef(sha256=digest, size_bytes=len(data), total_bytes=max(total_bytes, len(data)))


def read_blob(run: RunPaths, ref: BlobRef) -> bytes:
    """A stream's kept bytes."""
    return read_bytes(run.blob(ref.sha256))
