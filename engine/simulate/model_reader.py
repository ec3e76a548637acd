"""A chat model as the reader of messages, in place of the one that comes with the project.

It is shown the intent, the last turns with their evidence, and the message as `marks` marks it.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from engine.errors import ModelError, one_line
from engine.ports import ChatModel, Reading
from engine.prompts import prompt_hash, render_prompt
from engine.replies import read_last_object
from engine.schema.base import Record
from engine.schema.chat import ChatMessage, ModelInfo, Role, Usage
from engine.schema.text import ForeignText
from engine.schema.trajectory import Trajectory, Turn
from engine.simulate.view import evidence_of

PROMPTS = ("judge_system", "judge_message", "judge_retry")
MAX_ANSWERS = 2
"""Answers that are asked of the model for one message."""
_N_TURNS = 3
"""Turns that it is shown; what the record says of earlier ones stands in the marks."""
_MAX_CHARS = 8_000
"""Of one message, answer or intent, its middle left out: hostile ones have megabytes. Evidence is bounded."""
_REASON_CHARS = 300


class Judgement(Record):
    """What the model answers with."""

    drifts: bool
    hallucinates: bool
    reason: ForeignText = ""


JUDGEMENT_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "reason": {"type": "string"},
        "drifts": {"type": "boolean"},
        "hallucinates": {"type": "boolean"},
    },
    "required": ["reason", "drifts", "hallucinates"],
    "additionalProperties": False,
}


def prompt_hashes() -> dict[str, str]:
    """The hash of every prompt that this reader sends."""
    return {name: prompt_hash(name) for name in PROMPTS}


@dataclass(frozen=True, slots=True)
class ModelReader:
    """Asks a chat model of each message whether it drifts or hallucinates. Implements `ports.Reader`."""

    model: ChatModel
    timeout_s: float = 120.0
    """Wall time of one request."""

    @property
    def info(self) -> ModelInfo:
        """The model's own."""
        return self.model.info

    def read(self, marked: str, trajectory: Trajectory, deadline: float = math.inf) -> Reading:
        """What the model says of the message; an answer that is none is asked for again.

        Raises:
            ModelError: The endpoint failed, or gave no judgement; with what was consumed till then.
        """
        messages = _messages(marked, trajectory)
        usage = Usage()
        for _ in range(MAX_ANSWERS):
            timeout_s = max(0.0, min(self.timeout_s, deadline - time.monotonic()))
            try:
                completion = self.model.complete(
                    messages, response_schema=JUDGEMENT_SCHEMA, timeout_s=timeout_s
                )
            except ModelError as error:
                raise ModelError(f"the judge: {one_line(error)}", usage + error.usage) from error
            usage = usage + completion.usage
            if judgement := _judgement(completion.content):
                return Reading(
                    drifts=judgement.drifts,
                    hallucinates=judgement.hallucinates,
                    drift=float(judgement.drifts),
                    hallucination=float(judgement.hallucinates),
                    reason=one_line(judgement.reason, _REASON_CHARS)
                    or "the judge says so and gives no reason",
                    usage=usage,
                )
            # The same request again might bring the same answer, word by word.
            messages = [
                *messages,
                ChatMessage(role=Role.ASSISTANT, content=_shorten(completion.content)),
                ChatMessage(role=Role.USER, content=render_prompt("judge_retry")),
            ]
        raise ModelError(f"the judge: no judgement in {MAX_ANSWERS} answers", usage)


def _judgement(content: str) -> Judgement | None:
    """The last one in the answer: a model may quote another's before it gives its own."""
    found = read_last_object(content, lambda one: one.keys() >= {"drifts", "hallucinates"}) or {}
    known = {k: v for k, v in found.items() if k in Judgement.model_fields and v is not None}
    with suppress(ValidationError):
        return Judgement.model_validate(known)
    return None


def _messages(marked: str, trajectory: Trajectory) -> list[ChatMessage]:
    content = render_prompt(
        "judge_message",
        intent=_quoted(trajectory.intent.utterance),
        turns="\n".join(map(_turn, trajectory.turns[-_N_TURNS:])) or "(none: this is the opening)",
        message=_quoted(marked),
    )
    return [
        ChatMessage(role=Role.SYSTEM, content=render_prompt("judge_system")),
        ChatMessage(role=Role.USER, content=content),
    ]


def _turn(turn: Turn) -> str:
    """What the user said and what they were shown of what came of it, as one line of JSON."""
    evidence = evidence_of(turn).model_dump(mode="json")
    answer = _shorten(turn.answer or "(no answer came)")
    shown = {"user": _shorten(turn.utterance.text), "answer": answer, "evidence": evidence}
    return json.dumps(shown, ensure_ascii=False)


def _quoted(text: str) -> str:
    """As a JSON string: nothing in it can end its own quotation."""
    return json.dumps(_shorten(text), ensure_ascii=False)


def _shorten(text: str) -> str:
    half = _MAX_CHARS // 2
    return text if len(text) <= _MAX_CHARS else f"{text[:half]} […] {text[-half:]}"
