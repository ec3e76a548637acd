"""Taxonomy: the four dimensions in editable grids, checked as one edits, saved as versions."""

from __future__ import annotations

import streamlit as st

from engine.errors import InputError
from engine.store.project import Project
from engine.taxonomy import read_version, save_taxonomy
from engine.taxonomy.check import as_error
from engine.taxonomy.versions import CURRENT
from studio import cached, state
from studio.widgets import errors
from studio.widgets.draft import DIMENSIONS, Draft, Problem
from studio.widgets.effect_panel import Sides, effect_panel, figures
from studio.widgets.frame import page_head
from studio.widgets.grids import grid
from studio.widgets.plain import count, escaped, plural
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
    above, bar, effect = st.container(), st.container(), st.container()
    tabs = st.tabs([d.capitalize() for d in DIMENSIONS] + ["Versions"])
    for dimension, tab in zip(DIMENSIONS, tabs, strict=False):
        with tab:
            grid(draft, dimension)
    problems = draft.problems(cached.checked)
    for dimension, tab in zip(DIMENSIONS, tabs, strict=False):
        with tab:
            _show([p for p in problems if p.dimension == dimension])
    with tabs[-1]:
        version_panel(project, draft)
    sides = _sides(draft, problems)
    with above:
        figures(sides)
    with bar:
        _save_bar(project, draft, problems)
    with effect:
        if draft.edited and problems:
            st.caption("Mend what is wrong, and the effect of the edits is shown here.")
        elif draft.edited:
            effect_panel(project, sides)


def _draft(project: Project) -> Draft:
    """The session's draft: the one begun before, or a new one of the taxonomy in force.

    A draft without edits follows the files; one with edits stays whatever happens to them.
    """
    texts = read_version(project, CURRENT)
    draft: Draft | None = st.session_state.get("taxonomy_draft")
    if draft is None or (not draft.edited and draft.texts != texts):
        draft = Draft.of(cached.taxonomy(project).version, texts, 0 if draft is None else draft.round + 1)
    elif f"grid-{DIMENSIONS[0]}-{draft.round}" not in st.session_state:
        draft.begin_again()
    st.session_state["taxonomy_draft"] = draft
    if draft.edited and draft.texts != texts:
        st.warning(
            "The taxonomy was changed elsewhere since you began. Saving puts your draft on top; "
            "the other stays a version."
        )
    return draft


def _sides(draft: Draft, problems: list[Problem]) -> Sides:
    """What is saved and what is edited; what is saved stands for both while the draft is wrong."""
    saved, faults = cached.checked(draft.texts, draft.version)
    if saved is None:
        raise as_error(faults)
    edited, _ = (saved, []) if problems else cached.checked(draft.files(), draft.version)
    return Sides(saved, edited or saved)


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
