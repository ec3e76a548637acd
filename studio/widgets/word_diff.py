"""Which words of two texts differ, by the words that dedup compares: no case, no punctuation, no space."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import NamedTuple

_WORD = re.compile(r"\w+")
_MOST_WORDS = 2_000
"""Of both texts together: the comparison takes the square of it at worst."""


class Part(NamedTuple):
    """A stretch of a text."""

    text: str
    marked: bool = False
    """Whether it stands out."""


def differing(a: str, b: str) -> tuple[list[Part], list[Part]]:
    """Both texts cut up, what the other one does not say marked; unmarked where they are very long."""
    words_a, words_b = list(_WORD.finditer(a)), list(_WORD.finditer(b))
    if len(words_a) + len(words_b) > _MOST_WORDS:
        return [Part(a)], [Part(b)]
    matcher = SequenceMatcher(None, _keys(words_a), _keys(words_b), autojunk=False)
    changes = [code for code in matcher.get_opcodes() if code[0] != "equal"]
    return (
        _cut(a, [_span(words_a, start, end) for _, start, end, _, _ in changes if start < end]),
        _cut(b, [_span(words_b, start, end) for _, _, _, start, end in changes if start < end]),
    )


def listed(entries: Sequence[str], others: Sequence[str], joint: str = ", ") -> list[Part]:
    """The entries one after another, those that `others` has not marked."""
    parts: list[Part] = []
    for entry in entries:
        parts += [Part(joint)] if parts else []
        parts.append(Part(entry, entry not in others))
    return parts


def _keys(words: Sequence[re.Match[str]]) -> list[str]:
    return [unicodedata.normalize("NFKC", word[0]).casefold() for word in words]


def _span(words: Sequence[re.Match[str]], start: int, end: int) -> tuple[int, int]:
    return words[start].start(), words[end - 1].end()


def _cut(text: str, spans: Sequence[tuple[int, int]]) -> list[Part]:
    parts, at = [], 0
    for start, end in spans:
        parts += [Part(text[at:start]), Part(text[start:end], marked=True)]
        at = end
    return [part for part in (*parts, Part(text[at:])) if part.text]
