"""Cutting a selection by intent, and checking what a saved split is worth today."""

from __future__ import annotations

import streamlit as st

from engine.curate.splits import check_split, make_split, parse_ratios
from engine.schema.base import MAX_SEED
from engine.store.curation import list_selections, list_splits
from engine.store.project import Project
from studio.widgets import errors
from studio.widgets.plain import plural


def split_panel(project: Project) -> None:
    """The form of a new split, and the check of a saved one."""
    with st.container(border=True):
        st.subheader("2 · Cut", anchor=False)
        selections = [s.name for s in list_selections(project)]
        if not selections:
            st.caption("Save a selection first: a split cuts it into parts that share no intent.")
            return
        with st.form("split", border=False):
            columns = st.columns([2, 2, 4, 1])
            selection = columns[0].selectbox("Selection", selections)
            name = columns[1].text_input("Name of the split", placeholder="e.g. first")
            ratios = columns[2].text_input("Ratios", "train=0.9,validation=0.05,test=0.05")
            seed = columns[3].number_input("Seed", 0, MAX_SEED, project.settings.seed)
            asked = st.form_submit_button("Make the split", type="primary")
        if asked:
            with errors.shown():
                made = make_split(project, name.strip(), selection, parse_ratios(ratios), int(seed))
                st.session_state["split_checked"] = made.name
                st.session_state["export_what"] = ("split", made.name)
                st.toast(f"Made the split {made.name}.")
        splits = [s.name for s in list_splits(project)]
        if splits:
            _check(project, splits)


def _check(project: Project, splits: list[str]) -> None:
    wanted = st.session_state.pop("split_checked", None)
    if wanted in splits:
        st.session_state["split_shown"] = wanted
    shown = st.selectbox("Split", splits, key="split_shown")
    with errors.shown():
        report = check_split(project, shown)
        st.dataframe(
            [
                {
                    "Part": part,
                    "Trajectories": n,
                    "Intents": report.n_intents[part],
                    "Off its ratio by": report.deviations[part],
                }
                for part, n in report.sizes.items()
            ],
            hide_index=True,
            height="content",
            column_config={"Off its ratio by": st.column_config.NumberColumn(format="percent")},
            alt="Parts of the split",
        )
        with st.container(horizontal=True):
            _verdict(len(report.shared_intents), "intent in two parts", "intents in two parts")
            _verdict(len(report.repeated), "trajectory listed twice", "trajectories listed twice")
            _verdict(len(report.missing), "trajectory missing", "trajectories missing")


def _verdict(number: int, one: str, many: str) -> None:
    if number:
        st.badge(plural(number, one, many), color="red")
    else:
        st.badge(f"no {one}", color="green")
