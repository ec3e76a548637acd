"""The conversation of one turn: what the user said and was given, what the agent did and answered."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import count

import streamlit as st

from engine.schema.compaction import Compaction, CompactionCause
from engine.schema.intent import Intent
from engine.schema.trajectory import (
    Evidence,
    EvidenceCall,
    Outcome,
    Step,
    ToolCall,
    Turn,
)
from studio.widgets import content
from studio.widgets.judging import Judging
from studio.widgets.ledger import ending_badge
from studio.widgets.plain import count as thousands
from studio.widgets.plain import plural


def persona_header(intent: Intent) -> None:
    """Who speaks, and what they came for."""
    persona = intent.persona
    with st.container(horizontal=True, vertical_alignment="center"):
        content.strong(persona.name, "persona")
        content.quiet(
            f"{persona.role} · {persona.industry} · {persona.experience_level.value}", "persona-role"
        )
    with st.expander("Intent and persona", type="compact"):
        content.prose(intent.utterance, "intent")
        cell = intent.cell
        facts = {
            "Style": persona.communication_style,
            "Context": persona.work_context,
            "Domains": ", ".join(cell.domain_ids),
            "Tasks": ", ".join(cell.task_ids),
            "Complexity": cell.complexity.value,
        }
        for name, value in facts.items():
            content.quiet(f"{name}: {value}", f"intent-{name.lower()}")


def user_says(turn: Turn, judging: Judging) -> None:
    """The utterance, its writer's reason, what the checks said, and the evidence that was given."""
    utterance = turn.utterance
    with st.container(key=f"said-user-{turn.index}", gap="xsmall"):
        st.caption("User")
        content.prose(utterance.text, f"utterance-{turn.index}")
        if utterance.reason:
            content.quiet(f"Reason: {utterance.reason}", f"reason-{turn.index}")
        judging.utterance(turn)
        if utterance.evidence is not None:
            _evidence(utterance.evidence, turn.index)


def _evidence(evidence: Evidence, index: int) -> None:
    label = f"Evidence the user was given · {plural(len(evidence.calls), 'call')}"
    with st.expander(label, type="compact"):
        st.caption("From the ledger of the turn before; never the agent's reasoning or its raw calls.")
        if evidence.calls:
            content.block("\n".join(_evidence_line(call) for call in evidence.calls))
        for kind in ("created", "modified", "deleted"):
            if paths := getattr(evidence, kind):
                content.quiet(f"{kind}: {', '.join(paths)}", f"evidence-{kind}-{index}")
        if evidence.running:
            content.quiet(f"running: {'; '.join(evidence.running)}", f"evidence-running-{index}")


def _evidence_line(call: EvidenceCall) -> str:
    code = "failed" if call.failed and call.exit_code is None else f"exit {call.exit_code}"
    did = call.summary if call.summary.startswith(call.tool) else f"{call.tool}: {call.summary}"
    head = f"{code if call.exit_code is not None or call.failed else 'done':<8} {did}"
    tail = "\n".join(f"         {line}" for line in call.stderr_tail.splitlines())
    return f"{head}\n{tail}" if tail else head


def agent_does(turn: Turn) -> None:
    """The agent's steps with their calls, numbered as the ledger numbers them, then the answer."""
    numbers = count(1)
    with st.container(key=f"said-agent-{turn.index}", gap="small"):
        st.caption("Agent")
        for position, step in enumerate(turn.steps):
            _step(step, f"{turn.index}-{position}", numbers)
        if turn.answer:
            content.prose(turn.answer, f"answer-{turn.index}")
        elif turn.failure:
            st.badge("no answer", color="red")
            content.block(turn.failure)
        if turn.refusal:
            st.badge("refusal", color="orange")
            content.quiet(turn.refusal, f"refusal-{turn.index}")


def _step(step: Step, key: str, numbers: Iterator[int]) -> None:
    if step.compaction:
        st.caption(_left_out(step.compaction))
    if step.content and step.tool_calls:
        content.prose(step.content, f"step-{key}")
    if step.reasoning:
        with st.expander("Reasoning", type="compact"):
            content.prose(step.reasoning, f"reasoning-{key}")
    for call in step.tool_calls:
        _call(call, next(numbers))
    if step.note:
        content.quiet(f"The agent was told: {step.note}", f"note-{key}")


def _left_out(done: Compaction) -> str:
    """What the agent no longer saw from a step on; the record still holds it."""
    counts = (
        (len(done.shortened), "observation shortened", "observations shortened"),
        (done.n_turns_dropped, "earlier turn without its steps", "earlier turns without their steps"),
        (done.n_steps_dropped, "step of this turn left out", "steps of this turn left out"),
    )
    parts = ", ".join(plural(n, one, many) for n, one, many in counts if n)
    asked = " after the endpoint refused it as too long" if done.cause is CompactionCause.ENDPOINT else ""
    return (
        f"Context compacted here{asked}: {parts}. "
        f"About {thousands(done.tokens_before)} tokens became {thousands(done.tokens_after)}."
    )


def _call(call: ToolCall, number: int) -> None:
    with st.container(border=True, gap="xsmall", key=f"asked-{number}"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.badge(f"{number}", color="gray")
            content.strong(call.name, f"asked-tool-{number}")
            ending_badge(call)
        content.long_block(readable_arguments(call.arguments), f"arguments-{number}", n_lines=10)
        with st.expander("Observation, as the agent saw it", type="compact"):
            content.long_block(call.observation or "(nothing)", f"observation-{number}")


def readable_arguments(raw: str) -> str:
    """The arguments one a line where they are a JSON object, else exactly as the model wrote them."""
    try:
        parsed = json.loads(raw)
    except (ValueError, RecursionError):
        return raw
    if not isinstance(parsed, dict):
        return raw
    return (
        "\n".join(
            f"{name}: {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"
            for name, value in parsed.items()
        )
        or raw
    )


def outcome(result: Outcome) -> None:
    """How it ended, as the user saw it."""
    with st.container(border=True, gap="xsmall", key="outcome"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption("Outcome, as the user saw it")
            st.badge(
                "completed" if result.completed else "not completed",
                color="green" if result.completed else "orange",
            )
            st.badge(
                "success" if result.is_success else "no success",
                color="green" if result.is_success else "red",
            )
        if result.reason:
            content.prose(result.reason, "outcome-reason")
