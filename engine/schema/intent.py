"""What a user wants: a cell of the taxonomy and the utterance that realises it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from pydantic import Field, model_validator

from engine.schema.base import Count, Int64, Record, Slug
from engine.schema.taxonomy import ComplexityLevel, Persona


class Cell(Record):
    """One persona x domain set x task set x complexity; the tuple (p, D, T, c) of the paper."""

    persona_id: Slug
    domain_ids: tuple[Slug, ...] = Field(min_length=1)
    task_ids: tuple[Slug, ...] = Field(min_length=1)
    """In the order in which the intent asks for them."""
    complexity: ComplexityLevel

    @model_validator(mode="after")
    def _sets_have_no_repeats(self) -> Cell:
        if len(set(self.domain_ids)) != len(self.domain_ids) or len(set(self.task_ids)) != len(self.task_ids):
            raise ValueError("a cell names a domain or a task twice")
        return self


class Realization(Record):
    """How the utterance came to be: provider, model, seed, and the prompt's hash where one was sent."""

    provider: str
    model: str
    seed: Int64
    prompt_hash: str | None = None


class Intent(Record):
    """A cell plus its utterance. The persona rides along so that the record stands by itself."""

    intent_id: Slug
    """"intent_" and 12 hex digits of the sha256 over cell and utterance."""
    cell: Cell
    persona: Persona
    utterance: str = Field(min_length=1)
    details: Mapping[str, str] = {}
    """The concrete values that the utterance names, by playbook slot ("task_id:slot" or a story slot);
    empty for an intent that was not realised by the scripted realiser."""
    taxonomy_version: str
    realization: Realization


class Batch(Record):
    """How one batch of intents came to be. It stands beside the batch, whose own bytes hold no clock."""

    name: Slug
    created_at: datetime
    n_intents: Count
    origin: str
    """Who wrote it: "scripted", "openai:MODEL", "import" or "unknown"."""
    seed: Int64 | None = None
    where: str | None = None


class DedupDecision(Record):
    """Why an intent is not kept: it repeats another one."""

    intent_id: Slug
    duplicate_of: Slug
    method: str
    """"exact" (equal after normalising), "lexical" (word-shingle Jaccard) or "semantic" (cosine)."""
    similarity: float = Field(ge=-1.0, le=1.0001)


class DedupReport(Record):
    """How the decisions that stand came to be: when, from which similarities on, and what they came to."""

    created_at: datetime
    cosine: float
    lexical: float
    words: float
    semantic: bool
    """Whether meanings were compared; without it the cosine and the words said nothing."""
    n_intents: Count
    vendi_before: float | None = None
    """The Vendi Score (q = 1) of all intents that had a vector; None where none had."""
    vendi_after: float | None = None
    """The same of those among them that were kept."""


class Overrule(Record):
    """A curator's word on one intent, against dedup's or before it: kept, dropped by hand, or taken back.

    Of several on one intent the last one counts. It holds over every later run of dedup.
    """

    intent_id: Slug
    keep: bool | None
    """None takes back what was said before: dedup's word counts again."""
    author: str = Field(min_length=1)
    created_at: datetime
    note: str = ""
    decision: DedupDecision | None = None
    """What dedup had decided about the intent; it stays here when dedup, run again, decides it no more."""
