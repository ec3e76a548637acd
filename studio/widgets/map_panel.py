"""The map of the intents: one point an intent, coloured, filtered; a lasso or box shows what it holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from engine.schema.intent import Intent
from engine.schema.taxonomy import ComplexityLevel
from engine.store.project import Project
from studio import cached
from studio.widgets import charts
from studio.widgets.empty import PAGES
from studio.widgets.frame import metric_row
from studio.widgets.generate_here import generate_here
from studio.widgets.inside import selected
from studio.widgets.intent_table import show_intents
from studio.widgets.launch import CONDITION
from studio.widgets.plain import count, plural
from studio.widgets.sql_text import quoted
from studio.widgets.where_text import of_corner

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from engine.intents.vendi import SetScore
    from studio.widgets.inside import Mask, Points

_ROWS, _PLAYED_AT_ONCE = 200, 500
_COLOURS = {"domain": "first domain", "complexity": "complexity", "played": "played or not"}


def map_panel(project: Project, *, busy: bool) -> None:
    """The panel. Raises InputError while some intents are not on the map."""
    drawn, intents = cached.map_points(project), cached.kept_intents(project)
    if drawn.method == "umap":
        st.caption(f"UMAP by cosine, trustworthiness {drawn.trustworthiness:.3f}. The axes have no meaning.")
    else:
        st.caption("The two main axes, until the map is drawn for just these intents.")
    by, shown = _choices(intents)
    played = cached.played_ids(project) if by == "played" else frozenset()
    chosen = _picture(drawn.points, [_group(i, by, played) for i in intents], shown)
    if chosen is None:
        st.caption("Draw a lasso or a box around points to see their intents; a double click lets go.")
        return
    mask = chosen & shown
    _selection(project, [i for i, hit in zip(intents, mask, strict=True) if hit], mask, busy=busy)


def _choices(intents: Sequence[Intent]) -> tuple[str, Mask]:
    """What the colour means, and which intents are shown."""
    columns = st.columns([2, 4, 3])
    by = columns[0].selectbox("Colour", list(_COLOURS), format_func=lambda c: _COLOURS[c], key="map_colour")
    names = sorted({d for i in intents for d in i.cell.domain_ids})
    domains = columns[1].multiselect("Domains", names, placeholder="any", key="map_domains")
    levels = columns[2].multiselect("Complexity", list(ComplexityLevel), placeholder="any", key="map_levels")
    wanted = set(domains)
    shown = [
        (not wanted or not wanted.isdisjoint(i.cell.domain_ids))
        and (not levels or i.cell.complexity in levels)
        for i in intents
    ]
    return by, np.array(shown, dtype=bool)


def _group(intent: Intent, by: str, played: frozenset[str]) -> str:
    if by == "complexity":
        return intent.cell.complexity.value
    if by == "played":
        return "played" if intent.intent_id in played else "not played yet"
    return intent.cell.domain_ids[0]


def _picture(points: Points, groups: Sequence[str], shown: Mask) -> Mask | None:
    """Draws the points that are shown, and gives which of all points were selected."""
    import plotly.graph_objects as go

    names = sorted(set(groups))
    codes = np.array([names.index(group) for group in groups], dtype=np.int16)[shown]
    size = 7 if len(groups) < 3_000 else 5 if len(groups) < 15_000 else 3
    cloud = go.Scattergl(
        x=points[shown, 0],
        y=points[shown, 1],
        mode="markers",
        marker={
            "size": size,
            "opacity": 0.75,
            "color": codes,
            "colorscale": charts.steps(len(names)),
            "cmin": -0.5,
            "cmax": len(names) - 0.5,
        },
        hoverinfo="skip",
        showlegend=False,
    )
    figure = go.Figure([cloud, *_legend(names, codes)])
    figure.update_layout(_LAYOUT)
    state = st.plotly_chart(
        figure,
        key="map",
        on_select="rerun",
        selection_mode=("box", "lasso"),
        config=_CONFIG,
        alt="Map of the intents",
    )
    return selected(points, state.selection)


def _legend(names: Sequence[str], codes: NDArray[np.int16]) -> list[Any]:
    """One empty trace a colour. The points themselves are one trace, so that no group hides another."""
    import plotly.graph_objects as go

    counts = np.bincount(codes, minlength=len(names))
    return [
        go.Scattergl(
            x=[None],
            y=[None],
            mode="markers",
            name=f"{charts.plain_label(name)} ({count(int(number))})",
            marker={"size": 9, "color": charts.PALETTE[place % len(charts.PALETTE)]},
            hoverinfo="skip",
        )
        for place, (name, number) in enumerate(zip(names, counts, strict=True))
    ]


_LAYOUT: dict[str, Any] = {
    "height": 600,
    "margin": {"l": 0, "r": 0, "t": 8, "b": 0},
    "dragmode": "lasso",
    "uirevision": "map",
    "legend": {"itemsizing": "constant", "y": 0.94, "itemclick": False, "itemdoubleclick": False},
    "xaxis": {"visible": False},
    "yaxis": {"visible": False, "scaleanchor": "x"},
}
_CONFIG: dict[str, Any] = {
    "displaylogo": False,
    "displayModeBar": True,
    "scrollZoom": True,
    "modeBarButtonsToRemove": ["toImage", "autoScale2d"],
}


def _selection(project: Project, intents: Sequence[Intent], mask: Mask, *, busy: bool) -> None:
    """What was selected: how many, how diverse, which; and more of it."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{plural(len(intents), 'intent')} selected**", width="content")
        domains = Counter(d for i in intents for d in i.cell.domain_ids)
        for name, number in domains.most_common(5):
            st.badge(f"{name} {count(number)}", color="gray")
        st.space("stretch")
        if 0 < len(intents) <= _PLAYED_AT_ONCE and st.button("Play these"):
            ids = ", ".join(quoted(i.intent_id) for i in intents)
            st.session_state[CONDITION] = f"intent_id in ({ids})"
            st.switch_page(PAGES["runs"])
    if not intents:
        st.caption("Nothing is in there: draw around some points.")
        return
    _scores(project, mask)
    st.markdown("**More in this corner**")
    generate_here(project, of_corner(intents), key="corner", busy=busy)
    show_intents([_row(i) for i in intents[:_ROWS]])
    if len(intents) > _ROWS:
        st.caption(f"The first {count(_ROWS)} of {count(len(intents))}.")


def _scores(project: Project, mask: Mask) -> None:
    """The selection's Vendi Score beside the pool's, and what the pool would lack without it."""
    from engine.intents.vendi import marginal_gain

    found = marginal_gain(cached.pool_gram(project), cached.vectors(project)[mask])
    metric_row(
        [
            _score("Vendi of the selection", found.selection),
            _score("Vendi of the pool", found.pool),
            _score("Pool without it", found.without),
            ("The selection adds", f"{found.adds:+.2f}", "to the score of the pool"),
        ]
    )


def _score(label: str, of: SetScore) -> tuple[str, str, str]:
    return label, f"{of.vendi:.2f}", plural(of.n, "intent")


def _row(intent: Intent) -> dict[str, object]:
    persona = intent.persona
    return {
        "intent_id": intent.intent_id,
        "utterance": intent.utterance,
        "complexity": intent.cell.complexity.value,
        "domains": list(intent.cell.domain_ids),
        "tasks": list(intent.cell.task_ids),
        "persona_name": persona.name,
        "role": persona.role,
        "industry": persona.industry,
        "taxonomy_version": intent.taxonomy_version,
    }
