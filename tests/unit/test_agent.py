"""The agent's turn: calls of one message, repetitions, refusals, and a context that stays in bounds."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.catalog.messages import to_messages
from engine.errors import ModelError
from engine.execute.agent import Agent
from engine.execute.context import ContextFullError, ContextWindow, says_too_long
from engine.execute.messages import agent_view, sent_messages
from engine.execute.tokens import CHARACTERS_PER_TOKEN, TOOLS_CHARACTERS, characters_per_token
from engine.rollout import play
from engine.schema.base import utc_now
from engine.schema.chat import ChatMessage, Completion, ModelInfo, Role, ToolCallRequest, ToolSchema, Usage
from engine.schema.compaction import CompactionCause
from engine.schema.run import Limits
from engine.schema.sandbox import Action, BlobRef, Effect, SessionState
from engine.schema.trajectory import Step, StopReason, Trajectory, Turn, Utterance
from engine.simulate.user import UserSimulator
from tests.builders import make_call, make_sandbox, make_trajectory, make_turn

ASKS = (
    "Sort the notes in the folder.",
    "Count their lines next, please.",
    "Then write the summary into a file.",
    "Check what stands in it now.",
    "And tidy the depot list too.",
    "Last, say which of them is the longest.",
)

Say = Callable[[Sequence[ChatMessage]], Completion]


class Speaker:
    """A chat model that answers by a function of what it is sent, which it keeps."""

    info = ModelInfo(provider="test", model="speaker")

    def __init__(self, say: Say) -> None:
        self._say = say
        self.sent: list[tuple[ChatMessage, ...]] = []

    def complete(
        self,
        messages: Sequence[ChatMessage],
        *,
        tools: Sequence[ToolSchema] = (),
        response_schema: Mapping[str, Any] | None = None,
        timeout_s: float = 120.0,
    ) -> Completion:
        self.sent.append(tuple(messages))
        return self._say(messages)


class Shell:
    """A workspace in which a command's output is what a function says."""

    info = make_sandbox()

    def __init__(self, output: Callable[[str, int], str] = lambda command, _: f"ran {command}\n") -> None:
        self._output = output
        self.ran: list[str] = []

    def exec(
        self,
        command: str,
        *,
        workdir: str | None = None,
        env: Mapping[str, str] | None = None,
        timeout_s: float = 60.0,
        background_after_s: float | None = None,
        session_timeout_s: float | None = None,
    ) -> Effect:
        self.ran.append(command)
        out = self._output(command, len(self.ran)).encode()
        return Effect(
            action="exec",
            argv=("bash", "-c", command),
            cwd="/workspace",
            started_at=utc_now(),
            duration_ms=0.0,
            exit_code=1 if command.startswith("false") else 0,
            stdout=out,
            stdout_total_bytes=len(out),
        )

    def perform(
        self, action: Action, arguments: Mapping[str, Any], data: bytes = b"", *, timeout_s: float = 60.0
    ) -> Effect:
        self.ran.append(action.value)
        return Effect(
            action=action.value,
            argv=(action.value, *(str(v) for v in arguments.values() if isinstance(v, str))),
            cwd="/workspace",
            started_at=utc_now(),
            duration_ms=0.0,
            sessions=(SessionState(session_id="s1", command="sleep 99", pid=7, running=True),),
        )

    def read(self, path: str) -> Effect:
        raise AssertionError(path)

    def write(self, path: str, data: bytes) -> Effect:
        raise AssertionError(path)

    def checkpoint(self) -> Effect:
        raise AssertionError("checkpoint")

    def restore(self, checkpoint: str) -> Effect:
        raise AssertionError(checkpoint)

    def close(self) -> None:
        """Nothing to close."""


def keep(data: bytes, total_bytes: int) -> BlobRef | None:
    return None


def asks(messages: Sequence[ChatMessage]) -> Completion:
    """The user's next request, until none is left."""
    n_said = sum(m.role is Role.ASSISTANT for m in messages)
    done = n_said >= len(ASKS)
    move = {"completed": done, "query": "" if done else ASKS[n_said], "reason": "", "is_success": done}
    return Completion(content=json.dumps(move))


def run(*commands: str, tool: str = "exec") -> Completion:
    """A message with one call a command."""
    return Completion(
        tool_calls=tuple(
            ToolCallRequest(id="", name=tool, arguments=c if tool != "exec" else json.dumps({"command": c}))
            for c in commands
        )
    )


