"""The checks together: does a proposed utterance keep the user's role, and does it advance as a user's?"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from engine.ports import Embedder
from engine.schema.trajectory import Trajectory, Verdict
from engine.simulate.checks.echo import no_echo
from engine.simulate.checks.form import length, not_empty
from engine.simulate.checks.handed_back import handed_back
from engine.simulate.checks.incremental import incremental
from engine.simulate.checks.leak import no_tool_leak
from engine.simulate.checks.perspective import perspective_lock
from engine.simulate.checks.register import register
from engine.simulate.checks.responsive import responsive
from engine.simulate.checks.text import MAX_CHARS

Check = Callable[[str, Trajectory], str]
"""Says what is wrong with a text as the next utterance of a trajectory; an empty string where nothing is."""

CHECKS: dict[str, Check] = {
    "not_empty": not_empty,
    "perspective_lock": perspective_lock,
    "handed_back": handed_back,
    "no_tool_leak": no_tool_leak,
    "no_echo": no_echo,
    "register": register,
    "length": length,
    "incremental": incremental,
    "responsive": responsive,
}
"""Check name -> the check. The names are those of `engine.schema.checks`."""
_READ_WHOLE = frozenset({"not_empty", "length"})
"""The others read the first `MAX_CHARS` characters: what is longer is no message anyway."""


def check_utterance(
    text: str, trajectory: Trajectory, embedder: Embedder | None = None
) -> tuple[Verdict, ...]:
    """The verdict of every check on a proposed utterance for the next turn.

    Args:
        text: What the user model proposed.
        trajectory: What has been played.
        embedder: Lets `no_echo` compare meanings too; without one no model is needed.
    """
    checks = CHECKS | {"no_echo": partial(no_echo, embedder=embedder)} if embedder else CHECKS
    start = text[:MAX_CHARS]
    return tuple(
        _verdict(name, check(text if name in _READ_WHOLE else start, trajectory))
        for name, check in checks.items()
    )


def _verdict(name: str, problem: str) -> Verdict:
    return Verdict(check=name, passed=not problem, detail=problem)
