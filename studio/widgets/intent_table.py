"""The intents as a table: paged by DuckDB, filtered by text, domain, complexity and what dedup said."""

from __future__ import annotations

import streamlit as st

from engine.catalog import Catalog
from studio.widgets.plain import plural

_PAGE = 50
_CONDITION = (
    "(? = '' or contains(lower(utterance), lower(?))) "
    "and (len(?::varchar[]) = 0 or list_has_any(domains, ?::varchar[])) "
    "and (len(?::varchar[]) = 0 or complexity in (select unnest(?::varchar[]))) "
    "and (? = 'all' or kept = (? = 'kept'))"
)
COLUMNS = {
    "intent_id": st.column_config.TextColumn("Intent", width=150),
    "utterance": st.column_config.TextColumn("Utterance", width=420),
    "complexity": st.column_config.TextColumn("Complexity", width=90),
    "domains": st.column_config.ListColumn("Domains", width=220),
    "tasks": st.column_config.ListColumn("Tasks", width=220),
    "persona_name": st.column_config.TextColumn("Persona"),
    "role": st.column_config.TextColumn("Role"),
    "industry": st.column_config.TextColumn("Industry"),
    "taxonomy_version": st.column_config.TextColumn("Taxonomy", width=80),
    "kept": st.column_config.CheckboxColumn("Kept", width=60),
    "duplicate_of": st.column_config.TextColumn("Repeats"),
}


def intent_table(catalog: Catalog) -> None:
    """The filter row and one page of the table."""
    domains = [r["d"] for r in catalog.rows("select distinct unnest(domains) as d from intents order by d")]
    columns = st.columns([3, 3, 2, 2])
    text = columns[0].text_input("Text in the utterance", type="search", key="intent_text")
    wanted = columns[1].multiselect("Domains", domains, placeholder="any", key="intent_domains", wrap=False)
    levels = columns[2].multiselect(
        "Complexity", ["simple", "medium", "complex"], placeholder="any", key="intent_levels", wrap=False
    )
    kept = columns[3].selectbox("Dedup", ["all", "kept", "dropped"], key="intent_kept")
    values: list[object] = [text or "", text or "", wanted, wanted, levels, levels, kept, kept]
    n_found = int(catalog.rows(f"select count(*) as n from intents where {_CONDITION}", values)[0]["n"])
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(plural(n_found, "intent"), width="content")
        st.space("stretch")
        page = st.pagination(-(-n_found // _PAGE), key="intent_page") if n_found > _PAGE else 1
    rows = catalog.rows(
        f"select {', '.join(COLUMNS)} from intents where {_CONDITION} "
        "order by created_at desc, intent_id limit ? offset ?",
        [*values, _PAGE, _PAGE * (page - 1)],
    )
    show_intents(rows)


def show_intents(rows: list[dict[str, object]]) -> None:
    """Intents as a table whose cells are drawn, never rendered."""
    if rows:
        st.dataframe(
            rows,
            hide_index=True,
            column_order=list(COLUMNS),
            column_config=COLUMNS,
            height=480,
            alt="Intents",
        )
