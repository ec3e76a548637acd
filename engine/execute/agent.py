"""The agent's tool loop: one turn, from the user's utterance to the agent's answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from engine.errors import ModelError, SandboxError, one_line
from engine.execute.ledger import KeepBlob
from engine.execute.tools import TOOLS, run_tool
from engine.ports import ChatModel, Workspace
from engine.prompts import prompt_hash, render_prompt
from engine.schema.chat import ChatMessage, Role, ToolCallRequest
from engine.schema.run import Limits
from engine.schema.trajectory import Step, StopReason, ToolCall, Trajectory, Turn, Utterance

PROMPTS = ("agent_system",)


def system_prompt() -> str:
    """What the agent is told; the same for every rollout."""
    return render_prompt("agent_system")


def prompt_hashes() -> dict[str, str]:
    """The hash of every prompt that this stage sends."""
    return {name: prompt_hash(name) for name in PROMPTS}


class PlayedTurn(NamedTuple):
    """A turn and, where it ended the rollout, why."""

    turn: Turn
    stop_reason: StopReason | None


@dataclass(frozen=True, slots=True)
class Agent:
    """The system whose behaviour is recorded: a chat model with tools in a workspace."""

    model: ChatModel
    limits: Limits
    keep: KeepBlob
    """Keeps a stream by its content and gives the reference that the ledger holds."""

    def take_turn(self, utterance: Utterance, trajectory: Trajectory, workspace: Workspace) -> PlayedTurn:
        """Answers one utterance with real tool calls; never raises for a bad turn.

        A model or workspace that fails ends the turn without an answer; what was done until then is kept.
        """
        messages = [*agent_view(trajectory), ChatMessage(role=Role.USER, content=utterance.text)]
        steps: list[Step] = []

        def ended(stop: StopReason | None, answer: str | None, failure: str | None) -> PlayedTurn:
            turn = Turn(
                index=len(trajectory.turns),
                utterance=utterance,
                steps=tuple(steps),
                answer=answer,
                failure=failure,
            )
            return PlayedTurn(turn, stop)

        try:
            for _ in range(self.limits.max_steps_per_turn):
                step = self._step(messages, workspace)
                steps.append(step)
                if not step.tool_calls:
                    if not step.content.strip():
                        return ended(StopReason.AGENT_FAILED, None, "the agent answered with nothing")
                    return ended(None, step.content, None)
                messages.extend(_step_messages(step))
        except ModelError as error:
            return ended(StopReason.AGENT_FAILED, None, one_line(error))
        except _WorkspaceLostError as lost:
            steps.append(lost.step)
            return ended(StopReason.WORKSPACE_FAILED, None, one_line(lost))
        limit = self.limits.max_steps_per_turn
        return ended(StopReason.STEP_LIMIT, None, f"no answer after {limit} steps in one turn")

    def _step(self, messages: list[ChatMessage], workspace: Workspace) -> Step:
        completion = self.model.complete(messages, tools=TOOLS, timeout_s=self.limits.model_timeout_s)
        calls: list[ToolCall] = []
        step = Step(content=completion.content, reasoning=completion.reasoning, usage=completion.usage)
        for request in _with_distinct_ids(completion.tool_calls):
            try:
                call = run_tool(request, workspace, timeout_s=self.limits.call_timeout_s, keep=self.keep)
            except SandboxError as error:
                raise _WorkspaceLostError(
                    error, step.model_copy(update={"tool_calls": tuple(calls)})
                ) from error
            calls.append(call)
        return step.model_copy(update={"tool_calls": tuple(calls)})


class _WorkspaceLostError(Exception):
    """The workspace went away in the middle of a step; carries what the step had done."""

    def __init__(self, cause: SandboxError, step: Step) -> None:
        super().__init__(str(cause))
        self.step = step


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
