"""Signs of failure, absence and the like in what calls and answers say."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from engine.schema.told_command import words_of
from engine.schema.trajectory import ToolCall

_HALF_CHARS = 150_000
"""Of each text of the record its first and its last characters are looked at, this many of each."""


TROUBLE = re.compile(
    r"fail|error|refus|denied|not found|no such|cannot|can't|could ?n[o']t|unable|invalid|mismatch"
    r"|traceback|exception|reject"
    r"|timed out|timeout|abort|conflict|differ|missing|wrong|not installed|unreachable|\bdown\b|bad "
    r"|\b[45]\d\d\b|unknown|killed|stopped",
    re.IGNORECASE,
)


ABSENCE = re.compile(
    r"no such|not found|does(?:n't| not) exist|cannot (?:open|stat|access|find|read)|can't (?:open|find"
    r"|read)|missing|ENOENT|not there|cannot remove|not exist",
    re.IGNORECASE,
)


ABSENT = re.compile(
    ABSENCE.pattern + r"|cannot stat|\bnot\b|n't\b|\bno\b|left out|without|dead|gone|broken|dangling",
    re.IGNORECASE,
)


ENDS = re.compile(r"\b(?:p?kill|killall|stop|terminate)\b")


COMMON_WORDS = words_of(
    "the and for are was were has have had with that this then than from now not but all its out see"
    " good fine great thank"
    " thanks one two three four five six seven eight nine ten you your what which there kilobytes"
    " megabytes bytes percent minutes seconds hours pixels wide here they them been more much only just"
)


TESTS = re.compile(
    r"\btests?\b|pytest|unittest|run_tests|_test\b|\btest_|\bcheck|verif|\bspec\b|assert|\bok\b|\bPASS"
    r"|\bbuild\b|\bmake\b|lint",
    re.IGNORECASE,
)


_TEST_FAILED = re.compile(
    r"\b[1-9]\d{0,5} (?:failed|failures?|errors?)\b|\bFAILED\b|^FAIL(?:ED|URE)?\b|failures=[1-9]"
    r"|^not ok\b",
    re.MULTILINE,
)


_ADMITS = re.compile(
    r"\b(?:not|cannot|never|fail\w*|errors?|unable|unfortunately|however|refused|denied|missing"
    r"|stopped (?:at|with)|gave up|gives up (?:with 0|and)"
    r"|exit(?:ed)? (?:with )?(?:code )?[1-9]\d?\b(?!\d)"
    r"|unless|broke\w*|crash\w*|wrong|rejected|aborted|timed out|unreachable|stuck|remains|does no"
    r"|has no|without success|goes on|too (?:late|long|many))\b|n't\b|n’t\b|\binstead of\b"
    r"|\bleft for you\b",
    re.IGNORECASE,
)


EMPTY_TOLD = re.compile(
    r"\b(\d{1,6}) (?:of them |is |are )?empty\b|\bempty (?:ones|files)?[^.\n\d]{0,24}?(\d{1,6})\b"
)


PART_OF = re.compile(
    r"\b(\d{1,6}|[a-z]{3,9}) of (?:the |its |their |your )?(\d{1,6}|[a-z]{3,9})\b"
    r"|\bof (\d{1,6}) [a-z]{2,20} (?:only )?(\d{1,6})\b"
)


SOME_BAD = re.compile(
    r"\b[1-9]\d{0,4} (?:still |are |is |of them )?(?:down|dead|failed|missing|left over|wrong|skipped"
    r"|rejected|refused|unlabelled)\b"
    r"|\bnot in it (?:is|are)\b|\bgoes wrong\b|\bdid not take\b|\bis not (?:there|here|in)\b"
    r"|\bdoes not exist\b|\bfails?\b"
)


def is_reading(call: ToolCall) -> bool:
    """True for a call that shows a file's text or says that one was written: no result of its own."""
    return call.name in {"read", "write", "edit", "memory_get", "memory_search", "web_search", "web_fetch"}


def cut(text: str, half: int = _HALF_CHARS) -> str:
    """The text in lower case, of a very long one the first and the last `half` characters."""
    if len(text) > 2 * half:
        text = text[:half] + "\n" + text[-half:]
    return text.lower()


def evidence_text(call: ToolCall) -> str:
    """What a call did and brought, in lower case."""
    entry = call.ledger
    codes = f"exit code {entry.exit_code}" if entry.exit_code is not None else ""
    parts = [
        entry.command_line,
        call.arguments,
        call.observation,
        call.error or "",
        entry.error or "",
        entry.stderr_tail,
        codes,
        *(change.path for change in entry.changes),
        *(state.command for state in entry.sessions),
    ]
    return cut("\n".join(parts))


_AROUND = 300
_N_PLACES = 20


def lines_with(wanted: str, text: str, ends: str = "") -> Iterator[str]:
    """The lines in which `wanted` stands, at most 300 characters to each side and at most 20 of them.

    Args:
        wanted: What is looked for; in lower case, as the text is.
        text: Where.
        ends: Characters that end a line too where a space follows.
    """
    at, n_found = text.find(wanted), 0
    while at >= 0 and n_found < _N_PLACES:
        n_found += 1
        end = at + len(wanted)
        before, after = text[max(0, at - _AROUND) : at], text[end : end + _AROUND]
        for mark in ("\n", *(f"{char} " for char in ends)):
            before, after = before.rpartition(mark)[2], after.partition(mark)[0]
        yield before + wanted + after
        at = text.find(wanted, end)


def stands(wanted: str, text: str) -> bool:
    """True where `wanted` stands in `text` and no longer word contains it; both in lower case."""
    at = text.find(wanted)
    while at >= 0:
        end = at + len(wanted)
        before, after = text[at - 1 : at], text[end : end + 1]
        if not _continues(before) and not (
            _continues(after) or (after == "." and text[end + 1 : end + 2].isalnum())
        ):
            return True
        at = text.find(wanted, at + 1)
    return False


def _continues(char: str) -> bool:
    return char.isalnum() or char in {"_", "-"} if char else False


def exit_codes_of(calls: Iterable[ToolCall]) -> set[int]:
    """Every exit code of these calls and their sessions; 128 + n for an end by signal n."""
    codes: set[int] = set()
    for call in calls:
        entry = call.ledger
        ends: list[tuple[int | None, int | None]] = [(entry.exit_code, entry.signal)]
        ends += [(state.exit_code, state.signal) for state in entry.sessions]
        codes.update(code for code, _ in ends if code is not None)
        codes.update(128 + signal for _, signal in ends if signal is not None)
    return codes


def is_troubled(call: ToolCall) -> bool:
    """True where the call failed or what it showed speaks of a failure."""
    return call.failed or bool(TROUBLE.search(call.observation[:20_000]))


_FAILURE_SHOWN = re.compile(
    r"\bFAIL(?:ED|URE)?\b|(?<!\b0 )(?<!\bno )\bfailed\b|Traceback|\w+Error\b|refused|denied|not found"
    r"|cannot|No such|WRONG|went wrong|mismatch|\bnot ok\b|\bdown\b|unreachable|fatal:|error:",
)


def shows_failure(call: ToolCall) -> bool:
    """True where the call failed or what it printed says that something did."""
    return call.failed or (not is_reading(call) and bool(_FAILURE_SHOWN.search(call.observation[:20_000])))


def test_failed(call: ToolCall) -> bool:
    """True where a call of tests failed, by its ending or by its own summary."""
    return call.failed or bool(_TEST_FAILED.search(call.observation[-20_000:]))


def admits_failure(answer: str) -> bool:
    """True where an answer says that something is not as it should be."""
    return bool(_ADMITS.search(answer))
