"""Realises cells as utterances offline: one story each, from playbooks, lexicon and voice.

An utterance opens with what went wrong in the persona's own business, names each task with a sentence of
its playbook, in order, and closes with what it is all for. The values that it names are kept in the
intent's details, so that whoever plays the intent speaks of the very same ones.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from engine.errors import InputError
from engine.intents.story import Story, tell
from engine.playbooks import draw_details, register_of
from engine.schema.intent import Cell, Intent, Realization
from engine.schema.playbook import Lexicon, Playbook, Voice
from engine.schema.taxonomy import Persona, Task, Taxonomy

MAX_DRAWS = 50
"""Draws after which an utterance that keeps repeating another one is given up."""


def realize_scripted(
    cells: Sequence[Cell],
    taxonomy: Taxonomy,
    playbooks: Mapping[str, Playbook],
    lexicons: Mapping[str, Lexicon],
    voice: Voice,
    seed: int,
    now: datetime,
) -> list[Intent]:
    """One intent for each cell, in their order; no two have the same utterance.

    Each cell has a generator of its own, from the seed and the cell: its utterance does not depend on the
    other cells, short of a repetition.

    Args:
        cells: What to realise.
        taxonomy: Where the cells' personas and tasks come from.
        playbooks: By task id; a task without one is named by its description.
        lexicons: By industry, with "default".
        voice: Phrases by register.
        seed: Seeds every draw.
        now: Instant at which the intents are made.

    Raises:
        InputError: A cell names a persona or task that the taxonomy does not have, or the phrases are too
            few for that many different utterances.
    """
    seen: set[str] = set()
    intents = []
    for cell in cells:
        persona = persona_of(cell, taxonomy)
        register = register_of(persona, voice)
        for rng in _generators(cell, seed):
            details = draw_details(persona, cell.task_ids, playbooks, lexicons, rng)
            story = Story(persona, details, voice.registers[register], tasks_of(cell, taxonomy), playbooks)
            utterance = tell(story, rng)
            if utterance not in seen:
                break
        else:
            raise InputError(
                f"no new utterance found for {cell.persona_id} with {', '.join(cell.task_ids)}: "
                "add phrases to data/playbooks, or ask for fewer intents"
            )
        seen.add(utterance)
        realization = Realization(provider="scripted", model="playbooks", seed=seed)
        intents.append(make_intent(cell, taxonomy, utterance, realization, now, details))
    return intents


def make_intent(
    cell: Cell,
    taxonomy: Taxonomy,
    utterance: str,
    realization: Realization,
    now: datetime,
    details: Mapping[str, str] | None = None,
) -> Intent:
    """The intent record of a cell and its utterance."""
    return Intent(
        intent_id=intent_id(cell, utterance),
        cell=cell,
        persona=persona_of(cell, taxonomy),
        utterance=utterance,
        details=details or {},
        taxonomy_version=taxonomy.version,
        realization=realization,
        created_at=now,
    )


def intent_id(cell: Cell, utterance: str) -> str:
    """The intent's name: "intent_" and the first 12 hex digits of the sha256 over cell and utterance."""
    content = {"cell": cell.model_dump(mode="json"), "utterance": utterance}
    canonical = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return f"intent_{hashlib.sha256(canonical.encode('utf-8')).hexdigest()[:12]}"


def persona_of(cell: Cell, taxonomy: Taxonomy) -> Persona:
    """The cell's persona.

    Raises:
        InputError: The taxonomy does not have it.
    """
    persona = taxonomy.persona_by_id.get(cell.persona_id)
    if persona is None:
        raise InputError(
            f"no persona {cell.persona_id!r} in taxonomy {taxonomy.version}: draw the cells from it"
        )
    return persona


def tasks_of(cell: Cell, taxonomy: Taxonomy) -> tuple[Task, ...]:
    """The cell's tasks, in the order of asking.

    Raises:
        InputError: The taxonomy does not have one of them.
    """
    for task_id in cell.task_ids:
        if task_id not in taxonomy.task_by_id:
            raise InputError(f"no task {task_id!r} in taxonomy {taxonomy.version}: draw the cells from it")
    return tuple(taxonomy.task_by_id[task_id] for task_id in cell.task_ids)


def _generators(cell: Cell, seed: int) -> Iterator[random.Random]:
    key = cell.model_dump_json()
    for attempt in range(MAX_DRAWS):
        yield random.Random(hashlib.sha256(f"{seed}|{attempt}|{key}".encode()).digest())
