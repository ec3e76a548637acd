"""A run: many rollouts under one configuration."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from pydantic import Field

from engine.schema.base import Count, Int64, Record, Seed, Slug
from engine.schema.sandbox import DockerSettings


class OnFailedUtterance(StrEnum):
    """What happens when no message of the user model passed the checks within its attempts."""

    SEND = "send"
    """The best is sent and bears its verdicts."""
    END = "end"
    """The rollout ends as failed by the user simulator; the cause names the checks."""


class Limits(Record):
    """Where a rollout is cut off. The turn limit is the paper's loop fuse."""

    max_turns: int = Field(default=20, ge=1, le=200)
    max_steps_per_turn: int = Field(default=24, ge=1, le=500)
    max_calls_per_step: int = Field(default=32, ge=1, le=1000)
    """Tool calls that one message may make; those beyond are answered with an error and not run."""
    max_calls_per_rollout: int = Field(default=1000, ge=1, le=100_000)
    """Tool calls of all turns together, those that were not run included."""
    max_context_tokens: int | None = Field(default=100_000, ge=500)
    """Estimated tokens of the messages and tools that one model call of the agent is sent; what would be more
    is compacted. Leave room for the answer below the model's own window. None: no limit but the endpoint's.
    """
    max_repeats: int = Field(default=4, ge=2, le=1000)
    """How often one step, or cycle of two or three steps, may bring the same before the agent is told."""
    max_waiting_repeats: int = Field(default=20, ge=2, le=1000)
    """The same, where the steps wait for something in the background."""
    max_same_answers: int = Field(default=3, ge=2, le=200)
    """How many turns in a row may bring the same calls and the same answer before the agent is told."""
    max_refused_turns: int = Field(default=2, ge=1, le=200)
    """With so many refusals in a row the rollout ends."""
    call_timeout_s: float = Field(default=60.0, gt=0)
    """Default and upper bound of one tool call's wall time."""
    model_timeout_s: float = Field(default=120.0, gt=0)
    rollout_timeout_s: float = Field(default=1800.0, gt=0)
    max_attempts_per_utterance: int = Field(default=4, ge=1, le=10)
    """The first proposal and those that are asked for again because a check failed."""
    on_failed_utterance: OnFailedUtterance = OnFailedUtterance.SEND


class RunConfig(Record):
    """What a run was asked to do; written once, never changed."""

    run_id: Slug
    created_at: datetime
    seed: Seed
    intent_ids: tuple[Slug, ...] = Field(min_length=1)
    user: str
    """"scripted" or "openai:MODEL"."""
    agent: str
    judge: str = "scripted"
    """"scripted": the reader that comes with the project; or "openai:MODEL" in its place."""
    sandbox: str = "bubblewrap"
    docker: DockerSettings = DockerSettings()
    concurrency: int = Field(default=2, ge=1, le=256)
    limits: Limits = Limits()
    budget_usd: float | None = Field(default=None, gt=0)


class RunState(StrEnum):
    """Where a run stands."""

    STARTING = "starting"
    RUNNING = "running"
    STOPPED = "stopped"
    FINISHED = "finished"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    """The status file says starting or running but nobody holds the lock: the worker was killed."""


class RunStatus(Record):
    """How far a run is; rewritten whole by its worker."""

    run_id: Slug
    state: RunState
    n_total: Count
    n_done: Count = 0
    by_stop_reason: Mapping[str, Count] = {}
    playing: Mapping[str, Count] = {}
    """trajectory_id -> turns so far, for the rollouts in progress."""
    cost_usd: float | None = None
    message: str = ""
    pid: Int64 | None = None
    started_at: datetime | None = None
    updated_at: datetime
