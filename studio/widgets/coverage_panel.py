"""What the intents cover of the taxonomy: figures, the heat map of cells, the gaps to fill."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from engine.intents.coverage import Coverage
from engine.intents.crosstab import DIMENSIONS
from engine.store.project import Project
from studio import cached
from studio.widgets import charts
from studio.widgets.frame import metric_row
from studio.widgets.gap_panel import GAP, gap_panel
from studio.widgets.plain import count
from studio.widgets.where_text import all_of

_CELLS = "cells"
_SEVERAL = ("domain", "task")
"""Dimensions of which one intent has several entries: only these can meet themselves."""


def coverage_panel(project: Project, *, busy: bool) -> None:
    """The panel."""
    found = cached.covered(project)
    _figures(found)
    _cells(project)
    gap_panel(project, found, busy=busy)


def _figures(found: Coverage) -> None:
    dimensions: dict[str, Mapping[Any, int]] = {
        "Personas": found.by_persona,
        "Industries": found.by_industry,
        "Domains": found.by_domain,
        "Tasks": found.by_task,
        "Domain pairs": {(p.a, p.b): p.n for p in found.by_domain_pair},
    }
    figures = [
        (f"{name} reached", count(sum(n > 0 for n in counts.values())), f"of {count(len(counts))}")
        for name, counts in dimensions.items()
    ]
    task_pairs = ("Task pairs met", count(found.n_task_pairs), f"of {count(found.n_possible_task_pairs)}")
    metric_row([*figures, task_pairs])


def _cells(project: Project) -> None:
    """The heat map, and the two dimensions that it sets against each other."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        rows = st.selectbox(
            "Rows",
            DIMENSIONS,
            DIMENSIONS.index("industry"),
            key="rows",
            bind="query-params",
            width=200,
        )
        others = [d for d in DIMENSIONS if d != rows or d in _SEVERAL]
        columns = st.selectbox(
            "Columns",
            others,
            others.index("domain") if "domain" in others else 0,
            key="columns",
            bind="query-params",
            width=200,
        )
        st.caption("Kept intents that hold both; no intent reaches an empty cell. Click a cell to fill it.")
    found = cached.met(project, rows, columns)
    key = f"{_CELLS}-{rows}-{columns}"

    def clicked() -> None:
        cell = charts.chosen_cell(key, len(found.columns))
        if cell is not None:
            down, across = cell
            st.session_state[GAP] = all_of([(rows, found.rows[down]), (columns, found.columns[across])])

    charts.cells(found.rows, found.columns, found.counts, key=key, on_select=clicked)
