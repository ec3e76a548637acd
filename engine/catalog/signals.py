"""What the ledger says about failed calls: why each failed, and whether it was made good."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import NamedTuple

from engine.catalog.aims import Aim, aim_of, same_aim
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


_RULES: tuple[tuple[ErrorClass, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern.lower()))
    for kind, pattern in (
        (ErrorClass.IMPORT, r"ModuleNotFoundError|ImportError|No module named|Cannot find module"),
        (
            ErrorClass.SYNTAX,
            r"SyntaxError|IndentationError|TabError|syntax error|unexpected (?:token|EOF|end of file|indent)"
            r"|parse error|JSONDecodeError|unterminated|unmatched",
        ),
        (
            ErrorClass.ASSERTION,
            r"AssertionError|FAILED \((?:failures|errors)=|\b\d+ failed\b|^FAILED |^E  +assert",
        ),
        (
            ErrorClass.NETWORK,
            r"could not resolve|name resolution|name or service not known|network is unreachable"
            r"|connection (?:refused|reset|timed out)|no route to host|failed to establish a new connection"
            r"|urlopen error|failed to connect|unable to resolve",
        ),
        (ErrorClass.TIMEOUT, r"\btimed out\b|TimeoutError|TimeoutExpired"),
        (
            ErrorClass.LIMIT,
            r"no space left|cannot allocate memory|out of memory|MemoryError|file too large"
            r"|too many open files|resource temporarily unavailable|disk quota exceeded"
            r"|argument list too long|RecursionError",
        ),
        (
            ErrorClass.PERMISSION,
            r"permission denied|PermissionError|operation not permitted|read-only file system"
            r"|EACCES|EPERM|EROFS|access denied|outside the workspace",
        ),
        (
            ErrorClass.NOT_FOUND,
            r"no such file|FileNotFoundError|command not found|: not found\b|ENOENT|does not exist"
            r"|cannot find|no such (?:table|column)|KeyError|text not found|not found in",
        ),
        (
            ErrorClass.USAGE,
            r"^usage:|unrecognized (?:arguments?|option)|(?:invalid|illegal|unknown) option|missing .*operand"
            r"|the following arguments are required|invalid choice|try '.*--help'|unknown tool|is a directory"
            r"|EISDIR|arguments? (?:must|is|are|do)|unexpected (?:argument|keyword)|missing .*argument",
        ),
    )
)
_LINE_CHARS = 400
_BY_EXIT_CODE = {124: ErrorClass.TIMEOUT, 126: ErrorClass.PERMISSION, 127: ErrorClass.NOT_FOUND}
_LIMIT_SIGNALS = frozenset({9, 24, 25})
"""KILL (the kernel's memory killer), XCPU, XFSZ."""


def error_class(call: ToolCall, stderr: str = "") -> ErrorClass | None:
    """Why the call failed, by the ledger's evidence; None for a call that did not fail.

    Time and limits first; then the error of tool or workspace, stderr, and last the observation: in each,
    the last line that one of the rules knows decides, since a tool says last what stopped it.
    """
    if not call.failed:
        return None
    entry = call.ledger
    if entry.timed_out or entry.limit == "time":
        return ErrorClass.TIMEOUT
    if entry.limit or entry.signal in _LIMIT_SIGNALS:
        return ErrorClass.LIMIT
    for text in (call.error or "", entry.error or "", stderr, call.observation[-4000:]):
        if found := _by_text(text):
            return found
    return _BY_EXIT_CODE.get(entry.exit_code or 0, ErrorClass.OTHER)


def _by_text(text: str) -> ErrorClass | None:
    for line in reversed(text.lower().splitlines()):
        for kind, pattern in _RULES:
            if pattern.search(line, 0, _LINE_CHARS):
                return kind
    return None


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
