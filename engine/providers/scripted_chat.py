"""The `scripted` provider: plays playbooks offline, seeded and free. For trying, testing and teaching.

Both models of a rollout follow one script, drawn from the intent and the seed. They keep no state: where
they are follows from the messages alone, so a script reads what really came back like any model would.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from engine.playbooks import choose_filled, fill, slots_of_task
from engine.providers.script import Act, Script
from engine.schema.chat import ChatMessage, Completion, ModelInfo, Role, ToolCallRequest, ToolSchema, Usage
from engine.schema.endings import says_failure, without_closing
from engine.schema.playbook import PlayStep, PlayTurn, Register
from engine.schema.trajectory import Evidence, EvidenceCall

_EVIDENCE = re.compile(r"<evidence>\n(.*)\n</evidence>", re.DOTALL)
_PLAIN_WORD = re.compile(r"[\w./=+:@-]+")
_USAGE = Usage(n_calls=1, cost_usd=0.0)


class _Scripted:
    """One side of a script."""

    def __init__(self, script: Script) -> None:
        self._script = script

    @property
    def info(self) -> ModelInfo:
        """Says that this is no model but a script."""
        return ModelInfo(provider="scripted", model="playbooks", parameters={"seed": self._script.seed})


class ScriptedUser(_Scripted):
    """The user's side of a script."""

    def complete(
        self,
        messages: Sequence[ChatMessage],
        *,
        tools: Sequence[ToolSchema] = (),
        response_schema: Mapping[str, Any] | None = None,
        timeout_s: float = 120.0,
    ) -> Completion:
        """The next move as the JSON object that the user simulator asks for."""
        n_said = sum(m.role is Role.ASSISTANT for m in messages)
        evidences = [e for m in messages if m.role is Role.USER and (e := _evidence_in(m.content))]
        if n_said >= len(self._script.acts):
            n_open = sum(bool(e.calls) and e.calls[-1].failed for e in evidences)
            reason = (
                "everything asked for was done and checked" if not n_open else f"{n_open} steps stayed failed"
            )
            return _reply(completed=True, query="", reason=reason, is_success=not n_open)
        rng = self._script.rng("user", n_said, len(messages[-1].content))
        act = self._script.acts[n_said]
        react = self._react(evidences[-1], rng) if evidences else self._greet(rng)
        query = " ".join(part for part in (react, self._ask(act, rng)) if part)
        return _reply(completed=False, query=query, reason=f"next step: {act.task_id}", is_success=False)

    def _greet(self, rng: random.Random) -> str:
        return choose_filled(self._script.manner.greetings, self._script.details, rng) or ""

    def _ask(self, act: Act, rng: random.Random) -> str:
        slots = slots_of_task(self._script.details, act.task_id)
        variants = act.turn.ask.get(self._script.register) or act.turn.ask[Register.PLAIN]
        return choose_filled(variants, slots, rng) or fill(variants[0], slots)

    def _react(self, evidence: Evidence, rng: random.Random) -> str:
        """What the user says of what really happened, before the next request."""
        manner = self._script.manner
        slots = dict(self._script.details)
        failed = next((c for c in reversed(evidence.calls) if c.failed), None)
        if failed:
            slots["failed_command"] = _short_name(failed)
            if failed.exit_code is not None:  # a file tool has none: its phrases speak of none
                slots["exit_code"] = str(failed.exit_code)
            phrases = manner.failures if evidence.calls[-1].failed else manner.recovered
        elif touched := [p for p in (*evidence.created, *evidence.modified) if _is_spoken_of(p)]:
            slots["created"] = rng.choice(touched)
            phrases = manner.acknowledgements
        else:
            phrases = manner.plain_acknowledgements
        return choose_filled(phrases, slots, rng) or ""


