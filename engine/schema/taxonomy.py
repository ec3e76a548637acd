"""The four dimensions of an intent: persona, domain, task, complexity.

Source: ISE paper, stage I (structured intents over Persona x Domain x Task x Complexity).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from functools import cached_property
from typing import Annotated

from pydantic import Field

from engine.schema.base import Record, Slug

Weight = Annotated[float, Field(ge=0.0, le=1000.0, allow_inf_nan=False)]
Quota = Annotated[float, Field(gt=0.0, le=1.0, allow_inf_nan=False)]
"""The largest share of the intents of one draw that may hold an entry; None is no bound."""


class ExperienceLevel(StrEnum):
    """How long a persona has been in the trade; it shapes the register of what they write."""

    INTERN = "intern"
    JUNIOR = "junior"
    MID = "mid"
    SENIOR = "senior"
    LEAD = "lead"
    EXECUTIVE = "executive"


class ComplexityLevel(StrEnum):
    """How much one intent asks for."""

    SIMPLE = "simple"
    MEDIUM = "medium"
    COMPLEX = "complex"


class Persona(Record):
    """One person who could have the intent."""

    persona_id: Slug
    name: str = Field(min_length=1, max_length=80)
    role: str = Field(min_length=1, max_length=120)
    industry: str = Field(min_length=1, max_length=80)
    expertise: tuple[str, ...] = Field(min_length=1)
    experience_level: ExperienceLevel
    communication_style: str = Field(min_length=1, max_length=120)
    work_context: str = Field(min_length=1, max_length=400)
    leans: Mapping[Slug, Weight] = {}
    """Domain -> factor on its weight for this persona: above 1 leans to it, 0 keeps the persona out of it."""
    weight: Weight = 1.0
    quota: Quota | None = None


class Domain(Record):
    """One functional domain of OS-agent work."""

    domain_id: Slug
    description: str = Field(min_length=1, max_length=600)
    weight: Weight = 1.0
    quota: Quota | None = None


class Task(Record):
    """One concrete action of a domain."""

    task_id: Slug
    domain_id: Slug
    name: str = Field(min_length=1, max_length=120)
    description: str = Field(min_length=1, max_length=400)
    tools: tuple[str, ...] = ()
    """Names of the tools that the task tends to need."""
    needs: tuple[Slug, ...] = ()
    """Tasks without which this one makes no sense: they are asked for before it in the same intent."""
    excludes: tuple[Slug, ...] = ()
    """Tasks that no intent holds beside this one; it counts both ways."""
    weight: Weight = 1.0
    quota: Quota | None = None


class Complexity(Record):
    """One complexity level with its prior and the number of tasks that it tends to ask for."""

    level: ComplexityLevel
    description: str = Field(min_length=1, max_length=400)
    prior: float = Field(ge=0.0, le=1.0)
    """Probability of being drawn; the priors of a taxonomy sum to 1."""
    n_tasks: Mapping[int, float]
    """Weights over the number of tasks (3 to 6) of an intent at this level."""


class Taxonomy(Record):
    """The four dimensions together, as one validated whole. `engine.taxonomy` checks what spans files."""

    version: str
    """`v` and a number for a saved version; "starter" for the one that comes with the project."""
    content_hash: str
    """sha256 over the four files' bytes, in the order of `FILES`."""
    personas: tuple[Persona, ...]
    domains: tuple[Domain, ...]
    tasks: tuple[Task, ...]
    complexities: tuple[Complexity, ...]

    @cached_property
    def persona_by_id(self) -> dict[str, Persona]:
        """Personas by their id."""
        return {p.persona_id: p for p in self.personas}

    @cached_property
    def task_by_id(self) -> dict[str, Task]:
        """Tasks by their id."""
        return {t.task_id: t for t in self.tasks}

    @cached_property
    def domain_by_id(self) -> dict[str, Domain]:
        """Domains by their id."""
        return {d.domain_id: d for d in self.domains}

    @cached_property
    def tasks_by_domain(self) -> dict[str, tuple[Task, ...]]:
        """Tasks grouped by domain; a domain without tasks maps to an empty tuple."""
        return {d.domain_id: tuple(t for t in self.tasks if t.domain_id == d.domain_id) for d in self.domains}
