"""Long work for the screen, in a process of its own: `python -m studio.jobs REQUEST`.

Sampling with a model, embedding and the map take minutes and heavy libraries. They never run in the server:
a job prints what it does as JSON lines into a log, and the page reads the log's last lines.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pydantic import Field

from engine.errors import InputError, StudioError, one_line
from engine.intents.dedup import DEFAULTS, Thresholds
from engine.intents.propose import BALANCE, Proposal
from engine.ports import Progress
from engine.schema.base import Record
from engine.store.project import Project

_MARK = "@@ "
"""Begins the lines of the log that are reports; libraries write others."""


class Step(Record):
    """One thing to do: a key of `STEPS`; the other fields are for some of them."""

    name: str
    count: int = 0
    seed: int | None = None
    """None takes the next one."""
    realizer: str = "scripted"
    where: str | None = None
    by_gain: bool = False
    """Realise the cells that "propose" gives for the same count, seed, condition and balance."""
    balance: float = BALANCE
    thresholds: Thresholds = DEFAULTS
    semantic: bool = True
    trajectory_id: str = ""
    """What "reexecute" runs again."""


class Request(Record):
    """What a job is asked to do, in order."""

    project: Path
    steps: tuple[Step, ...] = Field(min_length=1)


class Report(Record):
    """How far a job is: the step that it is at, and how it ended."""

    step: str = ""
    done: int = 0
    total: int = 0
    ended: bool = False
    stopped: bool = False
    """True where somebody stopped it; what it had made is kept."""
    error: str = ""
    notes: tuple[str, ...] = ()
    """What each finished step came to."""
    proposals: tuple[Proposal, ...] = ()
    """What the step "propose" found."""


class Outcome(NamedTuple):
    """What a step came to."""

    note: str
    proposals: tuple[Proposal, ...] = ()


@dataclass(slots=True)
class Job:
    """A job of this server: its request, its process, its log."""

    request: Request
    process: subprocess.Popen[bytes]
    log: Path

    def report(self) -> Report:
        """How far it is; ended in any case when its process is gone."""
        gone = self.process.poll() is not None
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        said = [line.removeprefix(_MARK) for line in lines if line.startswith(_MARK)]
        report = Report.model_validate_json(said[-1]) if said else Report()
        if gone and self.process.returncode == -signal.SIGTERM:
            return report.model_copy(update={"ended": True, "stopped": True})
        if gone and not report.ended:
            last = one_line(lines[-1] if lines and not lines[-1].startswith(_MARK) else "it was killed", 300)
            return report.model_copy(update={"ended": True, "error": f"the job ended half-way: {last}"})
        return report

    def stop(self) -> None:
        """Ends the process; what it wrote so far is whole."""
        self.process.terminate()


def start_job(project: Project, steps: Sequence[Step]) -> Job:
    """Starts a job in a process of its own."""
    request = Request(project=project.root.resolve(), steps=tuple(steps))
    with tempfile.NamedTemporaryFile(prefix="ise-job-", suffix=".log", delete=False) as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "studio.jobs", request.model_dump_json()],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    return Job(request, process, Path(log.name))


class _Reporter:
    """Prints a report a line."""

    def __init__(self) -> None:
        self._report = Report()

    def begin(self, step: str) -> None:
        """A step begins."""
        self._say(step=step, done=0, total=0)

    def progress(self, done: int, total: int) -> None:
        """A step goes on."""
        if total and (
            done >= total or done * 100 // total != self._report.done * 100 // max(self._report.total, 1)
        ):
            self._say(done=done, total=total)

    def note(self, outcome: Outcome) -> None:
        """A step is through."""
        self._say(notes=(*self._report.notes, outcome.note), proposals=outcome.proposals)

    def end(self, error: str = "") -> None:
        """The job is through."""
        self._say(ended=True, error=error)

    def _say(self, **changes: object) -> None:
        self._report = self._report.model_copy(update=changes)
        sys.stdout.write(f"\n{_MARK}{self._report.model_dump_json()}\n")
        sys.stdout.flush()


def _propose(project: Project, step: Step, progress: Progress) -> Outcome:
    from engine.generation import propose_intents

    found = propose_intents(
        project, step.count, seed=step.seed, where=step.where, balance=step.balance, progress=progress
    )
    return Outcome(f"{len(found):,} cells proposed", tuple(found))


def _sample(project: Project, step: Step, progress: Progress) -> Outcome:
    from engine.generation import generate_intents

    made = generate_intents(
        project,
        step.count,
        seed=step.seed,
        realizer=step.realizer,
        where=step.where,
        balance=step.balance if step.by_gain else None,
        progress=progress,
    )
    lost = (
        f", {len(made.failures):,} cells were not realised, first: {made.failures[0]}"
        if made.failures
        else ""
    )
    return Outcome(f"{len(made.intents):,} intents made{lost}")


def _embed(project: Project, _: Step, progress: Progress) -> Outcome:
    from engine.pipeline import embed_intents

    return Outcome(f"{embed_intents(project, progress):,} intents embedded")


def _dedup(project: Project, step: Step, progress: Progress) -> Outcome:
    from engine.pipeline import dedup_intents

    done = dedup_intents(project, step.thresholds, semantic=step.semantic, progress=progress)
    return Outcome(f"{done.n_dropped:,} repeats dropped")


def _map(project: Project, _: Step, __: Progress) -> Outcome:
    from engine.pipeline import map_intents

    return Outcome(f"{len(map_intents(project).coordinates):,} intents on the map")


def _reexecute(project: Project, step: Step, progress: Progress) -> Outcome:
    from engine.fidelity import reexecute_trajectories
    from engine.schema.reexecution import CallVerdict

    (made,) = reexecute_trajectories(project, [step.trajectory_id], progress=progress)
    told = [f"{n:,} {v.value.replace('_', ' ')}" for v in CallVerdict if (n := made.count(v))]
    return Outcome(f"calls run again: {', '.join(told) or 'none'}")


STEPS: dict[str, Callable[[Project, Step, Progress], Outcome]] = {
    "propose": _propose,
    "sample": _sample,
    "embed": _embed,
    "dedup": _dedup,
    "map": _map,
    "reexecute": _reexecute,
}
"""What a step's name stands for."""


def main(arguments: Sequence[str]) -> int:
    """Does what the request says; 1 where a step failed."""
    reporter = _Reporter()
    try:
        request = Request.model_validate_json(arguments[0])
        project = Project.open(request.project)
        for step in request.steps:
            if step.name not in STEPS:
                raise InputError(f"no step {step.name!r}: use one of {', '.join(STEPS)}")
            reporter.begin(step.name)
            reporter.note(STEPS[step.name](project, step, reporter.progress))
    except StudioError as error:
        reporter.end(one_line(error, 600))
        return 1
    reporter.end()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
