"""A trajectory as chat messages: what the messages table holds is what the exports write."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from engine.schema.chat import ChatMessage, Role, ToolCallRequest
from engine.schema.trajectory import Step, ToolCall, Trajectory, Turn, noted


class TurnMessage(NamedTuple):
    """A message and the turn that it belongs to; the system message belongs to none."""

    turn: int | None
    message: ChatMessage


def call_ids(trajectory: Trajectory) -> list[str]:
    """An id for every tool call, in order: the model's own, made distinct within the trajectory.

    Some models number their calls anew in every turn, and some send no id at all.
    """
    raw = [call.id for call in trajectory.tool_calls()]
    taken, seen = set(raw), set[str]()
    ids = []
    for position, own in enumerate(raw):
        base = own or f"call_{position}"
        candidate, n = base, 2
        while candidate in seen or (candidate != own and candidate in taken):
            candidate, n = f"{base}-{n}", n + 1
        seen.add(candidate)
        ids.append(candidate)
    return ids


def turn_messages(trajectory: Trajectory) -> Iterator[TurnMessage]:
    """The trajectory's messages in order, the system message first; every tool call is answered once.

    They are what the agent read, notes of the engine included, before any compaction: nothing is left out.
    An imported trajectory may have had no system prompt: then there is no system message either.
    """
    ids = iter(call_ids(trajectory))
    if prompt := trajectory.provenance.system_prompt:
        yield TurnMessage(None, ChatMessage(role=Role.SYSTEM, content=prompt))
    note: str | None = None
    for turn in trajectory.turns:
        for message in _of_turn(turn, ids, note):
            yield TurnMessage(turn.index, message)
        note = turn.note_left


def to_messages(trajectory: Trajectory) -> list[ChatMessage]:
    """The trajectory's messages in order, the system message first."""
    return [message for _, message in turn_messages(trajectory)]


def _of_turn(turn: Turn, ids: Iterator[str], note: str | None) -> Iterator[ChatMessage]:
    yield ChatMessage(role=Role.USER, content=noted(turn.utterance.text, note))
    for step in turn.steps:
        yield from _of_step(step, ids)
    if turn.answer is not None and not _ends_with_answer(turn):
        yield ChatMessage(role=Role.ASSISTANT, content=turn.answer)


def _of_step(step: Step, ids: Iterator[str]) -> Iterator[ChatMessage]:
    """A step that says nothing and calls nothing is no message: chat formats refuse it."""
    if not step.content and not step.tool_calls:
        return
    named = [(call_id, call) for call, call_id in zip(step.tool_calls, ids, strict=False)]
    yield ChatMessage(
        role=Role.ASSISTANT,
        content=step.content,
        reasoning=step.reasoning,
        tool_calls=tuple(_request(call_id, call) for call_id, call in named),
    )
    for (call_id, _), (_, text) in zip(named, step.observed(), strict=True):
        yield ChatMessage(role=Role.TOOL, content=text, tool_call_id=call_id)


def _request(call_id: str, call: ToolCall) -> ToolCallRequest:
    return ToolCallRequest(id=call_id, name=call.name, arguments=call.arguments)


def _ends_with_answer(turn: Turn) -> bool:
    """True where the turn's last step is the answer itself, so that it is not written twice."""
    last = turn.steps[-1] if turn.steps else None
    return last is not None and not last.tool_calls and last.content == turn.answer
