"""The SQL box: a user's own SELECT over the derived tables, run in the bounded child and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from engine.catalog import Catalog
from engine.catalog.columns import TABLES
from engine.query.run import QueryResult, run_query
from studio.widgets import errors
from studio.widgets.empty import PAGES
from studio.widgets.plain import count, plural

_MAX_ROWS = 1000
_TIMEOUT_S = 10.0
_EXAMPLE = """select tool, count(*) as calls, sum(failed::int) as failed
from tool_calls
group by tool
order by calls desc"""


def sql_panel(catalog: Catalog) -> None:
    """A text area, its answer as a table, and what the tables are."""
    with st.form("sql", border=False):
        sql = st.text_area("One SELECT over the project's tables", _EXAMPLE, height=130, key="sql_text")
        asked = st.form_submit_button("Ask", type="primary")
    with st.expander("Tables and columns", type="compact"):
        for table, columns in TABLES.items():
            st.code(f"{table}({', '.join(columns)})", language=None, wrap_lines=True)
    if asked:
        st.session_state.pop("sql_answer", None)
        with errors.shown(), st.spinner("Asking"):
            st.session_state["sql_answer"] = run_query(
                catalog.files, sql or "", max_rows=_MAX_ROWS, timeout_s=_TIMEOUT_S
            )
    answer: QueryResult | None = st.session_state.get("sql_answer")
    if answer is not None:
        _show(answer)


def _show(answer: QueryResult) -> None:
    more = f", the first {count(_MAX_ROWS)} of more" if answer.truncated else ""
    st.caption(f"{plural(len(answer.rows), 'row')}{more}")
    if not answer.rows:
        return
    names = distinct(answer.columns)
    rows = [dict(zip(names, row, strict=True)) for row in answer.rows]
    if "trajectory_id" not in names:
        st.dataframe(rows, hide_index=True, alt="Answer")
        return
    st.caption("Choose a row to open its trajectory in the replay.")
    chosen = st.dataframe(
        rows, key="sql_rows", hide_index=True, on_select="rerun", selection_mode="single-row", alt="Answer"
    )
    if chosen.selection.rows:
        st.switch_page(PAGES["replay"], query_params=place_of_row(rows[chosen.selection.rows[0]]))


def place_of_row(row: Mapping[str, Any]) -> dict[str, str]:
    """The address of what a row is about: its trajectory, and its turn and call where it names them."""
    place = {"trajectory": str(row["trajectory_id"])}
    if isinstance(row.get("turn"), int):
        place["turn"] = str(row["turn"] + 1)
    if row.get("tool_call_id"):
        place["call"] = str(row["tool_call_id"])
    return place


def distinct(names: Sequence[str]) -> list[str]:
    """Column names made distinct: SQL allows two of a name, a table on the screen does not."""
    found: list[str] = []
    for name in names:
        candidate, n = name, 2
        while candidate in found:
            candidate, n = f"{name} ({n})", n + 1
        found.append(candidate)
    return found
