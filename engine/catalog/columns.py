"""The tables that SQL sees: their columns and types. These names are a contract."""

from __future__ import annotations

import hashlib
import json
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl


class Type(StrEnum):
    """A column's type, as DuckDB names it."""

    TEXT = "VARCHAR"
    TEXTS = "VARCHAR[]"
    INT = "BIGINT"
    FLOAT = "DOUBLE"
    BOOL = "BOOLEAN"
    TIME = "TIMESTAMP"
    """UTC."""


_PERSONA = {
    "persona_name": Type.TEXT,
    "role": Type.TEXT,
    "industry": Type.TEXT,
    "experience_level": Type.TEXT,
    "communication_style": Type.TEXT,
}

TRAJECTORY_TABLES: dict[str, dict[str, Type]] = {
    "trajectories": {
        "trajectory_id": Type.TEXT,
        "intent_id": Type.TEXT,
        "run_id": Type.TEXT,
        "stop_reason": Type.TEXT,
        "provider_user": Type.TEXT,
        "provider_agent": Type.TEXT,
        "sandbox": Type.TEXT,
        "n_turns": Type.INT,
        "n_messages": Type.INT,
        "n_tool_calls": Type.INT,
        "n_tools": Type.INT,
        "n_failed_calls": Type.INT,
        "n_recoveries": Type.INT,
        "created_at": Type.TIME,
        "utterance": Type.TEXT,
        "complexity": Type.TEXT,
        "persona_id": Type.TEXT,
        **_PERSONA,
        "domains": Type.TEXTS,
        "tasks": Type.TEXTS,
        "tools": Type.TEXTS,
        "completed": Type.BOOL,
        "is_success": Type.BOOL,
        "outcome_reason": Type.TEXT,
        "failure_cause": Type.TEXT,
        "model_user": Type.TEXT,
        "model_agent": Type.TEXT,
        "reader": Type.TEXT,
        "sandbox_proven": Type.BOOL,
        "tool_schemas_hash": Type.TEXT,
        "n_file_changes": Type.INT,
        "n_utterance_attempts": Type.INT,
        "n_flags": Type.INT,
        "n_refusals": Type.INT,
        "n_compactions": Type.INT,
        "duration_s": Type.FLOAT,
        "tokens": Type.INT,
        "cost_usd": Type.FLOAT,
        "seed": Type.INT,
        "taxonomy_version": Type.TEXT,
        "engine_version": Type.TEXT,
        "fidelity": Type.FLOAT,
        "n_reproduced": Type.INT,
        "n_drifted": Type.INT,
        "n_not_replayable": Type.INT,
        "reexecuted_at": Type.TIME,
    },
    "turns": {
        "trajectory_id": Type.TEXT,
        "turn": Type.INT,
        "utterance": Type.TEXT,
        "answer": Type.TEXT,
        "n_attempts": Type.INT,
        "n_steps": Type.INT,
        "n_tool_calls": Type.INT,
        "n_failed_calls": Type.INT,
        "reason": Type.TEXT,
        "failure": Type.TEXT,
        "refusal": Type.TEXT,
    },
    "messages": {
        "trajectory_id": Type.TEXT,
        "position": Type.INT,
        "role": Type.TEXT,
        "content": Type.TEXT,
        "turn": Type.INT,
        "tool_call_id": Type.TEXT,
        "n_tool_calls": Type.INT,
        "reasoning": Type.TEXT,
    },
    "tool_calls": {
        "trajectory_id": Type.TEXT,
        "turn": Type.INT,
        "position": Type.INT,
        "tool_call_id": Type.TEXT,
        "tool": Type.TEXT,
        "arguments": Type.TEXT,
        "exit_code": Type.INT,
        "failed": Type.BOOL,
        "error_class": Type.TEXT,
        "timed_out": Type.BOOL,
        "duration_ms": Type.FLOAT,
        "output": Type.TEXT,
        "step": Type.INT,
        "signal": Type.INT,
        "session_id": Type.TEXT,
        "n_processes_left": Type.INT,
        "error": Type.TEXT,
        "error_line": Type.TEXT,
        "error_source": Type.TEXT,
        "n_file_changes": Type.INT,
        "stdout_bytes": Type.INT,
        "stderr_bytes": Type.INT,
        "reexecution": Type.TEXT,
    },
    "file_changes": {
        "trajectory_id": Type.TEXT,
        "turn": Type.INT,
        "tool_call_id": Type.TEXT,
        "path": Type.TEXT,
        "kind": Type.TEXT,
        "size_bytes": Type.INT,
        "sha256": Type.TEXT,
    },
    "recoveries": {
        "trajectory_id": Type.TEXT,
        "tool_call_id": Type.TEXT,
        "recovered_by": Type.TEXT,
        "outcome": Type.TEXT,
        "turn": Type.INT,
        "tool": Type.TEXT,
        "error_class": Type.TEXT,
        "n_calls_between": Type.INT,
    },
    "verdicts": {
        "trajectory_id": Type.TEXT,
        "turn": Type.INT,
        "said_by": Type.TEXT,
        "check_name": Type.TEXT,
        "meter": Type.TEXT,
        "passed": Type.BOOL,
        "detail": Type.TEXT,
        "attempt": Type.INT,
        "sent": Type.BOOL,
    },
    "claims": {
        "trajectory_id": Type.TEXT,
        "turn": Type.INT,
        "kind": Type.TEXT,
        "claim": Type.TEXT,
        "standing": Type.TEXT,
        "source": Type.TEXT,
    },
}
"""Tables with rows per trajectory, kept in segments; each is sorted by trajectory_id."""

