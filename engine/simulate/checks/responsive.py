"""Responsive conditioning: a message reacts to what the last turn really brought.

What passes after a failure (the turn's last call failed, or no answer came): that it failed or did not work
is said, its exit code or the failing command is named, its error is quoted, another try, another way or
leaving it is asked for, or that it failed is called expected. What passes after a question of the agent:
yes or no, a choice, a value, words of the question, or that it is left to the agent.
"""

from __future__ import annotations

import re

from engine.schema.trajectory import Trajectory, Turn
from engine.simulate.checks.handed_back import asked
from engine.simulate.checks.offers import offers
from engine.simulate.checks.text import content_words, plain, words

_OF_FAILURE = re.compile(
    r"\b(?:fail\w*|\w*errors?|exit(?:ed|s)?|code \d+|did not|does not|do not|not (?:work|run|done|there|"
    r"found|finish|succeed|usable|complete|possible)\w*|"
    r"cannot|could not|will not|unable|brok\w*|break\w*|broke|wrong|trouble\w*|problem\w*|issue\w*|"
    r"stopp?ed|crash\w*|refus\w*|reject\w*|denied|denies|"
    r"time(?:d)?[- ]?out|timeout|hung|hangs?|stuck|missing|no (?:such|result|answer|output|reply|luck|"
    r"response)|unfinished|incomplete|stays? open|"
    r"remains? open|open for now|as open|one open|this open|outstanding|nothing (?:came|happened|there)|"
    r"without an? (?:answer|result)|still|"
    r"retry|try|tries|another (?:way|try|approach|attempt|go)|once more|instead|fix\w*|repair\w*|"
    r"correct\w*|leave|skip\w*|park\w*|never mind|"
    r"drop (?:it|that|this)|forget|pity|ouch|oh no|bother|hmm|hiccup\w*|trip\w*|unfortunate\w*|"
    r"regret\w*|sadly|sorry|what happened|why|"
    r"killed|traceback|\w*exception|went through|silent|silence|quiet|empty|interrupted|again|complain\w*|"
    r"expected|hoped|as (?:wanted|intended|planned|it should)|supposed to|invalid|bad|garbled|"
    r"hear(?:d)? (?:nothing|back)|waiting|there\?|"
    r"permission|rights|installed?|not)\b"
)
_LEAVES_IT = re.compile(
    r"\b(?:yes|yeah|yep|no|nope|sure|ok|okay|right|go ahead|either|both|neither|up to you|you (?:choose|"
    r"decide|pick)|your (?:call|choice)|whatever|"
    r"whichever|do not (?:mind|know|care)|not sure|no idea|no preference|does not matter|doesn't matter|"
    r"decide|the (?:first|second|third|latter|former|"
    r"other|last|one)|option|as you (?:like|see|think|wish|prefer)|ask(?:ing)?|no need|not (?:now|yet|"
    r"needed|necessary)|later|ignore|skip|leave|"
    r"do (?:it|that|so|both)|please do|use|take|keep|make it|call it|fine|good|exactly|correct|of "
    r"course|certainly|question|answer|it is|they are|"
    r"it should|should be|i (?:mean|meant|think|want|would|prefer|have|do|am|will)|yours|only|just|all "
    r"of them|none|never|always)\b|\d|[\"'`]"
)
_YES_OR_NO = re.compile(r"\W*(?:yes|no|sure|yep|nope|yeah|please do|go ahead|neither|both|either|do not)\b")
_SHORT = 8


def responsive(text: str, trajectory: Trajectory) -> str:
    """What of the last turn a message passes over; empty where it reacts."""
    if not trajectory.turns:
        return ""
    turn = trajectory.turns[-1]
    return _failure_passed_over(text, turn) or _question_passed_over(text, turn)


def _failure_passed_over(text: str, turn: Turn) -> str:
    calls = list(turn.tool_calls())
    failed = calls[-1] if calls and calls[-1].failed else None
    if (failed is None and turn.answer is not None) or _OF_FAILURE.search(plain(text)):
        return ""
    if failed is None:
        return "it passes over that no answer came"
    if _names(text, failed.ledger.command_line, failed.ledger.stderr_tail or failed.error or "") or _answers(
        text, turn
    ):
        return ""
    how = f" with exit code {failed.ledger.exit_code}" if failed.ledger.exit_code is not None else ""
    return f"it passes over that the last call failed{how}"


def _names(text: str, command: str, error: str) -> bool:
    """True where the message names the failing command, asks about it, or says two words of its error."""
    said = content_words(text)
    program = content_words(" ".join(words(command)[:1]))
    shared = len(said & content_words(f"{command}\n{error}"))
    return bool(program & said) or shared > 1 or (shared > 0 and "?" in text)


def _open_questions(turn: Turn) -> list[str]:
    """Questions of the answer that want one; an offer of more service wants none."""
    return [q for q in asked(turn.answer or "") if not offers(q)]


def _answers(text: str, turn: Turn) -> bool:
    questions = _open_questions(turn)
    said = content_words(text)
    return any(len(said & content_words(q)) > 1 for q in questions) or bool(
        questions and _YES_OR_NO.match(plain(text))
    )


def _question_passed_over(text: str, turn: Turn) -> str:
    questions = _open_questions(turn)
    if not questions or _addresses(text, questions):
        return ""
    return f"it passes over the agent's question: {questions[-1][:80]!r}"


def _addresses(text: str, questions: list[str]) -> bool:
    own = content_words(text)
    if len(words(text)) <= _SHORT or _LEAVES_IT.search(plain(text)):
        return True
    return any(own & content_words(q) for q in questions)
