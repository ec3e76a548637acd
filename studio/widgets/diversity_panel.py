"""Diversity of the kept intents: the Vendi Score, its growth beside the paper's, what each group adds."""

from __future__ import annotations

import math

import streamlit as st

from engine.intents.diversity import Diversity, GroupScore
from engine.store.project import Project
from studio import cached
from studio.widgets import charts
from studio.widgets.frame import metric_row
from studio.widgets.plain import count, escaped

PAPER_CURVE = {
    200: 40.7,
    500: 51.3,
    1_000: 56.0,
    2_000: 59.0,
    5_000: 60.5,
    10_000: 61.3,
    20_000: 61.3,
    43_956: 61.57,
}
"""Vendi Score by pool size. Source: ISE paper, read off its figure; the ends are exact."""

_PAPER_MODEL = "all-mpnet-base-v2"
_GROUPS = {
    "domain": "Domain",
    "complexity": "Complexity",
    "task": "Task",
    "persona": "Persona",
    "industry": "Industry",
}
_ORDERS = [0.5, 1.0, 2.0, math.inf]


def diversity_panel(project: Project) -> None:
    """The panel. Raises InputError while some intents are not embedded."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        by = st.segmented_control(
            "Groups",
            list(_GROUPS),
            default="domain",
            required=True,
            format_func=lambda g: _GROUPS[g],
            key="by",
        )
        q = st.segmented_control(
            "Order q",
            _ORDERS,
            default=1.0,
            required=True,
            format_func=order_text,
            key="q",
            help="1 is the paper's; a larger order weighs the common more, a smaller one the rare; "
            "∞ sees only the most common direction.",
        )
    found = cached.diversity(project, q or 1.0, by or "domain")
    _figures(found)
    left, right = st.columns([3, 2], gap="medium")
    with left:
        _curve(found)
    with right:
        _by_group(found.groups, _GROUPS[by or "domain"])


def order_text(q: float) -> str:
    """An order of the Vendi Score as it is written: 0.5, 1, ∞."""
    return "∞" if math.isinf(q) else f"{q:g}"


def _figures(found: Diversity) -> None:
    metric_row(
        [
            ("Vendi Score", f"{found.vendi:.2f}", f"order q = {order_text(found.q)}"),
            ("Intents", count(found.n), "kept by dedup"),
            ("Mean cosine", f"{found.mean_cosine:.3f}", "over all pairs"),
            ("Distinct-1", f"{found.distinct_1:.3f}", "words"),
            ("Distinct-2", f"{found.distinct_2:.3f}", "word pairs"),
            ("Distinct-3", f"{found.distinct_3:.3f}", "word triples"),
        ]
    )


def _curve(found: Diversity) -> None:
    ours = ("This project", [p.n for p in found.curve], [p.vendi for p in found.curve], charts.FIRST)
    paper = ("ISE paper", list(PAPER_CURVE), list(PAPER_CURVE.values()), charts.SECOND)
    charts.lines(
        [ours, paper] if found.q == 1.0 else [ours],
        key="curve",
        title="Vendi Score by pool size",
        x="Intents (logarithmic)",
        y="Vendi Score",
    )
    if found.model == _PAPER_MODEL:
        st.caption(f"Both over {_PAPER_MODEL} embeddings with the cosine kernel.")
    else:
        st.caption(
            f"Over {escaped(found.model)} embeddings; the paper's are {_PAPER_MODEL}: scores of different "
            "models do not compare."
        )


def _by_group(groups: list[GroupScore], name: str) -> None:
    st.markdown(f"**By {name.lower()}**")
    st.dataframe(
        [
            {name: g.group, "Intents": g.n, "Vendi": g.vendi, "Without it": g.leave_one_out, "Adds": g.adds}
            for g in groups
        ],
        hide_index=True,
        height=340,
        column_config={
            "Vendi": st.column_config.NumberColumn(format="%.2f", help="Of this group by itself."),
            "Without it": st.column_config.NumberColumn(
                format="%.2f", help="Of the pool without this group."
            ),
            "Adds": st.column_config.NumberColumn(
                format="%+.2f", help="What the pool would lack without it."
            ),
        },
        alt=f"Vendi Score by {name.lower()}",
    )
