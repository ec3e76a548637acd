"""What goes over the ChatModel seam: messages, tools, completions. OpenAI's chat shape, typed and frozen."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from pydantic import Field

from engine.schema.base import Count, Record


class Role(StrEnum):
    """Who a message is from, as the chat format names them."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


class ToolCallRequest(Record):
    """A tool call as the model wrote it. `arguments` is its raw text: it may be no valid JSON."""

    id: str
    name: str
    arguments: str


class ChatMessage(Record):
    """One message of a chat."""

    role: Role
    content: str = ""
    reasoning: str | None = None
    tool_calls: tuple[ToolCallRequest, ...] = ()
    tool_call_id: str | None = None


class ToolSchema(Record):
    """A tool as offered to the model: an OpenAI function schema's three parts."""

    name: str
    description: str
    parameters: Mapping[str, Any]


class Usage(Record):
    """What a model call consumed. `cost_usd` is None where no price is known."""

    prompt_tokens: Count = 0
    completion_tokens: Count = 0
    n_calls: Count = 0
    model_time_s: float = Field(default=0.0, ge=0.0)
    cost_usd: float | None = None

    def __add__(self, other: Usage) -> Usage:
        known = [c for c in (self.cost_usd, other.cost_usd) if c is not None]
        return Usage(
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
            n_calls=self.n_calls + other.n_calls,
            model_time_s=round(self.model_time_s + other.model_time_s, 6),
            cost_usd=sum(known) if known else None,
        )


class Completion(Record):
    """One answer of a chat model."""

    content: str = ""
    reasoning: str | None = None
    tool_calls: tuple[ToolCallRequest, ...] = ()
    finish_reason: str = "stop"
    raw: str | None = None
    """The model's own text, where a tool call or an answer had to be read out of it."""
    usage: Usage = Usage()


class ModelInfo(Record):
    """Which model answered, for provenance. Never holds a key; `endpoint` is scheme, host and port only."""

    provider: str
    model: str
    endpoint: str | None = None
    parameters: Mapping[str, Any] = {}
