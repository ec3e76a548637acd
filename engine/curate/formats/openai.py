"""OpenAI chat messages for training: one trajectory a line, as fine-tuning and TRL read it."""

from __future__ import annotations

from typing import Any

from engine.catalog.messages import to_messages
from engine.schema.chat import ChatMessage, Role, ToolSchema
from engine.schema.trajectory import Trajectory


def to_record(trajectory: Trajectory) -> dict[str, Any]:
    """The trajectory as one line's object; every line has the same keys.

    `content` is always text, "" where an assistant message only calls tools: chat templates join it.
    A model's reasoning stands under `reasoning_content`.
    """
    messages = to_messages(trajectory)
    return {
        "trajectory_id": trajectory.trajectory_id,
        "messages": [_message(message) for message in messages],
        "tools": [_tool(tool) for tool in trajectory.provenance.tools],
        "parallel_tool_calls": any(len(message.tool_calls) > 1 for message in messages),
    }


def _message(message: ChatMessage) -> dict[str, Any]:
    plain: dict[str, Any] = {"role": message.role.value, "content": message.content}
    if message.role is Role.TOOL:
        plain["tool_call_id"] = message.tool_call_id
    if message.reasoning:
        plain["reasoning_content"] = message.reasoning
    if message.tool_calls:
        plain["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for call in message.tool_calls
        ]
    return plain


def _tool(tool: ToolSchema) -> dict[str, Any]:
    function = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    return {"type": "function", "function": function}
