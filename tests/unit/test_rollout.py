"""The loop's limits hold within a turn, and what was done until then is in the record."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from engine.errors import ModelError
from engine.execute.agent import Agent
from engine.rollout import ShouldStop, play
from engine.schema.base import utc_now
from engine.schema.chat import ChatMessage, Completion, ModelInfo, ToolCallRequest, ToolSchema, Usage
from engine.schema.run import Limits
from engine.schema.sandbox import Action, BlobRef, Effect
from engine.schema.trajectory import StopReason, Trajectory
from engine.simulate.user import UserSimulator
from tests.builders import make_sandbox, make_trajectory

PAID = Usage(prompt_tokens=5, n_calls=1)
ASK = json.dumps({"completed": False, "query": "Sort the notes.", "reason": "", "is_success": False})


class Model:
    """A chat model that always gives the same, after a while."""

    info = ModelInfo(provider="test", model="same")

    def __init__(
        self, content: str = "", n_calls: int = 0, *, seconds: float = 0.0, fails: bool = False
    ) -> None:
        self._content, self._n_calls, self._seconds, self._fails = content, n_calls, seconds, fails
        self.timeouts_s: list[float] = []

    def complete(
        self,
        messages: Sequence[ChatMessage],
        *,
        tools: Sequence[ToolSchema] = (),
        response_schema: Mapping[str, Any] | None = None,
        timeout_s: float = 120.0,
    ) -> Completion:
        self.timeouts_s.append(timeout_s)
        time.sleep(min(self._seconds, timeout_s))
        if self._fails or self._seconds > timeout_s:
            raise ModelError("no answer", PAID)
        call = ToolCallRequest(id="", name="exec", arguments='{"command": "true"}')
        return Completion(content=self._content, tool_calls=(call,) * self._n_calls, usage=PAID)


class Counting:
    """A workspace in which every command takes its time and does nothing."""

    info = make_sandbox()

    def __init__(self, seconds: float = 0.0) -> None:
        self._seconds = seconds
        self.n_run = 0

    def exec(
        self,
        command: str,
        *,
        workdir: str | None = None,
        env: Mapping[str, str] | None = None,
        timeout_s: float = 60.0,
        background_after_s: float | None = None,
        session_timeout_s: float | None = None,
    ) -> Effect:
        self.n_run += 1
        time.sleep(self._seconds)
        return Effect(action="exec", cwd="/workspace", started_at=utc_now(), duration_ms=0.0, exit_code=0)

    def read(self, path: str) -> Effect:
        raise AssertionError(path)

    def write(self, path: str, data: bytes) -> Effect:
        raise AssertionError(path)

    def checkpoint(self) -> Effect:
        raise AssertionError("checkpoint")

    def restore(self, checkpoint: str) -> Effect:
        raise AssertionError(checkpoint)

    def perform(
        self, action: Action, arguments: Mapping[str, Any], data: bytes = b"", *, timeout_s: float = 60.0
    ) -> Effect:
        raise AssertionError(action)

    def close(self) -> None:
        """Nothing to close."""


def keep(data: bytes, total_bytes: int) -> BlobRef | None:
    return None


def roll(
    user: Model,
    agent: Model,
    limits: Limits,
    workspace: Counting | None = None,
    should_stop: ShouldStop = lambda _: None,
) -> Trajectory:
    """The rollout's record, which is also what came back."""
    recorded: list[Trajectory] = []
    start = make_trajectory(stop_reason=None, outcome=None).model_copy(update={"turns": ()})
    ended = play(
        start,
        UserSimulator(user, limits),
        Agent(agent, limits, keep),
        workspace or Counting(),
        limits=limits,
        record=recorded.append,
        should_stop=should_stop,
    )
    assert recorded[-1] == ended == Trajectory.model_validate_json(ended.model_dump_json())
    return ended


