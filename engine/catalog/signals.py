"""What the ledger says about failed calls: why each failed, and whether it was made good."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import NamedTuple

from engine.catalog.aims import Aim, aim_of, same_aim
from engine.schema.endings import without_closing
from engine.schema.trajectory import ToolCall, Trajectory


class ErrorClass(StrEnum):
    """Why a call failed."""

    NOT_FOUND = "not_found"
    PERMISSION = "permission"
    SYNTAX = "syntax"
    IMPORT = "import"
    NETWORK = "network"
    TIMEOUT = "timeout"
    LIMIT = "limit"
    ASSERTION = "assertion"
    USAGE = "usage"
    OTHER = "other"


_HTTP = r"(?:^[^\w]*|(?:http|status|failed|code|error|returned)[^\d]{0,24})"
"""What stands before a status code of HTTP, at the beginning of a line or after the word that names it."""
_RULES: tuple[tuple[ErrorClass, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern.lower()))
    for kind, pattern in (
        (
            ErrorClass.USAGE,
            r"unknown tool|\btool [^ ]{1,80} (?:is )?not (?:found|available)|unsupported[_ ]\w+",
        ),
        (ErrorClass.IMPORT, r"ModuleNotFoundError|ImportError|No module named|Cannot find module"),
        (
            ErrorClass.SYNTAX,
            r"SyntaxError|IndentationError|TabError|syntax error|unexpected (?:token|EOF|end of file|indent)"
            r"|parse error|JSONDecodeError|unterminated|unmatched",
        ),
        (
            ErrorClass.ASSERTION,
            r"AssertionError|FAILED \((?:failures|errors)=|\b\d+ failed\b|^FAILED [^ ]+::|^E  +assert",
        ),
        (
            ErrorClass.NETWORK,
            r"could not resolve|name resolution|name or service not known|network is unreachable"
            r"|connection (?:refused|reset|timed out)|no route to host|failed to establish a new connection"
            r"|urlopen error|failed to connect|unable to resolve|getaddrinfo|\bENOTFOUND|ECONNRE\w+|net::err_"
            rf"|{_HTTP}50[0-35]\b",
        ),
        (ErrorClass.TIMEOUT, rf"\btimed out\b|TimeoutError|TimeoutExpired|ETIMEDOUT|{_HTTP}(?:408|504)\b"),
        (
            ErrorClass.LIMIT,
            r"no space left|cannot allocate memory|out of memory|MemoryError|file too large"
            r"|too many open files|resource temporarily unavailable|disk quota exceeded"
            rf"|argument list too long|RecursionError|rate limit|too many requests|{_HTTP}429\b",
        ),
        (
            ErrorClass.PERMISSION,
            r"permission denied|PermissionError|operation not permitted|read-only file system"
            r"|EACCES|EPERM|EROFS|access denied|outside the workspace|forbidden|unauthorized"
            rf"|{_HTTP}40[13]\b",
        ),
        (
            ErrorClass.NOT_FOUND,
            r"no such file|FileNotFoundError|command not found|: not found\b|ENOENT|does not exist"
            r"|cannot find|no such (?:table|column)|KeyError|text not found|not found in|could not find"
            rf"|file not found|not a git repository|did not appear|{_HTTP}(?:404|410)\b",
        ),
        (
            ErrorClass.USAGE,
            r"^usage:|unrecognized (?:arguments?|option)|(?:invalid|illegal|unknown) option|missing .*operand"
            r"|the following arguments are required|invalid choice|try '.*--help'|unknown tool|is a directory"
            r"|EISDIR|arguments? (?:must|is|are|do)|unexpected (?:argument|keyword)"
            r"|missing .*(?:argument|parameter)|not supported|validation failed"
            r"|invalid (?:argument|parameter|input)",
        ),
    )
)
STDERR_TAIL_BYTES = 8192
"""How much of the end of a call's stderr is looked at."""
_LINE_CHARS = 400
_TAIL_CHARS = 4000
_BY_EXIT_CODE = {124: ErrorClass.TIMEOUT, 126: ErrorClass.PERMISSION, 127: ErrorClass.NOT_FOUND}
_LIMIT_SIGNALS = frozenset({9, 24, 25})
"""KILL (the kernel's memory killer), XCPU, XFSZ."""


class Source(StrEnum):
    """Where the line stands that shows a failure."""

    ERROR = "error"
    """The tool's or the workspace's own error."""
    STDERR = "stderr"
    STDOUT = "stdout"
    OBSERVATION = "observation"
    """What the agent saw: all that there is of a call without a ledger."""
    LEDGER = "ledger"
    """No text shows it: how the call ended, in the ledger's words."""


