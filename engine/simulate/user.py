"""The user simulator: asks its model for the next message and lets only one through that keeps its role."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from pydantic import ValidationError

from engine.errors import ModelError, one_line
from engine.ports import ChatModel
from engine.prompts import prompt_hash, render_prompt
from engine.schema.base import Record
from engine.schema.chat import ChatMessage, Role, Usage
from engine.schema.run import Limits
from engine.schema.trajectory import Attempt, Outcome, Trajectory, Utterance, Verdict
from engine.simulate.drift import check_utterance
from engine.simulate.view import evidence_of, user_view

PROMPTS = ("user_system", "user_open", "user_turn", "user_retry")
_JSON_OBJECT = re.compile(r"\{.*\}", re.DOTALL)


class UserReply(Record):
    """What the user model answers with. Source: ISE paper, stage S."""

    completed: bool
    query: str = ""
    reason: str = ""
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


@dataclass(frozen=True, slots=True)
class UserSimulator:
    """Plays the user of one intent over a chat model."""

    model: ChatModel
    limits: Limits

    def next_move(self, trajectory: Trajectory) -> Utterance | Outcome:
        """The next utterance, or the ending as the user sees it.

        A proposal that fails a role-lock check is asked for again with the reason. After the last try the
        proposal that failed the fewest checks is sent, its verdicts beside it.

        Raises:
            ModelError: The user model gave nothing usable: no message and no ending.
        """
        messages = user_view(trajectory)
        attempts: list[Attempt] = []
        usage = Usage()
        reason = ""
        for _ in range(self.limits.max_attempts_per_utterance):
            completion = self.model.complete(
                [*messages, *_retry_note(attempts)],
                response_schema=REPLY_SCHEMA,
                timeout_s=self.limits.model_timeout_s,
            )
            usage = usage + completion.usage
            reply = _parse(completion.content)
            if isinstance(reply, Verdict):
                attempts.append(Attempt(text=completion.content, verdicts=(reply,)))
                continue
            reason = reply.reason
            if reply.completed:
                return Outcome(completed=True, is_success=reply.is_success, reason=reply.reason, usage=usage)
            attempts.append(Attempt(text=reply.query, verdicts=check_utterance(reply.query, trajectory)))
            if attempts[-1].passed:
                break
        return Utterance(
            text=_best(attempts).text,
            reason=reason,
            evidence=evidence_of(trajectory.turns[-1]) if trajectory.turns else None,
            attempts=tuple(attempts),
            usage=usage,
        )


def _retry_note(attempts: list[Attempt]) -> list[ChatMessage]:
    if not attempts:
        return []
    problems = "; ".join(v.detail for v in attempts[-1].verdicts if not v.passed)
    note = render_prompt("user_retry", reasons=problems, proposal=one_line(attempts[-1].text, 600))
    return [ChatMessage(role=Role.USER, content=note)]


def _parse(content: str) -> UserReply | Verdict:
    """The reply in `content` (bare, fenced or wrapped in prose), or the verdict on why there is none."""
    found = _JSON_OBJECT.search(content)
    try:
        raw = json.loads(found[0]) if found else None
        if isinstance(raw, dict):
            known = {k: v for k, v in raw.items() if k in UserReply.model_fields and v is not None}
            return UserReply.model_validate(known)
    except (ValueError, ValidationError):
        pass
    return Verdict(check="json_reply", passed=False, detail="it was not the JSON object that was asked for")


def _best(attempts: list[Attempt]) -> Attempt:
    """The first attempt with the fewest failed checks among those that are messages at all."""
    usable = [a for a in attempts if a.text.strip() and not _is_unparsed(a)]
    if not usable:
        raise ModelError("the user model gave no usable message: see the attempts in its log")
    return min(usable, key=lambda a: sum(not v.passed for v in a.verdicts))


def _is_unparsed(attempt: Attempt) -> bool:
    return any(v.check == "json_reply" for v in attempt.verdicts)
