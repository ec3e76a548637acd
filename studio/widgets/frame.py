"""The frame around every view: project card, page heads, and the folder that is no project yet."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import streamlit as st

from engine.paths import default_project
from engine.store.project import Project
from studio import state
from studio.widgets import errors


def page_head(title: str, text: str) -> None:
    """A page's title and one sentence on what it is for. Our own words only."""
    st.title(title, anchor=False)
    st.caption(text)


def metric_row(figures: Sequence[tuple[str, str, str]], *, noticed: Collection[str] = ()) -> None:
    """A row of figures: label, value, and a word on what it means. Our own words and numbers only.

    The words on the figures whose labels are in `noticed` stand out.
    """
    for column, (label, value, note) in zip(st.columns(len(figures)), figures, strict=True):
        column.metric(
            label,
            value,
            delta=note or None,
            delta_color="blue" if label in noticed else "off",
            delta_arrow="off",
            border=True,
            height="stretch",
        )


def project_card() -> None:
    """The project's name and the last part of its path, in the sidebar."""
    if not state.project_exists():
        return
    with st.sidebar, st.container(gap=None), errors.shown():
        project = state.project()
        with st.container(key="strong-project"):
            st.text(project.settings.name, wrap=False, help=None)
        with st.container(key="quiet-project"):
            st.text(f"…/{project.root.resolve().name}", wrap=False)


def offer_new_project() -> None:
    """Says that the named folder holds no project and offers to make one there."""
    folder = default_project()
    page_head(
        "No project yet",
        "The studio works on one project folder: taxonomy, intents, runs and what they left.",
    )
    with st.container(border=True):
        st.text("There is no project in this folder:")
        st.code(str(folder), language=None)
        st.caption("A new project starts with the starter taxonomy. Nothing outside the folder is touched.")
        with errors.shown():
            if st.button("Create a project here", type="primary"):
                Project.create(folder)
                st.rerun()
