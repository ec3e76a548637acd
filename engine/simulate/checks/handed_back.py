"""The agent's own question handed back to it instead of answered."""

from __future__ import annotations

import re

from engine.schema.trajectory import Trajectory
from engine.simulate.checks.text import content_words, is_question, parts, plain, sentences, word_set, words

_LIKENESS = 0.5
_REQUEST_LIKENESS = 0.75
"""A request in the form of a question ("could you save it as CSV?") answers more often than it asks back."""
_CHOICE_LIKENESS = 0.35
"""One who asks what the other wants, or what to do, asks as the agent does."""
_CHOICE = re.compile(
    r"\b(?:should i|shall i|do you want|would you (?:like|prefer)|you (?:want|prefer|"
    r"would like)|your preference)\b"
)
_WHICH_CHOICE = re.compile(
    r"^(?:what|which|how|where|when)\b.*\b(?:should i|shall i|do you want|would you like)\b"
)
_SHORT_CHOICE = 3
_MIN_SHARED = 2
_CONTAINED = 0.75
_SHORT = 4
_INDIRECT = re.compile(
    r"^(?:please |just |kindly |so,? )*(?:let me know|tell me|confirm|specify|clarify|i would (?:like|"
    r"need) to know|i need to know|"
    r"you need to tell me)\b[^.!?]{0,20}\b(?:which|whether|if|what|how|where|who)\b"
)
_REQUEST = re.compile(
    r"^(?:and |so |then |ok(?:ay)?,? )?(?:please |(?:could|can|would|will) you (?!like|prefer|rather|"
    r"want|need|mean))"
)
_EMPTY_WORDS = word_set("thank thanks sure ok okay good great fine course question hmm")


def asked(answer: str) -> list[str]:
    """The questions of an answer, spelt out, those put without a question mark too."""
    said = sentences(answer)
    return [flat for s in said if is_question(flat := plain(s)) or _INDIRECT.search(flat)]


def handed_back(text: str, trajectory: Trajectory) -> str:
    """Which question of the agent a message asks again; empty where it answers, or asks something else."""
    answer = (trajectory.turns[-1].answer if trajectory.turns else None) or ""
    questions = _questions_in_context(answer)
    said = [plain(s) for s in sentences(parts(text).own)]
    for position, sentence in enumerate(said):
        asks = is_question(sentence) or _INDIRECT.search(sentence)
        if asks and any(_is_same(sentence, q) for q in questions) and not _is_answered(said[position + 1 :]):
            return f"it hands the agent's question back: {sentence[:80]!r}"
    return ""


def _questions_in_context(answer: str) -> list[frozenset[str]]:
    """The words of each question; of a short one with those of the sentence before it."""
    said = [plain(s) for s in sentences(answer)]
    found: list[frozenset[str]] = []
    for position, sentence in enumerate(said):
        if is_question(sentence) or _INDIRECT.search(sentence):
            own = content_words(sentence)
            found.append(own)
            if len(own) < _SHORT and position:
                found.append(own | content_words(said[position - 1]))
    return found


def _is_same(sentence: str, question: frozenset[str]) -> bool:
    own = content_words(sentence)
    shared, either = len(own & question), len(own | question)
    if shared and len(own) <= _SHORT_CHOICE and _WHICH_CHOICE.search(sentence):
        return True
    if not shared or (shared < _MIN_SHARED and own != question):
        return False
    if shared >= _CONTAINED * len(own) and shared > _MIN_SHARED and not _REQUEST.search(sentence):
        return True
    least = _LIKENESS
    if _REQUEST.search(sentence) and not _INDIRECT.search(sentence):
        least = _REQUEST_LIKENESS
    elif _CHOICE.search(sentence):
        least = _CHOICE_LIKENESS
    return shared / either >= least


def _is_answered(rest: list[str]) -> bool:
    """True where one's own statement follows the question, as in "CSV or Excel? CSV."."""
    statements = [s for s in rest if not is_question(s) and not _INDIRECT.search(s)]
    return any(set(words(s)) - _EMPTY_WORDS for s in statements)
