"""What a person would call a command that they saw in the evidence."""

from __future__ import annotations

import re

from engine.schema.trajectory import EvidenceCall

_PLAIN_WORD = re.compile(r"[\w./=+:@-]+")
_ENDS_COMMAND = re.compile(r"<<|[|>;'\"`$({\n]")
_BEFORE_COMMAND = frozenset(
    {"if", "while", "until", "then", "do", "time", "sudo", "env", "exec", "set", "!", "timeout"}
)
_BLOCKS = frozenset({"for", "case", "function", "echo", "printf", "cat"})
"""What begins a loop or feeds a pipe is not what failed."""
_ASSIGNMENT = re.compile(r"\w+=.*")
_MAX_WORDS = 4
_MAX_CHARS = 50


def short_name(call: EvidenceCall) -> str:
    """Its plain words up to the first quote, redirection or pipe, without what only leads up to it.

    Of commands that are chained by "&&" the last one is named: the others had to go well for it.
    """
    plain = _ENDS_COMMAND.split(call.summary, maxsplit=1)[0]
    for part in reversed(plain.split(" && ")):
        if name := _name(part.split()):
            return name
    return "the command" if call.tool == "exec" else call.tool


def _name(words: list[str]) -> str:
    while words and _leads_up(words[0]):
        words = words[2 if words[0] == "cd" else 1 :]  # the evidence has several lines as one
    if not words or words[0] in _BLOCKS:
        return ""
    named: list[str] = []
    for word in words[:_MAX_WORDS]:
        if not _PLAIN_WORD.fullmatch(word) or word.isdigit():
            break
        named.append(word)
    while len(named) > 1 and (named[-1].startswith("-") or len(" ".join(named)) > _MAX_CHARS):
        named.pop()
    return " ".join(named)


def _leads_up(word: str) -> bool:
    return (
        word in _BEFORE_COMMAND
        or word == "cd"
        or word.startswith("-")
        or word.isdigit()
        or _ASSIGNMENT.fullmatch(word) is not None
    )
