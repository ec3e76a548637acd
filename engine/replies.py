"""JSON objects out of what models write: bare, fenced, in prose, in doubled braces, slightly broken."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

_MARKS = re.compile(r'["\\{}\[\]]')
_MAX_MARKS = 500_000
"""Quotes, braces and brackets of a text that are looked at."""
_MAX_PIECES = 16
"""Objects that are looked at: prose may hold a few braces before the object's own."""
_MAX_REPAIR_CHARS = 20_000
_REPAIR_S = 1.5
"""Of a thread's own time, for all repairs of a text together."""
_CALLS_A_LOOK = 32
_MAX_REPAIR_DEPTH = 40
"""What is longer or nested deeper is read, not repaired: that is slow, and hostile text makes it slower."""
_DECODER = json.JSONDecoder(strict=False)


class Objects(NamedTuple):
    """What a text holds: the JSON object in it, and the same unless its end is missing."""

    found: dict[str, Any] | None
    whole: dict[str, Any] | None
    """For what must not be done by half."""


class _Piece(NamedTuple):
    """An outermost pair of braces with all between them, or all from a brace that is never closed."""

    text: str
    closed: bool
    depth: int
    n_marks: int


class _TooLongError(Exception):
    """A repair took more time than it may."""


def read_objects(text: str) -> Objects:
    """The JSON object in a model's reply, None where there is none that can be made out.

    Valid JSON is taken as it stands. Else trailing commas, single quotes, comments, quotes within strings, a
    missing end and the like are mended.
    """
    pieces = list(_pieces(text))
    exact = [_exact(piece.text) for piece in pieces]
    found = next((one for one in exact if one), None)
    whole = next((one for piece, one in zip(pieces, exact, strict=True) if one and piece.closed), None)
    if found is None or whole is None:
        until = time.thread_time() + _REPAIR_S
        mended = [one or _repaired(piece, until) or {} for piece, one in zip(pieces, exact, strict=True)]
        found = found or _longest(mended)
        whole = whole or _longest([m for piece, m in zip(pieces, mended, strict=True) if piece.closed])
    return Objects(found, whole)


def read_json_object(text: str) -> dict[str, Any] | None:
    """The object, with or without its end; see `read_objects`."""
    return read_objects(text).found


def read_last_object(text: str, is_wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any] | None:
    """The last JSON object that is wanted: for a model that may quote others before it gives its own."""
    until = time.thread_time() + _REPAIR_S
    found = [_exact(piece.text) or _repaired(piece, until) for piece in _pieces(text)]
    return next((one for one in reversed(found) if one and is_wanted(one)), None)


def _longest(found: list[dict[str, Any]]) -> dict[str, Any] | None:
    """A word in braces is no reply."""
    return max(found, key=lambda one: len(str(one)), default={}) or None


def _exact(piece: str) -> dict[str, Any] | None:
    """The object, if it is valid JSON; braces that are doubled all round are taken off."""
    if piece.startswith("{{") and piece.endswith("}}"):
        piece = piece[1:-1]
    try:
        found, _ = _DECODER.raw_decode(piece)
    except (ValueError, RecursionError):  # no JSON, or nested beyond all measure
        return None
    return found if isinstance(found, dict) else None


def _repaired(piece: _Piece, until: float) -> dict[str, Any] | None:
    """The object that `piece` was meant to be; None where this thread has computed till `until` before.

    The library takes a minute over ten thousand well-chosen characters and knows no limit of its own: it is
    looked at from outside, at every few of its calls.
    """
    from json_repair import repair_json

    n_calls = 0

    def check(*_: object) -> None:
        nonlocal n_calls
        n_calls += 1
        if n_calls % _CALLS_A_LOOK == 0 and time.thread_time() > until:
            raise _TooLongError

    if len(piece.text) > _MAX_REPAIR_CHARS or piece.depth > _MAX_REPAIR_DEPTH or time.thread_time() > until:
        return None
    before = sys.getprofile()
    sys.setprofile(check)
    try:
        found = repair_json(piece.text, return_objects=True, skip_json_loads=True)
    except (ValueError, RecursionError, _TooLongError):
        return None
    finally:
        sys.setprofile(before)
    return found if isinstance(found, dict) else None


def _pieces(text: str) -> Iterator[_Piece]:
    """The outermost braces of a text, in order."""
    end, n_marks = 0, 0
    for _ in range(_MAX_PIECES):
        if (start := text.find("{", end)) < 0:
            return
        piece = _piece(text, start, _MAX_MARKS - n_marks)
        yield piece
        end = start + len(piece.text)
        n_marks += piece.n_marks


def _piece(text: str, start: int, max_marks: int) -> _Piece:
    """What the brace at `start` opens. Quotes count within braces only: prose has apostrophes and inches."""
    depth = deepest = 0
    quoted, skip = False, -1
    n_marks = 0
    for n_marks, mark in enumerate(_MARKS.finditer(text, start), 1):
        char, at = mark[0], mark.start()
        if n_marks > max_marks:
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
                return _Piece(text[start : at + 1], char == "}", deepest, n_marks)
    return _Piece(text[start:], False, deepest, n_marks)
