"""Trajectories: filter them, ask SQL about them, open one."""

from __future__ import annotations

import streamlit as st

from engine.catalog import Catalog, TrajectoryFilter
from engine.store.runs import list_run_ids
from studio import state
from studio.widgets import errors
from studio.widgets.empty import PAGES, empty_state
from studio.widgets.filters import filter_row
from studio.widgets.frame import page_head
from studio.widgets.plain import plural
from studio.widgets.sql import sql_panel
from studio.widgets.sql_text import as_condition
from studio.widgets.steps import LISTED

_PAGE = 50


def view() -> None:
    """The page."""
    page_head("Trajectories", "What rollouts left behind: filter, sort, ask SQL, open one in the replay.")
    project = state.project()
    if not list_run_ids(project):
        empty_state(
            "No trajectory yet",
            "A run leaves one for each intent that it plays.",
            page="runs",
            label="Start a run",
        )
        return
    with Catalog.open(project) as catalog:
        _problems(catalog)
        listed, asked = st.tabs(["List", "SQL"])
        with listed, errors.shown():
            _list(catalog)
        with asked, errors.shown():
            sql_panel(catalog)


def _problems(catalog: Catalog) -> None:
    """Records that are not in the tables, said rather than hidden."""
    if catalog.problems:
        with st.expander(f"{plural(len(catalog.problems), 'record')} could not be read"):
            for problem in catalog.problems[:20]:
                st.text(problem)


def _list(catalog: Catalog) -> None:
    wanted = filter_row(catalog)
    n_found = catalog.count(wanted)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(plural(n_found, "trajectory", "trajectories"), width="content")
        if n_found:
            condition = as_condition(wanted, str(st.session_state.get("where") or ""))
            st.page_link(
                PAGES["export"],
                label="Select these",
                icon=":material/output:",
                query_params={"where": condition},
            )
        st.space("stretch")
        page = st.pagination(max(1, -(-n_found // _PAGE)), key="page") if n_found > _PAGE else 1
    if not n_found:
        st.info("No trajectory fits. Take a condition out.")
        return
    _page(catalog, wanted, page)


def _page(catalog: Catalog, wanted: TrajectoryFilter, page: int) -> None:
    sort = str(st.session_state.get("sort", "created_at"))
    rows = catalog.page(wanted, sort=sort, limit=_PAGE, offset=_PAGE * (page - 1))
    st.session_state[LISTED] = [row["trajectory_id"] for row in rows]
    chosen = st.dataframe(
        rows,
        key="trajectory_table",
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        height="content" if len(rows) < 14 else 560,
        column_order=list(_COLUMNS),
        column_config=_COLUMNS,
        alt="Trajectories",
    )
    if chosen.selection.rows:
        _open(rows[chosen.selection.rows[0]]["trajectory_id"])
    with st.container(horizontal=True, vertical_alignment="bottom"):
        wanted_id = st.selectbox("Open one of this page", [r["trajectory_id"] for r in rows])
        if st.button("Open in replay", type="primary"):
            _open(wanted_id)


def _open(trajectory_id: str) -> None:
    st.switch_page(PAGES["replay"], query_params={"trajectory": trajectory_id, "turn": "1"})


_COLUMNS = {
    "trajectory_id": st.column_config.TextColumn("Trajectory", width=150),
    "stop_reason": st.column_config.TextColumn("Stop reason", width=100),
    "n_turns": st.column_config.NumberColumn("Turns", width=60),
    "n_tool_calls": st.column_config.NumberColumn("Calls", width=60),
    "n_failed_calls": st.column_config.NumberColumn("Failed", width=60),
    "n_recoveries": st.column_config.NumberColumn("Recovered", width=80),
    "complexity": st.column_config.TextColumn("Complexity", width=90),
    "domains": st.column_config.ListColumn("Domains", width=200),
    "persona_name": st.column_config.TextColumn("Persona"),
    "industry": st.column_config.TextColumn("Industry"),
    "duration_s": st.column_config.NumberColumn("Duration", format="%.1f s"),
    "created_at": st.column_config.DatetimeColumn("Created (UTC)", format="YYYY-MM-DD HH:mm"),
    "utterance": st.column_config.TextColumn("Intent", width=300),
}


view()
