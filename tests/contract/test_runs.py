"""Runs as curators live with them: started, watched, stopped, killed, resumed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import tomli_w

from engine.errors import InputError, SandboxError
from engine.generation import generate_intents
from engine.runs import (
    RunRequest,
    list_runs,
    resume_run,
    run_status,
    start_run,
    stop_run,
    wait_for,
)
from engine.schema.project import EndpointSettings
from engine.schema.run import RunState, RunStatus
from engine.schema.trajectory import StopReason, ToolCall, Trajectory
from engine.store import Project
from engine.store.files import write_text
from engine.store.runs import finished_ids, read_blob, read_config, scan_trajectories

pytestmark = pytest.mark.sandbox


@pytest.fixture
def ready(project: Project) -> Project:
    """A project with intents to play."""
    generate_intents(project, 12, seed=11)
    return project


class Played(NamedTuple):
    """A run that has ended, for tests that only look at it."""

    project: Project
    ended: RunStatus
    trajectories: list[Trajectory]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    """Four intents played."""
    project = Project.create(tmp_path_factory.mktemp("played") / "project")
    generate_intents(project, 12, seed=11)
    ended = wait_for(project, start_run(project, RunRequest(count=4)))
    return Played(project, ended, trajectories(project, ended.run_id))


def trajectories(project: Project, run_id: str) -> list[Trajectory]:
    run = project.paths.run(run_id)
    return list(scan_trajectories(run, finished_ids(run)))


def until(condition: Callable[[], bool], timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def status_of(project: Project, run_id: str) -> RunStatus:
    return run_status(project, run_id)


def timeless(trajectory: Trajectory) -> Any:
    """The trajectory without what differs from run to run: ids, instants, durations, process numbers.

    What a call left running is a look at one instant: a shell may have become its program by then, or not.
    How much a session has written so far is another.

    Git keeps instants in its index and tar in its archives, so these are compared by their paths only.
    """

    def scrub(value: Any) -> Any:
        if isinstance(value, dict):
            path = str(value.get("path", ""))
            if "/.git/" in path or path.endswith((".tar", ".snar")):
                return path
            dropped = {"run_id", "trajectory_id", "created_at", "started_at", "duration_ms", "duration_s"}
            dropped |= {"model_time_s", "pid", "left", "n_left", "n_bytes"}
            return {k: scrub(v) for k, v in value.items() if k not in dropped}
        return [scrub(v) for v in value] if isinstance(value, list) else value

    return scrub(trajectory.model_dump(mode="json"))


def test_a_run_plays_its_intents_and_every_call_has_a_ledger_entry(played: Played) -> None:
    assert (played.ended.state, played.ended.n_done) == (RunState.FINISHED, 4)
    assert {t.stop_reason for t in played.trajectories} == {StopReason.USER_DONE}
    run = played.project.paths.run(played.ended.run_id)
    for trajectory in played.trajectories:
        for call in trajectory.tool_calls():
            assert call.ledger.started_at
            assert call.ledger.argv or call.ledger.path
            if call.ledger.stdout:
                assert read_blob(run, call.ledger.stdout)


def test_what_one_call_wrote_a_later_call_reads_back(played: Played) -> None:
    assert any(reads_back(list(t.tool_calls())) for t in played.trajectories)


def reads_back(calls: list[ToolCall]) -> bool:
    """True when a later successful call names a path that an earlier one wrote."""
    written: set[str] = set()
    for call in calls:
        named = call.ledger.argv[-1] if call.ledger.argv else call.ledger.path or ""
        if not call.failed and any(path in named for path in written):
            return True
        written |= {change.path for change in call.ledger.changes}
    return False


def test_no_record_names_a_path_of_the_host(played: Played) -> None:
    folder = played.project.paths.run(played.ended.run_id).trajectories
    hosts = {str(played.project.root), str(Path.home()), str(Path(__file__).resolve().parents[2]), sys.prefix}
    text = "".join(p.read_text(encoding="utf-8") for p in folder.glob("*.json"))
    assert [h for h in hosts if len(h) > 5 and h in text] == []


def test_the_same_seed_gives_the_same_conversations(project: Project) -> None:
    generate_intents(project, 6, seed=11)
    runs = []
    for _ in range(2):
        run_id = start_run(project, RunRequest(seed=5, concurrency=4))
        wait_for(project, run_id)
        runs.append({t.intent.intent_id: timeless(t) for t in trajectories(project, run_id)})
    assert len(runs[0]) == 6
    assert runs[0] == runs[1]


def test_the_provenance_says_what_was_played_and_proven(played: Played) -> None:
    provenance = played.trajectories[0].provenance
    assert (provenance.user.provider, provenance.agent.provider) == ("scripted", "scripted")
    assert provenance.sandbox.proven
    assert {c.name for c in provenance.sandbox.probe} >= {
        "network_unreachable",
        "host_marker_invisible",
        "usr_not_writable",
    }


def test_a_killed_worker_reads_as_interrupted_and_resume_plays_only_what_is_missing(ready: Project) -> None:
    run_id = start_run(ready, RunRequest(count=6, concurrency=1))
    run = ready.paths.run(run_id)
    until(lambda: len(finished_ids(run)) >= 2)
    os.kill(status_of(ready, run_id).pid or 0, signal.SIGKILL)
    until(lambda: status_of(ready, run_id).state is RunState.INTERRUPTED)
    before = {p.name: (p.stat().st_mtime_ns, p.read_bytes()) for p in run.trajectories.glob("*.json")}
    assert 2 <= len(before) < 6
    resume_run(ready, run_id)
    ended = wait_for(ready, run_id)
    after = {p.name: (p.stat().st_mtime_ns, p.read_bytes()) for p in run.trajectories.glob("*.json")}
    assert (ended.state, ended.n_done, len(after)) == (RunState.FINISHED, 6, 6)
    assert {name: after[name] for name in before} == before
    played = [t.intent.intent_id for t in trajectories(ready, run_id)]
    assert sorted(played) == sorted(read_config(run).intent_ids)


def test_a_killed_worker_leaves_no_sandbox_behind(ready: Project) -> None:
    run_id = start_run(ready, RunRequest(concurrency=2))
    until(lambda: bool(status_of(ready, run_id).playing))
    pid = status_of(ready, run_id).pid or 0
    children = descendants(pid)
    assert children
    os.kill(pid, signal.SIGKILL)
    until(
        lambda: not any(Path(f"/proc/{child}").exists() and not is_zombie(child) for child in children), 10.0
    )


def descendants(pid: int) -> set[int]:
    parents: dict[int, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
        except (OSError, IndexError):
            continue
        parents[int(folder.name)] = int(fields[1])
    found: set[int] = set()
    fresh = {pid}
    while fresh := {c for c, p in parents.items() if p in fresh} - found:
        found |= fresh
    return found


def is_zombie(pid: int) -> bool:
    try:
        return ") Z " in Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return True


def test_a_stopped_run_ends_soon_and_can_be_resumed(ready: Project) -> None:
    run_id = start_run(ready, RunRequest(count=4, concurrency=1))
    until(lambda: status_of(ready, run_id).n_done >= 1)
    stop_run(ready, run_id)
    stopped = wait_for(ready, run_id)
    assert stopped.state is RunState.STOPPED
    assert stopped.n_done < 4
    resume_run(ready, run_id)
    assert wait_for(ready, run_id).n_done == 4


def test_a_run_outlives_the_process_that_started_it(ready: Project) -> None:
    command = [
        sys.executable,
        "-m",
        "engine",
        "--json",
        "--project",
        str(ready.root),
        "run",
        "start",
        "--count",
        "1",
    ]
    started = subprocess.run(command, capture_output=True, text=True, check=True)
    run_id = json.loads(started.stdout)["run_id"]
    assert wait_for(ready, run_id).state is RunState.FINISHED


def test_a_run_that_is_running_is_not_resumed_and_one_that_is_finished_is_not_stopped(ready: Project) -> None:
    run_id = start_run(ready, RunRequest(count=2))
    until(lambda: status_of(ready, run_id).state is RunState.RUNNING)
    with pytest.raises(InputError, match="is running"):
        resume_run(ready, run_id)
    wait_for(ready, run_id)
    with pytest.raises(InputError, match="nothing to stop"):
        stop_run(ready, run_id)
    with pytest.raises(InputError, match="nothing to resume"):
        resume_run(ready, run_id)


def test_intents_that_no_run_has_played_come_first(project: Project) -> None:
    generate_intents(project, 4, seed=11)
    first = start_run(project, RunRequest(count=2))
    wait_for(project, first)
    second = start_run(project, RunRequest(count=2))
    wait_for(project, second)
    played = [set(read_config(project.paths.run(r)).intent_ids) for r in (first, second)]
    assert not played[0] & played[1]
    assert [s.run_id for s in list_runs(project)] == sorted((first, second), reverse=True)


@pytest.mark.parametrize("where", ["complexity = 'complex'", "list_contains(tasks, 'csv-to-json')"])
def test_a_condition_narrows_what_is_played(ready: Project, where: str) -> None:
    generate_intents(ready, 60, seed=12)
    run_id = start_run(ready, RunRequest(count=1, where=where))
    wait_for(ready, run_id)
    for trajectory in trajectories(ready, run_id):
        cell = trajectory.intent.cell
        assert cell.complexity == "complex" if "complexity" in where else "csv-to-json" in cell.task_ids


def test_without_intents_a_run_is_refused_with_the_next_step(project: Project) -> None:
    with pytest.raises(InputError, match="intents sample"):
        start_run(project, RunRequest())


@pytest.mark.parametrize("provider", ["gpt-4", "openai:", "openai", "scripted:x"])
def test_an_unknown_provider_is_refused(ready: Project, provider: str) -> None:
    with pytest.raises(InputError, match="unknown provider"):
        start_run(ready, RunRequest(agent=provider))


def test_a_sandbox_that_is_refused_stops_the_start_with_the_mend_and_nothing_is_written(
    ready: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    refusing = tmp_path / "bwrap"
    refusing.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    refusing.chmod(0o755)
    monkeypatch.setenv("ISE_BWRAP", str(refusing))
    with pytest.raises(SandboxError) as caught:
        start_run(ready, RunRequest(count=1))
    assert "\n" not in str(caught.value)
    assert not ready.paths.runs.exists()


def test_an_endpoint_that_is_not_there_fails_the_run_and_names_the_cause(ready: Project) -> None:
    endpoint = EndpointSettings(base_url="http://127.0.0.1:9/v1", max_retries=0)
    settings = ready.settings.model_copy(update={"endpoint": endpoint})
    write_text(ready.paths.settings, tomli_w.dumps(settings.model_dump(exclude_none=True)))
    run_id = start_run(Project.open(ready.root), RunRequest(count=3, agent="openai:none"))
    ended = wait_for(ready, run_id)
    assert ended.state is RunState.FAILED
    assert ended.by_stop_reason == {"agent_failed": 3}
    assert "127.0.0.1:9" in ended.message
    assert all(t.failure_cause for t in trajectories(ready, run_id))


def test_code_in_the_current_folder_is_not_run(
    ready: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trap = tmp_path / "trap"
    trap.mkdir()
    for name in ("yaml.py", "engine.py", "pydantic.py"):
        (trap / name).write_text(f"open({str(tmp_path / 'sprung')!r}, 'w')\n", encoding="utf-8")
    monkeypatch.chdir(trap)
    run_id = start_run(ready, RunRequest(count=1))
    assert wait_for(ready, run_id).state is RunState.FINISHED
    assert not (tmp_path / "sprung").exists()


def test_a_second_worker_leaves_a_run_alone_that_has_one(ready: Project) -> None:
    run_id = start_run(ready, RunRequest(count=3, concurrency=1))
    command = [sys.executable, "-P", "-m", "engine.worker", str(ready.paths.run(run_id).root)]
    second = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert second.returncode == 1
    assert "another worker" in second.stderr
    assert wait_for(ready, run_id).n_done == 3


def test_the_worker_stays_under_500_mb(ready: Project) -> None:
    run_id = start_run(ready, RunRequest(count=6, concurrency=2))
    peak = 0
    while status_of(ready, run_id).state in (RunState.STARTING, RunState.RUNNING):
        peak = max(peak, resident_bytes(status_of(ready, run_id).pid))
        time.sleep(0.05)
    assert 0 < peak < 500 * 2**20


def resident_bytes(pid: int | None) -> int:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="utf-8").split()[1])
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
