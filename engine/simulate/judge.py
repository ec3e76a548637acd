"""What is said of messages, answers and endings: the one place where all checks meet."""

from __future__ import annotations

import math
import re

from engine.ports import Reader
from engine.schema.checks import CHECKS, Meter
from engine.schema.trajectory import Attempt, Outcome, Trajectory, Turn, Verdict
from engine.simulate.claims import check_answer, check_claims, check_ending
from engine.simulate.claims.known import known_at
from engine.simulate.drift import check_utterance
from engine.simulate.reading import read_attempt

_WEIGHTS = {
    Meter.ROLE_DRIFT: 100,
    Meter.STATE_HALLUCINATION: 100,
    Meter.FALSE_COMPLETION: 100,
    Meter.RESPONSIVE: 10,
    Meter.INCREMENTAL: 10,
    Meter.REGISTER: 1,
    Meter.FORM: 1000,
}
"""How much a failed check speaks against a text: what poisons the data more than what only sounds odd."""
NO_DOUBLE_CHECK = "it ends as a success, and no double-check of the whole was asked for before"
_ENDING_CHECK = "responsive"
_DOUBLE_CHECK = re.compile(
    r"\b(?:(?:double|cross|counter)-?\s?check\w*|re-?(?:check|verify|examine|validate|inspect|test|read|"
    r"run)\w*"
    r"|confirm\w*|verif(?:y|ication|ied)|(?:go|going|went|gone|run|read|look|looking|check|see|comb) "
    r"(?:it |them |everything |all )?(?:back )?(?:over|through)"
    r"|(?:check|look|review|test|read|inspect|examine|prove|try|compare)\w*\b[^.!?\n]{0,80}\b(?:again|"
    r"once more|one more time|a second time|back|twice)"
    r"|(?:again|once more|one more time|a second time)\b[^.!?\n]{0,40}\b(?:check|look|review)\w*"
    r"|(?:one |a |another )?(?:last|final|second|full|closing|complete|"
    r"overall)\b[^.!?\n]{0,20}\b(?:look|check|review|sweep|pass|inspection|proof|verification)\w*"
    r"|make (?:sure|certain)\b[^.!?\n]{0,30}\b(?:nothing|everything|all|every)|check (?:everything|all|"
    r"the (?:lot|whole)|every)"
    r"|once more|satisfy yourself)",
    re.IGNORECASE,
)


def judge_utterance(
    text: str, trajectory: Trajectory, reader: Reader | None = None, deadline: float = math.inf
) -> Attempt:
    """A proposed utterance with all that the checks say of it.

    Args:
        text: What the user model proposed.
        trajectory: What has been played.
        reader: Decides whose voice it is and whether it claims what never was; without one the rules do.
        deadline: Instant of `time.monotonic` at which judging ends.

    Raises:
        ModelError: The model that reads failed.
    """
    known = known_at(trajectory)
    said, claims = check_claims(text, known)
    attempt = Attempt(text=text, verdicts=(*check_utterance(text, trajectory), said), claims=claims)
    if reader is None or not text.strip():
        return attempt
    return read_attempt(attempt, known, reader, trajectory, deadline)


def judge_ending(outcome: Outcome, trajectory: Trajectory) -> Outcome:
    """An ending with all that the checks say of it, for `trajectory` as it stands before it."""
    return outcome.model_copy(update={"verdicts": (check_ending(outcome, trajectory),)})


def judge_turn(turn: Turn, trajectory: Trajectory) -> Turn:
    """A played turn with what the checks say of its answer, for `trajectory` as it stands before it."""
    if turn.answer is None:
        return turn
    return turn.model_copy(update={"verdicts": (check_answer(turn, trajectory),)})


def refuse_ending(outcome: Outcome, trajectory: Trajectory) -> Attempt | None:
    """The ending as an attempt that is not accepted, or None where it is.

    One that claims success needs a request to double-check before it. It is refused once in a rollout: a
    user model that insists is not asked for ever.
    """
    if not outcome.is_success or _was_refused(trajectory) or asked_to_double_check(trajectory):
        return None
    text = outcome.reason or "The user ends the conversation as a success."
    return Attempt(text=text, verdicts=(Verdict(check=_ENDING_CHECK, passed=False, detail=NO_DOUBLE_CHECK),))


def is_refused_ending(attempt: Attempt) -> bool:
    """True for an attempt that `refuse_ending` made: no reader decides that check, so no model can say so."""
    return any(v.check == _ENDING_CHECK and v.detail == NO_DOUBLE_CHECK for v in attempt.verdicts)


def asked_to_double_check(trajectory: Trajectory) -> bool:
    """True where an utterance after the first asked to check again what was done."""
    return any(_DOUBLE_CHECK.search(turn.utterance.text) for turn in trajectory.turns[1:])


def badness(attempt: Attempt) -> int:
    """How much speaks against sending it; 0 where every check passed."""
    return sum(_WEIGHTS[CHECKS[v.check].meter] for v in attempt.verdicts if not v.passed)


def _was_refused(trajectory: Trajectory) -> bool:
    return any(is_refused_ending(a) for turn in trajectory.turns for a in turn.utterance.attempts)
