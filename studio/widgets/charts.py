"""Pictures with Plotly: plain figures whose colours and fonts come from Streamlit's theme."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

if TYPE_CHECKING:
    from numpy.typing import NDArray

CONFIG: dict[str, Any] = {"displaylogo": False, "displayModeBar": False}
"""Plotly's own buttons away; nothing of it talks to the outside."""

PALETTE = (
    "#3f90da",
    "#ffa90e",
    "#bd1f01",
    "#94a4a2",
    "#832db6",
    "#a96b59",
    "#e76300",
    "#b9ac70",
    "#717581",
    "#92dadd",
)
"""Petroff's ten colours, as in the theme: told apart under every common colour-vision deficiency."""

FIRST, SECOND, QUIET = PALETTE[0], PALETTE[6], PALETTE[3]
"""Ours, the other, the background."""


def steps(number: int) -> list[tuple[float, str]]:
    """A colour scale of `number` flat steps from the palette, for codes 0 to `number` - 1."""
    flat = [(place / number, (place + 1) / number, PALETTE[place % len(PALETTE)]) for place in range(number)]
    return [(end, color) for low, high, color in flat for end in (low, high)]


def bars(
    values: Mapping[str, float], *, key: str, title: str, colors: Mapping[str, str] | None = None
) -> None:
    """Horizontal bars, first on top. Labels are our own words or names that are shown as plain text."""
    import plotly.graph_objects as go

    names = list(values)
    figure = go.Figure(
        go.Bar(
            x=list(values.values()),
            y=[plain_label(n) for n in names],
            orientation="h",
            marker_color=[(colors or {}).get(n, FIRST) for n in names],
            text=[f"{v:,.0f}" for v in values.values()],
            textposition="auto",
            hoverinfo="skip",
        )
    )
    figure.update_yaxes(autorange="reversed", showgrid=False)
    figure.update_xaxes(visible=False)
    figure.update_layout(bargap=0.35)
    show(figure, key=key, title=title, height=16 + 42 * max(len(names), 1))


def stacked(
    parts: Mapping[str, tuple[float, float]], names: tuple[str, str], *, key: str, title: str
) -> None:
    """Horizontal bars of two parts each: a quiet one and one to look at. `names` names the parts."""
    import plotly.graph_objects as go

    labels = [plain_label(n) for n in parts]
    figure = go.Figure(
        [
            go.Bar(
                x=[part[place] for part in parts.values()],
                y=labels,
                orientation="h",
                name=names[place],
                marker_color=color,
                text=[f"{part[place]:,.0f}" if part[place] else "" for part in parts.values()],
                textposition="auto",
                hoverinfo="skip",
            )
            for place, color in enumerate((FIRST, SECOND))
        ]
    )
    figure.update_yaxes(autorange="reversed", showgrid=False)
    figure.update_xaxes(visible=False)
    figure.update_layout(
        barmode="stack",
        bargap=0.35,
        legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0, "traceorder": "normal"},
    )
    show(figure, key=key, title=title, height=60 + 36 * max(len(labels), 1))


def columns(values: Mapping[int, int], *, key: str, title: str, x: str, height: int = 240) -> None:
    """Upright bars over whole numbers."""
    import plotly.graph_objects as go

    figure = go.Figure(
        go.Bar(
            x=list(values),
            y=list(values.values()),
            marker_color=FIRST,
            hovertemplate="%{x}: %{y}<extra></extra>",
        )
    )
    figure.update_xaxes(title=x, dtick=1 if len(values) < 25 else None, showgrid=False)
    figure.update_layout(bargap=0.2)
    show(figure, key=key, title=title, height=height)


def lines(
    series: Sequence[tuple[str, Sequence[float], Sequence[float], str]],
    *,
    key: str,
    title: str,
    x: str,
    y: str,
    height: int = 320,
) -> None:
    """Curves with markers over a logarithmic x axis. A series is its name, x, y and colour."""
    import plotly.graph_objects as go

    figure = go.Figure(
        [
            go.Scatter(
                x=list(xs), y=list(ys), name=name, mode="lines+markers", line={"color": color, "width": 2}
            )
            for name, xs, ys, color in series
        ]
    )
    ticks = [10**power for power in range(1, 7)]
    figure.update_xaxes(type="log", title=x, tickvals=ticks, ticktext=[f"{t:,}" for t in ticks])
    figure.update_yaxes(title=y, rangemode="tozero")
    figure.update_layout(legend={"orientation": "h", "y": 1.12, "x": 0})
    show(figure, key=key, title=title, height=height)


def intervals(points: Sequence[tuple[str, float, float, float, str]], *, key: str, title: str) -> None:
    """Points with their intervals, first on top. A point is its name, value, low, high and a word on it."""
    import plotly.graph_objects as go

    values = [value for _, value, _, _, _ in points]
    figure = go.Figure(
        go.Scatter(
            x=values,
            y=[plain_label(name) for name, *_ in points],
            mode="markers",
            marker={"size": 9, "color": FIRST},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [high - value for _, value, _, high, _ in points],
                "arrayminus": [value - low for _, value, low, _, _ in points],
                "color": QUIET,
                "thickness": 2,
                "width": 5,
            },
            customdata=[word for *_, word in points],
            hovertemplate="%{y}: %{x:.2f} % (%{customdata})<extra></extra>",
        )
    )
    figure.update_yaxes(autorange="reversed", showgrid=False, type="category")
    figure.update_xaxes(rangemode="tozero", ticksuffix=" %")
    show(figure, key=key, title=title, height=70 + 26 * max(len(points), 1))


