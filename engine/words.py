"""The words of a text, as everything that asks whether two texts say the same compares them."""

from __future__ import annotations

import re
import unicodedata

_WORD = re.compile(r"\w+")


def words_of(text: str) -> list[str]:
    """The words in order, without case, punctuation and white space; a text without words is one word."""
    flat = unicodedata.normalize("NFKC", text).casefold()
    return _WORD.findall(flat) or ["".join(flat.split())]
