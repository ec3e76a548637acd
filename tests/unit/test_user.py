"""The user simulator: what it lets through, and what is kept of all that it tried."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from engine.errors import ModelError
from engine.schema.chat import ChatMessage, Completion, ModelInfo, ToolSchema, Usage
from engine.schema.run import Limits, OnFailedUtterance
from engine.schema.trajectory import Outcome, Trajectory, Utterance
from engine.simulate.user import UserFailed, UserSimulator
from tests.builders import make_trajectory, make_turn

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


def reply(query: str, reason: str = "", *, completed: bool = False, success: bool = False) -> str:
    return json.dumps({"completed": completed, "query": query, "reason": reason, "is_success": success})


def played(*texts: str) -> Trajectory:
    """A trajectory in which the user has said these things."""
    turns = tuple(make_turn(index=i, text=text) for i, text in enumerate(texts))
    return make_trajectory().model_copy(update={"turns": turns})


def next_move(
    *contents: str | None, limits: Limits | None = None, after: Trajectory | None = None
) -> Utterance | Outcome | UserFailed:
    return UserSimulator(Saying(*contents), limits or Limits()).next_move(after or played())


def test_a_failure_keeps_every_attempt_with_its_verdicts_and_what_all_of_them_cost() -> None:
    nested = "[" * 100_000 + "{" + "[" * 100_000 + "}"
    move = next_move("no JSON", reply(" "), nested, limits=Limits(max_attempts_per_utterance=3))
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
    limits = Limits(max_attempts_per_utterance=3)
    move = next_move(reply(DRIFTING, "the best"), reply(worse, "worse"), reply(worse, "last"), limits=limits)
    assert isinstance(move, Utterance)
    assert (move.text, move.reason) == (DRIFTING, "the best")
    assert len(move.attempts) == 3


def test_half_a_character_in_a_message_is_replaced_so_that_it_can_be_written() -> None:
    move = next_move(reply("Sort a\ud800b."))
    assert isinstance(move, Utterance)
    assert (move.text, move.model_dump_json().encode()[:1]) == ("Sort a\ufffdb.", b"{")


def test_by_setting_a_rollout_ends_where_no_message_passes_and_the_cause_names_the_checks() -> None:
    limits = Limits(max_attempts_per_utterance=2, on_failed_utterance=OnFailedUtterance.END)
    move = next_move(reply(DRIFTING), reply(DRIFTING + " ```"), limits=limits)
    assert isinstance(move, UserFailed)
    assert move.cause == "no message of the user model passed the checks: perspective_lock"
    assert len(move.attempts) == 2


def test_what_sounds_odd_is_sent_before_what_drifts() -> None:
    odd = "Next, please leverage the synergies, streamline it all and empower the roadmap of totals.csv."
    limits = Limits(max_attempts_per_utterance=3)
    move = next_move(reply(DRIFTING), reply(odd), reply(DRIFTING), limits=limits)
    assert isinstance(move, Utterance)
    assert move.text == odd
    assert [v.check for v in move.attempts[1].verdicts if not v.passed] == ["register"]


def test_a_success_without_a_double_check_is_sent_back_once_and_stays_among_the_attempts() -> None:
    done = reply("", "it is all there", completed=True, success=True)
    move = next_move(done, reply("Please check everything once more."), after=played("Sort a.csv."))
    assert isinstance(move, Utterance)
    assert move.text == "Please check everything once more."
    assert [(a.text, a.passed) for a in move.attempts] == [("it is all there", False), (move.text, True)]


def test_a_user_model_that_insists_on_its_ending_is_not_asked_for_ever() -> None:
    done = reply("", "it is all there", completed=True, success=True)
    limits = Limits(max_attempts_per_utterance=1)
    move = next_move(done, done, after=played("Sort a.csv."), limits=limits)
    assert isinstance(move, Outcome)
    assert (move.is_success, len(move.attempts), move.usage.n_calls) == (True, 1, 2)
    first = next_move(done, reply("Now b.csv."), after=played("Sort a.csv."))
    assert isinstance(first, Utterance)
    turn = make_turn(index=1).model_copy(update={"utterance": first})
    after = played("Sort a.csv.")
    later = next_move(done, after=after.model_copy(update={"turns": (*after.turns, turn)}))
    assert isinstance(later, Outcome)


def test_an_ending_after_a_double_check_or_without_success_is_accepted_at_once() -> None:
    done = reply("", "it is all there", completed=True, success=True)
    assert isinstance(next_move(done, after=played("Sort a.csv.", "Go over it all again.")), Outcome)
    given_up = reply("", "it will not work", completed=True)
    assert isinstance(next_move(given_up, after=played("Sort a.csv.")), Outcome)
