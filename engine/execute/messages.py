"""The chat as the agent reads it, made from the record: whole, or less what was cut to fit the context."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from engine.errors import one_line
from engine.schema.chat import ChatMessage, Role, ToolCallRequest
from engine.schema.compaction import Compaction
from engine.schema.trajectory import Step, ToolCall, Trajectory, Turn, noted

_MARK_CHARS = 200
"""An observation that is longer by less is left as it is: the line in the middle would save nothing."""


class CallPlace(NamedTuple):
    """Where a tool call stands in a trajectory; its id may be there more than once."""

    turn: int
    step: int
    position: int


@dataclass(frozen=True, slots=True)
class Cuts:
    """What is left out of the whole chat."""

    kept: Mapping[CallPlace, int] = field(default_factory=dict)
    """Characters that are still shown of an observation."""
    n_turns: int = 0
    """So many of the first turns are utterance and answer alone."""
    n_steps: Mapping[int, int] = field(default_factory=dict)
    """Of a turn, by its index: how many of its first steps are left out."""


WHOLE = Cuts()


def agent_view(trajectory: Trajectory) -> list[ChatMessage]:
    """The whole chat: system prompt, and of every turn the utterance, steps and answer; nothing is cut."""
    return messages_of(trajectory.provenance.system_prompt, trajectory.turns)


def sent_messages(system_prompt: str, turns: Sequence[Turn], turn: int, step: int) -> list[ChatMessage]:
    """What the model call of a recorded step was sent, made again from the record."""
    done = turns[turn].steps
    cut_till = [*turns[:turn], turns[turn].model_copy(update={"steps": done[: step + 1]})]
    played = [*turns[:turn], turns[turn].model_copy(update={"steps": done[:step]})]
    return messages_of(system_prompt, played, cuts_of(cut_till))


def cuts_of(turns: Sequence[Turn]) -> Cuts:
    """All that the recorded compactions left out, the later ones over the earlier."""
    kept: dict[CallPlace, int] = {}
    n_steps: dict[int, int] = {}
    n_turns = 0
    for position, compaction in compactions(turns):
        kept |= {CallPlace(s.turn, s.step, s.position): s.n_kept for s in compaction.shortened}
        n_turns = max(n_turns, compaction.n_turns_dropped)
        if compaction.n_steps_dropped:
            n_steps[position] = compaction.n_steps_dropped
    return Cuts(kept, n_turns, n_steps)


def compactions(turns: Sequence[Turn]) -> Iterator[tuple[int, Compaction]]:
    """Every recorded compaction with the position of its turn, in order."""
    for position, turn in enumerate(turns):
        for step in turn.steps:
            if step.compaction:
                yield position, step.compaction


def messages_of(system_prompt: str, turns: Sequence[Turn], cuts: Cuts = WHOLE) -> list[ChatMessage]:
    """The chat after these turns, the last of which may still be played.

    A tool call is there with its answer or not at all.
    """
    messages = [ChatMessage(role=Role.SYSTEM, content=system_prompt)]
    note: str | None = None
    for position, turn in enumerate(turns):
        messages.extend(turn_messages(position, turn, cuts, note))
        note = turn.note_left
    return messages


def turn_messages(position: int, turn: Turn, cuts: Cuts, note: str | None = None) -> Iterator[ChatMessage]:
    """One turn's part of the chat.

    Args:
        position: The turn's, which is what the cuts know it by.
        turn: What was said and done.
        cuts: What is left out.
        note: What the agent is told with the user's message.
    """
    asked = noted(turn.utterance.text, note)
    if position < cuts.n_turns:
        yield ChatMessage(role=Role.USER, content=asked)
        if turn.answer is not None:
            yield ChatMessage(role=Role.ASSISTANT, content=turn.answer)
        return
    n_out = cuts.n_steps.get(position, 0)
    yield ChatMessage(role=Role.USER, content=noted(asked, _left_out(turn.steps[:n_out])))
    for number, step in enumerate(turn.steps[n_out:], n_out):
        yield from _step_messages(
            step, [cuts.kept.get(CallPlace(position, number, n)) for n in range(_n(step))]
        )


def shortened(call: ToolCall, n_kept: int) -> str:
    """The observation's beginning and end with a line between them that says what is missing; else whole."""
    text = call.observation
    if not is_shortened(call, n_kept):
        return text
    tail = n_kept * 2 // 5
    n_out = len(text) - n_kept
    mark = f"[... {n_out} characters of what {one_line(call.name, 60)} ({one_line(call.id, 60)}) brought are"
    return f"{text[: n_kept - tail]}\n{mark} left out here ...]\n{text[-tail:]}"


def is_shortened(call: ToolCall, n_kept: int) -> bool:
    """True where so few characters are fewer than the observation has, by enough to be worth it."""
    return len(call.observation) > n_kept + _MARK_CHARS


def _left_out(steps: Sequence[Step]) -> str | None:
    if not steps:
        return None
    n_calls = sum(map(_n, steps))
    return f"[... {len(steps)} earlier steps of this turn with {n_calls} tool calls are left out here ...]"


def _step_messages(step: Step, kept: Sequence[int | None]) -> Iterator[ChatMessage]:
    yield ChatMessage(
        role=Role.ASSISTANT,
        content=step.content,
        reasoning=step.reasoning,
        tool_calls=tuple(
            ToolCallRequest(id=c.id, name=c.name, arguments=c.arguments) for c in step.tool_calls
        ),
    )
    for position, (call, n_kept) in enumerate(zip(step.tool_calls, kept, strict=True)):
        text = call.observation if n_kept is None else shortened(call, n_kept)
        note = step.note if position == _n(step) - 1 else None
        yield ChatMessage(role=Role.TOOL, content=noted(text, note), tool_call_id=call.id)


def _n(step: Step) -> int:
    return len(step.tool_calls)
