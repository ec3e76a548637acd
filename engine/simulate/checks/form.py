"""Form: what is no message at all, and what is longer than any."""

from __future__ import annotations

from engine.schema.trajectory import Trajectory
from engine.simulate.checks.text import MAX_CHARS, parts

_MAX_WORDS = 260
_MAX_CHARS = 6_000


def not_empty(text: str, _: Trajectory) -> str:
    """Says so where there is no message."""
    return "" if text.strip() else "the message is empty"


def length(text: str, _: Trajectory) -> str:
    """How long a message is that is longer than any; pasted words do not count, a great deal of them does."""
    n_words = len(parts(text).own.split())
    if n_words > _MAX_WORDS:
        return f"{n_words} words are no chat message (limit {_MAX_WORDS})"
    too_long = len(text) > min(_MAX_CHARS, MAX_CHARS)
    return f"{len(text)} characters are no chat message (limit {_MAX_CHARS})" if too_long else ""
