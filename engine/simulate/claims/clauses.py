"""A message cut into prose clauses, what is pasted left out."""

from __future__ import annotations

import re
from collections.abc import Iterator

MAX_CHARS = 8_000
"""How much of a message is looked at; no chat message is longer, but for what is pasted into it."""
_MAX_SENTENCES = 120

_FENCE = re.compile(r"^\s*(?:```|~~~)")
_SENTENCE_END = re.compile(
    r";\s+|(?<=[.!?…])[\"'”’)\]]{0,3}\s+(?![a-z]\b)|(?<=[.!?])[\"'”’)\]]{1,3}\s+|\s(?:[:;]-?[)(DP])(?=\s"
    r"|$)"
)
_ABBREVIATION = re.compile(r"\b(?:e\.g|i\.e|etc|vs|no|nr|approx|ca|dr|mr|mrs|ms|st)\.$", re.IGNORECASE)
_CONNECTORS = (
    "and|but|so|then|because|since (?:i|you|we|it|the|that|this|they|he|she|our|my|all|there|both)"
    "|while|although|though|whereas|if|whether|unless|until|once|when|whenever|before|"
    "yet|or|in case|as soon as|provided|which|who|as (?:i|you|it|the|we|this|that)"
)
_CLAUSE_END = re.compile(
    rf",\s+|:\s+|\s[-–—]{{1,2}}\s|—|\s?\(|\)\s?|(?<!\bat)\s(?=(?:{_CONNECTORS})\s)", re.IGNORECASE
)
_DATA_LINE = re.compile(
    r"^\s*(?:[#|\[{<>*+-]|\d{1,12}[|;,.)]|[\w .-]{1,60}[;|\t]|(?:\S{1,60},){2}\S|\w[\w .-]{0,40}:\s*$|\s{4})"
)
_PROSE_LINE = re.compile(r"^(?:\W{0,2}\w[\w'’/.-]{0,60},?\s+){3}")
_SPEAKS = re.compile(
    r"\b(?:please|thanks|thank you|you|i|good|great|fine|ok|okay|perfect|kindly|now|next|also)\b",
    re.IGNORECASE,
)


def prose_of(text: str) -> str:
    """The message without what is pasted into it: fenced blocks, and everything from the first data on."""
    kept: list[str] = []
    fenced, opened = False, False
    for number, line in enumerate(text[:MAX_CHARS].splitlines()):
        if _FENCE.match(line):
            fenced = not fenced
            continue
        if fenced or not line.strip():
            continue
        if number and (opened or _is_data(line)) and (_is_data(line) or not _SPEAKS.search(line)):
            opened = True
            continue
        kept.append(line.strip())
        opened = opened or line.rstrip().endswith(":")
    return "\n".join(kept)


def _is_data(line: str) -> bool:
    return bool(_DATA_LINE.match(line)) or not _PROSE_LINE.match(line)


def sentences_of(prose: str) -> Iterator[str]:
    """The sentences, at most 120; an abbreviation's full stop ends none."""
    n_given = 0
    for line in prose.split("\n"):
        start = 0
        for found in _SENTENCE_END.finditer(line):
            if _ABBREVIATION.search(line[max(start, found.start() - 8) : found.start()]):
                continue
            if sentence := line[start : found.start()].strip():
                yield sentence
                n_given += 1
            start = found.end()
        if rest := line[start:].strip():
            yield rest
            n_given += 1
        if n_given >= _MAX_SENTENCES:
            return


def clauses_of(sentence: str) -> list[str]:
    """The clauses of a sentence; what joins one to the one before stays at its beginning."""
    parts: list[str] = []
    start, quoted = 0, quoted_places(sentence)
    for found in _CLAUSE_END.finditer(sentence):
        if any(a < found.start() < b for a, b in quoted):
            continue
        if part := sentence[start : found.start()].strip():
            parts.append(part)
        start = found.end()
    if rest := sentence[start:].strip():
        parts.append(rest)
    return parts


_QUOTED = re.compile(
    r"\"[^\"\n]{1,400}\"|“[^”\n]{1,400}”|«[^»\n]{1,400}»|`[^`\n]{1,400}`|(?<!\w)'[^'\n]{1,300}'(?!\w)"
)


def quoted_places(text: str) -> list[tuple[int, int]]:
    """Where quotations of several words stand: what they say is said by somebody else."""
    return [found.span() for found in _QUOTED.finditer(text) if " " in found[0].strip("\"'`“”«» ")]


def without_quotations(text: str) -> str:
    """The text with its quotations of several words blanked out, every place kept."""
    for start, end in quoted_places(text):
        text = text[:start] + "\x00" * (end - start) + text[end:]
    return text
