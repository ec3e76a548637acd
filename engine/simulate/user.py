"""The user simulator: asks its model for the next message and lets only one through that keeps its role."""

from __future__ import annotations

import math
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

from pydantic import ValidationError

from engine.errors import ModelError, one_line
from engine.ports import ChatModel, Reader
from engine.prompts import prompt_hash, render_prompt
from engine.replies import read_json_object
from engine.schema.base import Record
from engine.schema.chat import ChatMessage, Completion, Role, Usage
from engine.schema.run import Limits, OnFailedUtterance
from engine.schema.text import ForeignText
from engine.schema.trajectory import Attempt, Outcome, Trajectory, Utterance, Verdict
from engine.simulate.judge import badness, is_refused_ending, judge_ending, judge_utterance, refuse_ending
from engine.simulate.view import evidence_of, user_view

PROMPTS = ("user_system", "user_open", "user_turn", "user_retry", "user_check")


class UserReply(Record):
    """What the user model answers with. Source: ISE paper, stage S."""

    completed: bool
    query: ForeignText = ""
    reason: ForeignText = ""
    is_success: bool = False


REPLY_SCHEMA = {
    "type": "object",
    "properties": {
        "completed": {"type": "boolean"},
        "query": {"type": "string"},
        "reason": {"type": "string"},
        "is_success": {"type": "boolean"},
    },
    "required": ["completed", "query", "reason", "is_success"],
    "additionalProperties": False,
}


def prompt_hashes() -> dict[str, str]:
    """The hash of every prompt that this stage sends."""
    return {name: prompt_hash(name) for name in PROMPTS}


class UserFailed(NamedTuple):
    """No next message: why, what was tried, and what it cost."""

    cause: str
    attempts: tuple[Attempt, ...]
    usage: Usage


class _Proposal(NamedTuple):
    """What one call of the user model brought; no reply where it gave something else."""

    attempt: Attempt
    reply: UserReply | None
    unread: str = ""
    """Why the model that reads could not judge it: a message that nobody read is not sent."""


@dataclass(frozen=True, slots=True)
class UserSimulator:
    """Plays the user of one intent over a chat model."""

    model: ChatModel
    limits: Limits
    reader: Reader | None = None
    """Judges the messages beside the rules; without one they alone do."""

    def next_move(
        self, trajectory: Trajectory, deadline: float = math.inf
    ) -> Utterance | Outcome | UserFailed:
        """The next utterance, or the ending as the user sees it, or why there is neither.

        A proposal that fails a check is asked for again with the reason. What happens after the last try is
        `Limits.on_failed_utterance`: the best is sent, its verdicts beside it, or the rollout has failed. An
        ending as a success is sent back once in a rollout where no double-check was asked for.

        Args:
            trajectory: What has been played.
            deadline: Instant of `time.monotonic` at which asking ends.
        """
        messages = user_view(trajectory)
        proposals: list[_Proposal] = []
        usage = Usage()
        tries = self.limits.max_attempts_per_utterance
        while tries > 0:
            try:
                completion = self._ask([*messages, *_retry_note(proposals)], deadline)
            except ModelError as error:
                return UserFailed(one_line(error), _attempts(proposals), usage + error.usage)
            proposal, ending = self._judge(completion.content, trajectory, proposals, deadline)
            usage = usage + completion.usage + proposal.attempt.judging
            if ending:
                return ending.model_copy(update={"attempts": _attempts(proposals), "usage": usage})
            proposals.append(proposal)
            if proposal.unread:
                return UserFailed(proposal.unread, _attempts(proposals), usage)
            tries -= not is_refused_ending(proposal.attempt)
            if proposal.attempt.passed:
                break
        return self._decide(trajectory, proposals, usage)

    def _ask(self, messages: list[ChatMessage], deadline: float) -> Completion:
        timeout_s = max(0.0, min(self.limits.model_timeout_s, deadline - time.monotonic()))
        return self.model.complete(messages, response_schema=REPLY_SCHEMA, timeout_s=timeout_s)

    def _judge(
        self, content: str, trajectory: Trajectory, before: list[_Proposal], deadline: float
    ) -> tuple[_Proposal, Outcome | None]:
        """What one answer of the model is worth, and the ending where it is one that is accepted."""
        reply = _parse(content)
        if isinstance(reply, Verdict):
            return _Proposal(Attempt(text=content, verdicts=(reply,)), None), None
        if not reply.completed:
            return self._read(reply, trajectory, deadline), None
        outcome = Outcome(completed=True, is_success=reply.is_success, reason=reply.reason)
        was_refused = any(is_refused_ending(p.attempt) for p in before)
        refused = None if was_refused else refuse_ending(outcome, trajectory)
        if refused:
            return _Proposal(refused, reply), None
        return _Proposal(Attempt(text=reply.reason), reply), judge_ending(outcome, trajectory)

    def _read(self, reply: UserReply, trajectory: Trajectory, deadline: float) -> _Proposal:
        """A message with its verdicts; where the model that reads failed, with those of the rules alone."""
        try:
            return _Proposal(judge_utterance(reply.query, trajectory, self.reader, deadline), reply)
        except ModelError as error:
            attempt = judge_utterance(reply.query, trajectory)
            attempt = attempt.model_copy(update={"judging": error.usage})
            return _Proposal(attempt, reply, unread=one_line(error))

    def _decide(
        self, trajectory: Trajectory, proposals: list[_Proposal], usage: Usage
    ) -> Utterance | UserFailed:
        """The first proposal against which least speaks, among those that are messages at all."""
        attempts = _attempts(proposals)
        usable = [(a, reply) for a, reply, _ in proposals if reply and a.text.strip() and not reply.completed]
        if not usable:
            return UserFailed("the user model gave no usable message", attempts, usage)
        best, reply = min(usable, key=lambda pair: badness(pair[0]))
        if not best.passed and self.limits.on_failed_utterance is OnFailedUtterance.END:
            failed = ", ".join(v.check for v in best.verdicts if not v.passed)
            return UserFailed(f"no message of the user model passed the checks: {failed}", attempts, usage)
        evidence = evidence_of(trajectory.turns[-1]) if trajectory.turns else None
        return Utterance(
            text=best.text, reason=reply.reason, evidence=evidence, attempts=attempts, usage=usage
        )


def _attempts(proposals: list[_Proposal]) -> tuple[Attempt, ...]:
    return tuple(p.attempt for p in proposals)


def _retry_note(proposals: list[_Proposal]) -> list[ChatMessage]:
    if not proposals:
        return []
    last = proposals[-1].attempt
    if is_refused_ending(last):
        return [ChatMessage(role=Role.USER, content=render_prompt("user_check"))]
    problems = "; ".join(v.detail for v in last.verdicts if not v.passed)
    note = render_prompt("user_retry", reasons=problems, proposal=one_line(last.text, 600))
    return [ChatMessage(role=Role.USER, content=note)]


def _parse(content: str) -> UserReply | Verdict:
    """The reply in `content` (bare, fenced or wrapped in prose), or the verdict on why there is none."""
    raw = read_json_object(content) or {}
    known = {k: v for k, v in raw.items() if k in UserReply.model_fields and v is not None}
    with suppress(ValidationError):
        return UserReply.model_validate(known)
    return Verdict(check="json_reply", passed=False, detail="it was not the JSON object that was asked for")
