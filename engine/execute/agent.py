"""The agent's tool loop: one turn, from the user's utterance to the agent's answer."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from engine.errors import ModelError, SandboxError, one_line
from engine.execute.ledger import KeepBlob
from engine.execute.tools import NOT_RUN, TOOLS, refuse_call, run_tool
from engine.ports import ChatModel, Workspace
from engine.prompts import prompt_hash, render_prompt
from engine.schema.chat import ChatMessage, Role, ToolCallRequest, Usage
from engine.schema.run import Limits
from engine.schema.trajectory import Step, StopReason, ToolCall, Trajectory, Turn, Utterance

PROMPTS = ("agent_system",)


def system_prompt() -> str:
    """What the agent is told; the same for every rollout."""
    return render_prompt("agent_system")


def prompt_hashes() -> dict[str, str]:
    """The hash of every prompt that this stage sends."""
    return {name: prompt_hash(name) for name in PROMPTS}


Interrupted = Callable[[], StopReason | None]
"""Asked before every model call and tool call: does anything from outside end the turn here?"""


class PlayedTurn(NamedTuple):
    """A turn and, where it ended the rollout, why."""

    turn: Turn
    stop_reason: StopReason | None


class _End(NamedTuple):
    """How a turn ended: with an answer, or with the reason why there is none."""

    answer: str | None
    stop_reason: StopReason | None = None
    failure: str | None = None
    usage: Usage = Usage()
    """Of a model call that failed."""


class _CutShortError(Exception):
    """The turn ends in the middle of a step; carries what the step had done."""

    def __init__(self, stop_reason: StopReason, failure: str, step: Step) -> None:
        super().__init__(failure)
        self.stop_reason, self.failure, self.step = stop_reason, failure, step


@dataclass(frozen=True, slots=True)
class Agent:
    """The system whose behaviour is recorded: a chat model with tools in a workspace."""

    model: ChatModel
    limits: Limits
    keep: KeepBlob
    """Keeps a stream by its content and gives the reference that the ledger holds."""

    def take_turn(
        self,
        utterance: Utterance,
        trajectory: Trajectory,
        workspace: Workspace,
        *,
        interrupted: Interrupted = lambda: None,
        deadline: float = math.inf,
    ) -> PlayedTurn:
        """Answers one utterance with real tool calls; never raises for a bad turn.

        A model or workspace that fails ends the turn without an answer, and so does an interruption; what
        was done until then is kept.

        Args:
            utterance: What the user says.
            trajectory: The turns before.
            workspace: Where tool calls are run.
            interrupted: What it raises leaves the turn unplayed.
            deadline: Instant of `time.monotonic` that no model call outlasts, and no tool call by over 1 s.
        """
        messages = [*agent_view(trajectory), ChatMessage(role=Role.USER, content=utterance.text)]
        steps: list[Step] = []
        end = _Steps(self, workspace, interrupted, deadline).play(messages, steps)
        turn = Turn(
            index=len(trajectory.turns),
            utterance=utterance,
            steps=tuple(steps),
            answer=end.answer,
            failure=end.failure,
            failed_usage=end.usage,
        )
        return PlayedTurn(turn, end.stop_reason)


@dataclass(frozen=True, slots=True)
class _Steps:
    """The steps of one turn."""

    agent: Agent
    workspace: Workspace
    interrupted: Interrupted
    deadline: float

    def play(self, messages: list[ChatMessage], steps: list[Step]) -> _End:
        """Plays until the answer; `messages` and `steps` grow with what is done."""
        limit = self.agent.limits.max_steps_per_turn
        try:
            for _ in range(limit):
                if stop := self.interrupted():
                    return _End(None, stop, _cut_short(stop))
                step = self._step(messages)
                steps.append(step)
                if not step.tool_calls:
                    if not step.content.strip():
                        return _End(None, StopReason.AGENT_FAILED, "the agent answered with nothing")
                    return _End(step.content)
                messages.extend(_step_messages(step))
        except ModelError as error:
            late = time.monotonic() >= self.deadline
            stop = StopReason.TIME_LIMIT if late else StopReason.AGENT_FAILED
            return _End(None, stop, one_line(error), error.usage)
        except _CutShortError as cut:
            steps.append(cut.step)
            return _End(None, cut.stop_reason, cut.failure)
        return _End(None, StopReason.STEP_LIMIT, f"no answer after {limit} steps in one turn")

    def _step(self, messages: list[ChatMessage]) -> Step:
        timeout_s = min(self.agent.limits.model_timeout_s, self._seconds_left())
        completion = self.agent.model.complete(messages, tools=TOOLS, timeout_s=timeout_s)
        step = Step(content=completion.content, reasoning=completion.reasoning, usage=completion.usage)
        calls: list[ToolCall] = []

        def cut(stop: StopReason, failure: str) -> _CutShortError:
            return _CutShortError(stop, failure, step.model_copy(update={"tool_calls": tuple(calls)}))

        limit = self.agent.limits.max_calls_per_step
        for position, request in enumerate(_with_distinct_ids(completion.tool_calls)):
            if position >= limit:
                calls.append(refuse_call(request, f"{NOT_RUN}: one message may make {limit} tool calls"))
                continue
            if stop := self.interrupted():
                raise cut(stop, _cut_short(stop))
            try:
                calls.append(self._call(request))
            except SandboxError as error:
                raise cut(StopReason.WORKSPACE_FAILED, one_line(error)) from error
        return step.model_copy(update={"tool_calls": tuple(calls)})

    def _call(self, request: ToolCallRequest) -> ToolCall:
        limit = self.agent.limits.call_timeout_s
        # Whole seconds: an observation may name the time-out, and should not hold a clock's digits.
        timeout_s = min(limit, max(1.0, math.ceil(min(limit, self._seconds_left()))))
        return run_tool(request, self.workspace, timeout_s=timeout_s, keep=self.agent.keep)

    def _seconds_left(self) -> float:
        return max(0.0, self.deadline - time.monotonic())


def _cut_short(stop: StopReason) -> str:
    return f"the turn was cut short: {stop.value.replace('_', ' ')}"


def _with_distinct_ids(requests: tuple[ToolCallRequest, ...]) -> Iterator[ToolCallRequest]:
    """Each call with an id of its own within the step: a model may send none, or one twice."""
    seen: set[str] = set()
    for position, request in enumerate(requests):
        call_id = request.id or f"call_{position}"
        while call_id in seen:
            call_id = f"{call_id}_{position}"
        seen.add(call_id)
        yield request if call_id == request.id else request.model_copy(update={"id": call_id})


def agent_view(trajectory: Trajectory) -> list[ChatMessage]:
    """The chat as the agent sees it: system prompt, and of every turn the utterance, steps and answer."""
    messages = [ChatMessage(role=Role.SYSTEM, content=trajectory.provenance.system_prompt)]
    for turn in trajectory.turns:
        messages.append(ChatMessage(role=Role.USER, content=turn.utterance.text))
        for step in turn.steps:
            messages.extend(_step_messages(step))
    return messages


def _step_messages(step: Step) -> Iterator[ChatMessage]:
    yield ChatMessage(
        role=Role.ASSISTANT,
        content=step.content,
        reasoning=step.reasoning,
        tool_calls=tuple(
            ToolCallRequest(id=c.id, name=c.name, arguments=c.arguments) for c in step.tool_calls
        ),
    )
    for call in step.tool_calls:
        yield ChatMessage(role=Role.TOOL, content=call.observation, tool_call_id=call.id)
