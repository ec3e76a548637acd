"""The tools that the agent is offered, run in a workspace.

Source: the paper's tool set; names, parameters and observations follow it, so that its models feel at home.
Its tools for sub-agents are not among them: another `Tool` in the list below is all that one would need.
"""

from __future__ import annotations

from typing import Any

from engine.errors import one_line
from engine.execute.ledger import KeepBlob
from engine.execute.tools.base import Done, Tool, refusal
from engine.execute.tools.files import EDIT, READ, WRITE
from engine.execute.tools.memory import MEMORY_GET, MEMORY_SEARCH
from engine.execute.tools.shell import EXEC, PROCESS
from engine.execute.tools.web import WEB_FETCH, WEB_SEARCH
from engine.ports import Workspace
from engine.schema.chat import ToolCallRequest, ToolSchema
from engine.schema.trajectory import ToolCall

_TOOLS: tuple[Tool[Any], ...] = (
    EXEC,
    PROCESS,
    READ,
    WRITE,
    EDIT,
    MEMORY_SEARCH,
    MEMORY_GET,
    WEB_SEARCH,
    WEB_FETCH,
)
_BY_NAME: dict[str, Tool[Any]] = {tool.name.value: tool for tool in _TOOLS}

TOOLS: tuple[ToolSchema, ...] = tuple(tool.schema() for tool in _TOOLS)
"""The tools as offered to the model."""

NOT_RUN = "not run"
"""Begins the error of a call that was refused for what stood around it, not for what it was."""


def run_tool(request: ToolCallRequest, workspace: Workspace, *, timeout_s: float, keep: KeepBlob) -> ToolCall:
    """What came of one tool call of the agent: observation and ledger entry. No bad call raises.

    Args:
        request: The call as the model wrote it.
        workspace: Where it is run.
        timeout_s: Wall time it may take at most; a smaller one of its own holds.
        keep: Keeps the streams, e.g. in the run's blobs.

    Raises:
        SandboxError: The workspace was gone before the call.
    """
    tool = _BY_NAME.get(request.name)
    if tool is None:
        return refuse_call(request, f"unknown tool {_shown(request)!r}: there are {', '.join(_BY_NAME)}")
    return _called(request, tool.call(request.arguments, workspace, timeout_s, keep))


def refuse_call(request: ToolCallRequest, error: str) -> ToolCall:
    """A tool call that is answered with `error` and never reaches the workspace."""
    return _called(request, refusal(_shown(request), error))


def _shown(request: ToolCallRequest) -> str:
    return one_line(request.name, 80)


def _called(request: ToolCallRequest, done: Done) -> ToolCall:
    return ToolCall(
        id=request.id,
        name=request.name,
        arguments=request.arguments,
        observation=done.observation,
        error=done.error,
        ledger=done.entry,
    )
