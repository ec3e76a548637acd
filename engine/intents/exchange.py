"""Intents from and to the paper's JSONL: one object a line, ids as UUIDs, names under `metadata`.

Our own names become UUIDs by hashing (version 5), and come back as themselves where the taxonomy knows them.
Of a foreign record the names under `metadata` make the ids of domains and tasks. Skills, tools and the
descriptions of domains are not kept: no part of the studio reads them.

Source: the stage-1 files that the ISE paper's authors published.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from engine.errors import one_line
from engine.schema.base import Slug
from engine.schema.intent import Cell, Intent, Realization
from engine.schema.taxonomy import ComplexityLevel, ExperienceLevel, Persona, Taxonomy
from engine.schema.text import ForeignText, well_formed
from engine.store.files import first_problem

IMPORTED = "imported"
"""Stands where a drawn intent has the version of its taxonomy."""

MAX_LINE_BYTES = 1_000_000
_MAX_CHARS = 20_000
_NAMESPACE = uuid.UUID("6f1b6a52-54a5-5e0e-9c0b-3a2f2ab8f6d1")
_NOT_SLUG = re.compile(r"[^a-z0-9]+")
_LEVELS = {
    "intern": ExperienceLevel.INTERN,
    "trainee": ExperienceLevel.INTERN,
    "student": ExperienceLevel.INTERN,
    "junior": ExperienceLevel.JUNIOR,
    "entry": ExperienceLevel.JUNIOR,
    "beginner": ExperienceLevel.JUNIOR,
    "senior": ExperienceLevel.SENIOR,
    "expert": ExperienceLevel.SENIOR,
    "advanced": ExperienceLevel.SENIOR,
    "lead": ExperienceLevel.LEAD,
    "principal": ExperienceLevel.LEAD,
    "manager": ExperienceLevel.LEAD,
    "executive": ExperienceLevel.EXECUTIVE,
    "director": ExperienceLevel.EXECUTIVE,
}
"""Word in a foreign level (lower case) -> ours; where none is found it is "mid"."""

Name = Annotated[ForeignText, Field(min_length=1, max_length=120)]


class _Foreign(BaseModel):
    """Part of a foreign record: fields that we do not know are passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class _ForeignTask(_Foreign):
    name: Name


class _ForeignDomain(_Foreign):
    name: Name
    selected_tasks: tuple[_ForeignTask, ...] = ()


class _ForeignPersona(_Foreign):
    name: Annotated[ForeignText, Field(min_length=1, max_length=80)]
    role: Name
    industry: Annotated[ForeignText, Field(min_length=1, max_length=80)]
    expertise: tuple[ForeignText, ...] = ()
    experience_level: ForeignText = ""
    communication_style: Name
    work_context: Annotated[ForeignText, Field(min_length=1, max_length=400)]


class _Metadata(_Foreign):
    persona: _ForeignPersona
    domains: tuple[_ForeignDomain, ...] = ()


class _ForeignIntent(_Foreign):
    id: Slug
    natural_language_intent: Annotated[ForeignText, Field(min_length=1, max_length=_MAX_CHARS)]
    domains: tuple[Slug, ...] = Field(min_length=1)
    tasks: tuple[Slug, ...] = Field(min_length=1)
    persona_id: Slug
    complexity: ComplexityLevel
    metadata: _Metadata


@dataclass(frozen=True, slots=True)
class LineProblem:
    """A line that was left out, counted from 1, and why."""

    line: int
    reason: str


@dataclass(slots=True)
class Parsed:
    """The intents of a file, and the lines that hold none."""

    intents: list[Intent] = field(default_factory=list)
    problems: list[LineProblem] = field(default_factory=list)


def parse_intents(lines: Iterable[bytes], taxonomy: Taxonomy, known: Iterable[str] = ()) -> Parsed:
    """The intents in the lines of a file, in their order; whatever is wrong costs one line only.

    Args:
        lines: Objects in the paper's format, or our own records; blank lines are passed over.
        taxonomy: Whose names are recognised.
        known: Ids that are there already; a line with one of them is left out.
    """
    parsed = Parsed()
    names = _Names(taxonomy)
    seen = dict.fromkeys(known, "the project")
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        found = _parse(line, names)
        if isinstance(found, Intent) and found.intent_id in seen:
            found = f"{found.intent_id} is in {seen[found.intent_id]} already"
        if isinstance(found, Intent):
            seen[found.intent_id] = f"line {number}"
            parsed.intents.append(found)
        else:
            parsed.problems.append(LineProblem(number, one_line(found, 300)))
    return parsed


