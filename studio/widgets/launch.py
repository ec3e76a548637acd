"""The form that starts a run."""

from __future__ import annotations

import streamlit as st

from engine.build import SANDBOXES
from engine.runs import RunRequest, start_run
from engine.schema.base import MAX_SEED
from engine.schema.run import Limits
from engine.store.project import Project
from studio.widgets import errors
from studio.widgets.plain import plural

_COLUMNS = "complexity, domains, tasks, n_tasks, persona_id, industry, experience_level, taxonomy_version"


CONDITION = "launch_condition"
"""Where the session keeps the condition; another page may put one there."""


_BUDGET_HELP = "The run stops there; 0 is no bound. Needs prices under [endpoint] in project.toml."


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
    budget = second[5].number_input("USD at most", 0.0, None, 0.0, help=_BUDGET_HELP)
    return RunRequest(
        user=_provider(second[0], "User simulator", settings.user),
        agent=_provider(second[1], "Agent", settings.agent),
        sandbox=second[2].selectbox(
            "Sandbox", sandboxes, help="Proven by a live probe before anything is played."
        ),
        concurrency=int(second[3].number_input("At a time", 1, 256, 2, help="Rollouts played at a time.")),
        limits=Limits(max_turns=int(second[4].number_input("Turns at most", 1, 200, Limits().max_turns))),
        count=int(count),
        where=where.strip() or None,
        seed=int(seed),
        budget_usd=float(budget) or None,
    )


def _provider(column: st.delta_generator.DeltaGenerator, label: str, default: str) -> str:
    chosen = column.selectbox(
        label,
        list(dict.fromkeys([default, "scripted"])),
        accept_new_options=True,
        help="scripted, or openai:MODEL at the project's endpoint: type it and press Enter.",
    )
    return str(chosen or default)
