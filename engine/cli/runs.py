"""Commands about runs: start, list, status, stop, resume."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from engine.cli.base import SEED, FiniteFloat, Session, pass_session, say, table

if TYPE_CHECKING:
    from engine.schema.run import RunStatus
    from engine.store import Project


@click.group()
def run() -> None:
    """Play intents: start, watch, stop and resume runs."""


@run.command()
@click.option("--count", type=click.IntRange(1), default=None, help="How many intents to play; default all.")
@click.option("--where", default=None, help="SQL condition over the intents table.")
@click.option("--concurrency", type=click.IntRange(1, 256), default=2, show_default=True)
@click.option("--user", default=None, help="scripted or openai:MODEL[@ENDPOINT]; default the project's.")
@click.option("--agent", default=None, help="scripted or openai:MODEL[@ENDPOINT]; default the project's.")
@click.option(
    "--judge",
    default=None,
    help="Who reads the user's messages beside the rules: scripted is the project's own reader; or "
    "openai:MODEL[@ENDPOINT]; default the project's.",
)
@click.option("--sandbox", default=None, help="bubblewrap or docker; default the project's.")
@click.option("--max-turns", type=click.IntRange(1, 200), default=20, show_default=True)
@click.option(
    "--max-context-tokens",
    type=click.IntRange(500),
    default=100_000,
    show_default=True,
    help="What one model call of the agent is sent at most, by estimate; more is compacted.",
)
@click.option(
    "--model-timeout",
    type=FiniteFloat(0, 86_400, min_open=True),
    default=120,
    show_default=True,
    help="Seconds that one model call may take, its retries included; a model of this machine needs more.",
)
@click.option(
    "--on-failed-utterance",
    type=click.Choice(["send", "end"]),
    default="send",
    show_default=True,
    help="When no message of the user model passes the checks: send the best, or end the rollout.",
)
@click.option("--budget-usd", type=FiniteFloat(0, min_open=True), default=None)
@click.option("--seed", type=SEED, default=None, help="Default: the project's.")
@click.option("--wait", is_flag=True, help="Stay until the run ends.")
@pass_session
def start(  # noqa: PLR0913 (the options of one command)
    session: Session,
    count: int | None,
    where: str | None,
    concurrency: int,
    user: str | None,
    agent: str | None,
    judge: str | None,
    sandbox: str | None,
    max_turns: int,
    max_context_tokens: int,
    model_timeout: float,
    on_failed_utterance: str,
    budget_usd: float | None,
    seed: int | None,
    wait: bool,
) -> int:
    """Start a run in a process of its own."""
    from engine.build import SCRIPTED
    from engine.providers.weights import MINILM, find_weights
    from engine.runs import RunRequest, run_status, start_run
    from engine.schema.run import Limits, OnFailedUtterance

    project = session.project()
    request = RunRequest(
        count=count,
        where=where,
        user=user,
        agent=agent,
        judge=judge,
        sandbox=sandbox,
        concurrency=concurrency,
        seed=seed,
        budget_usd=budget_usd,
        limits=Limits(
            max_turns=max_turns,
            max_context_tokens=max_context_tokens,
            model_timeout_s=model_timeout,
            on_failed_utterance=OnFailedUtterance(on_failed_utterance),
        ),
    )
    if (judge or project.settings.judge) == SCRIPTED and find_weights(MINILM) is None:
        say("the reader's weights are not here: rules alone judge the user's messages ('ise-studio weights')")
    run_id = start_run(project, request)
    if wait:
        return _wait(session, project, run_id)
    _answer(session, run_status(project, run_id), f"see 'ise-studio run status {run_id}'")
    return 0


@run.command("list")
@pass_session
def list_(session: Session) -> None:
    """All runs, newest first."""
    from engine.runs import list_runs

    runs = list_runs(session.project())
    rows = [(r.run_id, r.state, f"{r.n_done}/{r.n_total}", r.message) for r in runs]
    text = (
        table(("run", "state", "done", ""), rows)
        if runs
        else "no runs yet: 'ise-studio run start --count 12'"
    )
    session.answer([r.model_dump(mode="json") for r in runs], text)


@run.command()
@click.argument("run_id", metavar="ID")
@pass_session
def status(session: Session, run_id: str) -> None:
    """Where one run stands."""
    from engine.runs import run_status

    _answer(session, run_status(session.project(), run_id), "")


@run.command()
@click.argument("run_id", metavar="ID")
@pass_session
def stop(session: Session, run_id: str) -> None:
    """Ask a run to stop; its rollouts end their turn first."""
    from engine.runs import stop_run

    _answer(session, stop_run(session.project(), run_id), "asked to stop")


@run.command()
@click.argument("run_id", metavar="ID")
@click.option("--wait", is_flag=True, help="Stay until the run ends.")
@pass_session
def resume(session: Session, run_id: str, wait: bool) -> int:
    """Play what is missing of a run that ended or was killed."""
    from engine.runs import resume_run

    project = session.project()
    status = resume_run(project, run_id)
    if wait:
        return _wait(session, project, run_id)
    _answer(session, status, f"see 'ise-studio run status {run_id}'")
    return 0


def _wait(session: Session, project: Project, run_id: str) -> int:
    from engine.errors import StudioError
    from engine.runs import wait_for
    from engine.schema.run import RunState

    shown = -1

    def report(status: RunStatus) -> None:
        nonlocal shown
        if status.n_done != shown:
            shown = status.n_done
            say(f"{run_id}: {status.n_done} of {status.n_total} trajectories")

    ended = wait_for(project, run_id, report)
    if ended.state in (RunState.FAILED, RunState.INTERRUPTED):
        raise StudioError(f"run {run_id} {ended.state}: {ended.message}")
    _answer(session, ended, "")
    return 0


def _answer(session: Session, status: RunStatus, hint: str) -> None:
    parts = (status.run_id, status.state.value, f"{status.n_done} of {status.n_total}", status.message, hint)
    session.answer(status.model_dump(mode="json"), " · ".join(part for part in parts if part))


COMMANDS = (run,)
