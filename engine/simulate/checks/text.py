"""How the checks read a text: its own words apart from what is pasted, sentences, words, likeness."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

MAX_CHARS = 20_000
"""So much of a text is read: what is longer is no chat message, which `length` says."""
_MAX_LINES = 400
_N_KEPT = 512
"""Several checks read the same texts; so many are kept in their read form."""

_SPELT_OUT = (
    (re.compile(r"\b(i|you|we|they|it|that|there|this)'ll\b"), r"\1 will"),
    (re.compile(r"\b(i|you|we|they)'ve\b"), r"\1 have"),
    (re.compile(r"\b(i|you|we|they)'d\b"), r"\1 would"),
    (re.compile(r"\bi'm\b"), "i am"),
    (re.compile(r"\b(you|we|they)'re\b"), r"\1 are"),
    (re.compile(r"\b(it|that|there|here|what|everything|who|where|how)'s\b"), r"\1 is"),
    (re.compile(r"\blet's\b"), "let us"),
    (re.compile(r"\bcan't\b"), "cannot"),
    (re.compile(r"\bwon't\b"), "will not"),
    (re.compile(r"n't\b"), " not"),
)
_QUOTES = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "\u00a0": " ", "\u202f": " ", "‑": "-"})
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"')\]*]{0,3}\s+|\n+|(?<=\w);\s+|\s[—–-]\s|—")
_WORD = re.compile(r"[^\W_]+(?:['_./-][^\W_]+)*")
_INTRODUCES = re.compile(r":[ \t]*$")
_PROSE = re.compile(r"^[\"'(]?[^\W\d_][^\n]*[.!?)]$")
_DATA = re.compile(
    r"^(?:\s{2,}|\t)\S|^\S+[:=](?:\s|$)|^[\w .-]{1,40}(?: = |: \S)|[,;|\t]\S*[,;|\t]|[;{}(\[]$|"
    r"^[}\])<>#;+@$|]"
    r"|^\d{1,4}[-./: ]\d|^(?:import|from|def|class|if|for|while|return|echo|export|set|function)\b.*[:)\w]$"
    r"|^\S+$|^\s*(?:[-*•]|\d{1,2}[.)])\s|^\S+ \| |^#{1,6} "
)


def word_set(spelt: str) -> frozenset[str]:
    """The words of a line."""
    return frozenset(spelt.split())


STOP_WORDS = word_set(
    "a an and any are as at be been but by can could did do does for from had has have how i if in into "
    "is it its just may me might mine my no nor not now of on or our ours shall should so some such than "
    "that the their them then there these they this those to too us was we were what when where whether "
    "which while who whom whose why will with would you your yours please also like want need tell let "
    "know prefer rather me myself yourself ll ve re am because since very"
)


class Parts(NamedTuple):
    """A message cut in two: what its writer says, and data, code or text that is pasted into it."""

    own: str
    pasted: str


def plain(text: str) -> str:
    """The text in lower case, with typed quotes and with its contractions spelt out."""
    return _plain(text[:MAX_CHARS])


@lru_cache(maxsize=_N_KEPT)
def _plain(text: str) -> str:
    text = text.translate(_QUOTES).lower()
    for pattern, spelt in _SPELT_OUT:
        text = pattern.sub(spelt, text)
    return text


def sentences(text: str) -> list[str]:
    """The sentences of a text, at most 400; a new line, a semicolon and a dash end one too."""
    cut = _SENTENCE_END.split(text[:MAX_CHARS], maxsplit=_MAX_LINES)[:_MAX_LINES]
    return [s for part in cut if (s := part.strip(" \t\"'*>-"))]


def is_question(sentence: str) -> bool:
    """True where a question mark ends a word; one that stands by itself is a sign in a file."""
    return sentence.endswith("?") and not sentence.endswith(" ?")


def words(text: str) -> list[str]:
    """The words in order, in lower case; a path or a file name is one word."""
    return _WORD.findall(text[:MAX_CHARS].lower())


def stem(word: str) -> str:
    """A word without the endings that say who did it and when; rough, and the same for both sides."""
    for ending in ("ing", "ies", "ied", "ed", "es", "s", "e"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            root = word[: -len(ending)]
            return root[:-1] if len(root) > 3 and root[-1] == root[-2] and root[-1] not in "ls" else root
    return word


_NUMBER_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_NUMBERS = {word: str(n) for n, word in enumerate(_NUMBER_WORDS)}


def content_words(text: str) -> frozenset[str]:
    """Stems of the words that say what a text is about; "you" and "I" and their like are none."""
    return _content_words(text[:MAX_CHARS])


@lru_cache(maxsize=_N_KEPT)
def _content_words(text: str) -> frozenset[str]:
    return frozenset(_NUMBERS.get(w) or stem(w) for w in words(plain(text)) if w not in STOP_WORDS)


def ngrams(text: str, n: int) -> set[tuple[str, ...]]:
    """All runs of `n` words."""
    flat = words(text)
    return {tuple(flat[i : i + n]) for i in range(len(flat) - n + 1)}


def parts(text: str) -> Parts:
    """What is said and what is pasted.

    Pasted is what follows a line that ends with a colon, up to a closing paragraph of prose after data, and
    elsewhere what follows the first line of data in a paragraph that is mostly data from there on.
    """
    return _parts(text[:MAX_CHARS])


@lru_cache(maxsize=_N_KEPT)
def _parts(text: str) -> Parts:
    own: list[str] = []
    pasted: list[str] = []
    introduced = False
    paragraphs = _paragraphs(text)
    for position, paragraph in enumerate(paragraphs):
        is_last = position == len(paragraphs) - 1
        if introduced and not (is_last and _is_prose(paragraph) and any(map(_is_data, pasted))):
            pasted += paragraph
            continue
        n_said, introduced = _n_said(paragraph, is_first=not own)
        own += paragraph[:n_said]
        pasted += paragraph[n_said:]
    return Parts("\n".join(own), "\n".join(pasted))


def _n_said(paragraph: Sequence[str], *, is_first: bool) -> tuple[int, bool]:
    """How many lines of a paragraph are its writer's own, and whether the last of them announces data."""
    for position, line in enumerate(paragraph):
        rest = paragraph[position:]
        is_opening = is_first and not position
        if (
            _is_data(line)
            and not is_opening
            and len(paragraph) > 1
            and 2 * sum(map(_is_data, rest)) > len(rest)
        ):
            return position, False
        if _INTRODUCES.search(line):
            return position + 1, True
    return len(paragraph), False


def _paragraphs(text: str) -> list[list[str]]:
    found: list[list[str]] = [[]]
    for line in text[:MAX_CHARS].splitlines()[:_MAX_LINES]:
        if line.strip():
            found[-1].append(line)
        elif found[-1]:
            found.append([])
    return [paragraph for paragraph in found if paragraph]


def _is_data(line: str) -> bool:
    return _DATA.search(line) is not None


def _is_prose(paragraph: Sequence[str]) -> bool:
    return len(paragraph) <= 2 and all(_PROSE.search(line.strip()) for line in paragraph)


def any_of(*alternatives: str) -> str:
    """A regular expression that matches one of the alternatives, themselves regular expressions."""
    return rf"(?:{'|'.join(alternatives)})"


def first_match(patterns: Iterable[re.Pattern[str]], text: str) -> str:
    """What the first pattern that matches has matched, in one line; empty where none does."""
    found = next((m for p in patterns if (m := p.search(text))), None)
    return " ".join(found[0].split())[:80] if found else ""