def n_observed(messages: Sequence[ChatMessage]) -> int:
    """Observations since the user spoke last."""
    last = max(i for i, m in enumerate(messages) if m.role is Role.USER)
    return sum(m.role is Role.TOOL for m in messages[last:])


def roll(agent: Speaker, shell: Shell | None = None, **limits: Any) -> Trajectory:
    """The rollout's record."""
    bounds = Limits(**limits)
    start = make_trajectory(stop_reason=None, outcome=None).model_copy(update={"turns": ()})
    ended = play(
        start,
        UserSimulator(Speaker(asks), bounds),
        Agent(agent, bounds, keep),
        shell or Shell(),
        limits=bounds,
        record=lambda _: None,
    )
    assert ended == Trajectory.model_validate_json(ended.model_dump_json())
    return ended


# Calls


def test_three_calls_in_one_message_run_in_order_although_the_second_fails() -> None:
    agent = Speaker(lambda m: Completion(content="two ran") if n_observed(m) else run("a", "false b", "c"))
    shell = Shell()
    ended = roll(agent, shell, max_turns=1)
    calls = ended.turns[0].steps[0].tool_calls
    assert shell.ran == ["a", "false b", "c"]
    assert [c.failed for c in calls] == [False, True, False]
    assert len({c.id for c in calls}) == 3
    answers = [m for m in agent.sent[1] if m.role is Role.TOOL]
    assert [m.tool_call_id for m in answers] == [c.id for c in calls]
    assert [m.content for m in answers] == [c.observation for c in calls]


def test_the_rollout_ends_when_all_its_calls_are_used_up() -> None:
    agent = Speaker(
        lambda m: Completion(content=f"did {len(m)}") if n_observed(m) else run(str(len(m)), "b", "c")
    )
    shell = Shell()
    ended = roll(agent, shell, max_calls_per_rollout=5)
    assert ended.stop_reason is StopReason.CALL_LIMIT
    assert ended.failure_cause == "no answer after 5 tool calls in one rollout"
    assert len(shell.ran) == len(list(ended.tool_calls())) == 5


# Repetitions


def test_an_agent_that_repeats_a_call_is_told_once_and_then_ended() -> None:
    agent = Speaker(lambda _: run("ls missing"))
    ended = roll(agent)
    steps = ended.turns[0].steps
    assert ended.stop_reason is StopReason.AGENT_LOOPED
    assert ended.failure_cause == (
        'the agent was told and went on: exec {"command": "ls missing"} with the same result, 5 times'
    )
    assert [bool(s.note) for s in steps] == [False, False, False, True, False]
    assert agent.sent[-1][-1].content == f"{steps[3].tool_calls[0].observation}\n\n{steps[3].note}"
    assert to_messages(ended)[-3].content == agent.sent[-1][-1].content


def test_an_agent_that_stops_repeating_when_told_goes_on() -> None:
    def say(messages: Sequence[ChatMessage]) -> Completion:
        told = any(m.content.rpartition("\n\n")[2].startswith("[Note: ") for m in messages)
        return Completion(content="The folder is missing.") if told else run("ls missing")

    ended = roll(Speaker(say), max_turns=1)
    assert ended.stop_reason is StopReason.TURN_LIMIT
    assert ended.turns[0].answer == "The folder is missing."


@pytest.mark.parametrize("cycle", [("a", "b"), ("a", "b", "c")])
def test_a_cycle_of_calls_is_a_loop_too(cycle: tuple[str, ...]) -> None:
    ended = roll(Speaker(lambda m: run(cycle[n_observed(m) % len(cycle)])))
    assert ended.stop_reason is StopReason.AGENT_LOOPED
    assert len(ended.turns[0].steps) == 4 * len(cycle) + 1
    assert " then " in (ended.failure_cause or "")


def test_a_result_that_changes_is_no_loop() -> None:
    ended = roll(Speaker(lambda _: run("date")), Shell(lambda _, n: str(n)), max_steps_per_turn=12)
    assert ended.stop_reason is StopReason.STEP_LIMIT


def test_one_message_that_repeats_a_call_is_no_loop() -> None:
    agent = Speaker(lambda m: Completion(content="ran") if n_observed(m) else run(*["true"] * 9))
    ended = roll(agent, max_turns=1)
    assert ended.turns[0].answer == "ran"
    assert not any(s.note for s in ended.turns[0].steps)