class ScriptedAgent(_Scripted):
    """The agent's side of a script."""

    def complete(
        self,
        messages: Sequence[ChatMessage],
        *,
        tools: Sequence[ToolSchema] = (),
        response_schema: Mapping[str, Any] | None = None,
        timeout_s: float = 120.0,
    ) -> Completion:
        """The next tool call of the playbook, or its answer from what the calls really brought."""
        observed = _observations_by_turn(messages)
        position = len(observed) - 1
        if not 0 <= position < len(self._script.acts):
            return Completion(content="That was the last step that this playbook knows.", usage=_USAGE)
        act = self._script.acts[position]
        walk = self._walk_to(position, observed)
        if walk.next_step is None:
            rng = self._script.rng("agent", position)
            return Completion(content=_answer(act.turn, walk, rng), usage=_USAGE)
        arguments = {
            name: fill(value, walk.slots) if isinstance(value, str) else value
            for name, value in walk.next_step.arguments.items()
        }
        digest = self._script.rng("call", position, len(observed[-1])).getrandbits(96)
        call = ToolCallRequest(
            id=f"call_{digest:024x}",
            name=walk.next_step.tool,
            arguments=json.dumps(arguments, ensure_ascii=False),
        )
        return Completion(
            content=fill(walk.next_step.say, walk.slots),
            tool_calls=(call,),
            finish_reason="tool_calls",
            usage=_USAGE,
        )

    def _walk_to(self, position: int, observed: Sequence[Sequence[str]]) -> _Walk:
        """Where the turn at `position` stands, with what earlier turns of the same task captured."""
        act = self._script.acts[position]
        slots = slots_of_task(self._script.details, act.task_id)
        walk = _Walk(None, slots, None)
        for index in range(position + 1):
            earlier = self._script.acts[index]
            if earlier.task_id == act.task_id:
                walk = _walk(earlier.turn.steps, observed[index], walk.slots)
        return walk


class _Walk(NamedTuple):
    next_step: PlayStep | None
    slots: dict[str, str]
    last: str | None
    """The observation of the last call; None where none was made."""


def _walk(steps: Sequence[PlayStep], observations: Sequence[str], slots: Mapping[str, str]) -> _Walk:
    """Follows the steps along what really came back: captures fill slots, a fitting branch is taken."""
    queue, known = list(steps), dict(slots)
    last: str | None = None
    for last in observations:
        if not queue:
            break
        step = queue.pop(0)
        for name, pattern in step.capture.items():
            if found := re.search(fill(pattern, known), last, re.MULTILINE):
                known[name] = found[1].strip()
        branch = next((b for b in step.branches if re.search(fill(b.when, known), last)), None)
        if branch:
            queue = [*branch.steps, *queue]
    return _Walk(queue[0] if queue else None, known, last)


def _answer(turn: PlayTurn, walk: _Walk, rng: random.Random) -> str:
    last = walk.last or ""
    if not says_failure(last):
        told = choose_filled(turn.answer, walk.slots, rng)
        if told is not None:
            return told
    lines = [line for line in without_closing(last).splitlines() if line.strip()]
    slots = {**walk.slots, "last_error": lines[-1].strip() if lines else "no output came back"}
    told = choose_filled(turn.answer_failed, slots, rng)
    return told or f"That did not come out as it should: {slots['last_error']}"


def _observations_by_turn(messages: Sequence[ChatMessage]) -> list[list[str]]:
    turns: list[list[str]] = []
    for message in messages:
        if message.role is Role.USER:
            turns.append([])
        elif message.role is Role.TOOL and turns:
            turns[-1].append(message.content)
    return turns


def _evidence_in(content: str) -> Evidence | None:
    found = _EVIDENCE.search(content)
    return Evidence.model_validate_json(found[1]) if found else None


def _is_spoken_of(path: str) -> bool:
    """False for folders, and below a dot folder such as git's own: no user would speak of those."""
    return not path.endswith("/") and not any(part.startswith(".") for part in path.split("/"))


def _short_name(call: EvidenceCall) -> str:
    """What a person would call the command: its plain words up to the first quote, redirection or pipe."""
    words = []
    for word in call.summary.split(" && ")[-1].split()[:4]:
        if not _PLAIN_WORD.fullmatch(word):
            break
        words.append(word)
    while len(words) > 1 and words[-1].startswith("-"):
        words.pop()
    return " ".join(words) or call.tool


def _reply(*, completed: bool, query: str, reason: str, is_success: bool) -> Completion:
    content = {"completed": completed, "query": query, "reason": reason, "is_success": is_success}
    return Completion(content=json.dumps(content, ensure_ascii=False), usage=_USAGE)
