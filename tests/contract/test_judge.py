"""A model at an endpoint judges a run's messages, over real HTTP, and is measured on the labelled set."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from click.testing import CliRunner

from engine.cli.main import cli
from engine.generation import generate_intents
from engine.runs import RunRequest, start_run, wait_for
from engine.schema.calibration import CalibrationSet, Part
from engine.schema.project import EndpointSettings, Price
from engine.schema.request import ModelRole
from engine.schema.run import RunState
from engine.schema.trajectory import StopReason
from engine.simulate import calibration_set
from engine.simulate.calibration_set import load_calibration_set
from engine.store import Project
from engine.store.files import write_text
from engine.store.requests import scan_requests
from engine.store.runs import finished_ids, scan_trajectories
from tests.chat_server import Reply, chat_server, completion


class Judge:
    """Sees drift in the first message that it is asked about, and in none after it."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, request: dict[str, Any], _: int) -> Reply:
        self.asked.append(request["messages"][-1]["content"])
        drifts = len(self.asked) == 1
        reason = "it speaks as the agent" if drifts else ""
        return completion(
            {"content": json.dumps({"reason": reason, "drifts": drifts, "hallucinates": False})}
        )


def at_endpoint(project: Project, base_url: str) -> Project:
    """The project with its judge at this address."""
    changed = {
        "endpoint": EndpointSettings(base_url=base_url, max_retries=0),
        "judge": "openai:careful",
        "prices": {"careful": Price(prompt=1.0, completion=2.0)},
    }
    settings = project.settings.model_copy(update=changed)
    write_text(project.paths.settings, tomli_w.dumps(settings.model_dump(exclude_none=True)))
    return Project.open(project.root)


@pytest.mark.sandbox
def test_the_projects_judge_reads_the_messages_of_a_run(project: Project) -> None:
    generate_intents(project, 1, seed=5)
    with chat_server(judge := Judge()) as server:
        project = at_endpoint(project, server.base_url)
        run_id = start_run(project, RunRequest(count=1))
        assert wait_for(project, run_id).state is RunState.FINISHED
    run = project.paths.run(run_id)
    (played,) = scan_trajectories(run, finished_ids(run))
    assert played.stop_reason is StopReason.USER_DONE
    first = played.turns[0].utterance
    assert [v.detail for v in first.attempts[0].verdicts if not v.passed] == ["it speaks as the agent"]
    assert len(first.attempts) > 1
    origin = played.provenance
    assert (origin.reader, origin.judge and origin.judge.provider) == ("careful", "openai")
    assert "judge_system" in origin.prompt_hashes
    log = [r for r in scan_requests(run.requests) if r.role is ModelRole.JUDGE]
    assert len(log) == len(judge.asked) >= len(played.turns)
    assert {r.trajectory_id for r in log} == {played.trajectory_id}
    assert played.usage.cost_usd == pytest.approx(len(log) * (11 * 1.0 + 7 * 2.0) / 1e6)


@pytest.mark.sandbox
def test_a_judge_that_is_not_there_fails_the_run_and_is_named(project: Project) -> None:
    generate_intents(project, 2, seed=5)
    project = at_endpoint(project, "http://127.0.0.1:9/v1")
    ended = wait_for(project, start_run(project, RunRequest()))
    assert ended.state is RunState.FAILED
    assert "the judge: " in ended.message
    assert ended.by_stop_reason == {StopReason.USER_FAILED: 2}


def test_a_judge_is_measured_on_the_labelled_set(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = load_calibration_set()
    few = CalibrationSet(scenes=whole.scenes, texts={Part.HARD: whole.part(Part.HARD)[::15]})
    monkeypatch.setattr(calibration_set, "load_calibration_set", lambda: few)
    out = tmp_path / "report.md"
    with chat_server(Judge()) as server:
        project = at_endpoint(project, server.base_url)
        command = ["calibrate", "--part", "hard", "--judge", "openai:careful", "--out", str(out)]
        done = CliRunner().invoke(cli, ["--project", str(project.root), "--json", *command])
    assert done.exit_code == 0, done.output
    part = json.loads(done.stdout)["hard"]
    drift = part["role_drift"]
    assert part["judging"]["cost_usd"] > 0
    assert len(list(scan_requests(project.paths.calibration_requests))) == part["judging"]["n_calls"]
    assert drift["recall"] < 0.5, "a judge that sees no drift is measured as one"
    report = out.read_text(encoding="utf-8")
    assert "the rules with the model `careful` at `http://127.0.0.1:" in report
    assert f"{part['judging']['n_calls']} requests, " in report
    assert "ise-studio calibrate --part hard --judge openai:careful" in report


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--judge", "openai:careful"], "error: 8 texts in a row could not be read"),
        (["--judge", "openai:careful", "--rules-alone"], "give one"),
        (["--judge", "careful"], "unknown provider"),
    ],
)
def test_a_judge_that_cannot_be_measured_is_told_in_one_line(
    project: Project, options: list[str], said: str
) -> None:
    project = at_endpoint(project, "http://127.0.0.1:9/v1")
    command = [sys.executable, "-m", "engine", "--project", str(project.root), "calibrate", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode != 0
    line = done.stderr.strip().splitlines()[-1]  # behind its progress
    assert "Traceback" not in done.stderr
    assert line.startswith("error: ")
    assert said in line