@pytest.mark.parametrize(
    "wait",
    [run('{"action": "poll", "sessionId": "s1"}', tool="process"), run("sleep 5; test -f done.txt")],
)
def test_waiting_for_what_runs_in_the_background_may_take_longer(wait: Completion) -> None:
    ended = roll(Speaker(lambda _: wait), max_steps_per_turn=19)
    assert ended.stop_reason is StopReason.STEP_LIMIT
    ended = roll(Speaker(lambda _: wait), max_steps_per_turn=40)
    assert ended.stop_reason is StopReason.AGENT_LOOPED
    assert len(ended.turns[0].steps) == 21


def test_the_same_answer_over_and_over_is_told_and_then_ended() -> None:
    agent = Speaker(lambda _: Completion(content="Everything is in place."))
    ended = roll(agent)
    assert ended.stop_reason is StopReason.AGENT_LOOPED
    assert ended.failure_cause == "the agent gave the same answer 4 times in a row: Everything is in place."
    assert [t.answer for t in ended.turns] == ["Everything is in place."] * 4
    note = ended.turns[2].note_left
    assert note
    assert agent.sent[-1][-1].content == f"{ASKS[3]}\n\n{note}"
    assert ended.turns[3].utterance.text == ASKS[3]
    assert to_messages(ended) == agent_view(ended)


def test_the_same_answer_after_other_work_is_no_repetition() -> None:
    agent = Speaker(lambda m: Completion(content="Done.") if n_observed(m) else run(str(len(m))))
    assert roll(agent).stop_reason is StopReason.USER_DONE


# Refusals


def test_an_agent_that_refuses_twice_in_a_row_ends_the_rollout() -> None:
    ended = roll(Speaker(lambda m: Completion(content=f"Sorry, I can't help with that. ({len(m)})")))
    assert ended.stop_reason is StopReason.AGENT_REFUSED
    assert [t.refusal for t in ended.turns] == ["Sorry, I can't help with that."] * 2
    assert "2 turns in a row" in (ended.failure_cause or "")


def test_one_refusal_between_answers_is_marked_and_ends_nothing() -> None:
    def say(messages: Sequence[ChatMessage]) -> Completion:
        n_turn = sum(m.role is Role.USER for m in messages)
        return Completion(content=f"Answer {n_turn}." if n_turn % 2 else f"I won't do that ({n_turn}).")

    ended = roll(Speaker(say))
    assert ended.stop_reason is StopReason.USER_DONE
    assert [bool(t.refusal) for t in ended.turns] == [False, True] * 3


def test_words_of_refusal_after_calls_are_a_report() -> None:
    agent = Speaker(lambda m: Completion(content="I can't do that.") if n_observed(m) else run("ls"))
    ended = roll(agent, max_turns=1)
    assert ended.turns[0].refusal is None


def test_an_answer_that_the_provider_filtered_is_a_refusal() -> None:
    ended = roll(Speaker(lambda m: Completion(content=f"Part {len(m)}", finish_reason="content_filter")))
    assert ended.stop_reason is StopReason.AGENT_REFUSED
    assert ended.turns[0].refusal == "finish reason: content_filter"
    ended = roll(Speaker(lambda _: Completion(finish_reason="content_filter")))
    assert (ended.stop_reason, len(ended.turns)) == (StopReason.AGENT_REFUSED, 1)
    assert ended.turns[0].refusal


# The context window


def reads_much(messages: Sequence[ChatMessage]) -> Completion:
    """Four large outputs a turn, then an answer."""
    n = n_observed(messages)
    said = sum(m.role is Role.USER for m in messages)
    return Completion(content=f"Read all of {said}.") if n == 4 else run(f"cat {said}-{n}")


def much(command: str, _: int) -> str:
    return f"{command} begins\n" + "x" * 8000 + f"\n{command} ends\n"


def size(messages: Sequence[ChatMessage]) -> float:
    """In tokens, by the rule of thumb."""
    n = sum(len(m.content) + sum(len(c.arguments) for c in m.tool_calls) for m in messages)
    return (n + TOOLS_CHARACTERS) / CHARACTERS_PER_TOKEN


