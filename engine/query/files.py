"""Which Parquet files make up each table, and the views that show them to SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class TableFiles:
    """A snapshot of the derived tables: every table has at least one part, if only an empty one."""

    parts: Mapping[str, tuple[Path, ...]]
    problems: tuple[str, ...] = ()
    """Records that could not be read and are therefore not in the tables, one line each."""


def view_statements(parts: Mapping[str, Sequence[str | Path]]) -> list[str]:
    """One `create view` a table. Paths come from the catalogue alone, and are quoted all the same."""
    return [
        f"create view {table} as select * from read_parquet([{', '.join(map(_quoted, paths))}], "
        "hive_partitioning = false, union_by_name = false)"
        for table, paths in parts.items()
    ]


def _quoted(path: str | Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"
