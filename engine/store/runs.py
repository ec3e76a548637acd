"""Runs of a project: configuration, status, trajectories, streams."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from engine.errors import InputError, NotFoundError, StudioError, one_line
from engine.paths import RunPaths
from engine.schema.base import Record, utc_now
from engine.schema.run import RunConfig, RunState, RunStatus
from engine.schema.sandbox import BlobRef
from engine.schema.trajectory import Trajectory
from engine.store.files import is_locked, read_bytes, read_record, write_bytes, write_record, writing
from engine.store.project import Project

_START_GRACE = timedelta(seconds=20)
"""How long a new worker may take until it holds its lock."""
_LIVE = frozenset({RunState.STARTING, RunState.RUNNING})
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,79}")
UNREADABLE = "unreadable"
"""In the place of a stop reason: the finished record cannot be read."""


class Control(Record):
    """What the curator asks of a run's worker."""

    stop: bool = False


def list_run_ids(project: Project) -> list[str]:
    """Ids of the project's runs, oldest first. Whether their files can be read is another matter."""
    folder = project.paths.runs
    if not folder.is_dir():
        return []
    names = (p.name for p in folder.iterdir() if is_id(p.name))
    return sorted(name for name in names if project.paths.run(name).config.is_file())


def is_id(name: str) -> bool:
    """True for what can be the id of a run or a trajectory."""
    return _NAME.fullmatch(name) is not None


def run_paths(project: Project, run_id: str) -> RunPaths:
    """The files of an existing run.

    Raises:
        NotFoundError: There is no such run.
    """
    paths = project.paths.run(run_id) if is_id(run_id) else None
    if paths is None or not paths.config.is_file():
        raise NotFoundError(
            f"no run {one_line(run_id)!r} in {project.root}: 'ise-studio run list' names them"
        )
    return paths


def read_config(run: RunPaths) -> RunConfig:
    """The run's configuration.

    Raises:
        InputError: The file is damaged: what the run was asked is lost, its trajectories are not.
    """
    return read_record(run.config, RunConfig)


def read_status(run: RunPaths) -> RunStatus:
    """Where the run stands; a run whose worker is gone reads as interrupted, whatever its file says.

    A lost or damaged status file is no error: what it said is worked out from the run's other files.
    """
    try:
        status = read_record(run.status, RunStatus)
        while status.state in _LIVE and not is_locked(run.lock):
            again = read_record(run.status, RunStatus)  # the worker may have ended after the first reading
            if again == status:
                return _status_without_worker(run, status)
            status = again
    except StudioError as error:
        return _status_without_file(run, error)
    return status


def _status_without_worker(run: RunPaths, status: RunStatus) -> RunStatus:
    """Where a run stands that nobody plays though its file says so: it may be about to start."""
    if status.state is RunState.STARTING and utc_now() - status.updated_at < _START_GRACE:
        return status
    message = f"the worker was killed, or could not write its end: {_goes_on(run)}"
    return status.model_copy(update={"state": RunState.INTERRUPTED, "playing": {}, "message": message})


def _status_without_file(run: RunPaths, lost: StudioError) -> RunStatus:
    """Where the run stands by its configuration and its finished trajectories."""
    run_id, n_done = run.root.name, len(finished_ids(run))
    message = f"{one_line(lost)}: {_goes_on(run)}"
    try:
        config = read_config(run)
    except StudioError as error:
        written_at = datetime.fromtimestamp(run.config.stat().st_mtime, UTC)
        message = f"{one_line(error)}: restore the file, or delete {run.root}"
        return RunStatus(
            run_id=run_id,
            state=RunState.FAILED,
            n_total=n_done,
            n_done=n_done,
            message=message,
            updated_at=written_at,
        )
    return RunStatus(
        run_id=run_id,
        state=RunState.RUNNING if is_locked(run.lock) else RunState.INTERRUPTED,
        n_total=len(config.intent_ids),
        n_done=n_done,
        message=message,
        updated_at=config.created_at,
    )


def _goes_on(run: RunPaths) -> str:
    return f"'ise-studio run resume {run.root.name}' goes on"


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
    """The endings of all finished trajectories of a run; of a damaged one only that it is `UNREADABLE`."""
    for trajectory_id in sorted(finished_ids(run)):
        try:
            trajectory = read_finished(run, trajectory_id)
        except StudioError:
            yield Ending(trajectory_id, UNREADABLE, 0.0)
            continue
        reason = trajectory.stop_reason.value if trajectory.stop_reason else ""
        costs = (trajectory.user_usage.cost_usd, trajectory.agent_usage.cost_usd)
        yield Ending(trajectory_id, reason, sum(cost or 0.0 for cost in costs))


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
    run, path = _find(project, trajectory_id)
    if path.parent == run.trajectories:
        return read_finished(run, trajectory_id)
    return read_record(path, Trajectory)


def run_of(project: Project, trajectory_id: str) -> RunPaths:
    """The run that holds a trajectory."""
    return _find(project, trajectory_id)[0]


def _find(project: Project, trajectory_id: str) -> tuple[RunPaths, Path]:
    if is_id(trajectory_id):
        for run_id in reversed(list_run_ids(project)):
            run = project.paths.run(run_id)
            for path in (run.trajectory(trajectory_id), run.in_progress(trajectory_id)):
                if path.is_file():
                    return run, path
    raise NotFoundError(
        f"no trajectory {one_line(trajectory_id, 90)!r} in {project.root}: "
        "'ise-studio trajectories list' names them"
    )


def scan_trajectories(run: RunPaths, ids: set[str]) -> Iterator[Trajectory]:
    """The named finished trajectories of a run, one at a time, in the order of their ids."""
    for trajectory_id in sorted(ids):
        yield read_finished(run, trajectory_id)


def read_finished(run: RunPaths, trajectory_id: str) -> Trajectory:
    """One finished trajectory.

    Raises:
        NotFoundError: The run has not finished it.
        InputError: Its file is damaged; the message says how to have it played again.
    """
    path = run.trajectory(trajectory_id)
    try:
        trajectory = read_record(path, Trajectory)
    except NotFoundError:
        raise
    except InputError as error:
        mend = f"delete it, then 'ise-studio run resume {run.root.name}' plays it again"
        raise InputError(f"{error}: {mend}") from error
    if trajectory.trajectory_id != trajectory_id:
        raise InputError(f"{path} holds trajectory {trajectory.trajectory_id}: rename the file to its id")
    return trajectory


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
