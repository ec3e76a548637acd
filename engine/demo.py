"""The whole pipeline on the embedded defaults, re-using what is there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from engine import generation, pipeline
from engine.build import SCRIPTED
from engine.errors import StudioError
from engine.providers.weights import MINILM, fetch_weights
from engine.runs import RunRequest, list_runs, resume_run, start_run, wait_for
from engine.schema.base import Record
from engine.schema.run import RunState, RunStatus
from engine.store import Project
from engine.store.intents import list_batches, read_intents, read_kept_intents
from engine.store.runs import finished_ids, list_run_ids

Say = Callable[[str], None]


class DemoSummary(Record):
    """What stands in the project after the demo."""

    project: str
    n_intents: int
    n_kept: int
    vendi: float
    n_trajectories: int


def run_demo(root: Path, n_intents: int, n_trajectories: int, seed: int, say: Say) -> DemoSummary:
    """Brings the project in `root` to at least `n_intents` and `n_trajectories`, and says what it has.

    Raises:
        StudioError: A step failed; what the steps before it made is kept, a second call goes on from there.
    """
    say(f"1/6 project in {root}")
    project = Project.open(root) if (root / "project.toml").exists() else Project.create(root, seed=seed)
    say("2/6 weights of the embedder and of the reader")
    fetch_weights(say)
    fetch_weights(say, MINILM)
    say(f"3/6 {n_intents} intents")
    missing = n_intents - len(read_intents(project))
    if missing > 0:
        generation.generate_intents(project, missing, seed=seed + len(list_batches(project)))
    say("4/6 embeddings, duplicates, diversity")
    pipeline.embed_intents(project, _every(say, "    embedded", 60))
    pipeline.dedup_intents(project)
    vendi = pipeline.pool_vendi(project)
    say("5/6 map of the intents (the first one compiles for about a minute)")
    pipeline.map_intents(project)
    say(f"6/6 {n_trajectories} trajectories")
    _play(project, n_trajectories, seed, say)
    return DemoSummary(
        project=str(root),
        n_intents=len(read_intents(project)),
        n_kept=len(read_kept_intents(project)),
        vendi=vendi,
        n_trajectories=count_trajectories(project),
    )


def count_trajectories(project: Project) -> int:
    """Finished trajectories of all runs."""
    return sum(len(finished_ids(project.paths.run(run_id))) for run_id in list_run_ids(project))


def _play(project: Project, wanted: int, seed: int, say: Say) -> None:
    for status in list_runs(project):
        if status.state is RunState.INTERRUPTED:
            say(f"    resuming {status.run_id}")
            _wait(project, resume_run(project, status.run_id).run_id, say)
    missing = wanted - count_trajectories(project)
    if missing > 0:
        request = RunRequest(count=missing, seed=seed, user=SCRIPTED, agent=SCRIPTED, judge=SCRIPTED)
        _wait(project, start_run(project, request), say)


def _wait(project: Project, run_id: str, say: Say) -> None:
    progress = _every(say, "    played", 1)

    def report(status: RunStatus) -> None:
        progress(status.n_done, status.n_total)

    ended = wait_for(project, run_id, report)
    if ended.state is not RunState.FINISHED:
        raise StudioError(f"run {run_id} {ended.state}: {ended.message}")


def _every(say: Say, what: str, step: int) -> Callable[[int, int], None]:
    """A progress callback that speaks every `step` and at the end, never twice of the same."""
    last = -1

    def report(done: int, total: int) -> None:
        nonlocal last
        if done != last and (done // step != last // step or done == total):
            say(f"{what} {done} of {total}")
            last = done

    return report
