"""What an observation tells of its own failure: for calls whose ledger holds no evidence of how they ended.

Records of other harnesses come without a ledger, and their own flag for success is not to be trusted. What
is read is structure: the whole answer as a JSON error, the line that a harness closes with, an answer that
is nothing but a refusal. A word such as "error" somewhere in an answer says nothing. What a program or a
file may quote is held to more than what only a tool itself can say.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from engine.schema.told_command import ABORTED, one_of, told_by_command, words_of

_MAX_JSON_CHARS = 500_000
_FEW_LINES = 4
"""A refusal is this short; a document about refusals is longer."""
_LINE_CHARS = 400


class _Kind(StrEnum):
    """What the answer of a tool is made of, by the words of its name."""

    WEB = "web"
    COMMAND = "command"
    FILE = "file"
    OTHER = "other"


_NAME_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_KINDS = {
    _Kind.WEB: words_of(
        "web fetch http https url browser browse search crawl crawler navigate request scrape page"
    ),
    _Kind.COMMAND: words_of(
        "exec execute bash shell sh zsh terminal command cmd run python ipython jupyter process code"
    ),
    _Kind.FILE: words_of(
        "read write edit view open file replace patch create ls list glob cat get editor notebook"
    ),
}

_WRAPPED = re.compile(r"<((?:tool_use_)?error)>(.*)</\1>", re.DOTALL | re.IGNORECASE)
_OPENING = r"\W{0,3}(?:\w{0,30}error:?\s*)?"
"""What may stand before a refusal: a mark, and the word "Error:"."""
_ERROR_WORD = re.compile(r"\W{0,3}(?:tool )?error(?:\s*\(.{0,40}\))?:\s*\S", re.IGNORECASE)
_REFUSED = one_of(
    r"\bE(?:NOENT|ACCES|PERM|ISDIR|NOTDIR|EXIST|ROFS|INVAL|LOOP|NAMETOOLONG)\b",
    r"no such file|not found|does(?: not|n't) exist|(?:permission|access) denied|is a directory",
    r"not a directory|beyond (?:the )?end|exact text|must be unique|occurrences",
    r"outside (?:of )?the (?:workspace|sandbox)|not (?:been )?read|read-only",
)
_REFUSAL_START = one_of(
    r"E[A-Z]{3,11}\b|\[Errno \d+\]|(?:permission|access) denied|no such file",
    r"file (?:not found|does not exist)|path .{1,200}(?:not found|does not exist)",
    r"(?:cannot|can't|could not|couldn't|failed to|unable to) (?:read|open|access|find|write|edit|apply)",
    r"(?:old\w*|string to replace|the text) .{0,200}not found|found \d+ (?:occurrences|matches) of",
    r"no (?:replacement|edit)s? (?:was|were) (?:performed|made)",
    before=_OPENING,
)
_BAD_CALL = one_of(
    r"(?:input ?)?validation (?:failed|error)\b|unknown tool|no such tool",
    r"(?:invalid|bad|unsupported|unknown|unexpected|unrecogni[sz]ed|missing(?: required)?)"
    r" (?:tool\s+)?(?:argument|parameter|param|option|property|field|tool|keyword|input)s?\b",
    r"tool \S{1,80} (?:is )?(?:not found|not available|does not exist|unknown)",
    r"(?:the )?(?:argument|parameter|option|field)\b.{0,80}\b"
    r"(?:not (?:supported|allowed|recogni[sz]ed)|unsupported|unknown|is required|missing|must be)",
    r"\S{1,60} (?:is|are) (?:not supported|unsupported)\b",
    r".{0,80}(?:got an unexpected keyword argument|does not support the (?:parameter|option|argument))",
    before=_OPENING,
)
_HTTP_STATUS = re.compile(
    r"\W{0,3}(?:error:?\s*)?(?:HTTP(?:/[\d.]+)?[ :-]*)?(?:error|status(?: code)?)?[ :=-]*\(?([45]\d\d)\)?"
    r"(?:[ :,-]+[A-Za-z' :-]{3,60}?)?(?: (?:for|from|at)\b.{1,300})?\W*",
    re.IGNORECASE,
)
_FETCH_FAILED = one_of(
    r"(?:web|page|url|http|api)?\s*(?:fetch|request|search|navigation|download|call)(?: to \S+)?"
    r" (?:failed|error)",
    r"(?:failed to|could not|couldn't|unable to)"
    r" (?:fetch|load|open|retrieve|download|navigate|connect|reach|resolve|search|get|access)",
    r"net::ERR_|(?:getaddrinfo|connect) E[A-Z]+|(?:client|server) error .{0,9}[45]\d\d",
    before=_OPENING,
)

_BAD_STATUS = words_of(
    "error failed failure aborted cancelled canceled timeout timed_out forbidden denied unauthorized"
)
_CONTENT_KEYS = (
    "results",
    "result",
    "data",
    "text",
    "content",
    "items",
    "output",
    "stdout",
    "body",
    "matches",
)
_STREAM_KEYS = words_of("stdout stderr output status")
_EXIT_KEYS = ("exitCode", "exit_code", "returncode", "return_code", "exitStatus")
_STATUS_KEYS = ("status", "statusCode", "status_code", "httpStatus", "http_status", "code")


def told_failure(tool: str, arguments: str, observation: str) -> str | None:
    """The line by which an observation says that its call failed; None where it says no such thing.

    Args:
        tool: The tool's name, of whatever harness.
        arguments: The call's arguments as the model wrote them.
        observation: The whole answer.
    """
    text = observation.strip()
    if not text:
        return None
    kind = _kind_of(tool)
    if wrapped := _WRAPPED.fullmatch(text):
        return _short(wrapped[2].strip() or text)
    envelope = _as_object(text)
    if envelope is not None:
        return _told_by_json(envelope, tool, kind)
    if (told := _told_by_refusal(text, kind, arguments)) is not None:
        return _short(told)
    if kind in (_Kind.COMMAND, _Kind.OTHER) and (told := told_by_command(_command(arguments), text)):
        return _short(told)
    return None


def _kind_of(tool: str) -> _Kind:
    words = {word.lower() for word in _NAME_WORDS.findall(tool)}
    return next((kind for kind, known in _KINDS.items() if words & known), _Kind.OTHER)


def _as_object(text: str) -> dict[str, Any] | None:
    if not text.startswith("{") or len(text) > _MAX_JSON_CHARS:
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _command(arguments: str) -> str:
    found = _as_object(arguments.strip()) or {}
    value = next((found[k] for k in ("command", "cmd", "script", "code") if found.get(k)), "")
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _told_by_json(answer: Mapping[str, Any], tool: str, kind: _Kind) -> str | None:
    """What a JSON answer says; one that a program or a file may have written needs a tool's own marks."""
    code = next((answer[k] for k in _EXIT_KEYS if isinstance(answer.get(k), int)), 0)
    if code and not isinstance(code, bool) and answer.keys() & _STREAM_KEYS:
        return _short(_last_line(str(answer.get("stderr") or "")) or f"exit code {code}")
    says_so = _says_error(answer)
    if kind in (_Kind.COMMAND, _Kind.FILE):
        own = answer.get("tool") == tool or answer.get("isError") is True or answer.get("is_error") is True
        reason = _reason(answer)
        refused = kind is _Kind.FILE and len(answer) <= 4 and _REFUSED.search(reason) is not None
        return _short(reason) if says_so and (own or refused) else None
    if says_so or _http_status(answer) >= 400 or (_has_error(answer) and not _has_content(answer)):
        return _short(_reason(answer))
    return None