class Failure(NamedTuple):
    """Why a call failed, and the line that shows it."""

    error_class: ErrorClass
    line: str
    """At most 400 characters."""
    source: Source


def failure_of(call: ToolCall, stderr: str = "") -> Failure | None:
    """Why the call failed and the line that shows it; None exactly where `call.failed` is False.

    Time and limits first; then the error of tool or workspace, stderr, and last what the agent saw: in each,
    the last line that one of the rules knows decides, since a tool says last what stopped it. Where no rule
    knows a line, the last one written is shown.

    Args:
        call: Any call, failed or not.
        stderr: The end of its stderr, where more is at hand than the ledger's own tail.
    """
    if not call.failed:
        return None
    entry = call.ledger
    if entry.timed_out or entry.limit == "time":
        return Failure(ErrorClass.TIMEOUT, _ending(call), Source.LEDGER)
    if entry.limit or entry.signal in _LIMIT_SIGNALS:
        return Failure(ErrorClass.LIMIT, _ending(call), Source.LEDGER)
    texts = _texts(call, stderr)
    for source, text in texts:
        if found := _by_text(text):
            return Failure(found.error_class, found.line, source)
    by_code = _BY_EXIT_CODE.get(entry.exit_code or 0, ErrorClass.OTHER)
    shown = next(((line, source) for source, text in texts if (line := _last_line(text))), None)
    return Failure(by_code, *(shown or (_ending(call), Source.LEDGER)))


def error_class(call: ToolCall, stderr: str = "") -> ErrorClass | None:
    """Why the call failed; None for one that did not."""
    failure = failure_of(call, stderr)
    return failure.error_class if failure else None


def _texts(call: ToolCall, stderr: str) -> list[tuple[Source, str]]:
    """What may show why a failed call failed, the most telling first."""
    entry = call.ledger
    seen = Source.STDOUT if entry.stdout else Source.OBSERVATION
    return [
        (Source.ERROR, call.error or ""),
        (Source.ERROR, entry.error or ""),
        (Source.STDERR, stderr or entry.stderr_tail),
        (Source.OBSERVATION, call.told_failure or ""),
        (seen, without_closing(call.observation[-_TAIL_CHARS:])),
    ]


def _ending(call: ToolCall) -> str:
    """How the call ended, in words."""
    entry = call.ledger
    if entry.timed_out:
        own_s = entry.sessions[0].timeout_s if entry.sessions else None
        return f"timed out after {entry.duration_ms / 1000 if own_s is None else own_s:.1f} s"
    if entry.limit:
        return f"ended by the limit: {entry.limit}"
    return f"signal {entry.signal}" if entry.signal is not None else f"exit code {entry.exit_code}"


class _Known(NamedTuple):
    error_class: ErrorClass
    line: str


def _by_text(text: str) -> _Known | None:
    for line in reversed(text.splitlines()):
        lower = line.lower()
        for kind, pattern in _RULES:
            if pattern.search(lower, 0, _LINE_CHARS):
                return _Known(kind, line.strip()[:_LINE_CHARS])
    return None


def _last_line(text: str) -> str:
    return next((line.strip()[:_LINE_CHARS] for line in reversed(text.splitlines()) if line.strip()), "")


class Recovery(NamedTuple):
    """What became of one failed call. Calls are named by their place among the trajectory's calls."""

    failed: int
    recovered_by: int | None

    @property
    def outcome(self) -> str:
        """What became of it: "recovered" or "abandoned"."""
        return "abandoned" if self.recovered_by is None else "recovered"


def recoveries(trajectory: Trajectory) -> list[Recovery]:
    """What became of every failed call, in order.

    The rule: a failed call is recovered by the first later call, in the same turn or the next one, that
    does not fail and has the same aim (`engine.catalog.aims`); else it is abandoned. Several failed calls
    may be recovered by one.
    """
    calls = [
        _Placed(place, call) for place, turn in enumerate(trajectory.turns) for call in turn.tool_calls()
    ]
    return [Recovery(n, _recovered_by(calls, n)) for n, placed in enumerate(calls) if placed.call.failed]


@dataclass(frozen=True)
class _Placed:
    """A call and the place of its turn; its aim is worked out only where it is looked at."""

    turn: int
    call: ToolCall

    @cached_property
    def aim(self) -> Aim:
        return aim_of(self.call)


def _recovered_by(calls: Sequence[_Placed], failed: int) -> int | None:
    one = calls[failed]
    for n in range(failed + 1, len(calls)):
        later = calls[n]
        if later.turn > one.turn + 1:
            return None
        if not later.call.failed and same_aim(one.aim, later.aim):
            return n
    return None
