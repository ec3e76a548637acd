"""What may differ between a recorded call and the same call run again, rule by rule.

A rule never drops text on sight. It replaces a token only where the token holds a value that this side could
really have had: a clock must show a moment of this side's own rollout, a duration may not exceed the call's,
an identity (a process, a temporary name) must stay the same one through the whole trajectory. Text that was
tampered with falls out of these bounds, and differs.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

_SLACK = timedelta(seconds=1)
"""A file's time comes from a clock that ticks more coarsely, and call and command begin apart."""


@dataclass(slots=True)
class Side:
    """One of the two: the rollout as it was recorded, or as it runs now."""

    start: datetime
    """When its workspace was new."""
    end: datetime
    """When the call at hand had ended."""
    duration_ms: float = 0.0
    """Of the call at hand."""
    commits: set[str] = field(default_factory=set)
    """Ids of git commits and tags that this side alone has made."""
    known: dict[tuple[str, str], int] = field(default_factory=dict)
    """Identities met so far, numbered by rule in the order in which they appeared."""

    def advance(self, started_at: datetime, duration_ms: float) -> None:
        """Goes on to the end of the next call."""
        self.duration_ms = duration_ms
        self.end = max(self.end, started_at + timedelta(milliseconds=duration_ms))

    def number(self, rule: str, identity: str) -> int:
        """The identity's number under a rule: the same for the same one, the next for a new one."""
        n = 1 + sum(name == rule for name, _ in self.known)
        return self.known.setdefault((rule, identity), n)

    def covers(self, first: datetime, last: datetime) -> bool:
        """True where a moment between the two lies within the rollout up to now."""
        return first <= self.end + _SLACK and last >= self.start - _SLACK


Token = Callable[[re.Match[str], Side], str | None]
"""What stands for a match on one side; None leaves it as it is."""


class Rule(NamedTuple):
    """One thing that may differ."""

    name: str
    pattern: re.Pattern[str]
    why: str
    token: Token


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_NAME = rf"(?P<name>{'|'.join(_MONTHS)})"
_WEEKDAY = r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_TIME = r"(?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,]\d{1,9})?)?(?![\d:])"
_DATE = r"(?<![\d-])(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)"
_CLOCKS = (
    rf"{_DATE}[T ]{_TIME}",
    rf"(?P<day>\d\d)[ /]{_NAME}[ /](?P<year>\d{{4}})[ :]{_TIME}",
    rf"{_NAME} (?P<day>[ \d]\d) {_TIME} (?:UTC )?(?P<year>\d{{4}})\b",
    rf"\b{_NAME} (?P<day>[ \d]\d) {_TIME}",
    r"(?<!\d)(?P<year>\d{4})(?P<month>\d\d)(?P<day>\d\d)[T_-]?(?P<hour>\d\d)(?P<minute>\d\d)(?P<second>\d\d)(?!\d)",
    rf"(?<![\d:.]){_TIME}",
    rf"{_DATE}(?![\d-])",
    rf"{_WEEKDAY},? {_NAME} (?P<day>[ \d]\d)\b",
    rf"{_WEEKDAY},? (?P<day>\d\d) {_NAME}(?: (?P<year>\d{{4}}))?\b",
)
"""Ways to write a moment, the whole ones first; all in UTC, which is a workspace's zone."""


def _clock(match: re.Match[str], side: Side) -> str | None:
    """A moment of this side's rollout; what the text leaves out of it may be either day's."""
    parts = match.groupdict()
    precision = timedelta(seconds=1) if parts.get("second") else timedelta(minutes=1)
    if not parts.get("hour"):
        precision = timedelta(days=1)
    for today in (side.start, side.end):
        name = parts.get("name")
        month = _MONTHS.index(name) + 1 if name else int(parts.get("month") or today.month)
        try:
            moment = datetime(
                int(parts.get("year") or today.year),
                month,
                int(parts.get("day") or today.day),
                int(parts.get("hour") or 0),
                int(parts.get("minute") or 0),
                int(parts.get("second") or 0),
                tzinfo=UTC,
            )
        except ValueError:
            continue
        if side.covers(moment, moment + precision):
            return "<clock>"
    return None


_EPOCH_UNITS = {10: 1, 13: 10**3, 16: 10**6, 19: 10**9}


