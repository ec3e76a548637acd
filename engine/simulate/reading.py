"""What a reader makes of a message, beside what the rules say of it.

The rules know names, numbers and states for certain, but not what a sentence means: whose voice it is,
whether a file is wished for or taken for granted. Where a reader is at hand it decides those two, and the
rules give its reasons.
"""

from __future__ import annotations

import math
import re

from engine.ports import Reader, Reading
from engine.schema.trajectory import Attempt, Claim, ClaimStanding, Trajectory, Verdict
from engine.simulate.claims.known import Known
from engine.simulate.claims.marks import marked

VOICE, CLAIMS = "perspective_lock", "state_claims"
"""The checks that a reader decides."""
NOT_CLAIMED = "a wish, a question or the user's own world"
_DOUBT = re.compile(r"(?: \[(?:absent|new|unheard|wrong|never|no|gone)\])+")
_LAST_WORDS = re.compile(r"(?:\S+ ){0,2}\S+$")
_LAST_CHARS = 200
"""How far back those words are looked for: a pasted word may be as long as the message."""
SECONDED = 0.1
"""So sure the reader must be of drift where a rule says it too. Of texts set aside that finds 1 % more."""
_MAX_REASONS = 4


def read_attempt(
    attempt: Attempt, known: Known, reader: Reader, trajectory: Trajectory, deadline: float = math.inf
) -> Attempt:
    """The attempt with the verdicts that the reader decides.

    Args:
        attempt: What the rules say of it.
        known: The record up to the turn.
        reader: Has the last word on `VOICE` and `CLAIMS`.
        trajectory: The same record, as the reader takes it.
        deadline: Instant of `time.monotonic` at which reading ends.

    Raises:
        ModelError: The model that reads failed.
    """
    text = marked(attempt.text, known)
    reading = reader.read(text, trajectory, deadline)
    verdicts = tuple(_decided(verdict, reading, text) for verdict in attempt.verdicts)
    claims = attempt.claims if reading.hallucinates else tuple(map(_not_claimed, attempt.claims))
    return attempt.model_copy(update={"verdicts": verdicts, "claims": claims, "judging": reading.usage})


def _decided(verdict: Verdict, reading: Reading, text: str) -> Verdict:
    """A reader's own reason is the best to ask for another message with, then the rules'."""
    if verdict.check == VOICE:
        sure = f"it sounds like the agent, not like its user ({reading.drift:.0%} sure)"
        is_seconded = not verdict.passed and reading.drift >= SECONDED
        detail = reading.reason or verdict.detail or sure
        return _verdict(verdict, detail, fails=reading.drifts or is_seconded)
    if verdict.check == CLAIMS:
        sure = f"it takes for granted what the record does not show ({reading.hallucination:.0%} sure)"
        detail = reading.reason or verdict.detail or ": ".join([sure, *_doubted(text)])
        return _verdict(verdict, detail, fails=reading.hallucinates)
    return verdict


def _verdict(by_rules: Verdict, detail: str, *, fails: bool) -> Verdict:
    return Verdict(check=by_rules.check, passed=not fails, detail=detail if fails else "")


def _doubted(text: str) -> list[str]:
    """The marks that speak against what the message says, in one line; none where nothing was looked up."""
    found: list[str] = []
    at = 0
    for doubt in _DOUBT.finditer(text):
        words = _LAST_WORDS.search(text[max(at, doubt.start() - _LAST_CHARS) : doubt.start()])
        at = doubt.end()
        if words:
            found.append(f"{words[0].lstrip(',;: ')}{doubt[0]}")
        if len(found) == _MAX_REASONS:
            break
    return ["; ".join(found)] if found else []


def _not_claimed(claim: Claim) -> Claim:
    if claim.standing is not ClaimStanding.CONTRADICTED:
        return claim
    return claim.model_copy(update={"standing": ClaimStanding.INTRODUCED, "source": NOT_CLAIMED})