def heat(names: Sequence[str], counts: Mapping[tuple[str, str], int], *, key: str, title: str) -> None:
    """A symmetric matrix of counts in logarithmic colour; a pair counts in whichever order it stands."""
    import math

    import plotly.graph_objects as go

    def number(a: str, b: str) -> int:
        return counts.get((a, b)) or counts.get((b, a)) or 0

    grid = [[number(a, b) for b in names] for a in names]
    labels = [plain_label(n) for n in names]
    figure = go.Figure(
        go.Heatmap(
            x=labels,
            y=labels,
            z=[[math.log10(n) if n else None for n in row] for row in grid],
            text=[[f"{n:,}" if n else "" for n in row] for row in grid],
            texttemplate="%{text}",
            showscale=False,
            hoverinfo="skip",
            xgap=1,
            ygap=1,
        )
    )
    figure.update_xaxes(tickangle=-40, showgrid=False)
    figure.update_yaxes(autorange="reversed", showgrid=False)
    show(figure, key=key, title=title, height=120 + 30 * len(names))


def cells(
    rows: Sequence[str],
    columns: Sequence[str],
    counts: NDArray[np.int64],
    *,
    key: str,
    on_select: Callable[[], None],
) -> None:
    """Counts of two dimensions in logarithmic colour, as high as its rows need. A click chooses a cell.

    Args:
        rows: Names along the left, first on top.
        columns: Names along the top.
        counts: Shape (rows, columns); what is 0 stays empty.
        key: Where the session keeps the selection: `chosen_cell` reads it.
        on_select: Called when a cell was clicked.
    """
    import plotly.graph_objects as go

    y, x = [plain_label(n) for n in rows], [plain_label(n) for n in columns]
    with np.errstate(divide="ignore"):
        shade = np.where(counts > 0, np.log10(np.maximum(counts, 1)) + _FAINTEST, np.nan)
    written = len(columns) <= _MOST_WRITTEN
    colours = go.Heatmap(
        x=x,
        y=y,
        z=shade,
        zmin=0,
        colorscale=_shades(),
        text=np.where(counts > 0, counts.astype(str), "") if written else None,
        texttemplate="%{text}" if written else None,
        showscale=False,
        hoverinfo="skip",
        xgap=1,
        ygap=1,
    )
    # A heat map cannot be clicked: marks that only show when chosen lie on it and take the pointer.
    down, across = np.indices(counts.shape).reshape(2, -1)
    marks = go.Scattergl(
        x=[x[c] for c in across],
        y=[y[r] for r in down],
        customdata=counts.reshape(-1),
        mode="markers",
        marker={"symbol": "square-open", "size": 17, "color": SECOND, "opacity": 0, "line": {"width": 3}},
        selected={"marker": {"opacity": 1}},
        unselected={"marker": {"opacity": 0}},
        hovertemplate="%{y}<br>%{x}<br>Kept intents: %{customdata:,}<extra></extra>",
        showlegend=False,
    )
    figure = go.Figure([colours, marks])
    figure.update_xaxes(side="top", tickangle=-40, showgrid=False, dtick=1, range=[-0.5, len(x) - 0.5])
    figure.update_yaxes(showgrid=False, dtick=1, range=[len(y) - 0.5, -0.5])
    figure.update_layout(
        height=140 + 22 * len(rows),
        margin={"l": 0, "r": 8, "t": 8, "b": 0},
        clickmode="event+select",
        dragmode=False,
    )
    st.plotly_chart(
        figure, key=key, on_select=on_select, selection_mode="points", config=CONFIG, alt="Heat map of cells"
    )


def chosen_cell(key: str, n_columns: int) -> tuple[int, int] | None:
    """Row and column of the cell that was clicked in `cells`; None where none is chosen."""
    points = st.session_state[key].selection.point_indices
    return divmod(int(points[0]), n_columns) if points else None


def _shades() -> list[tuple[float, str]]:
    """A scale away from the page's background, without the middle shades on which no number can be read."""
    pale, light, strong, deep = "#dce9fb", "#a6caf5", "#2a61bd", "#173a7c"
    if st.context.theme.type == "dark":
        return [(0.0, "#1c3a73"), (0.5, strong), (0.5, light), (1.0, "#eef5fe")]
    return [(0.0, pale), (0.5, light), (0.5, strong), (1.0, deep)]


_MOST_WRITTEN = 24
"""With more columns there is no room for numbers in the cells."""
_FAINTEST = 0.35
"""Shade of a single intent, in powers of ten: it must not look like none."""


def show(figure: Any, *, key: str, title: str, height: int) -> None:  # noqa: ANN401 (plotly is untyped)
    """Draws a figure under its title, as wide as its place."""
    st.markdown(f"**{title}**")
    figure.update_layout(height=height, margin={"l": 0, "r": 8, "t": 8, "b": 0})
    st.plotly_chart(figure, key=key, config=CONFIG, alt=title)


def plain_label(text: str) -> str:
    """A label without Plotly's pseudo-HTML: its `<` would be read as a tag."""
    return text.replace("&", "&amp;").replace("<", "&lt;")[:60]
