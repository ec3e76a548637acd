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

from engine.playbooks import choose_filled, fill, slots_in, slots_of_task
from engine.providers.hearing import heard_files
from engine.providers.made import Played, choose_files, files_made, lost_files, missing_files, with_parts
from engine.providers.script import Act, Script
from engine.providers.short_name import short_name
from engine.schema.chat import ChatMessage, Completion, ModelInfo, Role, ToolCallRequest, ToolSchema, Usage
from engine.schema.endings import says_failure, without_closing
from engine.schema.playbook import PlayStep, PlayTurn, Register
from engine.schema.trajectory import Evidence

_EVIDENCE = re.compile(r"<evidence>\n(.*)\n</evidence>", re.DOTALL)
_REFERENCE_SHARE = 0.3
"""How often the user, pleased with a file, also speaks of one of an earlier task."""
_UNSEEN = (
    "It ran through, but what I was looking for is not in its output. The last line was: <<last_line>>",
    "The call went through; its output is not what I expected, though. It ends with: <<last_line>>",
)
"""Answers to a call that went well and did not bring what any of the turn's answers speak of."""
_SILENT = "It ran through without any output, so I can't say more than that."
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
        said = [m.content for m in messages if m.role is Role.ASSISTANT]
        turns = self._turns(said, messages)
        if len(said) >= len(self._script.acts):
            return _ending(turns, self._script.details.get("dir", ""))
        place, tries = len(said), len(messages) - 2 * len(said)
        act = self._script.acts[place]
        rng = self._script.rng("user", place, tries)
        react = self._react(turns, place + tries, rng) if turns else self._greet(rng)
        parts = (react, self._lead(place, rng), self._ask(act, turns, rng))
        query = " ".join(part for part in parts if part)
        return _reply(completed=False, query=query, reason=f"next step: {act.task_id}", is_success=False)

    def _turns(self, said: Sequence[str], messages: Sequence[ChatMessage]) -> list[Played]:
        """The turns so far, as the messages tell of them."""
        evidences = [e for m in messages if m.role is Role.USER and (e := _evidence_in(m.content))]
        return [
            Played(act.task_id, act.is_aside, words, evidence)
            for act, words, evidence in zip(self._script.acts, said, evidences, strict=False)
        ]

    def _greet(self, rng: random.Random) -> str:
        return choose_filled(self._script.manner.greetings, self._script.details, rng) or ""

    def _lead(self, place: int, rng: random.Random) -> str:
        """What begins the double-check, before what exactly to look at."""
        if place != self._script.closing:
            return ""
        return choose_filled(self._script.manner.double_checks, self._script.details, rng) or ""

    def _ask(self, act: Act, turns: Sequence[Played], rng: random.Random) -> str:
        slots = slots_of_task(self._script.details, act.task_id)
        turn = act.turn
        if turn.files:
            files = choose_files(turn.files, turns, rng)
            turn = turn if files or act.otherwise is None else act.otherwise
            slots |= with_parts(files or {})
        variants = turn.ask.get(self._script.register) or turn.ask[Register.PLAIN]
        return choose_filled(variants, slots, rng) or fill(variants[0], slots)

    def _react(self, turns: Sequence[Played], turn: int, rng: random.Random) -> str:
        """What the user says of what really happened, before the next request.

        The phrases go round in an order of the script's own, so that no user says the same thing twice.
        """
        manner, evidence = self._script.manner, turns[-1].evidence
        slots = dict(self._script.details)
        failed = next((c for c in reversed(evidence.calls) if c.failed), None)
        if failed:
            slots["failed_command"] = short_name(failed)
            if failed.exit_code is not None:  # a file tool has none: its phrases speak of none
                slots["exit_code"] = str(failed.exit_code)
            phrases = manner.failures if evidence.calls[-1].failed else manner.recovered
        elif touched := _worth_naming(turns):
            slots["created"] = rng.choice(touched)
            earlier = _of_other_tasks(turns) if rng.random() < _REFERENCE_SHARE else []
            slots |= {"earlier": rng.choice(earlier)} if earlier else {}
            phrases = manner.references if earlier and manner.references else manner.acknowledgements
        else:
            phrases = manner.plain_acknowledgements
        ready = [phrase for phrase in phrases if slots_in(phrase) <= slots.keys()]
        self._script.rng("phrases", len(ready)).shuffle(ready)
        return fill(ready[turn % len(ready)], slots) if ready else ""


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
        walk = self._walk_to(position, observed, [m.content for m in messages if m.role is Role.USER])
        if walk.next_step is None:
            rng = self._script.rng("agent", position)
            return Completion(content=_answer(walk, rng), usage=_USAGE)
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

    def _walk_to(self, position: int, observed: Sequence[Sequence[str]], heard: Sequence[str]) -> _Walk:
        """Where the turn at `position` stands, with what earlier turns of the same task captured."""
        task_id = self._script.acts[position].task_id
        slots = slots_of_task(self._script.details, task_id)
        for index in range(position):
            earlier = self._script.acts[index]
            if earlier.task_id == task_id:
                slots = _walk(earlier.turn, observed[index], slots).slots
        turn, files = _understood(self._script.acts[position], slots, heard[position])
        return _walk(turn, observed[position], slots | files)