def test_a_long_rollout_stays_within_the_limit_and_the_record_keeps_everything() -> None:
    agent = Speaker(reads_much)
    ended = roll(agent, Shell(much), max_context_tokens=12_000)
    assert ended.stop_reason is StopReason.USER_DONE
    assert max(map(size, agent.sent)) <= 12_000
    assert size(agent_view(ended)) > 40_000
    assert all(len(c.observation) > 8000 for c in ended.tool_calls())
    assert to_messages(ended)[2:] != list(agent.sent[-1])[2:]
    steps = [s for t in ended.turns for s in t.steps if s.compaction]
    assert 2 <= len(steps) < 16, "each cut makes room for more than one step"
    for step in steps:
        done = step.compaction
        assert done is not None
        assert done.cause is CompactionCause.LIMIT
        assert done.tokens_before > 12_000 >= done.tokens_after


def test_what_each_model_call_was_sent_is_made_again_from_the_record() -> None:
    agent = Speaker(reads_much)
    ended = roll(agent, Shell(much), max_context_tokens=9000)
    system = ended.provenance.system_prompt
    again = [
        tuple(sent_messages(system, ended.turns, turn.index, step))
        for turn in ended.turns
        for step in range(len(turn.steps))
    ]
    assert again == agent.sent


def test_an_old_observation_keeps_its_ends_and_says_what_is_missing_and_the_newest_are_whole() -> None:
    agent = Speaker(reads_much)
    ended = roll(agent, Shell(much), max_context_tokens=12_000)
    first = ended.turns[0].steps[0].tool_calls[0]
    sent = [m for m in agent.sent[4] if m.role is Role.TOOL]
    assert sent[-1].content == ended.turns[0].steps[3].tool_calls[0].observation
    old = next(
        m.content
        for s in agent.sent
        for m in s
        if m.content.startswith("cat 1-0") and "left out" in m.content
    )
    assert old.startswith("cat 1-0 begins\n")
    assert old.endswith("\ncat 1-0 ends")
    assert f"[... {len(first.observation) - 1000} characters of what exec ({first.id}) brought are" in old


def test_old_turns_keep_utterance_and_answer() -> None:
    agent = Speaker(reads_much)
    ended = roll(agent, Shell(much), max_context_tokens=6500)
    assert ended.stop_reason is StopReason.USER_DONE
    last = agent.sent[-1]
    assert [m.content for m in last if m.role is Role.USER] == list(ASKS)
    assert [m.content for m in last[1:5]] == [ASKS[0], "Read all of 1.", ASKS[1], "Read all of 2."]


def test_messages_that_cannot_be_cut_enough_end_the_turn_with_the_reason() -> None:
    agent = Speaker(lambda m: Completion(content=f"long {len(m)} " + "y" * 40_000))
    ended = roll(agent, max_context_tokens=5000)
    assert ended.stop_reason is StopReason.AGENT_FAILED
    assert "do not fit into 5000 tokens" in (ended.failure_cause or "")
    assert len(ended.turns) == 2


def test_one_huge_observation_is_shortened_where_nothing_else_helps() -> None:
    agent = Speaker(lambda m: Completion(content="Seen.") if n_observed(m) else run("cat huge"))
    ended = roll(agent, Shell(lambda *_: "z" * 49_000), max_context_tokens=6000, max_turns=1)
    assert ended.turns[0].answer == "Seen."
    assert 3000 < len(agent.sent[-1][-1].content) < 5000


def refuses_over(n_characters: int, say: Say) -> Say:
    """A model whose endpoint has a small window."""

    def answer(messages: Sequence[ChatMessage]) -> Completion:
        if sum(len(m.content) for m in messages) > n_characters:
            raise ModelError("m at http://x: HTTP 400: maximum context length is 9 tokens", Usage(n_calls=1))
        return say(messages)

    return answer


def test_an_endpoint_that_finds_the_messages_too_long_is_asked_again_with_half() -> None:
    agent = Speaker(refuses_over(30_000, reads_much))
    ended = roll(agent, Shell(much))
    assert ended.stop_reason is StopReason.USER_DONE
    cut = [s for t in ended.turns for s in t.steps if s.compaction]
    first = cut[0].compaction
    assert first is not None
    assert first.cause is CompactionCause.ENDPOINT
    assert cut[0].usage.n_calls == 1, "the refused call is counted"
    n_refused = sum(
        s.compaction is not None and s.compaction.cause is CompactionCause.ENDPOINT
        for t in ended.turns
        for s in t.steps
    )
    assert n_refused == 1, "what the endpoint refused is kept to from then on"


def test_an_endpoint_that_goes_on_refusing_ends_the_turn_with_both_words() -> None:
    ended = roll(Speaker(refuses_over(0, reads_much)))
    assert ended.stop_reason is StopReason.AGENT_FAILED
    assert "maximum context length" in (ended.failure_cause or "")


