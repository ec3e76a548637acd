"""What came of running a trajectory's recorded calls again in a fresh workspace."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

from pydantic import Field

from engine.schema.base import Record, Sha256, Slug
from engine.schema.sandbox import SandboxInfo


class CallVerdict(StrEnum):
    """What became of one recorded call."""

    REPRODUCED = "reproduced"
    """The same ending, error, observation, streams and file changes, after the stated normalisation."""
    DRIFTED = "drifted"
    NOT_REPLAYABLE = "not_replayable"


class Drift(Record):
    """One thing that differs between the record and what came now."""

    what: str
    """"ending", "error", "observation", "stdout", "stderr", "file PATH", "files", "record"."""
    diff: str
    """Unified diff from the record (-) to now (+), or one line in words; at most 16 KiB."""


class CallReexecution(Record):
    """The verdict on one call."""

    verdict: CallVerdict
    reason: str = ""
    """Why the call could not be run again."""
    drifts: tuple[Drift, ...] = ()
    normalised: tuple[str, ...] = ()
    """The rules without which it would have drifted; see `engine.execute.normalise`."""
    duration_ms: float = Field(default=0.0, ge=0.0)


class Reexecution(Record):
    """A trajectory's recorded calls, run again in order. Derived: made anew at any time."""

    trajectory_id: Slug
    record_sha256: Sha256
    """Hash of the trajectory's file as it was read: another hash means that this is about another record."""
    made_at: datetime
    engine_version: str
    sandbox: SandboxInfo | None
    """What it ran in now; None where nothing was run."""
    calls: tuple[CallReexecution, ...]
    """One for each call of the trajectory, in order."""
    duration_s: float = Field(default=0.0, ge=0.0)

    def count(self, verdict: CallVerdict) -> int:
        """How many calls have this verdict."""
        return sum(call.verdict is verdict for call in self.calls)

    @property
    def fidelity(self) -> float | None:
        """Reproduced calls per replayable call, 0 to 1; None where no call could be run again."""
        return fidelity_of([self])


def fidelity_of(made: Sequence[Reexecution]) -> float | None:
    """Reproduced calls per replayable call over several trajectories; None where none was replayable."""
    n_same = sum(one.count(CallVerdict.REPRODUCED) for one in made)
    n_other = sum(one.count(CallVerdict.DRIFTED) for one in made)
    return n_same / (n_same + n_other) if n_same + n_other else None
