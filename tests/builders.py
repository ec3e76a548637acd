"""Small functions that make valid records, so that a test names only what it is about."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from engine.paths import ProjectPaths
from engine.schema.chat import ModelInfo, ToolSchema, Usage
from engine.schema.intent import Cell, Intent, Realization
from engine.schema.project import ProjectSettings
from engine.schema.run import RunConfig, RunState, RunStatus
from engine.schema.sandbox import (
    BlobRef,
    ChangeKind,
    FileChange,
    LedgerEntry,
    ProbeCheck,
    SandboxInfo,
    SandboxLimits,
)
from engine.schema.taxonomy import ComplexityLevel, ExperienceLevel, Persona
from engine.schema.trajectory import (
    Outcome,
    Provenance,
    Step,
    StopReason,
    ToolCall,
    Trajectory,
    Turn,
    Utterance,
)
from engine.store.files import write_record, write_text
from engine.store.intents import write_batch
from engine.store.project import Project
from engine.store.runs import write_blob, write_trajectory

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def make_persona(**changes: Any) -> Persona:
    """A persona."""
    fields: dict[str, Any] = {
        "persona_id": "ada-bakker",
        "name": "Ada Bakker",
        "role": "Shift planner",
        "industry": "Rail freight",
        "expertise": ("rosters", "depots"),
        "experience_level": ExperienceLevel.SENIOR,
        "communication_style": "direct and brief",
        "work_context": "Plans the night shifts of two depots.",
    }
    return Persona(**fields | changes)


def make_intent(utterance: str = "Please tidy the depot notes.", **changes: Any) -> Intent:
    """An intent; `domain_ids`, `task_ids`, `complexity` and `persona` shape its cell."""
    persona = changes.pop("persona", None) or make_persona()
    cell = Cell(
        persona_id=persona.persona_id,
        domain_ids=tuple(changes.pop("domain_ids", ("file-management",))),
        task_ids=tuple(changes.pop("task_ids", ("sort-notes", "count-lines", "write-summary"))),
        complexity=ComplexityLevel(changes.pop("complexity", "simple")),
    )
    digest = hashlib.sha256((cell.model_dump_json() + utterance).encode()).hexdigest()
    fields: dict[str, Any] = {
        "intent_id": f"intent_{digest[:12]}",
        "cell": cell,
        "persona": persona,
        "utterance": utterance,
        "taxonomy_version": "v1",
        "realization": Realization(provider="scripted", model="scripted", seed=1),
    }
    return Intent(**fields | changes)


def make_call(
    command: str = "ls",
    *,
    tool: str = "exec",
    call_id: str = "call_1",
    exit_code: int | None = 0,
    observation: str = "",
    arguments: Mapping[str, Any] | str | None = None,
    changes: Sequence[FileChange] = (),
    stderr: BlobRef | None = None,
    **ledger: Any,
) -> ToolCall:
    """A tool call with its ledger entry. For a file tool `command` is the path."""
    on_file = tool != "exec"
    if arguments is None:
        arguments = {"path": command} if on_file else {"command": command}
    entry: dict[str, Any] = {
        "action": tool,
        "argv": () if on_file else ("bash", "-c", command),
        "path": command if on_file else None,
        "cwd": "/workspace",
        "started_at": NOON,
        "duration_ms": 12.5,
        "exit_code": None if on_file else exit_code,
        "stderr": stderr,
        "changes": tuple(changes),
    }
    error = ledger.pop("tool_error", None)
    return ToolCall(
        id=call_id,
        name=tool,
        arguments=arguments if isinstance(arguments, str) else json.dumps(arguments),
        observation=observation,
        error=error,
        ledger=LedgerEntry(**entry | ledger),
    )


def make_change(path: str = "notes.txt", kind: ChangeKind = ChangeKind.CREATED) -> FileChange:
    """A file change."""
    return FileChange(path=path, kind=kind)


def make_turn(
    *calls: ToolCall,
    index: int = 0,
    text: str = "Please list the files.",
    answer: str | None = "Done.",
    failure: str | None = None,
) -> Turn:
    """A turn with one step a call and, where there is an answer, the step that gives it."""
    steps = [Step(content="", tool_calls=(call,), usage=Usage(n_calls=1)) for call in calls]
    if answer is not None:
        steps.append(Step(content=answer, usage=Usage(prompt_tokens=10, completion_tokens=5, n_calls=1)))
    return Turn(
        index=index, utterance=Utterance(text=text), steps=tuple(steps), answer=answer, failure=failure
    )


def make_tools() -> tuple[ToolSchema, ...]:
    """The schemas of two tools whose parameters differ."""

    def parameters(*names: str) -> dict[str, Any]:
        properties = {name: {"type": "string", "description": f"The {name}."} for name in names}
        return {"type": "object", "properties": properties, "required": list(names)}

    return (
        ToolSchema(name="exec", description="Runs a command.", parameters=parameters("command")),
        ToolSchema(name="write", description="Writes a file.", parameters=parameters("path", "content")),
    )


def make_sandbox(backend: str = "bubblewrap") -> SandboxInfo:
    """A proven sandbox."""
    probe = (ProbeCheck(name="network_unreachable", proven=True, detail="no route"),)
    return SandboxInfo(
        backend=backend,
        version="0.11",
        kernel="6.1",
        probe=probe,
        limits=SandboxLimits(),
        template_hash="0" * 64,
    )


def make_provenance(run_id: str = "run-1", **changes: Any) -> Provenance:
    """The provenance of a scripted rollout."""
    scripted = ModelInfo(provider="scripted", model="scripted")
    fields: dict[str, Any] = {
        "run_id": run_id,
        "seed": 7,
        "engine_version": "0.1.0",
        "git_revision": None,
        "taxonomy_version": "v1",
        "taxonomy_hash": "1" * 64,
        "prompt_hashes": {},
        "user": scripted,
        "agent": scripted,
        "sandbox": make_sandbox(),
        "tools": make_tools(),
        "system_prompt": "You are an agent in a workspace.",
    }
    return Provenance(**fields | changes)


def make_trajectory(
    trajectory_id: str = "t-1", *turns: Turn, run_id: str = "run-1", **changes: Any
) -> Trajectory:
    """A finished trajectory; without turns given it has one turn with one call."""
    fields: dict[str, Any] = {
        "trajectory_id": trajectory_id,
        "intent": changes.pop("intent", None) or make_intent(),
        "provenance": changes.pop("provenance", None) or make_provenance(run_id),
        "turns": turns or (make_turn(make_call(observation="notes.txt")),),
        "stop_reason": StopReason.USER_DONE,
        "outcome": Outcome(completed=True, is_success=True, reason="all done"),
        "created_at": NOON,
        "duration_s": 1.5,
    }
    return Trajectory(**fields | changes)


def make_project(root: Path) -> Project:
    """An empty project without a taxonomy."""
    write_text(root / "project.toml", 'name = "test"\n')
    return Project(ProjectPaths(root), ProjectSettings(name="test"))


def save_run(
    project: Project, *trajectories: Trajectory, run_id: str = "run-1", state: RunState = RunState.FINISHED
) -> None:
    """Writes a run with these trajectories, as a worker leaves it. A second call adds to the run."""
    run = project.paths.run(run_id)
    config = RunConfig(
        run_id=run_id,
        created_at=NOON,
        seed=7,
        intent_ids=tuple(dict.fromkeys(t.intent.intent_id for t in trajectories)) or ("intent_0",),
        user="scripted",
        agent="scripted",
    )
    write_record(run.config, config)
    for trajectory in trajectories:
        write_trajectory(run, trajectory)
    n = len(list(run.trajectories.glob("*.json"))) if run.trajectories.is_dir() else 0
    write_record(run.status, RunStatus(run_id=run_id, state=state, n_total=n, n_done=n, updated_at=NOON))


def save_intents(project: Project, *intents: Intent) -> str:
    """Writes one batch of intents and gives its name."""
    return write_batch(project, list(intents))


def save_stream(project: Project, data: bytes, run_id: str = "run-1") -> BlobRef:
    """Keeps a stream among a run's blobs."""
    ref = write_blob(project.paths.run(run_id), data, len(data))
    assert ref is not None, "an empty stream has no blob"
    return ref
