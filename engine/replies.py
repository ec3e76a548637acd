"""JSON objects out of what models write: bare, fenced, in prose, in doubled braces, slightly broken."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

_MARKS = re.compile(r'["\\{}\[\]]')
_MAX_MARKS = 500_000
_MAX_PIECES = 16
"""Objects that are looked at: prose may hold a few braces before the object's own."""
_MAX_REPAIR_CHARS = 20_000
_MAX_REPAIR_DEPTH = 40
"""What is longer or nested deeper is read, not repaired: that is slow, and hostile text makes it slower."""
_DECODER = json.JSONDecoder(strict=False)


class _Piece(NamedTuple):
    """An outermost pair of braces with all between them, or all from a brace that is never closed."""

    text: str
    closed: bool
    depth: int


def read_json_object(text: str) -> dict[str, Any] | None:
    """The JSON object in a model's reply; None where there is none that can be made out.

    Valid JSON is taken as it stands. Else trailing commas, single quotes, comments, quotes within strings, a
    missing end and the like are mended.
    """
    return _read(text, list(_pieces(text)))


def read_whole_object(text: str) -> dict[str, Any] | None:
    """The same, but None for an object without its end: for what must not be done by half."""
    return _read(text, [p for p in _pieces(text) if p.closed])


def _read(text: str, pieces: list[_Piece]) -> dict[str, Any] | None:
    for piece in pieces:
        if found := _exact(piece.text):
            return found
    # The longest one: a word in braces is no reply.
    return max((_repaired(p) or {} for p in pieces), key=lambda found: len(str(found)), default={}) or None


def _exact(piece: str) -> dict[str, Any] | None:
    """The object, if it is valid JSON; braces that are doubled all round are taken off."""
    if piece.startswith("{{") and piece.endswith("}}"):
        piece = piece[1:-1]
    try:
        found, _ = _DECODER.raw_decode(piece)
    except (ValueError, RecursionError):  # no JSON, or nested beyond all measure
        return None
    return found if isinstance(found, dict) else None


def _repaired(piece: _Piece) -> dict[str, Any] | None:
    from json_repair import repair_json

    if len(piece.text) > _MAX_REPAIR_CHARS or piece.depth > _MAX_REPAIR_DEPTH:
        return None
    try:
        found = repair_json(piece.text, return_objects=True, skip_json_loads=True)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _pieces(text: str) -> Iterator[_Piece]:
    """The outermost braces of a text, in order."""
    end = 0
    for _ in range(_MAX_PIECES):
        if (start := text.find("{", end)) < 0:
            return
        piece = _piece(text, start)
        yield piece
        end = start + len(piece.text)


def _piece(text: str, start: int) -> _Piece:
    """What the brace at `start` opens. Quotes count within braces only: prose has apostrophes and inches."""
    depth = deepest = 0
    quoted, skip = False, -1
    for n_marks, mark in enumerate(_MARKS.finditer(text, start)):
        char, at = mark[0], mark.start()
        if n_marks > _MAX_MARKS:
            break
        if at == skip:
            continue
        if char == "\\":
            skip = at + 1
        elif char == '"':
            quoted = not quoted
        elif not quoted:
            depth += 1 if char in "{[" else -1
            deepest = max(deepest, depth)
            if depth <= 0:
                return _Piece(text[start : at + 1], closed=char == "}", depth=deepest)
    return _Piece(text[start:], closed=False, depth=deepest)
