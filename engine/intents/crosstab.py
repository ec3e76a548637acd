"""How often two dimensions of the taxonomy meet in the intents: the counts behind the heat map of cells."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from engine.schema.intent import Cell
from engine.schema.taxonomy import Persona, Taxonomy

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from engine.schema.intent import Intent

_VALUES: Mapping[str, Callable[[Cell, Persona], Sequence[str]]] = {
    "domain": lambda cell, _: cell.domain_ids,
    "task": lambda cell, _: cell.task_ids,
    "complexity": lambda cell, _: (cell.complexity.value,),
    "industry": lambda _, persona: (persona.industry,),
    "level": lambda _, persona: (persona.experience_level.value,),
}

DIMENSIONS = tuple(_VALUES)
"""What can stand along an axis."""


@dataclass(frozen=True, slots=True)
class Crosstab:
    """Counts of intents over two dimensions."""

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    counts: NDArray[np.int64]
    """Shape (rows, columns): intents that hold both. Along one dimension twice the diagonal is each alone."""


def crosstab(intents: Sequence[Intent], taxonomy: Taxonomy, rows: str, columns: str) -> Crosstab:
    """The counts of `rows` against `columns`, each one of `DIMENSIONS`, in the taxonomy's order.

    Entries that only the intents name come after those of the taxonomy.
    """
    values = [(_VALUES[rows](i.cell, i.persona), _VALUES[columns](i.cell, i.persona)) for i in intents]
    row_names = _names(taxonomy, rows, [v for v, _ in values])
    column_names = _names(taxonomy, columns, [v for _, v in values])
    row_of = {name: place for place, name in enumerate(row_names)}
    column_of = {name: place for place, name in enumerate(column_names)}
    counts = np.zeros((len(row_names), len(column_names)), np.int64)
    for left, right in values:
        for a in left:
            for b in right:
                counts[row_of[a], column_of[b]] += 1
    return Crosstab(row_names, column_names, counts)


def _names(taxonomy: Taxonomy, dimension: str, occurring: Sequence[Sequence[str]]) -> tuple[str, ...]:
    known = {
        "domain": [d.domain_id for d in taxonomy.domains],
        "task": [t.task_id for t in taxonomy.tasks],
        "complexity": [c.level.value for c in taxonomy.complexities],
        "industry": [p.industry for p in taxonomy.personas],
        "level": [p.experience_level.value for p in taxonomy.personas],
    }[dimension]
    others = sorted({name for names in occurring for name in names} - set(known))
    return tuple(dict.fromkeys([*known, *others]))
