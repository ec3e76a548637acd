"""The run worker: plays a run's rollouts in a process of its own. `python -m engine.worker RUN_FOLDER`.

It shares nothing with who started it but the run's files, so it outlives the studio and the shell. Its
lock says that it lives; the system frees it however the worker ends.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import zlib
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing
from pathlib import Path

from engine import __version__, build
from engine.errors import StudioError, one_line
from engine.execute import agent as agent_stage
from engine.execute.agent import Agent, system_prompt
from engine.execute.tools import TOOLS
from engine.execute.workspaces.bubblewrap import Bubblewrap
from engine.paths import RunPaths
from engine.rollout import play
from engine.schema.base import utc_now
from engine.schema.intent import Intent
from engine.schema.run import RunConfig, RunState, RunStatus
from engine.schema.sandbox import BlobRef, SandboxInfo
from engine.schema.trajectory import Provenance, StopReason, Trajectory
from engine.simulate import user as user_stage
from engine.simulate.user import UserSimulator
from engine.store import Project
from engine.store.files import exclusive
from engine.store.intents import read_intents
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
log = logging.getLogger("worker")


class _RunStoppedError(Exception):
    """The curator stopped the run: the rollout is left as it stands, to be played anew on resume."""


def rollout_seed(run_seed: int, intent_id: str) -> int:
    """The seed of one rollout: of its own, and the same in every run with this seed."""
    return (run_seed * 1_000_003 + zlib.crc32(intent_id.encode())) % 2**31


def git_revision() -> str | None:
    """The revision of the checkout that this engine runs from; None for an installed wheel."""
    folder = Path(__file__).resolve().parent
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None


class Worker:
    """Plays what is missing of one run, `concurrency` rollouts at a time."""

    def __init__(self, project: Project, run: RunPaths, config: RunConfig) -> None:
        self._project, self._run, self._config = project, run, config
        self._stop = threading.Event()
        self._mutex = threading.Lock()
        self._playing: dict[str, int] = {}
        self._endings: Counter[str] = Counter()
        self._cost_done = 0.0
        self._cost_playing: dict[str, float] = {}
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
            self._write_status(RunState.FAILED, one_line(error))
            raise
        self._write_status(state, message)
        return state

    def _play_missing(self) -> tuple[RunState, str]:
        self._write_status(RunState.RUNNING, "proving the sandbox")
        backend = build.sandbox(self._config.sandbox)
        proof = backend.prove()
        taxonomy = current_taxonomy(self._project)
        start = _Start(self._config, proof, taxonomy.version, taxonomy.content_hash, git_revision())
        self._count_finished()
        drop_in_progress(self._run)
        missing = self._missing_intents()
        problems: list[str] = []
        with ThreadPoolExecutor(self._config.concurrency, thread_name_prefix="rollout") as pool:
            futures = {pool.submit(self._play_one, intent, start, backend): intent for intent in missing}
            problems = self._watch(set(futures))
        if problems:
            raise StudioError(
                f"{len(problems)} rollouts broke off, first: {problems[0]}; mend the cause, then "
                f"'ise-studio run resume {self._config.run_id}'"
            )
        if self._stop.is_set():
            return RunState.STOPPED, "stopped: resume plays what is missing"
        if self._over_budget():
            return RunState.STOPPED, "the budget is used up: resume goes on with a new budget only"
        return RunState.FINISHED, ""

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
                    problems.append(one_line(error))
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

    def _play_one(self, intent: Intent, start: _Start, backend: Bubblewrap) -> None:
        if self._stop.is_set():
            raise _RunStoppedError
        if self._over_budget():
            return
        seed = rollout_seed(self._config.seed, intent.intent_id)
        endpoint = self._project.settings.endpoint
        user = UserSimulator(build.user_model(self._config.user, endpoint, intent, seed), self._config.limits)
        agent = Agent(
            build.agent_model(self._config.agent, endpoint, intent, seed), self._config.limits, self._keep
        )
        trajectory = start.trajectory(intent, seed, user, agent)
        with self._mutex:
            self._playing[trajectory.trajectory_id] = 0
        try:
            with closing(backend.open()) as workspace:
                play(
                    trajectory,
                    user,
                    agent,
                    workspace,
                    limits=self._config.limits,
                    record=self._record,
                    should_stop=self._should_stop,
                )
        finally:
            with self._mutex:
                self._playing.pop(trajectory.trajectory_id, None)
                self._cost_playing.pop(trajectory.trajectory_id, None)

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


class _Start:
    """What every trajectory of the run begins with."""

    def __init__(
        self, config: RunConfig, proof: SandboxInfo, version: str, content_hash: str, revision: str | None
    ) -> None:
        self._config, self._proof, self._revision = config, proof, revision
        self._version, self._hash = version, content_hash
        self._prompt_hashes = {**user_stage.prompt_hashes(), **agent_stage.prompt_hashes()}

    def trajectory(self, intent: Intent, seed: int, user: UserSimulator, agent: Agent) -> Trajectory:
        """A trajectory without turns."""
        return Trajectory(
            trajectory_id=trajectory_id_of(self._config.run_id, intent.intent_id),
            intent=intent,
            provenance=Provenance(
                run_id=self._config.run_id,
                seed=seed,
                engine_version=__version__,
                git_revision=self._revision,
                taxonomy_version=self._version,
                taxonomy_hash=self._hash,
                prompt_hashes=self._prompt_hashes,
                user=user.model.info,
                agent=agent.model.info,
                sandbox=self._proof,
                tools=TOOLS,
                system_prompt=system_prompt(),
            ),
            created_at=utc_now(),
        )


def main(arguments: list[str] | None = None) -> int:
    """Plays the run in the folder that is named; 0 when nothing failed."""
    (folder,) = arguments if arguments is not None else sys.argv[1:]
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    root = Path(folder)
    run = RunPaths(root)
    with exclusive(run.lock, blocking=False) as held:
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
