"""Trajectories of calls that really ran in a sandbox, for tests of what is made of records."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

from engine import build
from engine.execute.tools import run_tool
from engine.execute.workspaces.backend import Backend
from engine.schema.base import utc_now
from engine.schema.chat import ToolCallRequest
from engine.schema.sandbox import BlobRef
from engine.schema.trajectory import ToolCall, Trajectory
from engine.store.project import Project
from engine.store.runs import write_blob
from tests.builders import make_provenance, make_trajectory, make_turn, save_run

Asked = str | tuple[str, dict[str, Any]]
"""A command, or a tool with its arguments."""


def request_of(asked: Asked, number: int) -> ToolCallRequest:
    """The call as a model asks for it."""
    name, arguments = ("exec", {"command": asked}) if isinstance(asked, str) else asked
    return ToolCallRequest(id=f"call_{number}", name=name, arguments=json.dumps(arguments))


def record_calls(
    project: Project, backend: Backend, *asked: Asked, trajectory_id: str = "t-1", timeout_s: float = 60.0
) -> Trajectory:
    """Runs the calls in a fresh workspace and leaves the trajectory in the project, as a worker does."""
    run = project.paths.run("run-1")

    def keep(data: bytes, total_bytes: int) -> BlobRef | None:
        return write_blob(run, data, total_bytes)

    created_at = utc_now()
    calls: list[ToolCall] = []
    with closing(backend.open()) as workspace:
        for number, one in enumerate(asked):
            calls.append(run_tool(request_of(one, number), workspace, timeout_s=timeout_s, keep=keep))
        sandbox = workspace.info
    trajectory = make_trajectory(
        trajectory_id,
        make_turn(*calls),
        provenance=make_provenance(sandbox=sandbox),
        created_at=created_at,
    )
    save_run(project, trajectory)
    return trajectory


def one_drift_project(root: Path) -> Project:
    """A project whose one trajectory, "t-1", has three calls, the second with a tampered observation."""
    backend = build.sandbox("bubblewrap")
    backend.prove()
    project = Project.create(root)
    trajectory = record_calls(project, backend, "echo one", "seq 3", "exit 4")
    first, second, third = trajectory.tool_calls()
    turn = make_turn(first, second.model_copy(update={"observation": "1\n2\n4"}), third)
    save_run(project, trajectory.model_copy(update={"turns": (turn,)}))
    return project
