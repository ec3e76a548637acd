"""The rows that one record gives to each table."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from engine.catalog.columns import TRAJECTORY_TABLES
from engine.catalog.judged import claim_rows, flags_of, verdict_rows
from engine.catalog.messages import TurnMessage, call_ids, turn_messages
from engine.catalog.signals import Recovery, failure_of, recoveries
from engine.schema.chat import ToolSchema
from engine.schema.flags import FlagDecision
from engine.schema.intent import DedupDecision, Intent
from engine.schema.reexecution import CallVerdict, Reexecution
from engine.schema.run import RunConfig, RunStatus
from engine.schema.taxonomy import Persona
from engine.schema.trajectory import ToolCall, Trajectory

Row = dict[str, Any]
StderrOf = Callable[[ToolCall], str]
"""The text that a failed call wrote to stderr; only its end matters."""


def trajectory_rows(
    trajectory: Trajectory, run_id: str, stderr_of: StderrOf, again: Reexecution | None = None
) -> dict[str, list[Row]]:
    """The rows of one trajectory, by table, in the tables' order; `again` is its re-execution, if any."""
    messages = list(turn_messages(trajectory))
    mended = recoveries(trajectory)
    calls = list(_call_rows(trajectory, stderr_of, again))
    rows: dict[str, list[Row]] = {
        "trajectories": [_trajectory_row(trajectory, run_id, messages, mended) | _reexecution_columns(again)],
        "turns": list(_turn_rows(trajectory)),
        "messages": list(_message_rows(messages)),
        "tool_calls": calls,
        "file_changes": list(_change_rows(trajectory, calls)),
        "recoveries": list(_recovery_rows(mended, calls)),
        "verdicts": list(verdict_rows(trajectory)),
        "claims": list(claim_rows(trajectory)),
    }
    for table in TRAJECTORY_TABLES:
        for row in rows[table]:
            row["trajectory_id"] = trajectory.trajectory_id
    return rows


def _trajectory_row(
    trajectory: Trajectory, run_id: str, messages: list[TurnMessage], mended: list[Recovery]
) -> Row:
    provenance, intent, usage = trajectory.provenance, trajectory.intent, trajectory.usage
    calls = list(trajectory.tool_calls())
    tools = sorted({call.name for call in calls})
    outcome = trajectory.outcome
    return {
        **_intent_columns(intent),
        "run_id": run_id,
        "stop_reason": trajectory.stop_reason,
        "provider_user": provenance.user.provider,
        "provider_agent": provenance.agent.provider,
        "sandbox": provenance.sandbox.backend,
        "n_turns": len(trajectory.turns),
        "n_messages": len(messages),
        "n_tool_calls": len(calls),
        "n_tools": len(tools),
        "n_failed_calls": sum(call.failed for call in calls),
        "n_recoveries": sum(m.recovered_by is not None for m in mended),
        "created_at": _utc(trajectory.created_at),
        "tools": tools,
        "completed": outcome.completed if outcome else None,
        "is_success": outcome.is_success if outcome else None,
        "outcome_reason": outcome.reason if outcome else None,
        "failure_cause": trajectory.failure_cause,
        "model_user": provenance.user.model,
        "model_agent": provenance.agent.model,
        "reader": provenance.reader,
        "sandbox_proven": provenance.sandbox.proven,
        "tool_schemas_hash": _schemas_hash(provenance.tools),
        "n_file_changes": sum(len(call.ledger.changes) for call in calls),
        "n_utterance_attempts": sum(len(turn.utterance.attempts) for turn in trajectory.turns),
        "n_flags": len(flags_of(trajectory)),
        "n_refusals": sum(turn.refusal is not None for turn in trajectory.turns),
        "n_compactions": sum(s.compaction is not None for t in trajectory.turns for s in t.steps),
        "duration_s": trajectory.duration_s,
        "tokens": usage.prompt_tokens + usage.completion_tokens,
        "cost_usd": usage.cost_usd,
        "seed": provenance.seed,
        "taxonomy_version": provenance.taxonomy_version,
        "engine_version": provenance.engine_version,
    }


def _reexecution_columns(again: Reexecution | None) -> Row:
    """What became of running the calls again; nulls where nobody has."""
    if again is None:
        return {}
    return {
        "fidelity": again.fidelity,
        "n_reproduced": again.count(CallVerdict.REPRODUCED),
        "n_drifted": again.count(CallVerdict.DRIFTED),
        "n_not_replayable": again.count(CallVerdict.NOT_REPLAYABLE),
        "reexecuted_at": _utc(again.made_at),
    }


def _schemas_hash(tools: Sequence[ToolSchema]) -> str:
    """Tells apart what the agents of two trajectories were offered."""
    return hashlib.sha256("\n".join(tool.model_dump_json() for tool in tools).encode()).hexdigest()[:16]


def _turn_rows(trajectory: Trajectory) -> Iterator[Row]:
    for turn in trajectory.turns:
        calls = list(turn.tool_calls())
        yield {
            "turn": turn.index,
            "utterance": turn.utterance.text,
            "answer": turn.answer,
            "n_attempts": len(turn.utterance.attempts),
            "n_steps": len(turn.steps),
            "n_tool_calls": len(calls),
            "n_failed_calls": sum(call.failed for call in calls),
            "reason": turn.utterance.reason,
            "failure": turn.failure,
            "refusal": turn.refusal,
        }