def test_calls_beyond_the_limit_of_one_message_are_answered_and_not_run() -> None:
    workspace = Counting()
    limits = Limits(max_calls_per_step=3, max_steps_per_turn=2)
    ended = roll(Model(ASK), Model(n_calls=50), limits, workspace)
    assert ended.stop_reason is StopReason.STEP_LIMIT
    assert workspace.n_run == 6
    calls = ended.turns[0].steps[0].tool_calls
    assert [c.failed for c in calls] == [False] * 3 + [True] * 47
    assert json.loads(calls[3].observation)["error"] == "not run: one message may make 3 tool calls"
    assert calls[3].ledger.action == "none"


def test_the_time_limit_cuts_a_turn_short_and_keeps_what_it_did() -> None:
    workspace = Counting(seconds=0.1)
    began = time.monotonic()
    ended = roll(Model(ASK), Model(n_calls=30), Limits(rollout_timeout_s=0.5), workspace)
    assert time.monotonic() - began < 1.5
    assert ended.stop_reason is StopReason.TIME_LIMIT
    assert ended.failure_cause == "the turn was cut short: time limit"
    assert 0 < len(list(ended.tool_calls())) == workspace.n_run < 30
    assert ended.turns[0].answer is None
    assert ended.agent_usage.n_calls == 1


@pytest.mark.parametrize("slow", ["user", "agent"])
def test_no_model_call_outlasts_the_rollout(slow: str) -> None:
    user = Model(ASK, seconds=9.0 if slow == "user" else 0.0)
    agent = Model("done", seconds=9.0)
    ended = roll(user, agent, Limits(rollout_timeout_s=0.4))
    assert ended.stop_reason is StopReason.TIME_LIMIT
    assert ended.failure_cause == "no answer"
    assert max(user.timeouts_s + agent.timeouts_s) <= 0.4
    assert ended.duration_s < 1.5


def test_a_model_call_ends_at_its_own_time_out() -> None:
    agent = Model("done", seconds=9.0)
    ended = roll(Model(ASK), agent, Limits(model_timeout_s=0.2))
    assert (ended.stop_reason, ended.failure_cause) == (StopReason.AGENT_FAILED, "no answer")
    assert max(agent.timeouts_s) <= 0.2
    assert ended.duration_s < 1.5


def test_a_budget_that_is_used_up_ends_the_turn_between_two_calls() -> None:
    workspace = Counting()

    def over_budget(_: Trajectory) -> StopReason | None:
        return StopReason.BUDGET_LIMIT if workspace.n_run >= 2 else None

    ended = roll(Model(ASK), Model(n_calls=5), Limits(), workspace, over_budget)
    assert (ended.stop_reason, workspace.n_run) == (StopReason.BUDGET_LIMIT, 2)
    assert len(list(ended.tool_calls())) == 2


def test_what_a_stop_raises_leaves_the_rollout_unfinished_in_the_middle_of_a_turn() -> None:
    workspace = Counting()

    def stopped(_: Trajectory) -> StopReason | None:
        if workspace.n_run:
            raise InterruptedError
        return None

    with pytest.raises(InterruptedError):
        roll(Model(ASK), Model(n_calls=5), Limits(), workspace, stopped)
    assert workspace.n_run == 1


def test_calls_that_failed_are_paid_for_on_either_side() -> None:
    failed = roll(Model(ASK), Model(fails=True), Limits())
    assert (failed.stop_reason, failed.agent_usage.n_calls) == (StopReason.AGENT_FAILED, 1)
    assert failed.turns[0].failed_usage == PAID
    failed = roll(Model(fails=True), Model(), Limits())
    assert (failed.stop_reason, failed.user_usage.n_calls) == (StopReason.USER_FAILED, 1)


def test_what_the_user_model_tried_in_vain_is_in_the_record() -> None:
    failed = roll(Model("no JSON"), Model(), Limits(max_attempts_per_utterance=2))
    assert failed.stop_reason is StopReason.USER_FAILED
    assert [a.text for a in failed.failed_attempts] == ["no JSON"] * 2
    assert failed.user_usage.n_calls == 2
