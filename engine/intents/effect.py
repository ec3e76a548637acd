"""What a change of the taxonomy does to the draw: whose share moves, and which intents it leaves behind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from engine.intents.targets import Part, Targets
from engine.schema.intent import Intent
from engine.schema.taxonomy import Taxonomy

_NOTICED = 1e-6
"""Smallest change of a share that is one, and not rounding."""


class ShareChange(NamedTuple):
    """A part of the taxonomy whose share of the draw is another after the change."""

    part: Part
    before: float
    """Expected occurrences per intent; 0 where it could not be drawn."""
    after: float


class LeftBehind(NamedTuple):
    """Intents that name entries which a taxonomy does not have."""

    n_intents: int
    entries: Counter[Part]
    """Such entries, as their dimension and id -> intents that name them."""


def share_changes(before: Targets, after: Targets) -> list[ShareChange]:
    """Every part whose share differs, the largest change first."""
    parts = {**before.shares, **after.shares}
    changes = [ShareChange(p, before.shares.get(p, 0.0), after.shares.get(p, 0.0)) for p in parts]
    moved = [c for c in changes if abs(c.after - c.before) > _NOTICED]
    return sorted(moved, key=lambda c: (-abs(c.after - c.before), c.part))


def left_behind(intents: Sequence[Intent], taxonomy: Taxonomy) -> LeftBehind:
    """The intents whose cells name entries that `taxonomy` does not have, and these entries."""
    known = {
        *(("persona", p) for p in taxonomy.persona_by_id),
        *(("domain", d) for d in taxonomy.domain_by_id),
        *(("task", t) for t in taxonomy.task_by_id),
        *(("complexity", c.level.value) for c in taxonomy.complexities),
    }
    missing = [[part for part in _entries(i) if part not in known] for i in intents]
    return LeftBehind(sum(map(bool, missing)), Counter(part for parts in missing for part in parts))


def _entries(intent: Intent) -> Iterable[Part]:
    cell = intent.cell
    yield "persona", cell.persona_id
    yield "complexity", cell.complexity.value
    for domain_id in cell.domain_ids:
        yield "domain", domain_id
    for task_id in cell.task_ids:
        yield "task", task_id
