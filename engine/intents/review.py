"""What a curator sees of dedup's work, and what it does with it: the pairs found, each to be overruled."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from engine.errors import NotFoundError, one_line
from engine.schema.base import utc_now
from engine.schema.intent import DedupDecision, Intent, Overrule
from engine.store.intents import (
    add_overrule,
    known_ids,
    latest,
    read_decisions,
    read_intents,
    read_overrules,
)
from engine.store.project import Project

BY_HAND = "hand"
"""The method of what was dropped by hand although dedup had found nothing."""
DROPPED, KEPT_BY_HAND, DROPPED_BY_HAND = "dropped", "kept by hand", "dropped by hand"
"""The verdicts on a pair: dedup's own, then a curator's two."""


@dataclass(frozen=True, slots=True)
class Pair:
    """An intent that repeats another one, with both texts, and what became of it."""

    intent_id: str
    utterance: str
    duplicate_of: str | None
    """None, as `other` and `similarity` are, for an intent that was dropped by hand alone."""
    other: str | None
    """The utterance of the intent that is repeated; None where it is in the project no more."""
    method: str
    """"exact", "lexical", "semantic" or "hand"."""
    similarity: float | None
    verdict: str
    """"dropped" (by dedup), "kept by hand" or "dropped by hand"."""
    author: str | None = None
    """Whose verdict it is, where it is a person's; so for the two fields below."""
    note: str | None = None
    decided_at: datetime | None = None


def list_pairs(project: Project, method: str | None = None, limit: int | None = None) -> list[Pair]:
    """What dedup found, in the pool's order, the overruled pairs included, and what was dropped by hand.

    Args:
        project: What dedup decided stands in it.
        method: "exact", "lexical", "semantic" or "hand"; None for all.
        limit: At most so many; None for all.

    Raises:
        InputError: A file of intents, decisions or overrules is damaged.
    """
    pairs = pairs_of(read_intents(project), read_decisions(project), read_overrules(project))
    return [pair for pair in pairs if method in (None, pair.method)][:limit]


def pairs_of(
    intents: Sequence[Intent], decisions: Sequence[DedupDecision], overrules: Sequence[Overrule]
) -> Iterator[Pair]:
    """The pairs among `intents`, in their order, by what dedup decided and what curators said."""
    decided = {d.intent_id: d for d in decisions}
    said = latest(overrules)
    texts = {i.intent_id: i.utterance for i in intents}
    for intent_id, text in texts.items():
        overrule = said.get(intent_id)
        decision = decided.get(intent_id) or (overrule.decision if overrule else None)
        if decision or (overrule and not overrule.keep):
            yield _pair(text, intent_id, decision, overrule, texts)


def _pair(
    text: str,
    intent_id: str,
    decision: DedupDecision | None,
    overrule: Overrule | None,
    texts: dict[str, str],
) -> Pair:
    verdict = DROPPED
    if overrule:
        verdict = KEPT_BY_HAND if overrule.keep else DROPPED_BY_HAND
    return Pair(
        intent_id=intent_id,
        utterance=text,
        duplicate_of=decision.duplicate_of if decision else None,
        other=texts.get(decision.duplicate_of) if decision else None,
        method=decision.method if decision else BY_HAND,
        similarity=decision.similarity if decision else None,
        verdict=verdict,
        author=overrule.author if overrule else None,
        note=overrule.note if overrule else None,
        decided_at=overrule.created_at if overrule else None,
    )


def overrule_dedup(
    project: Project, intent_id: str, *, keep: bool, note: str = "", author: str | None = None
) -> Overrule:
    """Says that one intent is kept, or dropped, whatever dedup finds; the last word on an intent counts.

    It takes effect at once. What dedup had dropped as a repeat of an intent that is now dropped by hand
    comes back when dedup is run again.

    Args:
        project: Where the intent is.
        intent_id: Which.
        keep: Kept, or dropped.
        note: Why.
        author: Who says so; None takes $USER, else "curator".

    Raises:
        NotFoundError: The project has no such intent.
        StudioError: The overrule cannot be written.
    """
    if intent_id not in known_ids(project):
        raise NotFoundError(
            f"no intent {one_line(intent_id, 90)!r} in {project.root}: 'ise-studio intents pairs' names them"
        )
    return _say(project, intent_id, keep, note, author)


def take_back(project: Project, intent_id: str, *, note: str = "", author: str | None = None) -> Overrule:
    """Takes a curator's word on one intent back: dedup's counts again.

    It takes effect at once. Where dedup was run meanwhile, and so has decided nothing about the intent, the
    intent is kept until dedup is run again.

    Args:
        project: Where the intent is.
        intent_id: Which.
        note: Why.
        author: Who says so; None takes $USER, else "curator".

    Raises:
        NotFoundError: Nobody's word stands on this intent.
        StudioError: It cannot be written.
    """
    if intent_id not in latest(read_overrules(project)):
        raise NotFoundError(
            f"nothing to take back on {one_line(intent_id, 90)!r}: 'ise-studio intents pairs' names what was "
            "kept or dropped by hand"
        )
    return _say(project, intent_id, None, note, author)


def _say(project: Project, intent_id: str, keep: bool | None, note: str, author: str | None) -> Overrule:
    before = {o.intent_id: o for o in read_overrules(project)}.get(intent_id)
    decisions = {d.intent_id: d for d in read_decisions(project)}
    overrule = Overrule(
        intent_id=intent_id,
        keep=keep,
        author=author or os.environ.get("USER") or "curator",
        created_at=utc_now(),
        note=note,
        decision=decisions.get(intent_id) or (before.decision if before else None),
    )
    add_overrule(project, overrule)
    return overrule
