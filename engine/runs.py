"""Starts, stops, resumes and lists runs: for the command line and the studio alike.

A run is a process of its own; who starts it and who looks at it share nothing but the run's files.
"""

from __future__ import annotations

import os
import random
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from engine import build
from engine.errors import InputError, StudioError, one_line
from engine.paths import RunPaths
from engine.schema.base import utc_now
from engine.schema.intent import Intent
from engine.schema.run import Limits, RunConfig, RunState, RunStatus
from engine.store import Project
from engine.store.files import is_locked, read_bytes, writing
from engine.store.intents import read_kept_intents
from engine.store.runs import (
    Control,
    finished_ids,
    list_run_ids,
    read_config,
    read_status,
    run_paths,
    write_config,
    write_control,
    write_status,
)

ENDED = frozenset({RunState.FINISHED, RunState.STOPPED, RunState.FAILED, RunState.INTERRUPTED})
_POLL_S = 0.25
_TAKE_UP_S = 120.0
"""How long we look on until a new worker has taken up its run."""


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What a curator asks a run for; None means the project's setting."""

    count: int | None = None
    """How many intents to play; None plays all that fit."""
    where: str | None = None
    """SQL condition over the intents table."""
    user: str | None = None
    agent: str | None = None
    judge: str | None = None
    sandbox: str | None = None
    concurrency: int = 2
    seed: int | None = None
    budget_usd: float | None = None
    limits: Limits = field(default_factory=Limits)


def start_run(project: Project, request: RunRequest) -> str:
    """Starts a run in a process of its own and gives its id.

    Raises:
        InputError: Nothing to play, an unknown provider, or a budget without prices.
        SandboxError: No sandbox could be proven; nothing was written.
        StudioError: The disk refuses the run's files.
    """
    settings = project.settings
    user, agent = request.user or settings.user, request.agent or settings.agent
    judge = request.judge or settings.judge
    roles = {"user": user, "agent": agent, "judge": judge}
    _check_providers(project, roles, request.budget_usd)
    seed = settings.seed if request.seed is None else request.seed
    intents = choose_intents(project, request, seed, scripted=build.SCRIPTED in (user, agent))
    sandbox = request.sandbox or settings.sandbox
    build.sandbox(sandbox, settings.docker).prove()
    config = RunConfig(
        run_id=_new_run_id(),
        created_at=utc_now(),
        seed=seed,
        intent_ids=tuple(i.intent_id for i in intents),
        user=user,
        agent=agent,
        judge=judge,
        sandbox=sandbox,
        docker=settings.docker,
        concurrency=request.concurrency,
        limits=request.limits,
        budget_usd=request.budget_usd,
    )
    run = project.paths.run(config.run_id)
    write_status(
        run,
        RunStatus(
            run_id=config.run_id,
            state=RunState.STARTING,
            n_total=len(intents),
            updated_at=utc_now(),
        ),
    )
    write_config(run, config)
    _spawn(run)
    return config.run_id


def choose_intents(project: Project, request: RunRequest, seed: int, *, scripted: bool) -> list[Intent]:
    """The kept intents to play: those that no run has played come first, in an order that the seed draws.

    Raises:
        InputError: There is none; the message says what to do.
    """
    intents = read_kept_intents(project)
    if not intents:
        raise InputError("no intents to play: make some with 'ise-studio intents sample --count 200'")
    if request.where:
        wanted = _matching(project, request.where)
        intents = [i for i in intents if i.intent_id in wanted]
    if scripted:
        known = build.script_library().playbooks
        intents = [i for i in intents if any(t in known for t in i.cell.task_ids)]
    if not intents:
        raise InputError("no intent fits: widen the condition, or sample intents that fit it")
    played = _played_ids(project)
    order = sorted(intents, key=lambda i: i.intent_id)
    random.Random(seed).shuffle(order)
    order.sort(key=lambda i: i.intent_id in played)
    return order if request.count is None else order[: request.count]


def _played_ids(project: Project) -> set[str]:
    """Intents that some run was asked to play; a run whose configuration is damaged counts for nothing."""
    played: set[str] = set()
    for run_id in list_run_ids(project):
        with suppress(StudioError):
            played.update(read_config(project.paths.run(run_id)).intent_ids)
    return played


def _matching(project: Project, where: str) -> set[str]:
    from engine.catalog import refresh
    from engine.query.run import select_ids

    return set(select_ids(refresh(project), where, table="intents"))


