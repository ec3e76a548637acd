"""What came of running trajectories again: one derived file each, beside the run's trajectories."""

from __future__ import annotations

import hashlib

from engine.errors import NotFoundError, StudioError
from engine.paths import RunPaths
from engine.schema.reexecution import Reexecution
from engine.store.files import read_bytes, read_record, write_record


def write_reexecution(run: RunPaths, made: Reexecution) -> None:
    """Keeps a trajectory's re-execution, whole, in the place of an older one."""
    write_record(run.reexecution(made.trajectory_id), made)


def read_reexecution(run: RunPaths, trajectory_id: str) -> Reexecution | None:
    """What came of running a trajectory again; None where it never was, or its record has changed since.

    A file that cannot be read counts as none: it is derived, and made anew by running the calls again.
    """
    try:
        made = read_record(run.reexecution(trajectory_id), Reexecution)
        return made if made.record_sha256 == record_sha256(run, trajectory_id) else None
    except StudioError:
        return None


def record_sha256(run: RunPaths, trajectory_id: str) -> str:
    """The hash of a finished trajectory's file.

    Raises:
        NotFoundError: The run has not finished it.
    """
    try:
        return hashlib.sha256(read_bytes(run.trajectory(trajectory_id))).hexdigest()
    except NotFoundError as error:
        raise NotFoundError(f"{trajectory_id} is not finished: wait for its end") from error
