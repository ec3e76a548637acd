"""Realises cells as utterances offline: one story each, from playbooks, lexicon and voice.

An utterance opens with what went wrong in the persona's own business, names each task with a sentence of
its playbook, in order, and closes with what it is all for. The values that it names are kept in the
intent's details, so that whoever plays the intent speaks of the very same ones.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
from collections.abc import Iterator, Mapping, Sequence, Set
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context

from engine.errors import InputError
from engine.intents.gate import problem_with
from engine.intents.story import Story, tell
from engine.playbooks import draw_details, register_of, slots_by_task
from engine.ports import Progress
from engine.schema.intent import Cell, Intent, Realization
from engine.schema.playbook import Lexicon, Playbook, Voice
from engine.schema.taxonomy import Persona, Task, Taxonomy

MAX_DRAWS = 50
"""Draws after which an utterance that keeps repeating another one is given up."""

MAX_GATED_DRAWS = 10
"""Draws for which an utterance must also pass the quality gate."""

_CHUNK = 500
_WORTH_PROCESSES = 8_000
"""Cells from which more processes save more than the seconds that they take to start."""
_MOST_PROCESSES = 8


Draft = tuple[str, Mapping[str, str]]
"""An utterance and the values that it names."""


@dataclass(frozen=True, slots=True)
class Author:
    """Writes the utterance of one cell after another. It keeps no state, so several can work at once."""

    taxonomy: Taxonomy
    playbooks: Mapping[str, Playbook]
    """By task id; a task without one is named by its description."""
    lexicons: Mapping[str, Lexicon]
    """By industry, with "default"."""
    voice: Voice
    seed: int
    """Seeds every draw: each cell has a generator of its own, from the seed and the cell."""

    def write(self, cell: Cell, seen: Set[str] = frozenset()) -> Draft:
        """The first draw that is not in `seen` and passes the gate; after some draws, any new one.

        Raises:
            InputError: The cell names a persona or task that the taxonomy does not have, or the phrases are
                too few for that many different utterances.
        """
        persona, tasks = persona_of(cell, self.taxonomy), tasks_of(cell, self.taxonomy)
        manner = self.voice.registers[register_of(persona, self.voice)]
        frame = Story(persona, {}, manner, tasks, self.playbooks)
        for attempt in range(MAX_DRAWS):
            rng = _generator(cell, self.seed, attempt)
            details = draw_details(persona, cell.task_ids, self.playbooks, self.lexicons, rng)
            utterance = tell(replace(frame, known=slots_by_task(details, cell.task_ids)), rng)
            if utterance not in seen and (attempt >= MAX_GATED_DRAWS or not problem_with(utterance)):
                return utterance, details
        raise InputError(
            f"no new utterance found for {cell.persona_id} with {', '.join(cell.task_ids)}: "
            "add phrases to data/playbooks, or ask for fewer intents"
        )


def realize_scripted(
    cells: Sequence[Cell],
    taxonomy: Taxonomy,
    playbooks: Mapping[str, Playbook],
    lexicons: Mapping[str, Lexicon],
    voice: Voice,
    seed: int,
    progress: Progress | None = None,
    *,
    n_processes: int | None = None,
) -> list[Intent]:
    """One intent for each cell, in their order; no two have the same utterance.

    An utterance does not depend on the other cells, short of a repetition. Many cells are written by several
    processes; what comes out is the same.

    Args:
        cells: What to realise.
        taxonomy: Where the cells' personas and tasks come from.
        playbooks: By task id.
        lexicons: By industry, with "default".
        voice: Phrases by register.
        seed: Seeds every draw.
        progress: Called for every 500 cells that are realised.
        n_processes: How many write; None takes one for few cells and one a core for many.

    Raises:
        InputError: As `Author.write`.
    """
    author = Author(taxonomy, playbooks, lexicons, voice, seed)
    realization = Realization(provider="scripted", model="playbooks", seed=seed)
    seen: set[str] = set()
    intents = []
    for cell, draft in zip(cells, _drafts(author, cells, n_processes), strict=True):
        utterance, details = draft if draft[0] not in seen else author.write(cell, seen)
        seen.add(utterance)
        intents.append(make_intent(cell, taxonomy, utterance, realization, details))
        if progress and len(intents) % _CHUNK == 0:
            progress(len(intents), len(cells))
    return intents


def _drafts(author: Author, cells: Sequence[Cell], n_processes: int | None) -> Iterator[Draft]:
    """The draft of each cell as if it were the only one, in their order."""
    if n_processes is None:
        n_processes = min(os.cpu_count() or 1, _MOST_PROCESSES) if len(cells) >= _WORTH_PROCESSES else 1
    if n_processes < 2:
        yield from map(author.write, cells)
        return
    # Spawned, not forked: whoever calls may have threads, and a fork would copy their locks as they stand.
    with ProcessPoolExecutor(
        n_processes, mp_context=get_context("spawn"), initializer=_begin, initargs=(author,)
    ) as pool:
        yield from pool.map(_write, cells, chunksize=_CHUNK)


_AUTHORS: list[Author] = []
"""The author of this process, where it is one that was started to write drafts."""


def _begin(author: Author) -> None:
    _AUTHORS[:] = [author]


def _write(cell: Cell) -> Draft:
    return _AUTHORS[0].write(cell)


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