def _says_error(answer: Mapping[str, Any]) -> bool:
    status = answer.get("status")
    return (
        (isinstance(status, str) and status.lower() in _BAD_STATUS)
        or any(answer.get(key) is True for key in ("isError", "is_error"))
        or any(answer.get(key) is False for key in ("success", "ok"))
    )


def _http_status(answer: Mapping[str, Any]) -> int:
    found = (answer.get(key) for key in _STATUS_KEYS)
    return next((v for v in found if isinstance(v, int) and not isinstance(v, bool) and 400 <= v < 600), 0)


def _has_error(answer: Mapping[str, Any]) -> bool:
    error = answer.get("error")
    return (isinstance(error, str) and bool(error.strip())) or (isinstance(error, dict) and bool(error))


def _has_content(answer: Mapping[str, Any]) -> bool:
    return any(answer.get(key) for key in _CONTENT_KEYS)


def _reason(answer: Mapping[str, Any]) -> str:
    """What the answer gives as its error, with its message where it has both."""
    error = answer.get("error")
    if isinstance(error, dict):
        error = error.get("message") or error.get("code") or json.dumps(error)
    parts = [error, answer.get("message"), answer.get("reason"), answer.get("statusText")]
    told = [" ".join(part.split()) for part in parts if isinstance(part, str) and part.strip()]
    if status := _http_status(answer):
        told.insert(0, f"HTTP {status}")
    return ": ".join(dict.fromkeys(told)) or json.dumps(answer, ensure_ascii=False)


def _told_by_refusal(text: str, kind: _Kind, arguments: str) -> str | None:
    """The first line of an answer that is nothing but a refusal."""
    lines = [line for line in text[:8000].splitlines() if line.strip()]
    first, is_short = lines[0].strip(), len(lines) <= _FEW_LINES and len(text) < 2000
    if re.match(r"\W{0,3}validation failed for tool\b", first, re.IGNORECASE):
        return first
    if kind is _Kind.COMMAND or not is_short:
        return None
    if kind is _Kind.FILE:
        return first if _is_file_refusal(first, len(lines), arguments) else None
    if kind is _Kind.WEB and (_HTTP_STATUS.fullmatch(first) or _FETCH_FAILED.match(first)):
        return first
    if any(p.match(first) for p in (_ERROR_WORD, _BAD_CALL, _REFUSAL_START)) or ABORTED.fullmatch(first):
        return first
    return None


def _is_file_refusal(first: str, n_lines: int, arguments: str) -> bool:
    """True for what a file tool says itself; a line of a file that speaks of errors is none."""
    if ABORTED.fullmatch(first):
        return True
    if n_lines > 2:
        return False
    path = str((_as_object(arguments.strip()) or {}).get("path") or "")
    names_it = bool(path) and path.rsplit("/", 1)[-1] in first
    if _REFUSAL_START.match(first):
        return names_it or n_lines == 1
    return bool(_BAD_CALL.match(first)) or bool(
        _ERROR_WORD.match(first) and (names_it or _REFUSED.search(first))
    )


def _last_line(text: str) -> str:
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")


def _short(line: str) -> str:
    return " ".join(line.split())[:_LINE_CHARS]
