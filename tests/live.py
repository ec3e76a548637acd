"""What the tests of the tools in a live workspace share."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from engine.execute.tools import run_tool
from engine.ports import Workspace
from engine.schema.chat import ToolCallRequest
from engine.schema.sandbox import BlobRef, SandboxLimits
from engine.schema.trajectory import ToolCall

SMALL = SandboxLimits(
    workspace_bytes=16 * 2**20,
    memory_bytes_per_process=512 * 2**20,
    memory_bytes=600 * 2**20,
    n_processes=64,
    output_bytes=256 * 1024,
    file_bytes=8 * 2**20,
)


@dataclass(frozen=True, slots=True)
class Tools:
    """The agent's tools over one workspace."""

    workspace: Workspace

    def __call__(self, tool: str, timeout_s: float = 20.0, **arguments: Any) -> ToolCall:
        """What came of one call."""
        request = ToolCallRequest(id="c1", name=tool, arguments=json.dumps(arguments))
        return run_tool(request, self.workspace, timeout_s=timeout_s, keep=keep)

    def sh(self, command: str, **arguments: Any) -> ToolCall:
        """What came of a command."""
        return self("exec", command=command, **arguments)

    def begin(self, command: str, **arguments: Any) -> str:
        """The name of a session that runs `command` in the background."""
        call = self.sh(command, background=True, **arguments)
        assert not call.failed, call.observation
        return call.ledger.sessions[0].session_id

    def process(self, action: str, session: str | None = None, **arguments: Any) -> ToolCall:
        """What came of a call of process."""
        named: dict[str, Any] = {} if session is None else {"sessionId": session}
        return self("process", action=action, **named, **arguments)


def keep(data: bytes, total_bytes: int) -> BlobRef | None:
    return BlobRef(sha256="0" * 64, size_bytes=len(data), total_bytes=total_bytes) if total_bytes else None


def error_of(call: ToolCall) -> str:
    """The error that the observation tells."""
    said = json.loads(call.observation)
    assert (said["status"], said["tool"]) == ("error", call.name)
    assert call.failed
    return str(said["error"])
