"""Taxonomy: the four dimensions in editable grids, checked as one edits, saved as versions."""

from __future__ import annotations

import streamlit as st

from engine.errors import InputError
from engine.store.project import Project
from engine.taxonomy import current_taxonomy, parse_taxonomy, read_version, save_taxonomy, taxonomy_stats
from engine.taxonomy.versions import CURRENT
from studio import state
from studio.widgets import errors
from studio.widgets.draft import DIMENSIONS, Draft, Problem
from studio.widgets.frame import metric_row, page_head
from studio.widgets.grids import grid
from studio.widgets.plain import big_count, count, escaped, plural
from studio.widgets.versions import rescue, version_panel

_PROBLEMS_SHOWN = 8


def view() -> None:
    """The page."""
    page_head(
        "Taxonomy", "What intents are drawn from: who asks, in which domains, for which tasks, how complex."
    )
    project = state.project()
    try:
        draft = _draft(project)
    except InputError as error:
        errors.show_error(error)
        rescue(project)
        return
    if notice := st.session_state.pop("taxonomy_notice", None):
        st.success(notice)
    figures, bar = st.container(), st.container()
    tabs = st.tabs([d.capitalize() for d in DIMENSIONS] + ["Versions"])
    for dimension, tab in zip(DIMENSIONS, tabs, strict=False):
        with tab:
            grid(draft, dimension)
    problems = draft.problems()
    for dimension, tab in zip(DIMENSIONS, tabs, strict=False):
        with tab:
            _show([p for p in problems if p.dimension == dimension])
    with tabs[-1]:
        version_panel(project, draft)
    with figures:
        _figures(draft, problems)
    with bar:
        _save_bar(project, draft, problems)


def _draft(project: Project) -> Draft:
    """The session's draft: the one begun before, or a new one of the taxonomy in force.

    A draft without edits follows the files; one with edits stays whatever happens to them.
    """
    texts = read_version(project, CURRENT)
    draft: Draft | None = st.session_state.get("taxonomy_draft")
    if draft is None or (not draft.edited and draft.texts != texts):
        draft = Draft.of(current_taxonomy(project).version, texts, 0 if draft is None else draft.round + 1)
    elif f"grid-{DIMENSIONS[0]}-{draft.round}" not in st.session_state:
        draft.begin_again()
    st.session_state["taxonomy_draft"] = draft
    if draft.edited and draft.texts != texts:
        st.warning(
            "The taxonomy was changed elsewhere since you began. Saving puts your draft on top; "
            "the other stays a version."
        )
    return draft


def _figures(draft: Draft, problems: list[Problem]) -> None:
    """Sizes and combinations of the draft, or of what is saved while the draft is wrong."""
    texts = draft.texts if problems else draft.files()
    stats = taxonomy_stats(parse_taxonomy(texts, draft.version))
    figures = [
        ("Personas", count(stats.personas), plural(stats.industries, "industry", "industries")),
        ("Domains", count(stats.domains), "2 or 3 an intent"),
        ("Tasks", count(stats.tasks), "3 to 6 an intent"),
        ("Complexities", count(stats.complexities), plural(stats.levels, "experience level")),
        ("Combinations", big_count(stats.n_combinations), "cells that can be drawn"),
    ]
    metric_row(figures)


def _save_bar(project: Project, draft: Draft, problems: list[Problem]) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.badge(f"version {draft.version}", color="blue")
        if draft.edited:
            st.badge(f"edited: {', '.join(d for d in DIMENSIONS if d in draft.edited)}", color="orange")
        if problems:
            st.badge(plural(len(problems), "problem"), color="red")
        st.space("stretch")
        if st.button("Discard edits", disabled=not draft.edited):
            del st.session_state["taxonomy_draft"]
            st.session_state["taxonomy_draft"] = Draft.of(draft.version, draft.texts, draft.round + 1)
            st.rerun()
        if st.button("Save as a new version", type="primary", disabled=not draft.edited):
            with errors.shown():
                saved = save_taxonomy(project, draft.files())
                st.session_state["taxonomy_draft"] = Draft.of(saved.version, draft.files(), draft.round + 1)
                st.session_state["taxonomy_notice"] = (
                    f"Saved as {saved.version}. Intents drawn from now on name this version."
                )
                st.rerun()


def _show(problems: list[Problem]) -> None:
    """What is wrong with one dimension, below its grid."""
    if not problems:
        return
    lines = [
        f"- {escaped(p.entry)} · {escaped(p.text)}" if p.entry else f"- {escaped(p.text)}" for p in problems
    ]
    shown = "\n".join(lines[:_PROBLEMS_SHOWN])
    more = len(lines) - _PROBLEMS_SHOWN
    st.error(shown + (f"\n- and {count(more)} more" if more > 0 else ""))


view()
