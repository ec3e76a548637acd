"""What was left out of the agent's view of the chat so that it fits the context window, and when."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from engine.schema.base import Count, Record

COMPACTION_RULE = "oldest-first-1"
"""The rule that `engine.execute.context` follows; another rule bears another name."""


class CompactionCause(StrEnum):
    """Why messages were left out."""

    LIMIT = "limit"
    """They were estimated to be more tokens than the agent's limit."""
    ENDPOINT = "endpoint"
    """The endpoint refused them as too long, and was asked again."""


class ShortenedObservation(Record):
    """One observation of which the agent saw beginning and end only, from the compaction on."""

    turn: Count
    step: Count
    """Its position in the turn."""
    position: Count
    """The call's position in the step."""
    n_kept: Count
    """Characters."""
    n_left_out: Count


class Compaction(Record):
    """What the agent no longer saw from one model call on. The record itself keeps all of it.

    The messages of every model call can be made again from the record: whole, less what the compactions up to
    that call left out.
    """

    rule: str = COMPACTION_RULE
    cause: CompactionCause
    limit_tokens: Count
    """What the messages had to fit; after a refusal of the endpoint it holds for the rest of the rollout."""
    tokens_before: Count
    tokens_after: Count
    """Both estimated: characters by `characters_per_token`."""
    characters_per_token: float = Field(gt=0)
    shortened: tuple[ShortenedObservation, ...] = ()
    """Those that this compaction shortened; earlier ones stay as they were."""
    n_turns_dropped: Count = 0
    """So many of the first turns stood in the messages as utterance and answer alone."""
    n_steps_dropped: Count = 0
    """So many of the first steps of the compaction's own turn were left out."""
