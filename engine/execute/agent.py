"""The agent's tool loop: one turn, from the user's utterance to the agent's answer."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from engine.errors import ModelError, SandboxError, one_line
from engine.execute.context import ContextFullError, ContextWindow, says_too_long
from engine.execute.ledger import KeepBlob
from engine.execute.loops import Loop, n_same_answers, repeated_steps
from engine.execute.refusal import refusing_line
from engine.execute.tools import NOT_RUN, TOOLS, refuse_call, run_tool
from engine.ports import ChatModel, Workspace
from engine.prompts import prompt_hash, render_prompt
from engine.schema.chat import Completion, ToolCallRequest, Usage
from engine.schema.compaction import Compaction
from engine.schema.run import Limits
from engine.schema.trajectory import Step, StopReason, ToolCall, Trajectory, Turn, Utterance

PROMPTS = ("agent_system", "agent_note_steps", "agent_note_answers")
_FILTERED = {"content_filter", "refusal"}
"""Finish reasons by which a provider says that the answer is a refusal."""


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
    cause: str | None = None


class _End(NamedTuple):
    """How a turn ended: with an answer, or with the reason why there is none."""

    answer: str | None
    stop_reason: StopReason | None = None
    failure: str | None = None
    usage: Usage = Usage()
    """Of a model call that failed."""
    refusal: str | None = None


class _Answered(NamedTuple):
    """What the model said, after what was left out of its messages."""

    completion: Completion
    compaction: Compaction | None


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
        steps: list[Step] = []
        end = _Steps(self, workspace, trajectory, utterance, interrupted, deadline).play(steps)
        turn = Turn(
            index=len(trajectory.turns),
            utterance=utterance,
            steps=tuple(steps),
            answer=end.answer,
            failure=end.failure,
            failed_usage=end.usage,
            refusal=end.refusal,
        )
        if end.stop_reason:
            return PlayedTurn(turn, end.stop_reason, end.failure)
        return self._judged(turn, trajectory)

    def _judged(self, turn: Turn, trajectory: Trajectory) -> PlayedTurn:
        """An answered turn: it ends the rollout where the agent only refuses, or only says the same."""
        turns = (*trajectory.turns, turn)
        n_refused = next((n for n, t in enumerate(reversed(turns)) if t.refusal is None), len(turns))
        if n_refused >= self.limits.max_refused_turns:
            cause = f"the agent declined to work, {n_refused} turns in a row: {one_line(turn.refusal, 120)}"
            return PlayedTurn(turn, StopReason.AGENT_REFUSED, cause)
        n_same, limit = n_same_answers(turns), self.limits.max_same_answers
        if n_same > limit:
            cause = f"the agent gave the same answer {n_same} times in a row: {one_line(turn.answer, 120)}"
            return PlayedTurn(turn, StopReason.AGENT_LOOPED, cause)
        if n_same == limit:
            note = render_prompt("agent_note_answers", n_times=str(n_same))
            last = turn.steps[-1].model_copy(update={"note": note})
            turn = turn.model_copy(update={"steps": (*turn.steps[:-1], last)})
        return PlayedTurn(turn, None)


@dataclass(frozen=True, slots=True)
class _Steps:
    """The steps of one turn."""

    agent: Agent
    workspace: Workspace
    trajectory: Trajectory
    utterance: Utterance
    interrupted: Interrupted
    deadline: float

    def play(self, steps: list[Step]) -> _End:
        """Plays until the answer; `steps` grows with what is done."""
        limit = self.agent.limits.max_steps_per_turn
        try:
            for _ in range(limit):
                if stop := self.interrupted():
                    return _End(None, stop, _cut_short(stop))
                answered = self._ask(steps)
                step = self._act(answered, steps)
                steps.append(step)
                if not step.tool_calls:
                    return _ending(answered.completion, is_first=len(steps) == 1)
                if (loop := repeated_steps(steps, self.agent.limits)) and not _tell(loop, steps):
                    return _End(None, StopReason.AGENT_LOOPED, _looped(loop))
        except ModelError as error:
            late = time.monotonic() >= self.deadline
            stop = StopReason.TIME_LIMIT if late else StopReason.AGENT_FAILED
            return _End(None, stop, one_line(error), error.usage)
        except ContextFullError as error:
            return _End(None, StopReason.AGENT_FAILED, one_line(error))
        except _CutShortError as cut:
            steps.append(cut.step)
            return _End(None, cut.stop_reason, cut.failure)
        return _End(None, StopReason.STEP_LIMIT, f"no answer after {limit} steps in one turn")

    def _ask(self, steps: Sequence[Step]) -> _Answered:
        """One model call; a second with half of the messages where the endpoint finds them too long."""
        now = Turn(index=len(self.trajectory.turns), utterance=self.utterance, steps=tuple(steps))
        window = ContextWindow(self.trajectory.provenance.system_prompt, (*self.trajectory.turns, now))
        window.fit(self.agent.limits.max_context_tokens)
        try:
            return _Answered(self._complete(window), window.compaction())
        except ModelError as error:
            if not says_too_long(str(error)) or not window.halve():
                raise
            refused = error
        try:
            completion = self._complete(window)
        except ModelError as error:
            problem = f"{error}; the messages had been cut to about {window.tokens} tokens after: {refused}"
            raise ModelError(problem, refused.usage + error.usage) from error
        usage = refused.usage + completion.usage
        return _Answered(completion.model_copy(update={"usage": usage}), window.compaction())

    def _complete(self, window: ContextWindow) -> Completion:
        timeout_s = min(self.agent.limits.model_timeout_s, self._seconds_left())
        return self.agent.model.complete(window.messages(), tools=TOOLS, timeout_s=timeout_s)

    def _act(self, answered: _Answered, steps: Sequence[Step]) -> Step:
        """The step with its calls run one after another, as written: they share one workspace."""
        completion, compaction = answered
        step = Step(
            content=completion.content,
            reasoning=completion.reasoning,
            raw=completion.raw,
            usage=completion.usage,
            compaction=compaction,
        )
        calls: list[ToolCall] = []

        def cut(stop: StopReason, failure: str) -> _CutShortError:
            return _CutShortError(stop, failure, step.model_copy(update={"tool_calls": tuple(calls)}))

        limits, n_before = self.agent.limits, self._n_calls(steps)
        for position, request in enumerate(_with_distinct_ids(completion.tool_calls)):
            if n_before + position >= limits.max_calls_per_rollout:
                n = limits.max_calls_per_rollout
                raise cut(StopReason.CALL_LIMIT, f"no answer after {n} tool calls in one rollout")
            if position >= limits.max_calls_per_step:
                n = limits.max_calls_per_step
                calls.append(refuse_call(request, f"{NOT_RUN}: one message may make {n} tool calls"))
                continue
            if stop := self.interrupted():
                raise cut(stop, _cut_short(stop))
            try:
                calls.append(self._call(request))
            except SandboxError as error:
                raise cut(StopReason.WORKSPACE_FAILED, one_line(error)) from error
        return step.model_copy(update={"tool_calls": tuple(calls)})

    def _n_calls(self, steps: Sequence[Step]) -> int:
        n_before = sum(1 for _ in self.trajectory.tool_calls())
        return n_before + sum(len(step.tool_calls) for step in steps)

    def _call(self, request: ToolCallRequest) -> ToolCall:
        limit = self.agent.limits.call_timeout_s
        # Whole seconds: an observation may name the time-out, and should not hold a clock's digits.
        timeout_s = min(limit, max(1.0, math.ceil(min(limit, self._seconds_left()))))
        return run_tool(request, self.workspace, timeout_s=timeout_s, keep=self.agent.keep)

    def _seconds_left(self) -> float:
        return max(0.0, self.deadline - time.monotonic())


def _ending(completion: Completion, *, is_first: bool) -> _End:
    """How a message without calls ends the turn.

    Words alone make a refusal only where nothing was tried: after calls, an agent that says what it could not
    do reports.
    """
    filtered = f"finish reason: {completion.finish_reason}" if completion.finish_reason in _FILTERED else None
    if not completion.content.strip():
        if filtered:
            cause = f"the provider held the answer back ({filtered})"
            return _End(None, StopReason.AGENT_REFUSED, cause, refusal=filtered)
        return _End(None, StopReason.AGENT_FAILED, "the agent answered with nothing")
    line = refusing_line(completion.content) if is_first or filtered else None
    return _End(completion.content, refusal=line or filtered)


def _tell(loop: Loop, steps: list[Step]) -> bool:
    """Puts a note on the last step; False where the turn has one already: the agent is told once."""
    if any(step.note for step in steps):
        return False
    note = render_prompt("agent_note_steps", what=loop.what, n_times=str(loop.n_times))
    steps[-1] = steps[-1].model_copy(update={"note": note})
    return True


def _looped(loop: Loop) -> str:
    return one_line(f"the agent was told and went on: {loop.what} with the same result, {loop.n_times} times")


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
