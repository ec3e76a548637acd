"""The filter over trajectories: facets with counts, text, SQL. Its values stand in the address."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import streamlit as st

from engine.catalog import Catalog, TrajectoryFilter
from engine.errors import QueryError
from engine.query.run import select_ids
from studio.widgets.plain import count, words

_ANY, _WITH, _WITHOUT = "any", "with", "without"
_KEPT = "trajectory_filter"
"""Where the session keeps the values while another page is on the screen."""


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
SORTS = {
    "created_at": "newest",
    "n_failed_calls": "failed calls",
    "n_recoveries": "recoveries",
    "n_turns": "turns",
    "n_tool_calls": "tool calls",
    "duration_s": "duration",
}
"""Columns that the list can be sorted by, largest first."""

_LISTS = tuple(choice.key for choice in _CHOICES)
_ONES = {"text": "", "where": "", "failed": _ANY, "recovered": _ANY, "sort": "created_at"}
"""Fields of one value, and the value that says nothing."""
_ALLOWED = {"failed": (_ANY, _WITH, _WITHOUT), "recovered": (_ANY, _WITH, _WITHOUT), "sort": tuple(SORTS)}


def filter_row(catalog: Catalog) -> TrajectoryFilter:
    """Draws the filter and gives what is chosen.

    Raises:
        QueryError: The SQL condition is wrong.
    """
    _take_address()
    try:
        ids, trouble = _condition_ids(catalog), None
    except QueryError as error:
        ids, trouble = None, error
    wanted = _chosen(ids)
    facets = catalog.facets(wanted)
    with st.container(border=True):
        first = st.columns([2.2, 1, 1, 1])
        first[0].text_input(
            "Text in any message",
            key="text",
            type="search",
            placeholder="e.g. notes.md",
            on_change=_write_address,
        )
        _tri_state(first[1], "Failed calls", "failed", facets["has_failure"])
        _tri_state(first[2], "Recoveries", "recovered", facets["has_recovery"])
        first[3].selectbox(
            "Sort by", list(SORTS), key="sort", format_func=lambda s: SORTS[s], on_change=_write_address
        )
        for column, choice in zip(st.columns(len(_CHOICES)), _CHOICES, strict=True):
            with column:
                _multiselect(choice, facets[choice.facet])
        st.text_input(
            "Condition over the trajectories (SQL)",
            key="where",
            placeholder="e.g. n_turns >= 6 and n_failed_calls > 0 and n_recoveries = n_failed_calls",
            on_change=_write_address,
        )
    if trouble is not None:
        raise trouble
    return wanted


def _take_address() -> None:
    """Gives the widgets their values: the address's where it names any, else the session's own.

    A change of a widget is written into the address before the page runs, so that the two differ only
    when somebody followed a link.
    """
    named = {key: st.query_params.get_all(key) for key in (*_LISTS, *_ONES) if key in st.query_params}
    kept: dict[str, list[str]] = named or st.session_state.get(_KEPT, {})
    for key in _LISTS:
        st.session_state[key] = list(kept.get(key, []))
    for key, nothing in _ONES.items():
        value = next(iter(kept.get(key, [])), nothing)
        st.session_state[key] = value if value in _ALLOWED.get(key, (value,)) else nothing
    _write_address()


def _values() -> dict[str, list[str]]:
    """What is chosen, field by field; fields that say nothing are left out."""
    lists = {key: [str(v) for v in st.session_state.get(key) or ()] for key in _LISTS}
    ones = {key: str(st.session_state.get(key) or nothing) for key, nothing in _ONES.items()}
    said = {key: [value] for key, value in ones.items() if value != _ONES[key]}
    return {key: values for key, values in lists.items() if values} | said


def _write_address() -> None:
    """Writes what is chosen into the address and into the session's memory."""
    values = _values()
    st.session_state[_KEPT] = values
    for key in (*_LISTS, *_ONES):
        if key in values:
            st.query_params[key] = values[key]
        elif key in st.query_params:
            del st.query_params[key]


def _condition_ids(catalog: Catalog) -> tuple[str, ...] | None:
    where = str(st.session_state.get("where") or "")
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
    """The values of a facet with their counts; chosen ones stay even where nothing has them any more."""
    gone = [v for v in st.session_state.get(choice.key) or () if v not in counts]
    st.multiselect(
        choice.label,
        [*counts, *gone],
        key=choice.key,
        format_func=lambda value: f"{_name(choice, value)} ({count(counts.get(value, 0))})",
        placeholder="any",
        wrap=False,
        on_change=_write_address,
    )


def _name(choice: _Choice, value: str) -> str:
    return words(value) if choice.facet == "stop_reason" else value


def _tri_state(
    column: st.delta_generator.DeltaGenerator, label: str, key: str, counts: Mapping[Any, int]
) -> None:
    numbers = {_WITH: counts.get(True, 0), _WITHOUT: counts.get(False, 0)}

    def text(value: str) -> str:
        return value if value == _ANY else f"{value} ({count(numbers[value])})"

    column.selectbox(label, [_ANY, _WITH, _WITHOUT], key=key, format_func=text, on_change=_write_address)
