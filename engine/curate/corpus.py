"""A corpus in figures, beside those that the paper reports for its own."""

from __future__ import annotations

import re
from typing import NamedTuple

from engine.catalog import Catalog, TrajectoryFilter
from engine.catalog.filters import Condition, condition
from engine.curate.likeness import largest_share, sentences
from engine.schema.base import Count, Record
from engine.schema.taxonomy import Taxonomy


class Corpus(Record):
    """Figures over trajectories; those that nothing is known of are None."""

    n: Count
    user_turns_mean: float | None = None
    user_turns_median: float | None = None
    user_turns_max: int | None = None
    user_turns_6_to_10: float | None = None
    """Share of the trajectories."""
    messages_mean: float | None = None
    messages_max: int | None = None
    tool_calls_mean: float | None = None
    tools_mean: float | None = None
    """Distinct ones."""
    with_failure: float | None = None
    with_recovery: float | None = None
    """Share that hold a failed call which a later one made good."""
    successful: float | None = None
    """Share that the user ended as a success."""
    tasks_covered: Count = 0
    tasks: Count = 0
    """Of the taxonomy in force."""
    shared_sentences_max: float = 0.0
    """The largest share of user sentences that two conversations have in common, of the one with fewer."""
    shared_sentences_pair: tuple[str, str] | None = None
    n_pairs: Count = 0
    named_files: Count = 0
    """Files made or changed by the agent that the user named in a later turn, counted once a turn."""
    named_files_there: float | None = None
    """Share of those that were there at that turn."""
    n_reexecuted: Count = 0
    fidelity: float | None = None
    """Share of the calls run again that came out the same."""


PAPER: dict[str, float] = {
    "n": 23_132,
    "user_turns_mean": 8.12,
    "user_turns_median": 8,
    "user_turns_max": 23,
    "user_turns_6_to_10": 0.911,
    "messages_mean": 68.24,
    "messages_max": 565,
    "tool_calls_mean": 29.26,
    "tools_mean": 4.69,
    "tasks": 131,
}
"""What the paper reports of its corpus. Source: ISE paper, the ISETrace corpus."""

_COUNTS = """
select count(*) as n, avg(n_turns) as user_turns_mean, median(n_turns) as user_turns_median,
  max(n_turns) as user_turns_max, avg((n_turns between 6 and 10)::int) as user_turns_6_to_10,
  avg(n_messages) as messages_mean, max(n_messages) as messages_max, avg(n_tool_calls) as tool_calls_mean,
  avg(n_tools) as tools_mean, avg((n_failed_calls > 0)::int) as with_failure,
  avg((n_recoveries > 0)::int) as with_recovery, avg(coalesce(is_success, false)::int) as successful,
  count(reexecuted_at) as n_reexecuted,
  sum(n_reproduced) / nullif(sum(n_reproduced) + sum(n_drifted), 0) as fidelity
from trajectories where {where}
"""
_TASKS = "select distinct unnest(tasks) as task from trajectories where {where}"
_UTTERANCES = """
select trajectory_id, list(utterance order by turn) as said from turns
where trajectory_id in (select trajectory_id from trajectories where {where})
group by trajectory_id order by trajectory_id
"""
_NAMED = """
with wanted as (select trajectory_id from trajectories where {where}),
touched as (
  select f.trajectory_id, f.turn, f.path, f.kind, c.position
  from file_changes f join tool_calls c using (trajectory_id, tool_call_id)
  where f.path not like '%/' and trajectory_id in (select trajectory_id from wanted))
select t.utterance, x.path, arg_max(x.kind, x.position) <> 'deleted' as there
from turns t join touched x on x.trajectory_id = t.trajectory_id and x.turn < t.turn
where contains(t.utterance, x.path)
group by t.trajectory_id, t.turn, t.utterance, x.path
"""


def corpus_of(catalog: Catalog, taxonomy: Taxonomy, wanted: TrajectoryFilter) -> Corpus:
    """The figures over the trajectories that the filter leaves.

    Args:
        catalog: Their tables.
        taxonomy: Whose tasks are to be covered.
        wanted: Which trajectories.
    """
    where = condition(wanted)
    tasks = {row["task"] for row in catalog.rows(_TASKS.format(where=where.sql), where.params)}
    return Corpus(
        **catalog.rows(_COUNTS.format(where=where.sql), where.params)[0],
        tasks_covered=len(tasks & set(taxonomy.task_by_id)),
        tasks=len(taxonomy.task_by_id),
        **_alike(catalog, where)._asdict(),
        **_named(catalog, where)._asdict(),
    )


class _Alike(NamedTuple):
    shared_sentences_max: float
    shared_sentences_pair: tuple[str, str] | None
    n_pairs: int


def _alike(catalog: Catalog, where: Condition) -> _Alike:
    rows = catalog.rows(_UTTERANCES.format(where=where.sql), where.params)
    found = largest_share([sentences(row["said"]) for row in rows])
    ids = [row["trajectory_id"] for row in rows]
    return _Alike(found.share, found.pair and (ids[found.pair[0]], ids[found.pair[1]]), found.n_pairs)


class _Named(NamedTuple):
    named_files: int
    named_files_there: float | None


def _named(catalog: Catalog, where: Condition) -> _Named:
    """A path counts where it stands by itself, not as the end or the beginning of a longer one."""
    rows = catalog.rows(_NAMED.format(where=where.sql), where.params)
    there = [
        row["there"]
        for row in rows
        if re.search(rf"(?<![\w./-]){re.escape(row['path'])}(?![\w/-]|\.\w)", row["utterance"])
    ]
    return _Named(len(there), sum(there) / len(there) if there else None)
