"""What the user simulator may see: the role lock as a view of the trajectory, not a plea in a prompt.

The view is egocentric: the user's own utterances stand as "assistant", the agent's answers as "user", and
with each answer goes the evidence of that turn: which calls were made, how they ended, what changed, what
still runs, and of a failed call the last 400 characters of its stderr (of its output where it wrote no
stderr). Tool calls as such, all other output and the agent's reasoning are not in the argument, so they
cannot leak.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from engine.prompts import render_prompt
from engine.prompts.people import persona_text
from engine.schema.chat import ChatMessage, Role
from engine.schema.sandbox import NO_ACTION, ChangeKind, SessionState
from engine.schema.trajectory import Evidence, EvidenceCall, ToolCall, Trajectory, Turn

_SUMMARY_CHARS = 160
_STDERR_CHARS = 400
_MAX_CALLS = 40
_MAX_PATHS = 40
_ENDS_ALL = frozenset({"time", "output", "files", "memory", "processes"})
"""Limits of a call with which everything else that ran in the workspace ended too."""
EVIDENCE_TAG = "evidence"


def evidence_of(turn: Turn) -> Evidence:
    """The compact account of what one turn really did, from its ledger."""
    calls = list(turn.tool_calls())
    return Evidence(
        calls=tuple(_evidence_call(call) for call in calls[-_MAX_CALLS:]),
        created=_net_paths(calls, ChangeKind.CREATED),
        modified=_net_paths(calls, ChangeKind.MODIFIED),
        deleted=_net_paths(calls, ChangeKind.DELETED),
        running=_still_running(calls),
    )


def _evidence_call(call: ToolCall) -> EvidenceCall:
    entry = call.ledger
    return EvidenceCall(
        tool=call.name,
        summary=_shorten(call.name if entry.action == NO_ACTION else entry.command_line),
        exit_code=entry.exit_code,
        failed=call.failed,
        stderr_tail=_failure_tail(call) if call.failed else "",
    )


def _shorten(command: str) -> str:
    line = " ".join(command.split())
    return line if len(line) <= _SUMMARY_CHARS else line[: _SUMMARY_CHARS - 1] + "…"


def _failure_tail(call: ToolCall) -> str:
    """Why the call failed: its error, else the end of its stderr, else the end of what it showed."""
    text = call.error or call.ledger.error or call.ledger.stderr_tail or call.observation
    return text.strip()[-_STDERR_CHARS:]


def _net_paths(calls: Iterable[ToolCall], kind: ChangeKind) -> tuple[str, ...]:
    """Paths whose change over the whole turn is of this kind: made and deleted again counts as neither."""
    first: dict[str, ChangeKind] = {}
    last: dict[str, ChangeKind] = {}
    for call in calls:
        for change in call.ledger.changes:
            first.setdefault(change.path, change.kind)
            last[change.path] = change.kind
    return tuple(sorted(p for p in last if _net_kind(first[p], last[p]) is kind))[:_MAX_PATHS]


def _net_kind(first: ChangeKind, last: ChangeKind) -> ChangeKind | None:
    was_there = first is not ChangeKind.CREATED
    is_there = last is not ChangeKind.DELETED
    if was_there and is_there:
        return ChangeKind.MODIFIED
    if was_there:
        return ChangeKind.DELETED
    return ChangeKind.CREATED if is_there else None


def _still_running(calls: Iterable[ToolCall]) -> tuple[str, ...]:
    """Commands that run in the background when the turn last hears of them.

    First sessions, in their order; then processes that a call without a session left behind, as `server &`.
    """
    sessions: dict[str, SessionState] = {}
    left: dict[int, str] = {}
    for call in calls:
        entry = call.ledger
        if entry.limit in _ENDS_ALL and not entry.sessions:
            sessions.clear()
            left.clear()
        sessions.update({state.session_id: state for state in entry.sessions})
        left.update({} if entry.sessions else {process.pid: process.command for process in entry.left})
    running = [state.command for state in sessions.values() if state.running]
    return tuple(dict.fromkeys(map(_shorten, [*running, *left.values()])))[:_MAX_CALLS]


def user_view(trajectory: Trajectory) -> tuple[ChatMessage, ...]:
    """The chat as the user simulator sees it; ends with a message that asks for its next one."""
    intent = trajectory.intent
    system = render_prompt("user_system", persona=persona_text(intent.persona), intent=intent.utterance)
    messages = [ChatMessage(role=Role.SYSTEM, content=system)]
    messages.append(ChatMessage(role=Role.USER, content=render_prompt("user_open")))
    for turn in trajectory.turns:
        messages.append(ChatMessage(role=Role.ASSISTANT, content=turn.utterance.text))
        messages.append(ChatMessage(role=Role.USER, content=_answer_with_evidence(turn)))
    return tuple(messages)


def _answer_with_evidence(turn: Turn) -> str:
    """The agent's answer and the evidence; an answer cannot forge evidence, as its tags are broken up."""
    answer = turn.answer or "(no answer came)"
    for tag in (f"<{EVIDENCE_TAG}>", f"</{EVIDENCE_TAG}>"):
        answer = answer.replace(tag, tag.replace("<", "‹").replace(">", "›"))
    evidence = json.dumps(evidence_of(turn).model_dump(mode="json"), ensure_ascii=False)
    return render_prompt("user_turn", answer=answer, evidence=evidence.replace("</", "<\\/"))