def _understood(act: Act, slots: Mapping[str, str], heard: str) -> tuple[PlayTurn, dict[str, str]]:
    """What the user asks for, and the slots of the files that it is about."""
    if act.otherwise is None or not act.turn.files:
        return act.turn, {}
    files = heard_files(act.turn, slots, heard)
    return (act.turn, with_parts(files)) if files else (act.otherwise, {})


class _Walk(NamedTuple):
    turn: PlayTurn
    next_step: PlayStep | None
    slots: dict[str, str]
    last: str | None
    """The observation of the last call; None where none was made."""


def _walk(turn: PlayTurn, observations: Sequence[str], slots: Mapping[str, str]) -> _Walk:
    """Follows the steps along what really came back: captures fill slots, a fitting branch is taken."""
    queue, known = list(turn.steps), dict(slots)
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
    return _Walk(turn, queue[0] if queue else None, known, last)


def _answer(walk: _Walk, rng: random.Random) -> str:
    """The turn's answer; what it does not know from the calls it does not say."""
    last = walk.last or ""
    lines = [line.strip() for line in without_closing(last).splitlines() if line.strip()]
    if not says_failure(last):
        told = choose_filled(walk.turn.answer, walk.slots, rng)
        return told or (fill(rng.choice(_UNSEEN), {"last_line": lines[-1]}) if lines else _SILENT)
    slots = {**walk.slots, "last_error": lines[-1] if lines else "no output came back"}
    told = choose_filled(walk.turn.answer_failed, slots, rng)
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


def _worth_naming(turns: Sequence[Played]) -> list[str]:
    """The last turn's files that a user would name: those asked for by name, if there are any."""
    last = [one for one in files_made(turns).values() if one.by is turns[-1]]
    return [one.path for one in last if one.was_asked_for] or [one.path for one in last]


def _of_other_tasks(turns: Sequence[Played]) -> list[str]:
    """Files of earlier tasks that were asked for by name and are still there."""
    return [
        one.path
        for one in files_made(turns).values()
        if one.by.owner != turns[-1].owner and not one.by.is_aside and one.was_asked_for
    ]


def _ending(turns: Sequence[Played], folder: str) -> Completion:
    """The user is done: content where every step came out well, all is there and was looked at again."""
    n_open, lost = sum(not turn.went_well for turn in turns), lost_files(turns)
    missing = missing_files(turns, folder) if folder else []
    if not (turns and turns[-1].evidence.calls):
        reason = "nothing was looked at when I asked for the double-check"
    elif n_open:
        reason = f"{n_open} steps stayed failed"
    elif lost:
        reason = f"no longer there: {', '.join(lost[:5])}"
    elif missing:
        reason = f"asked for and never made: {', '.join(missing[:5])}"
    else:
        return _reply(
            completed=True, query="", reason="everything asked for was done and checked", is_success=True
        )
    return _reply(completed=True, query="", reason=reason, is_success=False)


def _reply(*, completed: bool, query: str, reason: str, is_success: bool) -> Completion:
    content = {"completed": completed, "query": query, "reason": reason, "is_success": is_success}
    return Completion(content=json.dumps(content, ensure_ascii=False), usage=_USAGE)
