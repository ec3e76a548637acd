"""The form that starts a run."""

from __future__ import annotations

import streamlit as st

from engine.build import SANDBOXES
from engine.runs import RunRequest, start_run
from engine.schema.base import MAX_SEED
from engine.schema.run import Limits, OnFailedUtterance
from engine.store.project import Project
from studio.widgets import errors
from studio.widgets.plain import plural

_COLUMNS = "complexity, domains, tasks, n_tasks, persona_id, industry, experience_level, taxonomy_version"


CONDITION = "launch_condition"
"""Where the session keeps the condition; another page may put one there."""


_WHEN_FAILED = {
    OnFailedUtterance.SEND: "Send the best, with its verdicts",
    OnFailedUtterance.END: "End the rollout as failed",
}
_PROVIDER_HELP = "scripted, or openai:MODEL at the project's endpoint: type it and press Enter."
_JUDGE_HELP = "Reads the user's messages beside the rules. scripted is the reader that comes with the studio."
_BUDGET_HELP = "The run stops there; 0 is no bound. Needs prices in project.toml."


def launch_form(project: Project, n_kept: int) -> None:
    """Asks what to play and how, and starts it in a process of its own.

    Args:
        project: Where the run goes.
        n_kept: How many intents could be played.
    """
    with st.form("launch", border=False):
        request = _request(project, n_kept)
        st.caption(f"{plural(n_kept, 'intent')} kept. Those that no run has played come first.")
        asked = st.form_submit_button("Start the run", type="primary")
    if asked:
        with errors.shown():
            with st.spinner("Proving the sandbox and starting the worker"):
                run_id = start_run(project, request)
            st.session_state["run_shown"] = run_id
            st.rerun()


def _request(project: Project, n_kept: int) -> RunRequest:
    """The form's fields, and what they ask for."""
    settings = project.settings
    first, second = st.columns([1, 3, 1]), st.columns([2, 2, 2, 1, 1, 1])
    most = max(n_kept, 1)
    count = first[0].number_input("Intents to play", 1, most, min(12, most))
    where = first[1].text_input(
        "Condition over the intents (SQL, optional)",
        key=CONDITION,
        placeholder="e.g. complexity = 'complex' and list_contains(domains, 'file-io')",
        help=f"Columns: {_COLUMNS}.",
    )
    seed = first[2].number_input("Seed", 0, MAX_SEED, settings.seed)
    sandboxes = list(dict.fromkeys([settings.sandbox, *SANDBOXES]))
    max_turns = second[4].number_input("Turns at most", 1, 200, Limits().max_turns)
    budget = second[5].number_input("USD at most", 0.0, None, 0.0, help=_BUDGET_HELP)
    judge, limits = _for_models(int(max_turns), settings.judge)
    return RunRequest(
        user=_provider(second[0], "User simulator", settings.user),
        agent=_provider(second[1], "Agent", settings.agent),
        judge=judge,
        sandbox=second[2].selectbox(
            "Sandbox", sandboxes, help="Proven by a live probe before anything is played."
        ),
        concurrency=int(second[3].number_input("At a time", 1, 256, 2, help="Rollouts played at a time.")),
        limits=limits,
        count=int(count),
        where=where.strip() or None,
        seed=int(seed),
        budget_usd=float(budget) or None,
    )


def _for_models(max_turns: int, judge: str) -> tuple[str, Limits]:
    """Who reads the messages, and what a model of one's own machine may need otherwise.

    A script is never near any of these limits.
    """
    usual = Limits()
    with st.expander("Judge, and limits for models", type="compact"):
        columns = st.columns([1, 1.3, 1, 1.05, 2, 1.4])
        steps = columns[0].number_input("Steps a turn", 1, 500, usual.max_steps_per_turn)
        context = columns[1].number_input(
            "Context tokens",
            500,
            None,
            usual.max_context_tokens,
            help="One call of the agent; more is compacted.",
        )
        call = columns[2].number_input("Seconds a call", 1, 86_400, int(usual.model_timeout_s))
        rollout = columns[3].number_input("Seconds a rollout", 1, 604_800, int(usual.rollout_timeout_s))
        failed = columns[4].selectbox(
            "When no message passes the checks",
            list(_WHEN_FAILED),
            format_func=_WHEN_FAILED.__getitem__,
            help=f"After {usual.max_attempts_per_utterance} tries.",
        )
        chosen = _provider(columns[5], "Judge", judge, _JUDGE_HELP)
    return chosen, Limits(
        max_turns=max_turns,
        max_steps_per_turn=int(steps),
        max_context_tokens=int(context or 0) or None,
        model_timeout_s=float(call),
        rollout_timeout_s=float(rollout),
        on_failed_utterance=failed,
    )


def _provider(
    column: st.delta_generator.DeltaGenerator, label: str, default: str, about: str = _PROVIDER_HELP
) -> str:
    chosen = column.selectbox(
        label,
        list(dict.fromkeys([default, "scripted"])),
        accept_new_options=True,
        help=about,
    )
    return str(chosen or default)
