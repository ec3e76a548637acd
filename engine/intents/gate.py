"""The quality gate of an utterance that a model wrote: rules on length, voice and form, each named."""

from __future__ import annotations

import re

from engine.intents.story import MAX_WORDS, MIN_WORDS, n_words
from engine.prompts.people import assistant_voice

TOLERANCE = 0.1
"""Share by which a model may miss the bounds on the number of words."""

_FIRST_PERSON = re.compile(r"\b(?:I|I'm|I'd|I've|my|me|we|our|us)\b")
_ASSISTANT_VOICE = assistant_voice(r"here(?:'s| is) (?:the|a|your) (?:message|utterance)")
_MARKUP = re.compile(
    r"```|^\s*(?:[-*#]|\d+[.)])\s|\n\s*(?:[-*#]|\d+[.)])\s|</?\w+>|\{\{|\[[A-Z][\w ]*\]|<<\w+>>"
)


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
