"""The words of a text, as everything that asks whether two texts say the same compares them."""

from __future__ import annotations

import re
import unicodedata

_WORD = re.compile(r"\w+")
_ASCII_WORDS = {code: " " for code in range(128) if not _WORD.match(chr(code))}


def words_of(text: str) -> list[str]:
    """The words in order, without case, punctuation and white space; a text without words is one word."""
    # Most texts are ASCII, and for those this is three times as fast as what follows.
    if text.isascii() and (words := text.lower().translate(_ASCII_WORDS).split()):
        return words
    flat = unicodedata.normalize("NFKC", text).casefold()
    return _WORD.findall(flat) or ["".join(flat.split())]
