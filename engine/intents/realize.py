"""Realises cells as utterances offline: one story each, from playbooks, lexicon and voice.

An utterance opens with what went wrong in the persona's own business, names each task with a sentence of
its playbook, in order, and closes with what it is all for. The values that it names are kept in the
intent's details, so that whoever plays the intent speaks of the very same ones.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Mapping, Sequence, Set
from dataclasses import replace

from engine.errors import InputError
from engine.intents.gate import problem_with
from engine.intents.story import Story, tell
from engine.playbooks import draw_details, register_of, slots_by_task
from engine.schema.intent import Cell, Intent, Realization
from engine.schema.playbook import Lexicon, Playbook, Voice
from engine.schema.taxonomy import Persona, Task, Taxonomy

MAX_DRAWS = 50
"""Draws after which an utterance that keeps repeating another one is given up."""

MAX_GATED_DRAWS = 10
"""Draws for which an utterance must also pass the quality gate."""


def realize_scripted(
    cells: Sequence[Cell],
    taxonomy: Taxonomy,
    playbooks: Mapping[str, Playbook],
    lexicons: Mapping[str, Lexicon],
    voice: Voice,
    seed: int,
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

    Raises:
        InputError: A cell names a persona or task that the taxonomy does not have, or the phrases are too
            few for that many different utterances.
    """
    seen: set[str] = set()
    intents = []
    for cell in cells:
        persona, tasks = persona_of(cell, taxonomy), tasks_of(cell, taxonomy)
        manner = voice.registers[register_of(persona, voice)]
        frame = Story(persona, {}, manner, tasks, playbooks)
        utterance, details = _first_new(cell, frame, lexicons, seen, seed)
        seen.add(utterance)
        realization = Realization(provider="scripted", model="playbooks", seed=seed)
        intents.append(make_intent(cell, taxonomy, utterance, realization, details))
    return intents


def _first_new(
    cell: Cell, frame: Story, lexicons: Mapping[str, Lexicon], seen: Set[str], seed: int
) -> tuple[str, Mapping[str, str]]:
    """The first draw that is new and passes the gate; after some draws, any new one."""
    for attempt in range(MAX_DRAWS):
        rng = _generator(cell, seed, attempt)
        details = draw_details(frame.persona, cell.task_ids, frame.playbooks, lexicons, rng)
        utterance = tell(replace(frame, known=slots_by_task(details, cell.task_ids)), rng)
        if utterance not in seen and (attempt >= MAX_GATED_DRAWS or not problem_with(utterance)):
            return utterance, details
    raise InputError(
        f"no new utterance found for {cell.persona_id} with {', '.join(cell.task_ids)}: "
        "add phrases to data/playbooks, or ask for fewer intents"
    )


def make_intent(
    cell: Cell,
    taxonomy: Taxonomy,
    utterance: str,
    realization: Realization,
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


def _generator(cell: Cell, seed: int, attempt: int) -> random.Random:
    key = f"{seed}|{attempt}|{cell.model_dump_json()}"
    return random.Random(hashlib.sha256(key.encode()).digest())