def _message_rows(messages: list[TurnMessage]) -> Iterator[Row]:
    for position, (turn, message) in enumerate(messages):
        yield {
            "position": position,
            "role": message.role,
            "content": message.content,
            "turn": turn,
            "tool_call_id": message.tool_call_id,
            "n_tool_calls": len(message.tool_calls),
            "reasoning": message.reasoning,
        }


def _call_rows(trajectory: Trajectory, stderr_of: StderrOf, again: Reexecution | None) -> Iterator[Row]:
    ids = call_ids(trajectory)
    verdicts = [call.verdict for call in again.calls] if again else [None] * len(ids)
    placed = (
        (turn.index, number, call)
        for turn in trajectory.turns
        for number, step in enumerate(turn.steps)
        for call in step.tool_calls
    )
    for position, (turn, step, call) in enumerate(placed):
        entry = call.ledger
        failure = failure_of(call, stderr_of(call)) if call.failed else None
        yield {
            "turn": turn,
            "position": position,
            "tool_call_id": ids[position],
            "tool": call.name,
            "arguments": call.arguments,
            "exit_code": entry.exit_code,
            "failed": failure is not None,
            "error_class": failure.error_class if failure else None,
            "timed_out": entry.timed_out,
            "duration_ms": entry.duration_ms,
            "output": call.observation,
            "step": step,
            "signal": entry.signal,
            "session_id": entry.sessions[0].session_id if len(entry.sessions) == 1 else None,
            "n_processes_left": entry.n_left,
            "error": call.error or entry.error,
            "error_line": failure.line if failure else None,
            "error_source": failure.source if failure else None,
            "n_file_changes": len(entry.changes),
            "stdout_bytes": entry.stdout.total_bytes if entry.stdout else 0,
            "stderr_bytes": entry.stderr.total_bytes if entry.stderr else 0,
            "reexecution": verdicts[position] if position < len(verdicts) else None,
        }


def _change_rows(trajectory: Trajectory, calls: list[Row]) -> Iterator[Row]:
    for call, row in zip(trajectory.tool_calls(), calls, strict=True):
        for change in call.ledger.changes:
            yield {
                "turn": row["turn"],
                "tool_call_id": row["tool_call_id"],
                "path": change.path,
                "kind": change.kind,
                "size_bytes": change.size_bytes,
                "sha256": change.sha256,
            }


def _recovery_rows(mended: list[Recovery], calls: list[Row]) -> Iterator[Row]:
    for recovery in mended:
        failed, by = calls[recovery.failed], recovery.recovered_by
        yield {
            "tool_call_id": failed["tool_call_id"],
            "recovered_by": None if by is None else calls[by]["tool_call_id"],
            "outcome": recovery.outcome,
            "turn": failed["turn"],
            "tool": failed["tool"],
            "error_class": failed["error_class"],
            "n_calls_between": None if by is None else by - recovery.failed - 1,
        }


def intent_row(
    intent: Intent, batch: str, made_at: datetime | None, *, kept: bool, decision: DedupDecision | None
) -> Row:
    """The intents table's row of one intent; `decision` is dedup's, where it dropped the intent."""
    return {
        **_intent_columns(intent),
        "n_domains": len(intent.cell.domain_ids),
        "n_tasks": len(intent.cell.task_ids),
        "taxonomy_version": intent.taxonomy_version,
        "kept": kept,
        "duplicate_of": decision.duplicate_of if decision else None,
        "provider": intent.realization.provider,
        "model": intent.realization.model,
        "batch": batch,
        "created_at": _utc(made_at),
    }


def _intent_columns(intent: Intent) -> Row:
    """What the intents and the trajectories tables both say of an intent."""
    return {
        "intent_id": intent.intent_id,
        "utterance": intent.utterance,
        "complexity": intent.cell.complexity,
        "persona_id": intent.cell.persona_id,
        **_persona_columns(intent.persona),
        "domains": list(intent.cell.domain_ids),
        "tasks": list(intent.cell.task_ids),
    }


def _persona_columns(persona: Persona) -> Row:
    return {
        "persona_name": persona.name,
        "role": persona.role,
        "industry": persona.industry,
        "experience_level": persona.experience_level,
        "communication_style": persona.communication_style,
    }


def run_row(config: RunConfig, status: RunStatus) -> Row:
    """The runs table's row of one run."""
    return {
        "run_id": config.run_id,
        "created_at": _utc(config.created_at),
        "state": status.state,
        "user": config.user,
        "agent": config.agent,
        "judge": config.judge,
        "sandbox": config.sandbox,
        "n_total": status.n_total,
        "n_done": status.n_done,
        "seed": config.seed,
        "concurrency": config.concurrency,
        "budget_usd": config.budget_usd,
        "cost_usd": status.cost_usd,
        "started_at": _utc(status.started_at),
        "updated_at": _utc(status.updated_at),
        "message": status.message,
    }


def flag_decision_row(decision: FlagDecision) -> Row:
    """The flag_decisions table's row of one decision."""
    return {
        "trajectory_id": decision.trajectory_id,
        "turn": decision.turn,
        "said_by": decision.said_by,
        "check_name": decision.check,
        "decision": decision.decision,
        "author": decision.author,
        "created_at": _utc(decision.created_at),
        "note": decision.note,
    }


def _utc(at: datetime | None) -> datetime | None:
    """The instant in UTC without a zone, which is how the tables keep it."""
    if at is None or at.tzinfo is None:
        return at
    return at.astimezone(UTC).replace(tzinfo=None)
