"""The project in figures, and the step that comes next."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from engine.catalog import Catalog

_TOOLS = 17
"""As many tools as the paper's agent is offered; imported records may name more."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Counts over a project's tables."""

    n_intents: int = 0
    n_kept: int = 0
    n_played: int = 0
    """Kept intents that have a trajectory."""
    n_trajectories: int = 0
    n_done: int = 0
    """Trajectories that the user ended as done."""
    n_calls: int = 0
    n_failed: int = 0
    n_failed_then_recovered: int = 0
    """Trajectories with a failed call and a recovery."""
    n_with_failure: int = 0
    n_recoveries: int = 0
    stop_reasons: dict[str, int] = field(default_factory=dict)
    turns: dict[int, int] = field(default_factory=dict)
    """Number of turns -> trajectories with so many."""
    tools: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Tool -> its calls that went well, and its failed ones; the most called first."""
    tool_pairs: dict[tuple[str, str], int] = field(default_factory=dict)
    """Two tools, the smaller name first -> trajectories that use both."""


class Made(NamedTuple):
    """How many selections, splits and exports there are."""

    n_selections: int
    n_splits: int
    n_exports: int


class NextStep(NamedTuple):
    """What to do next: our own words, and the page where one does it."""

    title: str
    text: str
    page: str
    label: str


def read_facts(catalog: Catalog) -> Facts:
    """The counts, each by a small query."""
    intents = catalog.rows(
        "select count(*) as n, count(*) filter (kept) as kept, "
        "count(*) filter (kept and intent_id in (select intent_id from trajectories)) as played from intents"
    )[0]
    totals = catalog.rows(
        "select count(*) as n, count(*) filter (stop_reason = 'user_done') as done, "
        "coalesce(sum(n_tool_calls), 0) as calls, coalesce(sum(n_failed_calls), 0) as failed, "
        "coalesce(sum(n_recoveries), 0) as recoveries, count(*) filter (n_failed_calls > 0) as with_failure, "
        "count(*) filter (n_failed_calls > 0 and n_recoveries > 0) as recovered from trajectories"
    )[0]
    reasons = catalog.rows(
        "select stop_reason, count(*) as n from trajectories group by 1 order by n desc, 1"
    )
    turns = catalog.rows("select n_turns, count(*) as n from trajectories group by 1 order by 1")
    tools = catalog.rows(
        "select tool, count(*) filter (not failed) as well, count(*) filter (failed) as failed "
        f"from tool_calls group by tool order by count(*) desc, tool limit {_TOOLS}"
    )
    pairs = catalog.rows(
        "with used as (select trajectory_id, unnest(tools) as tool from trajectories) "
        "select a.tool as a, b.tool as b, count(*) as n from used a join used b using (trajectory_id) "
        "where a.tool < b.tool group by 1, 2"
    )
    return Facts(
        n_intents=int(intents["n"]),
        n_kept=int(intents["kept"]),
        n_played=int(intents["played"]),
        n_trajectories=int(totals["n"]),
        n_done=int(totals["done"]),
        n_calls=int(totals["calls"]),
        n_failed=int(totals["failed"]),
        n_failed_then_recovered=int(totals["recovered"]),
        n_with_failure=int(totals["with_failure"]),
        n_recoveries=int(totals["recoveries"]),
        stop_reasons={str(r["stop_reason"]): int(r["n"]) for r in reasons},
        turns={int(r["n_turns"]): int(r["n"]) for r in turns},
        tools={str(r["tool"]): (int(r["well"]), int(r["failed"])) for r in tools},
        tool_pairs={(str(r["a"]), str(r["b"])): int(r["n"]) for r in pairs},
    )


def next_step(facts: Facts, *, mapped: bool, live: bool, made: Made) -> NextStep:
    """The first thing that is missing on the way from taxonomy to export."""
    if not facts.n_intents:
        return NextStep(
            "Draw the first intents",
            "The taxonomy is ready. Draw a few hundred cells and let the scripted realiser write them.",
            "intents",
            "Make intents",
        )
    if live:
        return NextStep("Watch the run", "Rollouts are being played right now.", "runs", "See the run")
    if not mapped:
        return NextStep(
            "Embed and map the intents",
            "Embeddings give the Vendi Score, find repeated intents and draw the map with its holes.",
            "intents",
            "Embed, dedup and map",
        )
    if not facts.n_trajectories:
        return NextStep(
            "Start a run", "Play some of the kept intents in isolated workspaces.", "runs", "Start a run"
        )
    if not made.n_selections:
        return NextStep(
            "Look at what came out, then select",
            "Read where the agent failed and recovered, and save what you want under a name.",
            "trajectories",
            "Look at trajectories",
        )
    if not made.n_splits:
        return NextStep(
            "Cut a split", "A selection is saved: cut it by intent, then export.", "export", "Cut and export"
        )
    if not made.n_exports:
        return NextStep("Export", "A split is ready: check it and write it for training.", "export", "Export")
    return NextStep(
        "Go round again",
        "Look at the map and the coverage for holes, and make intents there.",
        "intents",
        "Look for holes",
    )
