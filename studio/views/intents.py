"""Intents: make them, see how diverse they are and where the holes are."""

from __future__ import annotations

import streamlit as st

from engine.catalog import Catalog
from engine.errors import InputError
from engine.store.project import Project
from studio import cached, state
from studio.widgets import errors
from studio.widgets.coverage_panel import coverage_panel
from studio.widgets.diversity_panel import diversity_panel
from studio.widgets.empty import empty_state
from studio.widgets.frame import page_head
from studio.widgets.intent_table import intent_table
from studio.widgets.job_panel import job_panel
from studio.widgets.make_intents import follow_up_button, make_form
from studio.widgets.map_panel import map_panel
from studio.widgets.plain import escaped
from studio.widgets.propose_panel import propose_panel
from studio.widgets.repeats_panel import repeats_panel

_TABS = ["Map", "Diversity", "Coverage", "Propose", "Repeats", "Table"]


def view() -> None:
    """The page."""
    page_head("Intents", "What users want: cells of the taxonomy, each realised as one utterance.")
    project = state.project()
    kept = cached.kept_intents(project)
    with st.expander("Make intents", expanded=not kept):
        place = st.container()
    busy = job_panel(project)
    with place:
        make_form(project, busy=busy)
    if kept:
        _tabs(project, busy=busy)
    elif cached.intents(project):
        st.caption("Every intent is dropped by hand. Take one back to go on.")
        _repeats(project, busy=busy)
    elif not busy:
        empty_state(
            "No intents yet", "Make a few hundred: the scripted realiser needs no model and no network."
        )


def _tabs(project: Project, *, busy: bool) -> None:
    """Only the open tab is worked out: two of them cost seconds on a large pool."""
    tabs = st.tabs(_TABS, key="tab", on_change="rerun", bind="query-params")
    for tab, draw in zip(tabs, (_map, _diversity, _coverage, _propose, _repeats, _table), strict=True):
        if tab.open:
            with tab, errors.shown():
                draw(project, busy=busy)


def _map(project: Project, *, busy: bool) -> None:
    if not _embedded(project, busy=busy):
        return
    map_panel(project, busy=busy)
    if cached.map_points(project).method != "umap":
        follow_up_button(project, busy=busy)


def _diversity(project: Project, *, busy: bool) -> None:
    if _embedded(project, busy=busy):
        diversity_panel(project)


def _embedded(project: Project, *, busy: bool) -> bool:
    """True when every kept intent has a vector; else says so and offers to embed."""
    try:
        cached.vectors(project)
    except InputError as error:
        empty_state("Not embedded yet", "The map and the Vendi Score are over embeddings.")
        st.caption(escaped(str(error)))
        follow_up_button(project, busy=busy)
        return False
    return True


def _coverage(project: Project, *, busy: bool) -> None:
    coverage_panel(project, busy=busy)


def _propose(project: Project, *, busy: bool) -> None:
    propose_panel(project, busy=busy)


def _repeats(project: Project, *, busy: bool) -> None:
    repeats_panel(project, busy=busy)


def _table(project: Project, *, busy: bool) -> None:
    with Catalog.open(project) as catalog:
        intent_table(catalog)


view()