def _epoch(match: re.Match[str], side: Side) -> str | None:
    whole = match[1]
    try:
        moment = datetime.fromtimestamp(int(whole) / _EPOCH_UNITS[len(whole)], UTC)
    except (KeyError, ValueError, OverflowError, OSError):
        return None
    return "<clock>" if side.covers(moment, moment + timedelta(seconds=1)) else None


_UNITS_MS = {"s": 1000.0, "sec": 1000.0, "secs": 1000.0, "second": 1000.0, "seconds": 1000.0, "ms": 1.0}
_UNITS_MS |= {"us": 1e-3, "µs": 1e-3, "usec": 1e-3, "ns": 1e-6}


def _duration(match: re.Match[str], side: Side) -> str | None:
    """A measured time: with a fraction, and no longer than the call itself."""
    minutes = 60_000.0 * float(match["minutes"] or 0)
    took_ms = minutes + float(match["value"]) * _UNITS_MS[match["unit"]]
    return f"<duration>{match['unit']}" if took_ms <= side.duration_ms + 10.0 else None


def _identity(rule: str, group: int | str = 0) -> Token:
    """The same one is the same number through the whole trajectory."""

    def token(match: re.Match[str], side: Side) -> str | None:
        shown = f"<{rule} {side.number(rule, match[group])}>"
        return match[0].replace(match[group], shown)

    return token


def _port(match: re.Match[str], side: Side) -> str | None:
    ephemeral = 32768 <= int(match[2]) <= 60999
    return f"{match[1]}<port {side.number('port', match[2])}>" if ephemeral else None


def _commit(match: re.Match[str], side: Side) -> str | None:
    found = [commit for commit in side.commits if commit.startswith(match[0])]
    return f"<commit {side.number('commit', found[0])}>" if len(found) == 1 else None


RULES: tuple[Rule, ...] = (
    *(Rule("clock", re.compile(pattern), "the moment at which it ran", _clock) for pattern in _CLOCKS),
    Rule(
        "clock",
        re.compile(r"(?<![\w.])(1\d{9}(?:\d{3}|\d{6}|\d{9})?)(?:\.\d{1,9})?(?![\w])"),
        "the moment at which it ran, in seconds since 1970 or parts of them",
        _epoch,
    ),
    Rule(
        "duration",
        re.compile(
            r"(?<![\w.])(?:(?P<minutes>\d+)m)?(?P<value>\d+\.\d+) ?"
            r"(?P<unit>seconds?|secs?|ms|µs|usec|us|ns|s)\b"
        ),
        "how long something took; at most as long as the call",
        _duration,
    ),
    Rule(
        "process",
        re.compile(r"(?i:\b(?:pid|process)(?: id)?\"?[ =:#]{1,3}|^\[\d+\] )(\d{1,7})\b", re.MULTILINE),
        "the kernel numbers processes as they come",
        _identity("process", 1),
    ),
    Rule(
        "temporary name",
        re.compile(r"(?<=[/\"' ])(?:tmp[a-z0-9_]{8}|tmp\.[A-Za-z0-9]{10})\b"),
        "mkdtemp and mktemp draw names",
        _identity("temporary name"),
    ),
    Rule(
        "address",
        re.compile(r"(?<=\bat )0x[0-9a-f]{6,16}\b|\b0x(?:7[ef]|5[56])[0-9a-f]{10}\b"),
        "where the kernel put an object in memory",
        _identity("address"),
    ),
    Rule(
        "port",
        re.compile(r"(?i)(\b(?:127\.0\.0\.1|localhost|0\.0\.0\.0|::1\]?):|\bport[ =:]{1,2})(\d{5})\b"),
        "a free port that the kernel chose",
        _port,
    ),
    Rule(
        "commit",
        re.compile(r"\b[0-9a-f]{7,40}\b"),
        "a commit made at this side's own time has an id of its own",
        _commit,
    ),
)
"""In the order in which they are tried. A token that an earlier rule has replaced is not looked at again."""


class Normalised(NamedTuple):
    """A text with tokens in place of what may differ, and the names of the rules that put them there."""

    text: str
    rules: frozenset[str]


def normalised(text: str, side: Side) -> Normalised:
    """The text with everything replaced that may differ between the two sides."""
    used: set[str] = set()
    for rule in RULES:

        def put(match: re.Match[str], rule: Rule = rule) -> str:
            token = rule.token(match, side)
            if token is None:
                return match[0]
            used.add(rule.name)
            return token

        text = rule.pattern.sub(put, text)
    return Normalised(text, frozenset(used))
