"""Saving a selection: a name, a condition, and how many it selects while one types."""

from __future__ import annotations

import streamlit as st

from engine.catalog import Catalog
from engine.curate.selections import save_selection
from engine.query.run import select_ids
from engine.store.curation import list_selections
from engine.store.project import Project
from studio.widgets import errors
from studio.widgets.plain import count, plural

EXAMPLE = "stop_reason = 'user_done' and n_tool_calls >= 4"


def select_panel(project: Project) -> None:
    """The form of a new selection, and the table of those that are saved."""
    with st.container(border=True):
        st.subheader("1 · Select", anchor=False)
        left, right = st.columns([1, 3], vertical_alignment="top")
        name = left.text_input("Name", placeholder="e.g. recovered", key="selection_name").strip()
        where = right.text_input(
            "Condition over the trajectories (SQL)",
            placeholder=f"e.g. {EXAMPLE}",
            key="where",
            bind="query-params",
            help="What stands after WHERE over the trajectories table, e.g. n_recoveries > 0.",
        ).strip()
        with errors.shown():
            _save(project, name, where)
        _table(project)


def _save(project: Project, name: str, where: str) -> None:
    with errors.shown(), Catalog.open(project) as catalog:
        n_all = catalog.count()
        if where:
            n_fits = len(select_ids(catalog.files, where))
            st.caption(f"Selects {count(n_fits)} of {plural(n_all, 'trajectory', 'trajectories')}.")
        else:
            st.caption(f"{plural(n_all, 'trajectory', 'trajectories')} in the project.")
    if st.button("Save the selection", type="primary", key="save-selection"):
        saved = save_selection(project, name, where)
        st.toast(f"Saved {plural(len(saved.trajectory_ids), 'trajectory', 'trajectories')} as {saved.name}.")


def _table(project: Project) -> None:
    selections = list_selections(project)
    if selections:
        st.dataframe(
            [
                {
                    "Selection": s.name,
                    "Trajectories": len(s.trajectory_ids),
                    "Condition": s.where,
                    "Saved (UTC)": s.created_at,
                }
                for s in selections
            ],
            hide_index=True,
            height="content" if len(selections) < 8 else 300,
            column_config={
                "Condition": st.column_config.TextColumn(width="large"),
                "Saved (UTC)": st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm", timezone="UTC"),
            },
            alt="Saved selections",
        )
