"""The role-lock checks: has the user simulator slipped out of its role?

First checks of the four principles (ISE paper, stage S): perspective lock, echo, incremental advancement,
and the register's grossest breach. Rules only: cheap, explainable, and each names what it found.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from engine.prompts.people import assistant_voice
from engine.schema.trajectory import Trajectory, Verdict

_MAX_WORDS = 260
_ECHO_N = 6
_ECHO_SHARE = 0.5
_INTENT_SHARE = 0.6
_MIN_INTENT_WORDS = 40

_ASSISTANT_VOICE = assistant_voice(
    r"i(?:'d| would) be (?:happy|glad) to",
    r"let me (?:help|check|run|create|write|fix)",
    r"i(?:'ll| will) (?:go ahead|run|create|write|execute|implement)",
    r"i(?:'ve| have) (?:created|written|executed|implemented|updated the (?:file|script)|fixed|completed)",
    r"here(?:'s| is) the (?:script|code|output|updated)",
)
_LEAKED_TOOLS = re.compile(
    r"```|<tool_call|\"tool_calls\"|</?evidence>|\(Command exited with code|Successfully wrote \d+ bytes|"
    r"Traceback \(most recent call last\)",
    re.IGNORECASE,
)


def check_utterance(text: str, trajectory: Trajectory) -> tuple[Verdict, ...]:
    """The verdict of every check on a proposed utterance for the next turn."""
    return tuple(_run(name, check, text, trajectory) for name, check in CHECKS.items())


def _run(name: str, check: Callable[[str, Trajectory], str], text: str, trajectory: Trajectory) -> Verdict:
    problem = check(text, trajectory)
    return Verdict(check=name, passed=not problem, detail=problem)


def _not_empty(text: str, _: Trajectory) -> str:
    return "" if text.strip() else "the message is empty"


def _perspective(text: str, _: Trajectory) -> str:
    found = _ASSISTANT_VOICE.search(text)
    return f"it speaks as the assistant: {found[0]!r}" if found else ""


def _no_leak(text: str, _: Trajectory) -> str:
    found = _LEAKED_TOOLS.search(text)
    return f"it holds tool output or markup: {found[0]!r}" if found else ""


def _echo(text: str, trajectory: Trajectory) -> str:
    """Share of the utterance's word 6-grams that stand in the agent's last answer."""
    answer = trajectory.turns[-1].answer if trajectory.turns else None
    own, other = _ngrams(text), _ngrams(answer or "")
    share = len(own & other) / len(own) if own else 0.0
    return f"{share:.0%} of it repeats the agent's last answer" if share > _ECHO_SHARE else ""


def _incremental(text: str, trajectory: Trajectory) -> str:
    """The whole intent at once is no first step."""
    own, whole = _ngrams(text), _ngrams(trajectory.intent.utterance)
    if len(trajectory.intent.utterance.split()) < _MIN_INTENT_WORDS or not whole:
        return ""
    share = len(own & whole) / len(whole)
    return f"it gives away {share:.0%} of the intent at once" if share > _INTENT_SHARE else ""


def _length(text: str, _: Trajectory) -> str:
    n_words = len(text.split())
    return f"{n_words} words are no chat message (limit {_MAX_WORDS})" if n_words > _MAX_WORDS else ""


def _ngrams(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", text.lower())
    return {tuple(words[i : i + _ECHO_N]) for i in range(len(words) - _ECHO_N + 1)}


CHECKS: dict[str, Callable[[str, Trajectory], str]] = {
    "not_empty": _not_empty,
    "perspective_lock": _perspective,
    "no_tool_leak": _no_leak,
    "no_echo": _echo,
    "incremental": _incremental,
    "length": _length,
}
"""Check name -> function that gives what is wrong, or an empty string."""
