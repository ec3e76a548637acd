"""Rows of a table back into YAML: how the studio saves what was edited in a grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isnan
from typing import Any

import yaml

from engine.errors import InputError
from engine.schema.base import Record
from engine.schema.taxonomy import Complexity, Domain, Persona, Task, Taxonomy

KINDS: Mapping[str, type[Record]] = {
    "personas": Persona,
    "domains": Domain,
    "tasks": Task,
    "complexities": Complexity,
}
"""Dimension -> what an entry of it is. A dimension's file is its name and ".yaml"."""

_LISTS = ("expertise", "tools", "needs", "excludes")
_OPTIONAL = ("tools", "needs", "excludes", "leans")
_Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def rows_of(taxonomy: Taxonomy, dimension: str) -> list[dict[str, Any]]:
    """The entries of one dimension as plain rows, for a table."""
    rows: list[dict[str, Any]] = taxonomy.model_dump(mode="json")[_known(dimension)]
    return rows


def render_yaml(dimension: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """The YAML text of a dimension's rows, fields in their usual order. Comments are not kept.

    An empty cell (None or NaN) leaves its field out; a list field may be a list or comma-separated text. What
    is wrong with the values shows when the text is saved. The text of no rows is "".

    Raises:
        InputError: There is no such dimension.
    """
    fields = list(KINDS[_known(dimension)].model_fields)
    return "\n".join(
        yaml.dump([_row(row, fields)], Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
        for row in rows
    )


def _known(dimension: str) -> str:
    if dimension not in KINDS:
        raise InputError(f"no dimension {dimension!r}: choose one of {', '.join(KINDS)}")
    return dimension


def _row(row: Mapping[str, Any], fields: Sequence[str]) -> dict[str, Any]:
    ordered = [*(f for f in fields if f in row), *(f for f in row if f not in fields)]
    values = {name: _value(name, row[name]) for name in ordered if not _is_empty(row[name])}
    return {name: value for name, value in values.items() if value or name not in _OPTIONAL}


def _is_empty(value: object) -> bool:
    return value is None or (isinstance(value, float) and isnan(value))


def _value(name: str, value: object) -> object:
    if name in _LISTS and isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return _plain(value)


def _plain(value: object) -> object:
    """`value` as plain Python: enums by value, numpy numbers as numbers, tuples as lists."""
    if isinstance(value, Mapping):
        return {_plain(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, str):
        return str(value)
    if hasattr(value, "item"):
        value = value.item()
    return value if isinstance(value, bool | int | float) else str(value)
