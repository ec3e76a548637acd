"""The quality gate of an utterance that a model wrote: rules on length, voice, form and tasks, each named."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from engine.intents.story import MAX_WORDS, MIN_WORDS, n_words
from engine.prompts.people import assistant_voice
from engine.schema.taxonomy import Persona, Task
from engine.words import words_of

TOLERANCE = 0.1
"""Share by which a model may miss the bounds on the number of words."""

QUOTED_SHARE = 0.6
"""Share of the word pairs of a quotation that must stand in what is quoted."""
_TERSE_WORDS = 24
"""Words a sentence that one who writes tersely does not exceed on average."""

_FIRST_PERSON = re.compile(r"\b(?:I|I'm|I'd|I've|my|me|we|our|us)\b")
_ASSISTANT_VOICE = assistant_voice(r"here(?:'s| is) (?:the|a|your) (?:message|utterance)")
_MARKUP = re.compile(
    r"```|^\s*(?:[-*#]|\d+[.)])\s|\n\s*(?:[-*#]|\d+[.)])\s|</?\w+>|\{\{|\[[A-Z][\w ]*\]|<<\w+>>"
)

_ELSEWHERE = re.compile(
    r"\b(?:as (?:discussed|mentioned|agreed|described|said) (?:above|before|earlier)|(?:see|find) attached|"
    r"attached (?:is|are|file|files|you)|(?:the )?(?:link|list|table|text) (?:above|below)|"
    r"(?:my|our) (?:previous|last) (?:message|chat|conversation)|this (?:screenshot|attachment))\b",
    re.IGNORECASE,
)
_SLANG = re.compile(
    r"\b(?:gonna|wanna|gotta|hey|lol|yeah|yep|nope|kinda|btw|ain't|y'all)\b|!!", re.IGNORECASE
)
_FORMAL_STYLE = re.compile(r"\b(?:formal|ceremonious|official|courteous)\b", re.IGNORECASE)
_TERSE_STYLE = re.compile(r"\b(?:terse|clipped|curt|laconic|telegraphic)\b", re.IGNORECASE)


def problem_with(utterance: str) -> str:
    """What keeps an utterance from being used; empty where nothing does."""
    words = n_words(utterance)
    low, high = round(MIN_WORDS * (1 - TOLERANCE)), round(MAX_WORDS * (1 + TOLERANCE))
    if not low <= words <= high:
        return f"it has {words} words, not {MIN_WORDS} to {MAX_WORDS}"
    if not _FIRST_PERSON.search(utterance):
        return "it is not in the first person"
    if found := _ASSISTANT_VOICE.search(utterance):
        return f"it speaks as an assistant ({found[0]!r})"
    if found := _MARKUP.search(utterance):
        return f"it holds a list, markup or a placeholder ({found[0].strip()!r})"
    return ""


def problem_with_answer(
    utterance: str, asks: Sequence[str] | None, persona: Persona, tasks: Sequence[Task]
) -> str:
    """What keeps a model's utterance for a persona from being used; empty where nothing does.

    Args:
        utterance: What the model wrote.
        asks: For each task, the words of the utterance that ask for it, as the model quotes them: that a task
            is asked for is seen by its quotation. None where the model quoted nothing.
        persona: Whose message it is.
        tasks: What it has to ask for, in order.
    """
    return (
        problem_with(utterance)
        or _not_by_itself(utterance)
        or _out_of_register(utterance, persona)
        or ("" if asks is None else _not_asked(utterance, asks, tasks))
    )


def _not_by_itself(utterance: str) -> str:
    found = _ELSEWHERE.search(utterance)
    return f"it speaks of what the reader has not got ({found[0]!r})" if found else ""


def _out_of_register(utterance: str, persona: Persona) -> str:
    style = persona.communication_style
    if _FORMAL_STYLE.search(style) and (found := _SLANG.search(utterance)):
        return f"{found[0]!r} is not how someone writes who is {style}"
    n_sentences = max(1, len(re.findall(r"[.!?](?:\s|$)", utterance)))
    if _TERSE_STYLE.search(style) and n_words(utterance) > _TERSE_WORDS * n_sentences:
        return f"its sentences are too long for someone who is {style}"
    return ""


def _not_asked(utterance: str, asks: Sequence[str], tasks: Sequence[Task]) -> str:
    if len(asks) != len(tasks):
        return f"asks quotes {len(asks)} requests, and there are {len(tasks)} tasks"
    there = _pairs(utterance)
    for number, (ask, task) in enumerate(zip(asks, tasks, strict=True)):
        quoted = _pairs(ask)
        if not quoted or len(quoted & there) < QUOTED_SHARE * len(quoted):
            return f"it does not ask for {task.name!r}: the words quoted for it are not in the message"
        if ask in asks[:number]:
            return f"it has no words of its own for {task.name!r}"
    return ""


def _pairs(text: str) -> set[tuple[str, str]]:
    return set(pairwise(words_of(text)))
