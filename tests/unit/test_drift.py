"""The role-lock checks on proposed utterances."""

from __future__ import annotations

import pytest

from engine.schema.trajectory import Trajectory, Turn, Utterance
from engine.simulate.drift import check_utterance
from tests.builders import make_intent, make_trajectory


def failed_checks(text: str, trajectory: Trajectory | None = None) -> list[str]:
    return [v.check for v in check_utterance(text, trajectory or make_trajectory()) if not v.passed]


@pytest.mark.parametrize(
    "text",
    [
        "How can I help you today?",
        "Let me check the file for you.",
        "I've created the script in /workspace/run.py.",
        "Would you like me to add a test?",
        "As an AI language model I cannot do that.",
        "I'd be happy to look into it.",
    ],
)
def test_the_assistants_voice_breaks_the_perspective_lock(text: str) -> None:
    assert failed_checks(text) == ["perspective_lock"]


@pytest.mark.parametrize(
    "text", ["```bash\nls\n```", "it said (Command exited with code 1)", '{"tool_calls": []}']
)
def test_tool_output_and_markup_are_a_leak(text: str) -> None:
    assert "no_tool_leak" in failed_checks(text)


@pytest.mark.parametrize(
    "text",
    [
        "Good, the totals are there. Now drop every row under 20 and save the rest as low.csv.",
        "cat failed with exit code 1, fix that first.",
        "I need this by Friday, and Amina wants the figures in kilos.",
        "Why is the second column empty? It should hold the site names.",
    ],
)
def test_a_users_own_words_pass_every_check(text: str) -> None:
    assert failed_checks(text) == []


def test_repeating_the_agents_answer_is_an_echo() -> None:
    answer = "The report stands in depot/report.md and lists all seven sites with their totals."
    turn = Turn(index=0, utterance=Utterance(text="Go."), answer=answer)
    assert failed_checks(answer, make_trajectory(turns=(turn,))).count("no_echo") == 1


def test_giving_away_the_whole_intent_at_once_is_not_incremental() -> None:
    whole = " ".join(f"word{i}" for i in range(80))
    assert failed_checks(whole, make_trajectory(intent=make_intent(whole))) == ["incremental"]


def test_an_empty_message_is_none() -> None:
    assert failed_checks("  ") == ["not_empty"]
