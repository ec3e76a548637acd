"""The gaps of the coverage: parts of the taxonomy that are thin or that no intent reaches, to fill."""

from __future__ import annotations

from typing import NamedTuple

import streamlit as st

from engine.intents.coverage import Coverage
from engine.intents.targets import Part
from engine.store.project import Project
from studio import cached, state
from studio.widgets.generate_here import generate_here
from studio.widgets.plain import count, plural
from studio.widgets.where_text import of_part

GAP = "gap"
"""Where the session keeps the chosen gap: the condition that draws cells there."""

_HEIGHT = 320


class Gap(NamedTuple):
    """A part of the taxonomy that has too few intents."""

    part: Part
    n: int
    expected: float
    """What the weights promise for a pool of this size."""

    @property
    def name(self) -> str:
        """The entries that it is made of."""
        return " + ".join(self.part[1:])


def gaps_of(found: Coverage, shares: dict[Part, float]) -> list[Gap]:
    """The thin parts, then the holes that are not among them, those that are due most first."""
    thin = {(d.kind, *d.names): Gap((d.kind, *d.names), d.n, d.expected) for d in found.thin}
    holes: list[Part] = [
        *(("domain", d) for d in found.holes.domains),
        *(("industry", i) for i in found.holes.industries),
        *(("complexity", c) for c in found.holes.complexities),
        *(("task", t) for t in found.holes.tasks),
        *(("pair", *sorted(p)) for p in found.holes.domain_pairs),
        *(("triple", *sorted(t)) for t in found.holes.domain_triples),
    ]
    due = [Gap(part, 0, shares.get(part, 0.0) * found.n_intents) for part in holes if part not in thin]
    return [*thin.values(), *sorted(due, key=lambda g: (-g.expected, g.part))]


def gap_panel(project: Project, found: Coverage, *, busy: bool) -> None:
    """The table of the gaps, and new intents in the chosen one."""
    gaps = gaps_of(found, dict(cached.targets(cached.taxonomy(project)).shares))
    st.markdown("**Thin and missing**")
    if not gaps:
        st.caption("Every part of the taxonomy has at least half of what its weights promise.")
    else:
        st.caption(
            "Parts with less than half of what the taxonomy's weights promise, and those that no intent "
            f"reaches: {count(len(gaps))}. Choose one here, in the table or in the heat map."
        )
    by_where = {of_part(g.part): g for g in gaps}
    _choice(by_where)
    where: str | None = st.session_state[GAP]
    state.set_address(gap=where)
    if where:
        generate_here(project, where, key="gap", busy=busy)
    if gaps:
        _table(list(by_where.values()))
    if missed := len(found.holes.personas):
        st.caption(f"{plural(missed, 'persona has', 'personas have')} no intent yet.")


def _choice(by_where: dict[str, Gap]) -> None:
    """The box with the chosen gap. A cell of the heat map that is no gap stands in it too."""
    chosen = st.session_state.setdefault(GAP, state.address_text(GAP) or None)
    options = [*by_where, *([chosen] if chosen and chosen not in by_where else [])]
    st.selectbox(
        "Fill",
        options,
        None,
        key=GAP,
        format_func=lambda where: _label(where, by_where.get(where)),
        placeholder="a gap, or click a cell of the heat map",
    )


def _label(where: str, gap: Gap | None) -> str:
    return f"{gap.part[0]} {gap.name}: {count(gap.n)} of {gap.expected:.1f}" if gap else where


def _table(gaps: list[Gap]) -> None:
    """One row a gap; a chosen row is the chosen gap."""

    def chosen() -> None:
        rows = st.session_state["gaps"].selection.rows
        if rows:
            st.session_state[GAP] = of_part(gaps[rows[0]].part)

    st.dataframe(
        [
            {
                "What": g.part[0],
                "Which": g.name,
                "Intents": g.n,
                "Due": g.expected,
                "Reached": g.n / g.expected if g.expected else 0.0,
            }
            for g in gaps
        ],
        key="gaps",
        hide_index=True,
        height=_HEIGHT if len(gaps) > 8 else "content",
        on_select=chosen,
        selection_mode="single-row",
        column_config={
            "Which": st.column_config.TextColumn(width="large"),
            "Due": st.column_config.NumberColumn(
                format="%.1f", help="What the taxonomy's weights promise for a pool of this size."
            ),
            "Reached": st.column_config.ProgressColumn(format="percent", min_value=0.0, max_value=1.0),
        },
        alt="Thin and missing parts of the taxonomy",
    )
