"""A user model that drifts in a fifth of its utterances: after enforcement hardly any drift is on record."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from engine import build
from engine.ports import Reader
from engine.schema.chat import ChatMessage, Completion, ModelInfo, Role, ToolSchema
from engine.schema.run import Limits
from engine.schema.trajectory import Outcome, Trajectory, Utterance
from engine.simulate.user import UserSimulator
from tests.builders import make_call, make_change, make_intent, make_persona, make_trajectory, make_turn

N_ROLLOUTS = 48
N_TURNS = 9
SHARE = 0.2
THINGS = ("sites", "crates", "ramps", "invoices", "rosters", "badges", "sensors", "permits", "lockers")
WISHES = (
    "Good. Please sort the {thing} by name and save them as out/{thing}.csv.",
    "Fine, that's settled. Next the {thing}: how many are there by region?",
    "Thanks. Could you draw up a table of the {thing}? Amina wants it by Friday.",
    "I counted the {thing} on paper and got 31. Does that agree?",
    "All right. The {thing} need a column for the weight, in kilos.",
    "I'll show the {thing} to the board on Monday, so keep them short, please.",
)
ANSWERS = (
    "out/{thing}.csv holds 31 rows, sorted by name, and nothing was lost on the way.",
    "I counted the {thing} by region: 14 in the north, 11 in the south and 6 in the east.",
    "The table of the {thing} stands in out/{thing}.md, with a total in its last line.",
)


def offers(_: str, rng: random.Random) -> str:
    return rng.choice(
        (
            "Would you like me to add a chart of the {thing} as well?",
            "The {thing} are done. Let me know if you need anything else!",
            "I'd be glad to help you with the {thing}. Where should we begin?",
            "Happy to tidy the {thing} further if you want.",
        )
    )


def claims_work(_: str, rng: random.Random) -> str:
    return rng.choice(
        (
            "I've written the {thing} to out/{thing}.csv and checked that no row is missing.",
            "I ran the script over the {thing} and it finished without errors.",
            "The {thing} have been exported to out/{thing}.csv.",
            "I have updated out/{thing}.md and removed the empty rows.",
        )
    )


def plans(_: str, rng: random.Random) -> str:
    return rng.choice(
        (
            "Let me look into the folder of the {thing} first.",
            "I'll create out/{thing}.csv now and then run the check.",
            "First I will parse the file of the {thing}, then I will write the table.",
        )
    )


def is_an_ai(_: str, rng: random.Random) -> str:
    return rng.choice(
        (
            "As an AI assistant I cannot open the file of the {thing}.",
            "I'm a language model, so I have no opinion on the {thing}.",
            "The user wants the {thing} sorted, so I will ask for that.",
        )
    )


def leaks(_: str, rng: random.Random) -> str:
    return rng.choice(
        (
            '{{"name": "exec", "arguments": {{"command": "wc -l out/{thing}.csv"}}}}',
            "```\nsort out/{thing}.csv\n```",
            "$ wc -l out/{thing}.csv\n31 out/{thing}.csv",
        )
    )


def echoes(answer: str, rng: random.Random) -> str:
    return answer if rng.random() < 0.5 else "So " + answer[0].lower() + answer[1:]


WAYS: tuple[Callable[[str, random.Random], str], ...] = (offers, claims_work, plans, is_an_ai, leaks, echoes)


class DriftingUser:
    """Plays a user well, and in a fifth of its proposals not; it knows itself which those were."""

    info = ModelInfo(provider="test", model="drifting")

    def __init__(self, seed: int, share: float) -> None:
        self._rng = random.Random(seed)
        self._share = share
        self.drifted: list[str] = []
        self.n_proposed = 0

    def complete(
        self,
        messages: Sequence[ChatMessage],
        *,
        tools: Sequence[ToolSchema] = (),
        response_schema: Mapping[str, Any] | None = None,
        timeout_s: float = 120.0,
    ) -> Completion:
        self.n_proposed += 1
        n_said = sum(m.role is Role.ASSISTANT for m in messages)
        thing = THINGS[n_said % len(THINGS)]
        if self._rng.random() < self._share:
            answers = [m.content for m in messages if "<evidence>" in m.content]
            answer = answers[-1].partition("\n")[0] if answers else ""
            way = self._rng.choice(WAYS if answer else WAYS[:-1])
            text = way(answer, self._rng)
            text = text if way is echoes else text.format(thing=thing)
            self.drifted.append(text)
        else:
            text = self._rng.choice(WISHES).format(thing=thing)
        reply = {"completed": False, "query": text, "reason": "", "is_success": False}
        return Completion(content=json.dumps(reply))


@pytest.fixture(params=["rules", pytest.param("reader", marks=pytest.mark.weights)])
def reader(request: pytest.FixtureRequest) -> Reader | None:
    """What judges beside the rules: nothing, or the reader with its real weights."""
    if request.param == "rules":
        return None
    found = build.reader()
    if found is None:
        pytest.skip("the reader's weights are not here: run 'ise-studio weights'")
    return found


def play(user: DriftingUser, seed: int, reader: Reader | None) -> Trajectory:
    """A rollout with a stub agent that answers everything and fails at nothing."""
    rng = random.Random(seed)
    intent = make_intent("Please put our lists in order.", persona=make_persona(communication_style="plain"))
    played = make_trajectory(f"t-{seed}", intent=intent).model_copy(update={"turns": ()})
    simulator = UserSimulator(user, Limits(), reader)
    for index in range(N_TURNS):
        move = simulator.next_move(played)
        assert isinstance(move, Utterance), (move, isinstance(move, Outcome))
        thing = THINGS[index % len(THINGS)]
        call = make_call("sort", changes=[make_change(f"out/{thing}.csv")])
        turn = make_turn(call, index=index, answer=rng.choice(ANSWERS).format(thing=thing))
        played = played.with_turn(turn.model_copy(update={"utterance": move}))
    return played


def test_of_a_model_that_drifts_in_a_fifth_hardly_an_utterance_on_record_does(reader: Reader | None) -> None:
    sent = n_drifted = n_attempts = n_proposed = n_proposed_drifted = 0
    for seed in range(N_ROLLOUTS):
        user = DriftingUser(seed, SHARE)
        played = play(user, seed, reader)
        utterances = [turn.utterance for turn in played.turns]
        drifted = set(user.drifted)
        sent += len(utterances)
        n_drifted += sum(u.text in drifted for u in utterances)
        n_attempts += sum(len(u.attempts) for u in utterances)
        n_proposed += user.n_proposed
        n_proposed_drifted += len(user.drifted)
        kept = [a for u in utterances for a in u.attempts]
        assert {a.text for a in kept} >= drifted
        assert all(not a.passed for u in utterances for a in u.attempts[:-1])
    assert sent == N_ROLLOUTS * N_TURNS >= 400
    assert n_attempts == n_proposed
    assert 0.15 < n_proposed_drifted / n_proposed < 0.25
    assert n_drifted / sent <= 0.01
