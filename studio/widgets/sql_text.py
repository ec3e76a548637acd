"""A filter of the list as the SQL condition that selects the same: what the export page saves."""

from __future__ import annotations

from collections.abc import Iterable

from engine.catalog import FACETS, TrajectoryFilter


def as_condition(wanted: TrajectoryFilter, where: str = "") -> str:
    """The condition over the trajectories table. It runs where a user's SQL runs, and is quoted all the same.

    Args:
        wanted: The facets and the text; its `ids` are left out, since `where` says the same.
        where: The user's own condition, put in parentheses.
    """
    terms = []
    for facet in FACETS.values():
        value = getattr(wanted, facet.field)
        if isinstance(value, bool):
            terms.append(facet.expression if value else f"not ({facet.expression})")
        elif value:
            held = "list_has_any({}, [{}])" if facet.is_list else "{} in ({})"
            terms.append(held.format(facet.expression, _list(value)))
    if wanted.text:
        terms.append(
            "trajectory_id in (select trajectory_id from messages "
            f"where contains(lower(content), lower({quoted(wanted.text)})))"
        )
    if where.strip():
        terms.append(f"({where.strip()}\n)")
    return " and ".join(terms) or "true"


def quoted(text: str) -> str:
    """A SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def _list(values: Iterable[str]) -> str:
    return ", ".join(quoted(v) for v in values)
