"""The grids in which the taxonomy's four dimensions are edited."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from engine.schema.taxonomy import ComplexityLevel, ExperienceLevel
from studio.widgets.draft import COUNTS, Draft, count_column

_WEIGHT = st.column_config.NumberColumn(
    "Weight",
    min_value=0.0,
    max_value=1000.0,
    step=0.1,
    width="small",
    help="How often it is drawn; 0 is never.",
)
_QUOTA = st.column_config.NumberColumn(
    "Quota",
    min_value=0.0,
    max_value=1.0,
    step=0.01,
    width="small",
    help="The largest share of the intents of one draw that may hold it, above 0 to 1; empty is no bound.",
)
_LEANS_HELP = (
    "Domain and factor on its weight for this persona, such as code-runtime 3, multimedia 0.3: "
    "above 1 leans to it, 0 keeps the persona out of it."
)
_NEEDS_HELP = "Tasks that are asked for before this one in the same intent."
_EXCLUDES_HELP = "Tasks that no intent holds beside this one; it counts both ways."

_HEIGHT = 430


def grid(draft: Draft, dimension: str) -> None:
    """The editor of one dimension; the draft takes what it holds."""
    key = f"grid-{dimension}-{draft.round}"
    rows = st.data_editor(
        draft.start[dimension] or [dict.fromkeys(_columns(draft)[dimension])],
        key=key,
        num_rows="dynamic",
        hide_index=True,
        height=_HEIGHT,
        column_config=_columns(draft)[dimension],
        column_order=list(_columns(draft)[dimension]),
        alt=f"Editable table of the {dimension}",
    )
    draft.take(dimension, rows)


def _columns(draft: Draft) -> Mapping[str, Mapping[str, Any]]:
    column = st.column_config
    domains = [
        str(r["domain_id"]) for r in draft.edited.get("domains", draft.saved["domains"]) if r.get("domain_id")
    ]
    return {
        "personas": {
            "persona_id": column.TextColumn("Persona id", pinned=True),
            "name": column.TextColumn("Name"),
            "role": column.TextColumn("Role"),
            "industry": column.TextColumn("Industry"),
            "expertise": column.ListColumn("Expertise", width="medium"),
            "experience_level": column.SelectboxColumn("Level", options=[v.value for v in ExperienceLevel]),
            "communication_style": column.TextColumn("Style", width="medium"),
            "work_context": column.TextColumn("Work context", width="large"),
            "leans": column.TextColumn("Leans", width="medium", help=_LEANS_HELP),
            "weight": _WEIGHT,
            "quota": _QUOTA,
        },
        "domains": {
            "domain_id": column.TextColumn("Domain id", pinned=True),
            "description": column.TextColumn("Description", width="large"),
            "weight": _WEIGHT,
            "quota": _QUOTA,
        },
        "tasks": {
            "task_id": column.TextColumn("Task id", pinned=True),
            "domain_id": column.SelectboxColumn("Domain", options=domains),
            "name": column.TextColumn("Name"),
            "description": column.TextColumn("Description", width="large"),
            "tools": column.ListColumn("Tools"),
            "needs": column.ListColumn("Needs", help=_NEEDS_HELP),
            "excludes": column.ListColumn("Excludes", help=_EXCLUDES_HELP),
            "weight": _WEIGHT,
            "quota": _QUOTA,
        },
        "complexities": {
            "level": column.SelectboxColumn("Level", options=[v.value for v in ComplexityLevel], pinned=True),
            "description": column.TextColumn("Description", width="large"),
            "prior": column.NumberColumn(
                "Prior", min_value=0.0, max_value=1.0, step=0.01, help="Probability; the priors sum to 1."
            ),
            **{
                count_column(n): column.NumberColumn(
                    f"{n} tasks", min_value=0.0, step=0.01, help=f"Weight of intents with {n} tasks."
                )
                for n in COUNTS
            },
        },
    }
