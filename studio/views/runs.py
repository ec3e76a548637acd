"""Runs: start one, watch it, stop it, resume it. A run is a process of its own."""

from __future__ import annotations

import streamlit as st

from engine.catalog import Catalog
from engine.runs import list_runs
from engine.schema.run import RunStatus
from engine.store.project import Project
from engine.store.runs import read_config, run_paths
from studio import state
from studio.widgets import errors
from studio.widgets.empty import empty_state
from studio.widgets.frame import page_head
from studio.widgets.launch import CONDITION, launch_form
from studio.widgets.plain import words
from studio.widgets.run_panel import is_live, run_panel

_POLL_S = 1.5


def view() -> None:
    """The page."""
    page_head(
        "Runs",
        "Plays intents: a role-locked user simulator, an agent, and every tool call in a live workspace.",
    )
    project = state.project()
    with Catalog.open(project) as catalog:
        n_kept = int(catalog.rows("select count(*) as n from intents where kept")[0]["n"])
    runs = list_runs(project)
    if n_kept == 0:
        empty_state(
            "No intents to play", "A run plays intents that dedup kept.", page="intents", label="Make intents"
        )
    else:
        with st.expander("New run", expanded=not runs or bool(st.session_state.get(CONDITION))):
            launch_form(project, n_kept)
    if not runs:
        if n_kept:
            st.caption("No run yet.")
        return
    live = any(is_live(r) for r in runs)
    st.fragment(_watch, run_every=_POLL_S if live else None)(project, live=live)


def _watch(project: Project, *, live: bool) -> None:
    """The list and the chosen run; draws itself anew while a run is live."""
    with errors.shown():
        runs = list_runs(project)
        if live and not any(is_live(r) for r in runs):
            st.rerun()
        _table(runs)
        ids = [r.run_id for r in runs]
        wanted = st.session_state.pop("run_shown", None) or state.address_text("run")
        if wanted in ids:
            st.session_state["run_chosen"] = wanted
        chosen = st.selectbox("Run", ids, key="run_chosen")
        status = next(r for r in runs if r.run_id == chosen)
        run_panel(project, status, read_config(run_paths(project, chosen)))


def _table(runs: list[RunStatus]) -> None:
    rows = [
        {
            "Run": r.run_id,
            "State": r.state.value,
            "Progress": r.n_done / r.n_total if r.n_total else 0.0,
            "Done": r.n_done,
            "Of": r.n_total,
            "Endings": ", ".join(f"{words(k)} {v}" for k, v in sorted(r.by_stop_reason.items())),
            "Last change": r.updated_at,
        }
        for r in runs
    ]
    st.dataframe(
        rows,
        hide_index=True,
        height="content" if len(rows) < 8 else 310,
        column_config={
            "Progress": st.column_config.ProgressColumn(format="percent"),
            "Last change": st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm:ss", timezone="UTC"),
        },
        alt="Runs, newest first",
    )


view()