@pytest.mark.parametrize(
    ("problem", "said"),
    [
        ("HTTP 400: This model's maximum context length is 8192 tokens. However, you requested 9000", True),
        ("HTTP 400: the request exceeds the available context size, try increasing it", True),
        ("HTTP 400: prompt is too long: 213462 tokens > 200000 maximum", True),
        ("HTTP 400: The input token count (90) exceeds the maximum number of tokens allowed (8)", True),
        ("HTTP 413: Please reduce the length of the messages or completion.", True),
        ("HTTP 400: decoder prompt (length 9000) is longer than the maximum model length of 8192", True),
        ("HTTP 429: Request too large: tokens per minute, reduce the length of your messages", False),
        ("HTTP 400: unknown parameter: seed", False),
        ("no answer within 120 s", False),
    ],
)
def test_a_refusal_for_length_is_known_by_its_words(problem: str, *, said: bool) -> None:
    assert says_too_long(problem) is said


def test_reported_tokens_calibrate_the_estimate() -> None:
    trajectory = make_trajectory()
    system = trajectory.provenance.system_prompt
    n_sent = TOOLS_CHARACTERS + sum(
        len(m.content) + 16 + sum(len(c.name) + len(c.arguments) + 16 for c in m.tool_calls)
        for m in sent_messages(system, trajectory.turns, 0, 1)
    )

    def reported(n_tokens: int, n_calls: int = 1) -> float:
        turn = trajectory.turns[0]
        usage = Usage(prompt_tokens=n_tokens, n_calls=n_calls)
        answer = turn.steps[-1].model_copy(update={"usage": usage})
        return characters_per_token(system, [turn.model_copy(update={"steps": (turn.steps[0], answer)})])

    assert reported(n_sent // 3) == pytest.approx(3.0, abs=0.01)
    assert reported(2 * (n_sent // 3), n_calls=2) == pytest.approx(3.0, abs=0.01)
    assert (reported(1), reported(10 * n_sent)) == (6.0, 1.0)
    assert reported(0) == CHARACTERS_PER_TOKEN


TEXT = st.integers(0, 3000).map(lambda n: "t" * n)
STEP = st.lists(TEXT, max_size=3).map(
    lambda texts: Step(
        content="s", tool_calls=tuple(make_call(observation=t, call_id=f"c{i}") for i, t in enumerate(texts))
    )
)
TURN = st.tuples(TEXT, st.lists(STEP, max_size=4))


@settings(max_examples=60, deadline=None)
@given(turns=st.lists(TURN, min_size=1, max_size=4), limit=st.integers(3000, 8000))
def test_every_call_keeps_one_answer_whatever_is_cut(turns: list[tuple[str, list[Step]]], limit: int) -> None:
    played = [
        Turn(index=i, utterance=Utterance(text=text), steps=tuple(steps), answer=f"answer {i}")
        for i, (text, steps) in enumerate(turns)
    ]
    window = ContextWindow("system", played)
    whole = window.messages()
    before = window.tokens
    try:
        window.fit(limit)
    except ContextFullError:
        assert window.tokens > limit
    else:
        assert window.tokens <= limit
    messages = window.messages()
    assert (window.compaction() is None) == (before <= limit or messages == whole)
    assert ContextWindow("system", played).tokens == before, "the record is left as it is"
    assert messages[0].content == "system"
    assert [m.content.split("\n")[0] for m in messages if m.role is Role.USER] == [t for t, _ in turns]
    open_calls: list[str] = []
    for message in messages:
        if message.role is Role.TOOL:
            assert open_calls.pop(0) == message.tool_call_id
            continue
        assert not open_calls
        open_calls = [c.id for c in message.tool_calls]
    assert not open_calls
    newest = [c.id for s in played[-1].steps[-2:] for c in s.tool_calls]
    sent = [m.tool_call_id for m in messages if m.role is Role.TOOL]
    assert sent[len(sent) - len(newest) :] == newest


def test_a_record_from_before_these_fields_is_read() -> None:
    raw = json.loads(make_trajectory("t-1", make_turn(make_call())).model_dump_json())
    for turn in raw["turns"]:
        del turn["refusal"]
        for step in turn["steps"]:
            del step["compaction"], step["note"]
    assert Trajectory.model_validate(raw).turns[0].refusal is None
