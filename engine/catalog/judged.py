"""What the checks said of everything in a record: verdicts, flags and claims, as rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from engine.schema.checks import CHECKS
from engine.schema.flags import SaidBy
from engine.schema.trajectory import Attempt, Trajectory, Turn, Utterance, Verdict


class Judged(NamedTuple):
    """One verdict and what it is about."""

    turn: int
    """Of an ending the number of turns before it."""
    said_by: SaidBy
    verdict: Verdict
    attempt: int
    """Its number among the proposals for the same place, from 0."""
    sent: bool
    """False of a proposal that was not sent."""


def judged_in(trajectory: Trajectory) -> Iterator[Judged]:
    """Every verdict of the record, in order, those on proposals that were not sent included."""
    for turn in trajectory.turns:
        sent = sent_attempt(turn.utterance)
        for number, attempt in enumerate(turn.utterance.attempts):
            yield from _of_attempt(turn.index, attempt, number, sent=number == sent)
        yield from _answers(turn)
    n_turns = len(trajectory.turns)
    refused = trajectory.outcome.attempts if trajectory.outcome else trajectory.failed_attempts
    for number, attempt in enumerate(refused):
        yield from _of_attempt(n_turns, attempt, number, sent=False)
    if trajectory.outcome:
        for verdict in trajectory.outcome.verdicts:
            yield Judged(n_turns, SaidBy.ENDING, verdict, len(refused), sent=True)


def sent_attempt(utterance: Utterance) -> int | None:
    """The number of the proposal that was sent; None where none of them is the utterance."""
    return next((i for i, a in enumerate(utterance.attempts) if a.text == utterance.text), None)


def _of_attempt(turn: int, attempt: Attempt, number: int, *, sent: bool) -> Iterator[Judged]:
    return (Judged(turn, SaidBy.USER, verdict, number, sent) for verdict in attempt.verdicts)


def _answers(turn: Turn) -> Iterator[Judged]:
    return (Judged(turn.index, SaidBy.AGENT, verdict, 0, sent=True) for verdict in turn.verdicts)


def flags_of(trajectory: Trajectory) -> Sequence[Judged]:
    """The failed verdicts on what was really sent."""
    return [j for j in judged_in(trajectory) if j.sent and not j.verdict.passed]


def verdict_rows(trajectory: Trajectory) -> Iterator[dict[str, Any]]:
    """The verdicts table's rows; a check that this version does not know has no meter."""
    for judged in judged_in(trajectory):
        about = CHECKS.get(judged.verdict.check)
        yield {
            "turn": judged.turn,
            "said_by": judged.said_by,
            "check_name": judged.verdict.check,
            "meter": about.meter if about else None,
            "passed": judged.verdict.passed,
            "detail": judged.verdict.detail,
            "attempt": judged.attempt,
            "sent": judged.sent,
        }


def claim_rows(trajectory: Trajectory) -> Iterator[dict[str, Any]]:
    """The claims table's rows: what the utterances that were sent say."""
    for turn in trajectory.turns:
        sent = sent_attempt(turn.utterance)
        for claim in turn.utterance.attempts[sent].claims if sent is not None else ():
            yield {
                "turn": turn.index,
                "kind": claim.kind,
                "claim": claim.text,
                "standing": claim.standing,
                "source": claim.source,
            }