INTENTS: dict[str, Type] = {
    "intent_id": Type.TEXT,
    "utterance": Type.TEXT,
    "complexity": Type.TEXT,
    "persona_id": Type.TEXT,
    "n_domains": Type.INT,
    "n_tasks": Type.INT,
    "taxonomy_version": Type.TEXT,
    "kept": Type.BOOL,
    "duplicate_of": Type.TEXT,
    **_PERSONA,
    "domains": Type.TEXTS,
    "tasks": Type.TEXTS,
    "provider": Type.TEXT,
    "model": Type.TEXT,
    "batch": Type.TEXT,
    "created_at": Type.TIME,
}

RUNS: dict[str, Type] = {
    "run_id": Type.TEXT,
    "created_at": Type.TIME,
    "state": Type.TEXT,
    "user": Type.TEXT,
    "agent": Type.TEXT,
    "judge": Type.TEXT,
    "sandbox": Type.TEXT,
    "n_total": Type.INT,
    "n_done": Type.INT,
    "seed": Type.INT,
    "concurrency": Type.INT,
    "budget_usd": Type.FLOAT,
    "cost_usd": Type.FLOAT,
    "started_at": Type.TIME,
    "updated_at": Type.TIME,
    "message": Type.TEXT,
}

FLAG_DECISIONS: dict[str, Type] = {
    "trajectory_id": Type.TEXT,
    "turn": Type.INT,
    "said_by": Type.TEXT,
    "check_name": Type.TEXT,
    "decision": Type.TEXT,
    "author": Type.TEXT,
    "created_at": Type.TIME,
    "note": Type.TEXT,
}

TABLES: dict[str, dict[str, Type]] = {
    "intents": INTENTS,
    **TRAJECTORY_TABLES,
    "runs": RUNS,
    "flag_decisions": FLAG_DECISIONS,
}

FORMAT = hashlib.sha256(json.dumps([TABLES, 1]).encode()).hexdigest()[:16]
"""Changes with every change of a column; raise the number when only a column's meaning changes."""


def polars_schema(table: str) -> dict[str, pl.DataType]:
    """The table's columns as Polars types."""
    import polars as pl

    types: dict[Type, pl.DataType] = {
        Type.TEXT: pl.String(),
        Type.TEXTS: pl.List(pl.String()),
        Type.INT: pl.Int64(),
        Type.FLOAT: pl.Float64(),
        Type.BOOL: pl.Boolean(),
        Type.TIME: pl.Datetime("ms"),
    }
    return {name: types[kind] for name, kind in TABLES[table].items()}
