"""What the intents cover of the taxonomy, and the holes."""

from __future__ import annotations

import streamlit as st

from engine.intents.coverage import Coverage, coverage
from engine.store.project import Project
from engine.taxonomy import current_taxonomy
from studio import cached
from studio.widgets import charts
from studio.widgets.frame import metric_row
from studio.widgets.plain import count, visible

_SHOWN = 60


def coverage_panel(project: Project) -> None:
    """The panel."""
    found = coverage(cached.kept_intents(project), current_taxonomy(project))
    _figures(found)
    left, right = st.columns(2, gap="medium")
    with left:
        charts.heat(
            list(found.by_domain),
            {(p.a, p.b): p.n for p in found.by_domain_pair},
            key="pairs",
            title="Domains asked for together",
        )
    with right:
        charts.bars(found.by_domain, key="domains", title="Intents by domain")
    _holes(found)


def _figures(found: Coverage) -> None:
    def reached(counts: dict[str, int]) -> str:
        return f"{count(sum(n > 0 for n in counts.values()))} of {count(len(counts))}"

    metric_row(
        [
            ("Personas reached", reached(dict(found.by_persona)), ""),
            ("Industries reached", reached(dict(found.by_industry)), ""),
            ("Domains reached", reached(dict(found.by_domain)), ""),
            ("Tasks reached", reached(dict(found.by_task)), ""),
            ("Domain pairs reached", reached({f"{p.a}+{p.b}": p.n for p in found.by_domain_pair}), ""),
        ]
    )


def _holes(found: Coverage) -> None:
    holes = {
        "tasks": found.holes.tasks,
        "domain pairs": tuple(f"{a} + {b}" for a, b in found.holes.domain_pairs),
        "domains": found.holes.domains,
        "complexities": found.holes.complexities,
        "industries": found.holes.industries,
        "personas": found.holes.personas,
    }
    st.markdown("**Holes**")
    missed = {name: names for name, names in holes.items() if names}
    if not missed:
        st.caption("Every entry of the taxonomy that can be drawn is reached.")
    for name, names in missed.items():
        more = f" and {count(len(names) - _SHOWN)} more" if len(names) > _SHOWN else ""
        st.caption(f"{count(len(names))} {name} that no intent reaches{more}")
        st.code(visible(", ".join(names[:_SHOWN])), language=None, wrap_lines=True)
