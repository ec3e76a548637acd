"""The user simulator: what it lets through, and what is kept of all that it tried."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from engine.errors import ModelError
from engine.schema.chat import ChatMessage, Completion, ModelInfo, ToolSchema, Usage
from engine.schema.run import Limits
from engine.schema.trajectory import Outcome, Utterance
from engine.simulate.user import UserFailed, UserSimulator
from tests.builders import make_trajectory

DRIFTING = "Let me check the file for you. As an AI I'm happy to."
PAID = Usage(prompt_tokens=5, n_calls=1, cost_usd=0.5)


class Saying:
    """A chat model that says these things in order; None is a call that fails but is paid for."""

    info = ModelInfo(provider="test", model="saying")

    def __init__(self, *contents: str | None) -> None:
        self._contents = list(contents)

    def complete(
        self,
        messages: Sequence[ChatMessage],
        *,
        tools: Sequence[ToolSchema] = (),
        response_schema: Mapping[str, Any] | None = None,
        timeout_s: float = 120.0,
    ) -> Completion:
        content = self._contents.pop(0)
        if content is None:
            raise ModelError("the endpoint is gone", PAID)
        return Completion(content=content, usage=PAID)


def reply(query: str, reason: str = "", *, completed: bool = False) -> str:
    return json.dumps({"completed": completed, "query": query, "reason": reason, "is_success": completed})


def next_move(*contents: str | None) -> Utterance | Outcome | UserFailed:
    start = make_trajectory().model_copy(update={"turns": ()})
    return UserSimulator(Saying(*contents), Limits()).next_move(start)


def test_a_failure_keeps_every_attempt_with_its_verdicts_and_what_all_of_them_cost() -> None:
    move = next_move("no JSON", reply(" "), "[" * 100_000 + "{" + "[" * 100_000 + "}")
    assert isinstance(move, UserFailed)
    assert [[v.check for v in a.verdicts if not v.passed] for a in move.attempts] == [
        ["json_reply"],
        ["not_empty"],
        ["json_reply"],
    ]
    assert (move.usage.n_calls, move.usage.cost_usd) == (3, 1.5)
    assert move.cause


def test_a_model_that_fails_midway_leaves_the_attempts_before_it_on_record() -> None:
    move = next_move(reply(DRIFTING), None)
    assert isinstance(move, UserFailed)
    assert (move.cause, [a.text for a in move.attempts]) == ("the endpoint is gone", [DRIFTING])
    assert move.usage.n_calls == 2


def test_an_ending_keeps_the_messages_that_were_proposed_before_it() -> None:
    move = next_move(reply(DRIFTING), reply("", "all done", completed=True))
    assert isinstance(move, Outcome)
    assert [a.text for a in move.attempts] == [DRIFTING]
    assert (move.reason, move.usage.n_calls) == ("all done", 2)


def test_the_reason_is_the_one_of_the_message_that_is_sent() -> None:
    worse = DRIFTING + " ```"
    move = next_move(reply(DRIFTING, "the best"), reply(worse, "worse"), reply(worse, "the last"))
    assert isinstance(move, Utterance)
    assert (move.text, move.reason) == (DRIFTING, "the best")
    assert len(move.attempts) == 3


def test_half_a_character_in_a_message_is_replaced_so_that_it_can_be_written() -> None:
    move = next_move(reply("Sort a\ud800b."))
    assert isinstance(move, Utterance)
    assert (move.text, move.model_dump_json().encode()[:1]) == ("Sort a\ufffdb.", b"{")
