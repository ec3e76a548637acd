"""The filter over trajectories: facets with counts, text, SQL. Its values stand in the address."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import streamlit as st

from engine.catalog import Catalog, TrajectoryFilter
from engine.query.run import select_ids
from studio.widgets.plain import count, words

_ANY, _WITH, _WITHOUT = "any", "with", "without"


class _Choice(NamedTuple):
    """A facet with a list of values: its label, and its name in the address."""

    facet: str
    label: str
    key: str


_CHOICES = (
    _Choice("run_id", "Run", "runs"),
    _Choice("stop_reason", "Stop reason", "stop"),
    _Choice("domain", "Domain", "domain"),
    _Choice("complexity", "Complexity", "complexity"),
    _Choice("industry", "Industry", "industry"),
)


def filter_row(catalog: Catalog) -> TrajectoryFilter:
    """Draws the filter and gives what is chosen.

    Raises:
        QueryError: The SQL condition is wrong.
    """
    ids = _condition_ids(catalog, str(st.session_state.get("where") or ""))
    facets = catalog.facets(_chosen(ids))
    with st.container(border=True):
        first = st.columns([2.2, 1, 1, 1])
        first[0].text_input(
            "Text in any message",
            key="text",
            bind="query-params",
            placeholder="e.g. roster.csv",
            type="search",
        )
        _tri_state(first[1], "Failed calls", "failed", facets["has_failure"])
        _tri_state(first[2], "Recoveries", "recovered", facets["has_recovery"])
        first[3].selectbox(
            "Sort by", list(SORTS), key="sort", format_func=lambda s: SORTS[s], bind="query-params"
        )
        second = st.columns(len(_CHOICES))
        for column, choice in zip(second, _CHOICES, strict=True):
            with column:
                _multiselect(choice, facets[choice.facet])
        st.text_input(
            "Condition over the trajectories (SQL)",
            key="where",
            bind="query-params",
            placeholder="e.g. n_turns >= 6 and n_failed_calls > 0 and n_recoveries = n_failed_calls",
        )
    return _chosen(_condition_ids(catalog, str(st.session_state.get("where") or "")))


SORTS = {
    "created_at": "newest",
    "n_failed_calls": "failed calls",
    "n_recoveries": "recoveries",
    "n_turns": "turns",
    "n_tool_calls": "tool calls",
    "duration_s": "duration",
}
"""Columns that the list can be sorted by, largest first."""


def _condition_ids(catalog: Catalog, where: str) -> tuple[str, ...] | None:
    return tuple(select_ids(catalog.files, where)) if where.strip() else None


def _chosen(ids: tuple[str, ...] | None) -> TrajectoryFilter:
    def values(key: str) -> tuple[str, ...]:
        return tuple(st.session_state.get(key) or ())

    def choice(key: str) -> bool | None:
        return {_WITH: True, _WITHOUT: False}.get(st.session_state.get(key, _ANY))

    return TrajectoryFilter(
        run_ids=values("runs"),
        stop_reasons=values("stop"),
        domains=values("domain"),
        complexities=values("complexity"),
        industries=values("industry"),
        has_failure=choice("failed"),
        has_recovery=choice("recovered"),
        text=str(st.session_state.get("text") or ""),
        ids=ids,
    )


def _multiselect(choice: _Choice, counts: Mapping[Any, int]) -> None:
    chosen = [v for v in st.session_state.get(choice.key) or () if v not in counts]
    st.multiselect(
        choice.label,
        [*counts, *chosen],
        key=choice.key,
        bind="query-params",
        format_func=lambda value: f"{_name(choice, value)} ({count(counts.get(value, 0))})",
        placeholder="any",
        wrap=False,
    )


def _name(choice: _Choice, value: str) -> str:
    return words(value) if choice.facet == "stop_reason" else value


def _tri_state(
    column: st.delta_generator.DeltaGenerator, label: str, key: str, counts: Mapping[Any, int]
) -> None:
    numbers = {_WITH: counts.get(True, 0), _WITHOUT: counts.get(False, 0)}

    def text(value: str) -> str:
        return value if value == _ANY else f"{value} ({count(numbers[value])})"

    column.selectbox(label, [_ANY, _WITH, _WITHOUT], key=key, bind="query-params", format_func=text)
