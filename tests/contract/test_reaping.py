"""A worker that is killed with many workspaces open leaves nothing, not even before the next start."""

from __future__ import annotations

import os
import secrets
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import tomli_w

from engine import build
from engine.execute.workspaces.docker_engine import RUN, find_engine
from engine.generation import generate_intents
from engine.runs import RunRequest, resume_run, run_status, start_run, stop_run, wait_for
from engine.schema.project import EndpointSettings
from engine.schema.run import RunState
from engine.store import Project
from engine.store.files import write_text
from tests.chat_server import chat_server, tool_call
from tests.contract.workspace.cases import gone_within, processes_with

pytestmark = pytest.mark.sandbox

N_WORKSPACES = 20


def mounts() -> set[str]:
    """The places where something is mounted with the host.

    Not the engine's own, where another test may have a container at any time: the engine is asked for ours.
    """
    lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    return {place for line in lines if "docker" not in (place := line.split()[4])}


def containers_of(run_id: str, sandbox: str) -> list[str]:
    """The run's containers, alive or not."""
    if sandbox != "docker":
        return []
    found = find_engine().api.containers(all=True, filters={"label": f"{RUN}={run_id}"})
    return [container["Id"] for container in found]


def until(condition: Callable[[], bool], timeout_s: float = 200.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("sandbox", build.SANDBOXES)
def test_a_worker_that_is_killed_with_twenty_workspaces_leaves_nothing(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sandbox: str
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    generate_intents(project, N_WORKSPACES, seed=5)
    marker = f"33{secrets.randbelow(10**9):09d}"
    command = f"setsid -f sleep {marker}; touch file; echo there; sleep {marker}"
    before = mounts()
    with chat_server(lambda request, n: tool_call("exec", f'{{"command": "{command}"}}', f"c{n}")) as server:
        endpoint = EndpointSettings(base_url=server.base_url, max_retries=0)
        settings = project.settings.model_copy(update={"endpoint": endpoint})
        write_text(project.paths.settings, tomli_w.dumps(settings.model_dump(exclude_none=True)))
        project = Project.open(project.root)
        request = RunRequest(concurrency=N_WORKSPACES, agent="openai:none", sandbox=sandbox)
        run_id = start_run(project, request)
        n_asleep = 2 * N_WORKSPACES
        until(lambda: len(processes_with(f"sleep\0{marker}")) >= n_asleep)
        os.kill(run_status(project, run_id).pid or 0, signal.SIGKILL)
        assert gone_within(marker, 30)
        until(lambda: mounts() <= before and not containers_of(run_id, sandbox))
        until(lambda: run_status(project, run_id).state is RunState.INTERRUPTED)
        resume_run(project, run_id)
        until(lambda: len(processes_with(f"sleep\0{marker}")) >= n_asleep)
        stop_run(project, run_id)
        os.kill(run_status(project, run_id).pid or 0, signal.SIGKILL)
        assert gone_within(marker, 30)
    assert wait_for(project, run_id).state in (RunState.INTERRUPTED, RunState.STOPPED)
    until(lambda: mounts() <= before and not containers_of(run_id, sandbox))
    assert list(temporary.iterdir()) == []
