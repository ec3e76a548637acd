"""Saved versions of the taxonomy: compared, and taken back into the editor."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import streamlit as st

from engine.catalog import Catalog
from engine.store.project import Project
from engine.taxonomy import EntryChange, diff_versions, list_versions, read_version, save_taxonomy
from engine.taxonomy.versions import CURRENT, STARTER
from studio.widgets import errors
from studio.widgets.draft import Draft
from studio.widgets.plain import plural


def version_panel(project: Project, draft: Draft) -> None:
    """The saved versions, what changed between two of them, and a way to begin from an older one."""
    saved = list_versions(project)
    if saved:
        _table(project, saved)
    names = [STARTER, *saved, CURRENT]
    before, after, action = st.columns([2, 2, 3], vertical_alignment="bottom")
    a = before.selectbox("From", names, index=max(len(names) - 3, 0))
    b = after.selectbox("To", names, index=len(names) - 1)
    with action, errors.shown():
        if st.button(
            "Edit from the first", help="Loads it into the grids as edits; nothing is saved until you save."
        ):
            st.session_state["taxonomy_draft"] = draft.replaced_by(a, read_version(project, a))
            st.session_state["taxonomy_notice"] = (
                f"{a} is in the grids now, as edits: look them over and save."
            )
            st.rerun()
    with errors.shown():
        changes = diff_versions(project, a, b)
        st.caption(f"{plural(len(changes), 'entry differs', 'entries differ')} between {a} and {b}.")
        if changes:
            st.dataframe(
                [row for change in changes for row in _rows(change)], hide_index=True, column_order=_ORDER
            )


def _table(project: Project, saved: list[str]) -> None:
    """Every version with when it was saved and how many intents were drawn under it, newest first."""
    with Catalog.open(project) as catalog:
        drawn = catalog.rows("select taxonomy_version as v, count(*) as n from intents group by 1")
    n_drawn = {row["v"]: row["n"] for row in drawn}
    folder = project.paths.taxonomy_versions
    st.dataframe(
        [
            {
                "Version": name,
                "Saved (UTC)": datetime.fromtimestamp((folder / name).stat().st_mtime, UTC),
                "Intents drawn": n_drawn.get(name, 0),
            }
            for name in reversed(saved)
        ],
        hide_index=True,
        height="content" if len(saved) < 7 else 270,
        column_config={
            "Saved (UTC)": st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm:ss", timezone="UTC")
        },
        alt="Saved versions",
    )


_ORDER = ["change", "dimension", "entry", "field", "before", "after"]


def _rows(change: EntryChange) -> list[dict[str, str]]:
    head = {"change": change.kind, "dimension": change.dimension, "entry": change.id}
    if not change.fields:
        return [head | {"field": "", "before": "", "after": ""}]
    return [
        head | {"field": name, "before": _cell(old), "after": _cell(new)}
        for name, (old, new) in change.fields.items()
    ]


def _cell(value: Any) -> str:  # noqa: ANN401 (a field of any type)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def rescue(project: Project) -> None:
    """Offers a saved version where the files in force cannot be read: mend them by hand, or take it."""
    names = [*reversed(list_versions(project)), STARTER]
    st.caption(
        "Mend the file in an editor, or put a saved version in its place. The broken files are replaced."
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.selectbox("Version", names, width=220)
        if st.button("Put this version in place"):
            with errors.shown():
                save_taxonomy(project, read_version(project, name))
                st.rerun()