def render_intents(intents: Sequence[Intent], taxonomy: Taxonomy) -> Iterator[str]:
    """One line of the paper's JSONL for each intent, without the line break."""
    tasks = taxonomy.task_by_id
    for intent in intents:
        cell, persona = intent.cell, intent.persona
        tools = dict.fromkeys(tool for t in cell.task_ids if t in tasks for tool in tasks[t].tools)
        record = {
            "id": intent.intent_id,
            "natural_language_intent": intent.utterance,
            "domains": [_uuid(d) for d in cell.domain_ids],
            "tasks": [_uuid(t) for t in cell.task_ids],
            "persona_id": _uuid(cell.persona_id),
            "tools_used": [_uuid(tool) for tool in tools],
            "skills_used": [],
            "complexity": cell.complexity.value,
            "metadata": {
                "persona": persona.model_dump(
                    mode="json", exclude={"persona_id", "leans", "weight", "quota"}
                ),
                "domains": [_domain(d, cell, taxonomy) for d in cell.domain_ids],
            },
        }
        yield json.dumps(record, ensure_ascii=False)


def _domain(domain_id: str, cell: Cell, taxonomy: Taxonomy) -> Mapping[str, Any]:
    tasks, domain = taxonomy.task_by_id, taxonomy.domain_by_id.get(domain_id)
    return {
        "name": domain_id,
        "description": domain.description if domain else "",
        "selected_tasks": [
            {"name": tasks[t].name, "description": tasks[t].description}
            for t in cell.task_ids
            if t in tasks and tasks[t].domain_id == domain_id
        ],
    }


def _uuid(name: str) -> str:
    """The UUID that stands for one of our names; a name that is one already stays."""
    return name if _is_uuid(name) else str(uuid.uuid5(_NAMESPACE, name))


def _is_uuid(name: str) -> bool:
    try:
        return str(uuid.UUID(name)) == name
    except ValueError:
        return False


class _Names:
    """The taxonomy's names by the UUIDs that stand for them."""

    def __init__(self, taxonomy: Taxonomy) -> None:
        ours = [*taxonomy.persona_by_id, *taxonomy.domain_by_id, *taxonomy.task_by_id]
        self._ours = {_uuid(name): name for name in ours}

    def of(self, foreign: Sequence[str], readable: Sequence[str]) -> tuple[str, ...]:
        """Ids for `foreign` ones: ours where known, else made of the readable names, else as they are."""
        slugs = [slug_of(name) for name in readable]
        fitting = slugs if len(slugs) == len(foreign) == len({*slugs} - {""}) else foreign
        return tuple(self._ours.get(name, slug) for name, slug in zip(foreign, fitting, strict=True))


def slug_of(name: str) -> str:
    """A name as an id: lower case, runs of anything but letters and digits as "-"; may be empty."""
    return _NOT_SLUG.sub("-", name.lower()).strip("-")[:80]


def _parse(line: bytes, names: _Names) -> Intent | str:
    """The intent in a line, or why there is none."""
    if len(line) > MAX_LINE_BYTES:
        return f"the line exceeds {MAX_LINE_BYTES:,} bytes"
    try:
        raw = json.loads(line)
    except (ValueError, RecursionError) as error:
        return f"not valid JSON ({one_line(error, 120)})"
    if not isinstance(raw, dict):
        return "not a JSON object"
    try:
        if "cell" in raw:
            return Intent.model_validate_json(line)
        if "natural_language_intent" not in raw and {"query", "question"} & raw.keys():
            return "a direct query without persona and cell: there is nothing to simulate a user from"
        return _converted(_ForeignIntent.model_validate(raw), names)
    except ValidationError as error:
        return first_problem(error)


def _converted(foreign: _ForeignIntent, names: _Names) -> Intent:
    about = foreign.metadata.persona
    persona_id = names.of([foreign.persona_id], [])[0]
    cell = Cell(
        persona_id=persona_id,
        domain_ids=names.of(foreign.domains, [d.name for d in foreign.metadata.domains]),
        task_ids=names.of(
            foreign.tasks, [t.name for d in foreign.metadata.domains for t in d.selected_tasks]
        ),
        complexity=foreign.complexity,
    )
    level = about.experience_level.lower()
    persona = Persona(
        persona_id=persona_id,
        name=about.name,
        role=about.role,
        industry=about.industry,
        expertise=about.expertise or (about.role,),
        experience_level=next((ours for word, ours in _LEVELS.items() if word in level), ExperienceLevel.MID),
        communication_style=about.communication_style,
        work_context=about.work_context,
    )
    return Intent(
        intent_id=foreign.id,
        cell=cell,
        persona=persona,
        utterance=well_formed(foreign.natural_language_intent),
        taxonomy_version=IMPORTED,
        realization=Realization(provider="import", model="unknown", seed=0),
    )
