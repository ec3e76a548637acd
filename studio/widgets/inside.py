"""Which points lie within an outline: the browser sends the outline, the server tests the points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Points = NDArray[np.int16]
    Mask = NDArray[np.bool_]


def selected(points: Points, outlines: Mapping[str, Any]) -> Mask | None:
    """The points within any box or lasso of a Plotly selection; None where nothing was drawn.

    Args:
        points: Shape (n, 2), in the chart's coordinates.
        outlines: Plotly's selection: "box" and "lasso", each a list of {"x": [...], "y": [...]}.
    """
    boxes, lassos = outlines.get("box") or [], outlines.get("lasso") or []
    if not boxes and not lassos:
        return None
    found = np.zeros(len(points), dtype=bool)
    for box in boxes:
        found |= in_box(points, box["x"], box["y"])
    for lasso in lassos:
        found |= in_polygon(points, lasso["x"], lasso["y"])
    return found


def in_box(points: Points, xs: Sequence[float], ys: Sequence[float]) -> Mask:
    """Points within the box that spans `xs` and `ys`, its edges included."""
    x, y = points[:, 0], points[:, 1]
    within: Mask = (x >= min(xs)) & (x <= max(xs)) & (y >= min(ys)) & (y <= max(ys))
    return within


def in_polygon(points: Points, xs: Sequence[float], ys: Sequence[float]) -> Mask:
    """Points within a polygon by the even-odd rule; fewer than three corners hold nothing."""
    x, y = points[:, 0].astype(np.float64), points[:, 1].astype(np.float64)
    inside = np.zeros(len(points), dtype=bool)
    if len(xs) < 3:
        return inside
    for (x0, y0), (x1, y1) in zip(
        zip(xs, ys, strict=True), zip([*xs[1:], xs[0]], [*ys[1:], ys[0]], strict=True), strict=True
    ):
        if y0 == y1:
            continue
        crosses = (y0 > y) != (y1 > y)
        inside ^= crosses & (x < (x1 - x0) * (y - y0) / (y1 - y0) + x0)
    return inside
