"""One line of the request log: one request to a model's endpoint, as it was made and as it ended."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import Field

from engine.schema.base import Count, Record, Sha256


class ModelRole(StrEnum):
    """What a model was asked as."""

    USER = "user"
    AGENT = "agent"
    REALIZER = "realizer"
    JUDGE = "judge"
    TRIAL = "trial"
    """By 'endpoint test'."""


class SentTools(StrEnum):
    """How a request offered its tools."""

    NONE = "none"
    NATIVE = "native"
    JSON = "json"
    """Described in the system prompt, to be answered with one JSON object."""


class RequestRecord(Record):
    """One request. Never holds the key; bodies only where the endpoint's `log_bodies` asks for them."""

    at: datetime
    """When it was made, after any wait for its turn."""
    trajectory_id: str | None = None
    role: ModelRole
    model: str
    endpoint: str
    """Scheme, host and port."""
    endpoint_name: str
    seed: Count
    tools: SentTools
    schema_bound: bool
    """Whether a JSON schema was sent for the answer to follow."""
    attempt: Count
    """From 1, within one call."""
    waited_s: float = Field(ge=0)
    """For its turn, under the endpoint's limits."""
    latency_s: float = Field(ge=0)
    status: int | None = None
    """Of HTTP; None where no answer came."""
    prompt_tokens: Count = 0
    cached_tokens: Count = 0
    completion_tokens: Count = 0
    finish_reason: str | None = None
    error: str = ""
    """Why the answer could not be used, one line; empty for a usable one."""
    n_messages: Count
    request_bytes: Count
    request_sha256: Sha256
    answer_bytes: Count = 0
    answer_sha256: Sha256 | None = None
    request: Mapping[str, Any] | None = None
    answer: str | None = None
