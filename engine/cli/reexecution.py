"""How re-executed trajectories are told on the command line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from engine.cli.base import table

if TYPE_CHECKING:
    from engine.schema.reexecution import Reexecution


def reexecution_json(made: Reexecution) -> dict[str, Any]:
    """The whole result, with its counts and its fidelity."""
    return {**made.model_dump(mode="json"), **_counts(made), "fidelity": made.fidelity}


def _counts(made: Reexecution) -> dict[str, int]:
    from engine.schema.reexecution import CallVerdict

    return {f"n_{verdict.value}": made.count(verdict) for verdict in CallVerdict}


def reexecution_text(made: Sequence[Reexecution]) -> str:
    """A line for each trajectory, the first drifts in full, and the figure over all."""
    from engine.schema.reexecution import fidelity_of

    if not made:
        return "no trajectory fits"
    counts = [_counts(one) for one in made]
    rows = [
        (one.trajectory_id, *count.values(), _percent(one.fidelity))
        for one, count in zip(made, counts, strict=True)
    ]
    head = ("trajectory", "reproduced", "drifted", "not replayable", "fidelity")
    total: Counter[str] = Counter()
    for count in counts:
        total.update(count)
    told = ", ".join(
        f"{number} {name.removeprefix('n_').replace('_', ' ')}" for name, number in total.items()
    )
    parts = [table(head, rows), *_drifts(made), f"{told}: fidelity {_percent(fidelity_of(made))}"]
    return "\n".join(parts)


def _percent(fidelity: float | None) -> str:
    return "-" if fidelity is None else f"{fidelity:.1%}"


_SHOWN = 5
"""Calls whose drifts are shown; all of them stand in the kept files and under --json."""


def _drifts(made: Sequence[Reexecution]) -> list[str]:
    drifted = [
        (one.trajectory_id, number, call)
        for one in made
        for number, call in enumerate(one.calls, start=1)
        if call.drifts
    ]
    lines = []
    for trajectory_id, number, call in drifted[:_SHOWN]:
        for drift in call.drifts:
            lines.append(f"\n{trajectory_id} call {number}: {drift.what}\n{drift.diff[:2000]}")
    if len(drifted) > _SHOWN:
        lines.append(f"\n... and {len(drifted) - _SHOWN} more calls that drifted: see --json")
    return [*lines, ""] if lines else []
