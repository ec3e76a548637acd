"""The user simulator: asks its model for the next message and lets only one through that keeps its role."""

from __future__ import annotations

import json
import math
import re
import time
from dataclasses import dataclass
from typing import NamedTuple

from engine.errors import ModelError, one_line
from engine.ports import ChatModel
from engine.prompts import prompt_hash, render_prompt
from engine.schema.base import Record
from engine.schema.chat import ChatMessage, Role, Usage
from engine.schema.run import Limits
from engine.schema.text import ForeignText
from engine.schema.trajectory import Attempt, Outcome, Trajectory, Utterance, Verdict
from engine.simulate.drift import check_utterance
from engine.simulate.view import evidence_of, user_view

PROMPTS = ("user_system", "user_open", "user_turn", "user_retry")
_JSON_OBJECT = re.compile(r"\{.*\}", re.DOTALL)


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


@dataclass(frozen=True, slots=True)
class UserSimulator:
    """Plays the user of one intent over a chat model."""

    model: ChatModel
    limits: Limits

    def next_move(
        self, trajectory: Trajectory, deadline: float = math.inf
    ) -> Utterance | Outcome | UserFailed:
        """The next utterance, or the ending as the user sees it, or why there is neither.

        A proposal that fails a role-lock check is asked for again with the reason. After the last try the
        proposal that failed the fewest checks is sent, its verdicts beside it.

        Args:
            trajectory: What has been played.
            deadline: Instant of `time.monotonic` at which asking ends.
        """
        messages = user_view(trajectory)
        proposals: list[_Proposal] = []
        usage = Usage()
        for _ in range(self.limits.max_attempts_per_utterance):
            try:
                completion = self.model.complete(
                    [*messages, *_retry_note(proposals)],
                    response_schema=REPLY_SCHEMA,
                    timeout_s=max(0.0, min(self.limits.model_timeout_s, deadline - time.monotonic())),
                )
            except ModelError as error:
                return UserFailed(one_line(error), _attempts(proposals), usage + error.usage)
            usage = usage + completion.usage
            proposal = _judge(completion.content, trajectory)
            if proposal.reply and proposal.reply.completed:
                return _outcome(proposal.reply, proposals, usage)
            proposals.append(proposal)
            if proposal.attempt.passed:
                break
        return _utterance(trajectory, proposals, usage)


def _judge(content: str, trajectory: Trajectory) -> _Proposal:
    reply = _parse(content)
    if isinstance(reply, Verdict):
        return _Proposal(Attempt(text=content, verdicts=(reply,)), None)
    return _Proposal(Attempt(text=reply.query, verdicts=check_utterance(reply.query, trajectory)), reply)


def _outcome(reply: UserReply, before: list[_Proposal], usage: Usage) -> Outcome:
    return Outcome(
        completed=True,
        is_success=reply.is_success,
        reason=reply.reason,
        attempts=_attempts(before),
        usage=usage,
    )


def _utterance(trajectory: Trajectory, proposals: list[_Proposal], usage: Usage) -> Utterance | UserFailed:
    """The first proposal with the fewest failed checks among those that are messages at all."""
    usable = [(a, reply) for a, reply in proposals if reply and a.text.strip()]
    if not usable:
        return UserFailed("the user model gave no usable message", _attempts(proposals), usage)
    best, reply = min(usable, key=lambda pair: sum(not v.passed for v in pair[0].verdicts))
    return Utterance(
        text=best.text,
        reason=reply.reason,
        evidence=evidence_of(trajectory.turns[-1]) if trajectory.turns else None,
        attempts=_attempts(proposals),
        usage=usage,
    )


def _attempts(proposals: list[_Proposal]) -> tuple[Attempt, ...]:
    return tuple(p.attempt for p in proposals)


def _retry_note(proposals: list[_Proposal]) -> list[ChatMessage]:
    if not proposals:
        return []
    last = proposals[-1].attempt
    problems = "; ".join(v.detail for v in last.verdicts if not v.passed)
    note = render_prompt("user_retry", reasons=problems, proposal=one_line(last.text, 600))
    return [ChatMessage(role=Role.USER, content=note)]


def _parse(content: str) -> UserReply | Verdict:
    """The reply in `content` (bare, fenced or wrapped in prose), or the verdict on why there is none."""
    found = _JSON_OBJECT.search(content)
    try:
        raw = json.loads(found[0]) if found else None
        if isinstance(raw, dict):
            known = {k: v for k, v in raw.items() if k in UserReply.model_fields and v is not None}
            return UserReply.model_validate(known)
    except (ValueError, RecursionError):  # no JSON, another shape, or nested beyond all measure
        pass
    return Verdict(check="json_reply", passed=False, detail="it was not the JSON object that was asked for")
