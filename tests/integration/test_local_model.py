"""A real small model plays both sides over real HTTP: nothing may depend on the scripted provider's manners.

It asserts on shape alone: a model of this size does hardly any task, and that is what the record has to say.
"""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from engine.errors import StudioError
from engine.generation import generate_intents
from engine.providers.local_model import HOST, chat_weights
from engine.runs import ENDED, RunRequest, start_run, wait_for
from engine.schema.project import EndpointSettings
from engine.schema.request import ModelRole, SentTools
from engine.schema.run import Limits
from engine.schema.trajectory import StopReason, ToolCall, Trajectory
from engine.store import Project
from engine.store.files import write_text
from engine.store.requests import scan_requests
from engine.store.runs import finished_ids, scan_trajectories

pytestmark = [pytest.mark.local_model, pytest.mark.sandbox, pytest.mark.timeout(7200)]

N_INTENTS = 3
LIMITS = Limits(
    max_turns=3,
    max_steps_per_turn=6,
    call_timeout_s=20,
    model_timeout_s=600,
    rollout_timeout_s=1200,
    max_attempts_per_utterance=2,
    max_context_tokens=6000,
)
GRACE_S = 30.0
"""What closing a tool call and writing the record may take beyond the rollout's limit on a busy machine."""


@pytest.fixture
def served() -> Iterator[dict[str, Any]]:
    """What 'model serve --json' says of the model that it serves; afterwards Ctrl-C has ended it."""
    if os.environ.get("ISE_LOCAL_MODEL") != "1":
        pytest.skip("set ISE_LOCAL_MODEL=1 to play with a real small model, which takes minutes")
    if importlib.util.find_spec("xllamacpp") is None:
        pytest.skip("xllamacpp is not installed: pip install --editable '.[local-model]'")
    try:
        chat_weights()
    except StudioError as error:
        pytest.skip(str(error))
    words = ["--json", "model", "serve", "--port", str(free_port()), "--threads", "2"]
    server = subprocess.Popen([sys.executable, "-m", "engine", *words], stdout=subprocess.PIPE)
    try:
        assert server.stdout is not None
        yield json.loads(server.stdout.readline())
        server.send_signal(signal.SIGINT)
        assert server.wait(30) == 0
    finally:
        server.kill()
        server.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def uses_the_model(project: Project, base_url: str) -> Project:
    endpoint = EndpointSettings(base_url=base_url, max_tokens=256, max_retries=1)
    settings = project.settings.model_copy(update={"endpoint": endpoint})
    raw = settings.model_dump(mode="json", exclude_none=True)
    write_text(project.paths.settings, tomli_w.dumps(raw))
    return Project.open(project.root)


def really_ran(call: ToolCall) -> bool:
    return call.ledger.exit_code is not None or bool(call.ledger.changes)


def assert_honest(trajectory: Trajectory) -> None:
    """Whatever the model did, the record says how it ended and what every utterance was checked for."""
    assert trajectory.stop_reason in set(StopReason)
    assert trajectory.duration_s <= LIMITS.rollout_timeout_s + GRACE_S
    assert len(trajectory.turns) <= LIMITS.max_turns
    assert all(len(turn.steps) <= LIMITS.max_steps_per_turn for turn in trajectory.turns)
    assert all(turn.utterance.attempts for turn in trajectory.turns)
    if trajectory.stop_reason in (StopReason.AGENT_FAILED, StopReason.USER_FAILED):
        assert trajectory.failure_cause
    if trajectory.stop_reason is StopReason.USER_DONE:
        assert trajectory.outcome is not None


def test_a_real_small_model_plays_intents_to_their_ends_with_calls_that_really_run(
    project: Project, served: dict[str, Any]
) -> None:
    project = uses_the_model(project, served["base_url"])
    generate_intents(project, N_INTENTS, seed=11)
    provider = f"openai:{served['model']}"
    run_id = start_run(project, RunRequest(user=provider, agent=provider, concurrency=1, limits=LIMITS))
    status = wait_for(project, run_id)
    run = project.paths.run(run_id)
    played = list(scan_trajectories(run, finished_ids(run)))
    assert status.state in ENDED
    assert len(played) == N_INTENTS
    for trajectory in played:
        assert_honest(trajectory)
    assert any(really_ran(call) for t in played for call in t.tool_calls())
    requests = list(scan_requests(run.requests))
    assert {r.role for r in requests} == {ModelRole.USER, ModelRole.AGENT}
    assert {r.trajectory_id for r in requests} == {t.trajectory_id for t in played}
    assert any(r.tools is SentTools.JSON for r in requests if r.role is ModelRole.AGENT)
    assert not list(Path(run.playing).glob("*.json"))