def _check_providers(project: Project, roles: Mapping[str, str], budget_usd: float | None) -> None:
    """Sees that each role's model can be asked, and paid for where there is a budget.

    Raises:
        InputError: One cannot; the message says as what it was named.
    """
    from engine.providers.openai_line import api_key

    settings = project.settings
    for role, text in roles.items():
        provider = build.parse_provider(text)
        if provider.name == build.SCRIPTED:
            continue
        try:
            api_key(build.endpoint_of(provider, settings))
        except InputError as error:
            raise InputError(
                f"{one_line(text, 80)} as {role}: {error}; or name scripted as {role}"
            ) from error
        if budget_usd is not None and settings.price_of(provider.model, provider.endpoint) is None:
            model = one_line(provider.model, 80)
            raise InputError(
                f"a budget needs prices, and {model} has none: set prompt and completion under "
                f'[prices."{model}"] in {project.paths.settings}'
            )


ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
"""A worker's linear algebra has no threads of its own: they are ended when some thread forks, as sandboxes
are started, and a product that is under way in another thread would wait for them for ever."""


def _new_run_id() -> str:
    return f"run-{utc_now():%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def _spawn(run: RunPaths) -> None:
    """Starts the worker in a session of its own, its output in the run's log, and sees it take up the run.

    Raises:
        StudioError: It ended at once; the message is its log's last line, the run is marked as failed.
    """
    with writing(run.log), run.log.open("ab") as log:
        # -P: the folder that we happen to stand in is no place to import from.
        worker = subprocess.Popen(
            [sys.executable, "-P", "-m", "engine.worker", str(run.root.resolve())],
            env=os.environ | ONE_THREAD,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            close_fds=True,
        )
    deadline = time.monotonic() + _TAKE_UP_S
    while time.monotonic() < deadline and read_status(run).state is RunState.STARTING:
        if worker.poll():
            last = _last_words(run)
            failed = read_status(run).model_copy(update={"state": RunState.FAILED, "message": last})
            write_status(run, failed)
            raise StudioError(f"the worker of {run.root.name} ended at once: {last}")
        time.sleep(_POLL_S / 5)


def list_runs(project: Project) -> list[RunStatus]:
    """Where every run stands, newest first."""
    return [read_status(project.paths.run(run_id)) for run_id in reversed(list_run_ids(project))]


def run_status(project: Project, run_id: str) -> RunStatus:
    """Where one run stands.

    Raises:
        NotFoundError: No such run.
    """
    return read_status(run_paths(project, run_id))


def stop_run(project: Project, run_id: str) -> RunStatus:
    """Asks a run to stop; its rollouts end their turn first.

    Raises:
        InputError: No such run, or it has ended already.
    """
    run = run_paths(project, run_id)
    status = read_status(run)
    if status.state in ENDED:
        raise InputError(f"run {run_id} is {status.state}: there is nothing to stop")
    write_control(run, Control(stop=True))
    return status


def resume_run(project: Project, run_id: str) -> RunStatus:
    """Plays what is missing of a run that has ended or was killed; finished trajectories stay as they are.

    Raises:
        InputError: No such run, it is running, nothing is missing, or its models can no longer be asked.
        SandboxError: No sandbox could be proven.
    """
    run = run_paths(project, run_id)
    status = read_status(run)
    if is_locked(run.lock):
        raise InputError(f"run {run_id} is running: stop it first, or wait for its end")
    if len(finished_ids(run)) >= status.n_total:
        raise InputError(f"run {run_id} has played all its intents: there is nothing to resume")
    config = read_config(run)
    roles = {"user": config.user, "agent": config.agent, "judge": config.judge}
    _check_providers(project, roles, config.budget_usd)
    build.sandbox(config.sandbox, config.docker).prove()
    write_control(run, Control(stop=False))
    started = status.model_copy(
        update={"state": RunState.STARTING, "message": "", "updated_at": utc_now(), "playing": {}}
    )
    write_status(run, started)
    _spawn(run)
    return started


def wait_for(
    project: Project, run_id: str, progress: Callable[[RunStatus], None] = lambda _: None
) -> RunStatus:
    """The status in which a run ended; `progress` is called as it goes on."""
    run = run_paths(project, run_id)
    while True:
        status = read_status(run)
        progress(status)
        if status.state is RunState.INTERRUPTED:
            return status.model_copy(update={"message": f"{status.message} ({_last_words(run)})"})
        if status.state in ENDED:
            return status
        time.sleep(_POLL_S)


def read_log_tail(project: Project, run_id: str, max_bytes: int = 16_384) -> str:
    """The end of a run's log.

    Raises:
        NotFoundError: No such run.
    """
    return _log_tail(run_paths(project, run_id), max_bytes)


def _log_tail(run: RunPaths, max_bytes: int) -> str:
    try:
        return read_bytes(run.log)[-max_bytes:].decode("utf-8", errors="replace")
    except StudioError:
        return ""


def _last_words(run: RunPaths) -> str:
    """The last line of the worker's log."""
    return one_line(_log_tail(run, 4096).strip().rpartition("\n")[2]) or "its log says nothing"
