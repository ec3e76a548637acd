"""The taxonomy as it is being edited: the rows of four grids, kept in the session so that nothing is lost."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isnan
from typing import Any, NamedTuple

from engine.schema.taxonomy import Taxonomy
from engine.taxonomy import FILES, parse_taxonomy, render_yaml, rows_of
from engine.taxonomy.check import validate
from engine.taxonomy.nodes import Fault

Rows = list[dict[str, Any]]
Validate = Callable[[Mapping[str, str], str], tuple[Taxonomy | None, Sequence[Fault]]]
"""What checks four texts: the engine's `validate`, or one that remembers what it found."""

DIMENSIONS = tuple(name.removesuffix(".yaml") for name in FILES)
COUNTS = (3, 4, 5, 6)
"""Numbers of tasks that an intent may have; each is a column of the complexities' grid."""


class Problem(NamedTuple):
    """One thing that is wrong with the draft."""

    dimension: str
    entry: str
    """Which entry of the grid, e.g. "Row 3 (amara-okafor)"; empty where the grid was not edited."""
    text: str
    """The engine's line: file and line, what is wrong, how to mend it."""


@dataclass(slots=True)
class Draft:
    """What is being edited. Only dimensions that were edited are rendered anew: comments elsewhere stay."""

    version: str
    texts: dict[str, str]
    """The files that the draft began from."""
    saved: dict[str, Rows]
    """Grid rows of those files."""
    start: dict[str, Rows]
    """Grid rows that the editors on the screen began from."""
    edited: dict[str, Rows] = field(default_factory=dict)
    """Grid rows of the dimensions that differ from `saved`."""
    round: int = 0
    """Raised when the editors must begin anew."""
    rendered: dict[str, tuple[Rows, str]] = field(default_factory=dict)
    """The text of each edited dimension beside the rows it was made of: a thousand take 0.3 s."""

    @classmethod
    def of(cls, version: str, texts: Mapping[str, str], begun: int = 0) -> Draft:
        """A draft without edits.

        Raises:
            InputError: The texts hold no valid taxonomy.
        """
        taxonomy = parse_taxonomy(texts, version)
        rows = {d: grid_rows(d, rows_of(taxonomy, d)) for d in DIMENSIONS}
        return cls(version, dict(texts), rows, dict(rows), round=begun)

    def take(self, dimension: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Notes what the grid of a dimension holds now."""
        plain = clean(rows)
        if plain == clean(self.saved[dimension]):
            self.edited.pop(dimension, None)
        else:
            self.edited[dimension] = plain

    def begin_again(self) -> None:
        """Makes the editors begin from what was edited so far: their own memory is gone."""
        self.start = {d: self.edited.get(d, self.saved[d]) for d in DIMENSIONS}
        self.round += 1

    def replaced_by(self, version: str, texts: Mapping[str, str]) -> Draft:
        """This draft with the content of another version as its edits."""
        other = Draft.of(version, texts)
        draft = Draft(self.version, self.texts, self.saved, self.start, round=self.round)
        for dimension in DIMENSIONS:
            draft.take(dimension, other.saved[dimension])
        draft.begin_again()
        return draft

    def files(self) -> dict[str, str]:
        """The four files as they would be saved."""
        return self.texts | {f"{d}.yaml": self._rendered(d, rows) for d, rows in self.edited.items()}

    def _rendered(self, dimension: str, rows: Rows) -> str:
        known = self.rendered.get(dimension)
        if known is None or known[0] != rows:
            known = rows, render_yaml(dimension, plain_rows(dimension, rows))
            self.rendered[dimension] = known
        return known[1]

    def problems(self, check: Validate = validate) -> list[Problem]:
        """All that is wrong with the draft."""
        _, faults = check(self.files(), "draft")
        return [self._problem(fault.where, str(fault)) for fault in faults]

    def _problem(self, where: str, text: str) -> Problem:
        name, _, line = where.partition(":")
        dimension = name.removesuffix(".yaml")
        known = dimension in self.edited and line.isdigit()
        return Problem(dimension, self._entry_at(dimension, int(line)) if known else "", text)

    def _entry_at(self, dimension: str, line: int) -> str:
        """The entry that stands at a line of the rendered file."""
        end = 0
        for number, row in enumerate(plain_rows(dimension, self.edited[dimension]), start=1):
            end += render_yaml(dimension, [row]).count("\n") + 1
            if line <= end:
                name = next(iter(row.values()))
                return f"Row {number} ({name})" if name else f"Row {number}"
        return ""


def count_column(number: int) -> str:
    """Name of the grid's column with the weight of `number` tasks."""
    return f"tasks_{number}"


def grid_rows(dimension: str, rows: Iterable[Mapping[str, Any]]) -> Rows:
    """Rows as the grid shows them: leanings as text, weights over numbers of tasks in columns."""
    if dimension == "personas":
        return [dict(row) | {"leans": leans_text(row.get("leans") or {}) or None} for row in rows]
    if dimension != "complexities":
        return [dict(row) for row in rows]
    return [
        {k: v for k, v in row.items() if k != "n_tasks"}
        | {count_column(n): _weight(row["n_tasks"], n) for n in COUNTS}
        for row in rows
    ]


def plain_rows(dimension: str, rows: Iterable[Mapping[str, Any]]) -> Rows:
    """Rows as the taxonomy's file has them, from the grid's."""
    if dimension == "personas":
        return [dict(row) | {"leans": leans_of(row.get("leans") or "")} for row in rows]
    if dimension != "complexities":
        return [dict(row) for row in rows]
    columns = {count_column(n): n for n in COUNTS}
    return [
        {k: v for k, v in row.items() if k not in columns}
        | {"n_tasks": {n: row[c] for c, n in columns.items() if row.get(c)}}
        for row in rows
    ]


def leans_text(leans: Mapping[str, float]) -> str:
    """Leanings as a grid cell: "code-runtime 3, multimedia 0.3"."""
    return ", ".join(f"{domain} {float(factor)!r}".removesuffix(".0") for domain, factor in leans.items())


def leans_of(text: str) -> dict[str, float | str]:
    """Leanings from a grid cell, domain -> factor; what is no number stays text, which the check names."""
    leans: dict[str, float | str] = {}
    for part in filter(None, (p.strip() for p in text.split(","))):
        domain, *factor = _BETWEEN.split(part, maxsplit=1)
        value = factor[0] if factor else ""
        leans[domain] = f"{leans[domain]} and {value}" if domain in leans else _number(value)
    return leans


_BETWEEN = re.compile(r"\s*[:=\s]\s*")


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def clean(rows: Iterable[Mapping[str, Any]]) -> Rows:
    """Rows in plain Python: an empty cell is None, an array a list."""
    return [{str(name): _clean(value) for name, value in row.items()} for row in rows]


def _clean(value: Any) -> Any:  # noqa: ANN401 (whatever a grid cell holds)
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, float) and isnan(value):
        return None
    return list(value) if isinstance(value, tuple) else value


def _weight(weights: Mapping[Any, float], number: int) -> float:
    return float(weights.get(number, weights.get(str(number), 0.0)))
