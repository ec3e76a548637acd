"""Whether the agent repeats itself: the same calls with the same results, or the same answer turn after turn.

What counts is the step, not the call: the calls of one message were written before any of them was answered,
so they may repeat each other. A result that changes, were it by one line, is no repetition.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from engine.errors import one_line
from engine.schema.run import Limits
from engine.schema.trajectory import Step, ToolCall, Turn

_LONGEST_CYCLE = 3
_SLEEP = re.compile(r"\bsleep [\d.$]")
_FOLLOWING = {"list", "poll", "log"}

_Mark = tuple[tuple[str, str, str], ...]


class Loop(NamedTuple):
    """What the agent repeats, in words, and how often it has brought the same."""

    what: str
    n_times: int


def repeated_steps(steps: Sequence[Step], limits: Limits) -> Loop | None:
    """The step, or the cycle of two or three steps, that a turn's steps end on repeating; None where none."""
    marks = [_mark(step) for step in steps]
    for length in range(1, _LONGEST_CYCLE + 1):
        cycle = steps[-length:]
        bound = limits.max_waiting_repeats if any(map(_waits, cycle)) else limits.max_repeats
        n_times = _n_times_at_end(marks, length)
        if n_times >= bound:
            calls = [call for step in cycle for call in step.tool_calls]
            return Loop(_in_words(calls), n_times)
    return None


def n_same_answers(turns: Sequence[Turn]) -> int:
    """How many turns at the end brought one answer by the same calls: 1 where the last one is new.

    The same short answer after other work, such as "Done.", is no repetition.
    """
    said = [(turn.answer and turn.answer.strip(), *map(_mark, turn.steps)) for turn in turns]
    return next((n for n, one in enumerate(reversed(said)) if one != said[-1]), len(said))


def _mark(step: Step) -> _Mark:
    """What a step asked for and what came back, each call once."""
    return tuple(dict.fromkeys((c.name, c.arguments.strip(), c.observation) for c in step.tool_calls))


def _n_times_at_end(marks: Sequence[_Mark], length: int) -> int:
    """How often the last `length` steps stand at the end, one after another."""
    if len(marks) < length or not any(marks[-length:]):
        return 0
    n_same = length
    while n_same < len(marks) and marks[-n_same - 1] == marks[length - n_same - 1]:
        n_same += 1
    return n_same // length


def _waits(step: Step) -> bool:
    """True for a step that looks how something goes on in the background, or lets time pass."""
    return any(_follows_session(call) or _SLEEP.search(call.ledger.command_line) for call in step.tool_calls)


def _follows_session(call: ToolCall) -> bool:
    asked = call.ledger.argv[:2]
    return not call.failed and call.ledger.action == "process" and bool(_FOLLOWING.intersection(asked[1:]))


def _in_words(calls: Sequence[ToolCall]) -> str:
    """The calls by name and arguments, short enough for one line."""
    shown = list(dict.fromkeys(f"{one_line(c.name, 40)} {one_line(c.arguments[:500], 80)}" for c in calls))
    return " then ".join(shown[:_LONGEST_CYCLE])
