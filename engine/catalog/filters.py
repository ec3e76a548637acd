"""A structured filter over trajectories, as a SQL condition whose values are bound, never spliced."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class TrajectoryFilter:
    """Which trajectories to show: all conditions hold; within one, any of its values. Empty means any."""

    run_ids: tuple[str, ...] = ()
    stop_reasons: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    complexities: tuple[str, ...] = ()
    industries: tuple[str, ...] = ()
    has_failure: bool | None = None
    has_recovery: bool | None = None
    text: str = ""
    """Stands in some message, whatever the case."""
    ids: tuple[str, ...] | None = None
    """Only these, e.g. what a user's SQL condition selected; None for no such limit."""

    def without(self, facet: str) -> TrajectoryFilter:
        """The filter without one facet's own condition, which is what that facet's counts are under."""
        field = FACETS[facet].field
        empty: object = None if field.startswith("has_") else ()
        return replace(self, **{field: empty})  # type: ignore[arg-type]


class Facet(NamedTuple):
    """What is counted: the filter's field and the SQL expression over the trajectories table."""

    field: str
    expression: str
    is_list: bool = False


FACETS: dict[str, Facet] = {
    "run_id": Facet("run_ids", "run_id"),
    "stop_reason": Facet("stop_reasons", "stop_reason"),
    "domain": Facet("domains", "domains", is_list=True),
    "complexity": Facet("complexities", "complexity"),
    "industry": Facet("industries", "industry"),
    "has_failure": Facet("has_failure", "n_failed_calls > 0"),
    "has_recovery": Facet("has_recovery", "n_recoveries > 0"),
}


_HOLDS = "regexp_matches(content, regexp_escape(?), 'i')"
"""A third faster than comparing lower-case copies."""
_AMONG = "{} in (select unnest(?::varchar[]))"


class Condition(NamedTuple):
    """A SQL condition and the values of its placeholders, in order."""

    sql: str
    params: list[object]


def condition(wanted: TrajectoryFilter) -> Condition:
    """The filter as a condition over the trajectories table."""
    terms: list[str] = []
    params: list[object] = []

    def any_of(expression: str, values: Sequence[str] | None, *, is_list: bool = False) -> None:
        if values:
            terms.append(f"list_has_any({expression}, ?)" if is_list else _AMONG.format(expression))
            params.append(list(values))

    for facet in FACETS.values():
        value = getattr(wanted, facet.field)
        if isinstance(value, bool):
            terms.append(f"({facet.expression}) = ?")
            params.append(value)
        else:
            any_of(facet.expression, value, is_list=facet.is_list)
    if wanted.ids is not None:
        terms.append(_AMONG.format("trajectory_id"))
        params.append(list(wanted.ids))
    if wanted.text:
        terms.append(f"trajectory_id in (select trajectory_id from messages where {_HOLDS})")
        params.append(wanted.text)
    return Condition(" and ".join(terms) or "true", params)
