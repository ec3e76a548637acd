"""Runs the recorded tool calls of a trajectory again, in order, in a fresh workspace, and compares.

The calls go through `run_tool`, as the agent's did: a tool that is added is re-executed without a word here.
"""

from __future__ import annotations

import json
import math
import time
import zlib
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field

from engine.errors import SandboxError, one_line
from engine.execute.compare import Comparer, ReadStream, sha256_of
from engine.execute.tools import NOT_RUN, TOOLS, run_tool
from engine.ports import Workspace
from engine.schema.base import utc_now
from engine.schema.chat import ToolCallRequest
from engine.schema.reexecution import CallReexecution, CallVerdict
from engine.schema.sandbox import IMPORTED, NO_ACTION, BlobRef, FileChange
from engine.schema.trajectory import ToolCall, Trajectory

OpenWorkspace = Callable[[], Workspace]
_KNOWN_TOOLS = frozenset(tool.name for tool in TOOLS)


def why_not(trajectory: Trajectory, template_hash: str) -> str:
    """Why no call of a trajectory can be run again here; empty where they can.

    Args:
        trajectory: As it was recorded.
        template_hash: Of the snapshot that a fresh workspace would start from.
    """
    sandbox = trajectory.provenance.sandbox
    if all(call.ledger.action == IMPORTED for call in trajectory.tool_calls()):
        return "imported: there is no ledger of what its calls really did"
    if sandbox.template_hash != template_hash:
        return (
            f"its workspace began from another template ({sandbox.template_hash[:12]}; "
            f"the one here is {template_hash[:12]})"
        )
    return ""


def not_replayable(trajectory: Trajectory, reason: str) -> tuple[CallReexecution, ...]:
    """The verdicts where no call can be run again."""
    return tuple(_not_replayable(reason) for _ in trajectory.tool_calls())


def _not_replayable(reason: str) -> CallReexecution:
    return CallReexecution(verdict=CallVerdict.NOT_REPLAYABLE, reason=reason)


def reexecute(
    trajectory: Trajectory, open_workspace: OpenWorkspace, read_recorded: ReadStream, call_timeout_s: float
) -> tuple[CallReexecution, ...]:
    """The verdict on each call, in order. What the sandbox refuses makes calls not replayable, no error.

    Args:
        trajectory: As it was recorded.
        open_workspace: A fresh workspace from the template of the record; it is closed here.
        read_recorded: The recorded streams.
        call_timeout_s: The time limit of a call in the run that recorded it.
    """
    calls = list(trajectory.tool_calls())
    if not calls:
        return ()
    try:
        with closing(open_workspace()) as workspace:
            return _Replay(workspace, read_recorded, call_timeout_s, trajectory).run(calls)
    except SandboxError as error:
        return not_replayable(trajectory, f"no workspace: {one_line(error)}")


@dataclass(slots=True)
class _Kept:
    """Streams of the calls that run now, in memory for as long as the call is compared."""

    by_hash: dict[str, bytes] = field(default_factory=dict)

    def keep(self, data: bytes, total_bytes: int) -> BlobRef | None:
        if not data and not total_bytes:
            return None
        digest = sha256_of(data)
        self.by_hash[digest] = data
        return BlobRef(sha256=digest, size_bytes=len(data), total_bytes=max(total_bytes, len(data)))

    def read(self, ref: BlobRef) -> bytes | None:
        return self.by_hash.get(ref.sha256)


class _Replay:
    """One trajectory's calls in one workspace."""

    def __init__(
        self, workspace: Workspace, read_recorded: ReadStream, call_timeout_s: float, trajectory: Trajectory
    ) -> None:
        self._workspace, self._call_timeout_s = workspace, call_timeout_s
        self._comparer = Comparer(read_recorded, trajectory.created_at, utc_now())

    def run(self, calls: list[ToolCall]) -> tuple[CallReexecution, ...]:
        """The verdicts; after the workspace was lost, the rest cannot be run."""
        verdicts: list[CallReexecution] = []
        for call in calls:
            try:
                verdicts.append(self._call(call))
            except SandboxError as error:
                lost = _not_replayable(f"the workspace was lost: {one_line(error)}")
                return (*verdicts, *[lost] * (len(calls) - len(verdicts)))
        return tuple(verdicts)

    def _call(self, call: ToolCall) -> CallReexecution:
        if reason := _why_not_call(call):
            return _not_replayable(reason)
        kept, clock = _Kept(), time.monotonic()
        request = ToolCallRequest(id=call.id, name=call.name, arguments=call.arguments)
        now = run_tool(request, self._workspace, timeout_s=self._timeout_s(call), keep=kept.keep)
        took_ms = round(1000 * (time.monotonic() - clock), 3)
        found = self._comparer.compare(call, now, kept.read, self._are_commits)
        return CallReexecution(
            verdict=CallVerdict.DRIFTED if found.drifts else CallVerdict.REPRODUCED,
            drifts=found.drifts,
            normalised=found.rules,
            duration_ms=took_ms,
        )

    def _timeout_s(self, call: ToolCall) -> float:
        """The time that the recorded call had: near the end of its rollout it had less than others."""
        entry = call.ledger
        took_s = entry.duration_ms / 1000
        if not entry.timed_out or entry.sessions or _own_timeout_s(call) <= took_s:
            return self._call_timeout_s
        return min(self._call_timeout_s, max(1.0, math.floor(took_s)))

    def _are_commits(self, changes: list[FileChange]) -> bool:
        """True where these git objects of the workspace are commits or tags: those hold a time."""
        return all(is_commit(self._workspace.read(change.path).stdout) for change in changes)


def _own_timeout_s(call: ToolCall) -> float:
    """The time-out that the agent asked for; infinite where it named none that can be read."""
    try:
        asked = json.loads(call.arguments).get("timeout")
    except (ValueError, AttributeError, RecursionError):
        return math.inf
    return float(asked) if isinstance(asked, int | float) else math.inf


def is_commit(packed: bytes) -> bool:
    """True for a git object, as it lies on disk, that is a commit or a tag."""
    try:
        return zlib.decompressobj().decompress(packed, 16).startswith((b"commit ", b"tag "))
    except zlib.error:
        return False


def _why_not_call(call: ToolCall) -> str:
    if call.ledger.action == IMPORTED:
        return "imported: there is no ledger of what it really did"
    if call.name not in _KNOWN_TOOLS:
        return f"there is no tool {one_line(call.name, 60)!r} here"
    if call.ledger.action == NO_ACTION and (call.error or "").startswith(NOT_RUN):
        return "it was not run when it was recorded"
    return ""
