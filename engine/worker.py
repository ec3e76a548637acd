"""The run worker: plays a run's rollouts in a process of its own. `python -m engine.worker RUN_FOLDER`.

It shares nothing with who started it but the run's files, so it outlives the studio and the shell. Its
lock says that it lives; the system frees it however the worker ends.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import zlib
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing
from pathlib import Path

from engine import build
from engine.errors import StudioError, one_line
from engine.execute.agent import Agent
from engine.execute.workspaces.backend import Backend
from engine.paths import RunPaths
from engine.ports import Reader
from engine.provenance import Origin, git_revision
from engine.rollout import play
from engine.schema.base import utc_now
from engine.schema.intent import Intent
from engine.schema.request import ModelRole
from engine.schema.run import RunConfig, RunState, RunStatus
from engine.schema.sandbox import BlobRef
from engine.schema.trajectory import StopReason, Trajectory
from engine.simulate.model_reader import ModelReader
from engine.simulate.user import UserSimulator
from engine.store import Project
from engine.store.files import exclusive
from engine.store.intents import read_intents
from engine.store.requests import RequestLog
from engine.store.runs import (
    drop_in_progress,
    finished_ids,
    read_config,
    read_control,
    scan_endings,
    trajectory_id_of,
    write_blob,
    write_status,
    write_trajectory,
)
from engine.taxonomy import current_taxonomy

_POLL_S = 0.3
_LOCK_WITHIN_S = 5.0
"""A reader that asks whether the worker lives holds the lock for a moment."""
_HOPELESS = 5
_FAILURES = (StopReason.AGENT_FAILED, StopReason.USER_FAILED, StopReason.WORKSPACE_FAILED)
log = logging.getLogger("worker")


class _RunStoppedError(Exception):
    """The curator stopped the run: the rollout is left as it stands, to be played anew on resume."""


def rollout_seed(run_seed: int, intent_id: str) -> int:
    """The seed of one rollout: of its own, and the same in every run with this seed."""
    return (run_seed * 1_000_003 + zlib.crc32(intent_id.encode())) % 2**31


class Worker:
    """Plays what is missing of one run, `concurrency` rollouts at a time."""

    def __init__(self, project: Project, run: RunPaths, config: RunConfig) -> None:
        self._project, self._run, self._config = project, run, config
        self._endpoints = build.Endpoints(project.settings, RequestLog(run.requests).add)
        self._stop = threading.Event()
        self._mutex = threading.Lock()
        self._playing: dict[str, int] = {}
        self._endings: Counter[str] = Counter()
        self._cost_done = 0.0
        self._cost_playing: dict[str, float] = {}
        self._n_failed_in_a_row = 0
        self._last_cause = "see the trajectories"
        self._started_at = utc_now()

    def stop(self, *_: object) -> None:
        """Asks the run to stop: each rollout ends its turn and is left as it stands."""
        self._stop.set()

    def run(self) -> RunState:
        """Plays to the end and gives the state in which the run was left.

        Raises:
            StudioError: No proven sandbox, or the disk refuses the records; the status file says so too.
        """
        try:
            state, message = self._play_missing()
        except StudioError as error:
            # What is unfinished is played anew anyway; where the disk is full this makes room to say so.
            drop_in_progress(self._run)
            self._write_status(RunState.FAILED, one_line(error))
            raise
        self._write_status(state, message)
        return state

    def _play_missing(self) -> tuple[RunState, str]:
        self._write_status(RunState.RUNNING, "proving the sandbox")
        backend = build.sandbox(self._config.sandbox, self._config.docker, self._config.run_id)
        origin = Origin(self._config, backend.prove(), current_taxonomy(self._project), git_revision())
        self._count_finished()
        drop_in_progress(self._run)
        missing = self._missing_intents()
        own_reader = build.reader() if self._config.judge == build.SCRIPTED else None
        problems: list[str] = []
        with ThreadPoolExecutor(self._config.concurrency, thread_name_prefix="rollout") as pool:
            futures = {pool.submit(self._play_one, intent, origin, backend, own_reader) for intent in missing}
            problems = self._watch(futures)
        if problems:
            raise StudioError(
                f"{len(problems)} rollouts broke off, first: {problems[0]}; mend the cause, then "
                f"'ise-studio run resume {self._config.run_id}'"
            )
        return self._ending()

    def _ending(self) -> tuple[RunState, str]:
        n_done = sum(self._endings.values())
        if n_done and n_done == sum(self._endings[reason] for reason in _FAILURES):
            return RunState.FAILED, f"all {n_done} rollouts failed, the last one so: {self._last_cause}"
        if n_done >= len(self._config.intent_ids):
            return RunState.FINISHED, ""
        if self._is_hopeless():
            n_failed = self._n_failed_in_a_row
            return (
                RunState.FAILED,
                f"{n_failed} rollouts in a row failed, the last one so: {self._last_cause}",
            )
        if self._over_budget():
            return RunState.STOPPED, "the budget is used up: start a new run for the rest"
        return RunState.STOPPED, "stopped: resume plays what is missing"

    def _watch(self, futures: set[Future[None]]) -> list[str]:
        """Keeps the status fresh until all rollouts are through; gives what broke off and why."""
        waiting, problems = futures, []
        while waiting:
            done, waiting = wait(waiting, timeout=_POLL_S)
            for future in done:
                if future.cancelled() or (error := future.exception()) is None:
                    continue
                if not isinstance(error, _RunStoppedError):
                    log.error("a rollout broke off", exc_info=error)
                    problems.append(one_line(error) or type(error).__name__)
            if problems or read_control(self._run).stop:
                self._stop.set()
            if self._stop.is_set():
                for future in waiting:
                    future.cancel()
            self._write_status(RunState.RUNNING, "stopping" if self._stop.is_set() else "")
        return problems

    def _missing_intents(self) -> list[Intent]:
        finished = finished_ids(self._run)
        intents = {i.intent_id: i for i in read_intents(self._project)}
        wanted = [
            i for i in self._config.intent_ids if trajectory_id_of(self._config.run_id, i) not in finished
        ]
        gone = [i for i in wanted if i not in intents]
        if gone:
            raise StudioError(f"intent {gone[0]} is no longer in the project: restore its batch, then resume")
        return [intents[i] for i in wanted]

    def _play_one(self, intent: Intent, origin: Origin, backend: Backend, own_reader: Reader | None) -> None:
        if self._stop.is_set():
            raise _RunStoppedError
        if self._over_budget() or self._is_hopeless():
            return
        seed = rollout_seed(self._config.seed, intent.intent_id)
        trajectory_id = trajectory_id_of(self._config.run_id, intent.intent_id)
        about = (self._endpoints, intent, seed, trajectory_id)
        limits = self._config.limits
        reader = own_reader if self._config.judge == build.SCRIPTED else self._judge(seed, trajectory_id)
        user = UserSimulator(build.user_model(self._config.user, *about), limits, reader)
        agent = Agent(build.agent_model(self._config.agent, *about), limits, self._keep)
        trajectory = origin.trajectory(intent, seed, user, agent)
        with self._mutex:
            self._playing[trajectory.trajectory_id] = 0
        try:
            with closing(backend.open()) as workspace:
                play(
                    trajectory,
                    user,
                    agent,
                    workspace,
                    limits=limits,
                    record=self._record,
                    should_stop=self._should_stop,
                )
        finally:
            with self._mutex:
                self._playing.pop(trajectory.trajectory_id, None)
                self._cost_playing.pop(trajectory.trajectory_id, None)

    def _judge(self, seed: int, trajectory_id: str) -> ModelReader:
        """The judge of one rollout, where a model behind an endpoint is asked."""
        model = build.chat_model(self._config.judge, self._endpoints, seed, ModelRole.JUDGE, trajectory_id)
        return ModelReader(model, self._config.limits.model_timeout_s)

    def _keep(self, data: bytes, total_bytes: int) -> BlobRef | None:
        return write_blob(self._run, data, total_bytes)

    def _record(self, trajectory: Trajectory) -> None:
        write_trajectory(self._run, trajectory)
        cost = trajectory.usage.cost_usd or 0.0
        with self._mutex:
            if trajectory.stop_reason is None:
                self._playing[trajectory.trajectory_id] = len(trajectory.turns)
                self._cost_playing[trajectory.trajectory_id] = cost
            else:
                self._endings[trajectory.stop_reason.value] += 1
                failed = trajectory.stop_reason in _FAILURES
                self._n_failed_in_a_row = self._n_failed_in_a_row + 1 if failed else 0
                self._last_cause = trajectory.failure_cause or self._last_cause
                self._cost_playing.pop(trajectory.trajectory_id, None)
                self._cost_done += cost

    def _should_stop(self, trajectory: Trajectory) -> StopReason | None:
        if self._stop.is_set():
            raise _RunStoppedError
        return StopReason.BUDGET_LIMIT if trajectory.turns and self._over_budget() else None

    def _over_budget(self) -> bool:
        budget = self._config.budget_usd
        with self._mutex:
            return budget is not None and self._cost_done + sum(self._cost_playing.values()) >= budget

    def _is_hopeless(self) -> bool:
        """True when so many rollouts failed in a row that the cause is not the intents."""
        with self._mutex:
            return self._n_failed_in_a_row >= max(_HOPELESS, 2 * self._config.concurrency)

    def _count_finished(self) -> None:
        for ending in scan_endings(self._run):
            self._endings[ending.stop_reason] += 1
            self._cost_done += ending.cost_usd

    def _write_status(self, state: RunState, message: str) -> None:
        with self._mutex:
            status = RunStatus(
                run_id=self._config.run_id,
                state=state,
                n_total=len(self._config.intent_ids),
                n_done=sum(self._endings.values()),
                by_stop_reason=dict(self._endings),
                playing=dict(self._playing) if state is RunState.RUNNING else {},
                cost_usd=round(self._cost_done + sum(self._cost_playing.values()), 6),
                message=message,
                pid=os.getpid(),
                started_at=self._started_at,
                updated_at=utc_now(),
            )
        write_status(self._run, status)


def main(arguments: list[str] | None = None) -> int:
    """Plays the run in the folder that is named; 0 when nothing failed."""
    (folder,) = arguments if arguments is not None else sys.argv[1:]
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    root = Path(folder)
    run = RunPaths(root)
    with exclusive(run.lock, wait_s=_LOCK_WITHIN_S) as held:
        if not held:
            log.error("another worker plays this run already")
            return 1
        try:
            worker = Worker(Project.open(root.parent.parent), run, read_config(run))
            for name in (signal.SIGTERM, signal.SIGINT):
                signal.signal(name, worker.stop)
            log.info("the run ended: %s", worker.run())
        except StudioError as error:
            log.error("%s", one_line(error, 2000))  # noqa: TRY400 (the line says all)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
