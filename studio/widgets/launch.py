"""The form that starts a run."""

from __future__ import annotations

import streamlit as st

from engine.runs import RunRequest, start_run
from engine.schema.run import Limits
from engine.store.project import Project
from studio.widgets import errors
from studio.widgets.plain import plural

_COLUMNS = "complexity, domains, tasks, n_tasks, persona_id, industry, experience_level, taxonomy_version"


CONDITION = "launch_condition"
"""Where the session keeps the condition; another page may put one there."""


def launch_form(project: Project, n_kept: int) -> None:
    """Asks what to play and how, and starts it in a process of its own.

    Args:
        project: Where the run goes.
        n_kept: How many intents could be played.
    """
    with st.form("launch", border=False):
        first = st.columns([1, 3, 1])
        count = first[0].number_input("Intents to play", 1, max(n_kept, 1), min(12, max(n_kept, 1)))
        where = first[1].text_input(
            "Condition over the intents (SQL, optional)",
            key=CONDITION,
            placeholder="e.g. complexity = 'complex' and list_contains(domains, 'file-io')",
            help=f"Columns: {_COLUMNS}.",
        )
        seed = first[2].number_input("Seed", 0, 2**31 - 1, project.settings.seed)
        second = st.columns([2, 2, 1, 1, 1])
        user = _provider(second[0], "User simulator", project.settings.user)
        agent = _provider(second[1], "Agent", project.settings.agent)
        concurrency = second[2].number_input(
            "At a time", 1, 256, 2, help="Rollouts that are played at a time."
        )
        max_turns = second[3].number_input("Turns at most", 1, 200, Limits().max_turns, help="The loop fuse.")
        budget = second[4].number_input(
            "Budget (USD)", 0.0, None, 0.0, help="0 is none. Needs prices under [endpoint] in project.toml."
        )
        st.caption(f"{plural(n_kept, 'intent')} kept. Those that no run has played come first.")
        asked = st.form_submit_button("Start the run", type="primary")
    if not asked:
        return
    request = RunRequest(
        count=int(count),
        where=where.strip() or None,
        user=user,
        agent=agent,
        concurrency=int(concurrency),
        seed=int(seed),
        budget_usd=float(budget) or None,
        limits=Limits(max_turns=int(max_turns)),
    )
    with errors.shown():
        with st.spinner("Proving the sandbox and starting the worker"):
            run_id = start_run(project, request)
        st.session_state["run_shown"] = run_id
        st.rerun()


def _provider(column: st.delta_generator.DeltaGenerator, label: str, default: str) -> str:
    chosen = column.selectbox(
        label,
        list(dict.fromkeys([default, "scripted"])),
        accept_new_options=True,
        help="scripted, or openai:MODEL at the project's endpoint: type it and press Enter.",
    )
    return str(chosen or default)
