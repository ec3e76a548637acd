"""Scripts: what the two scripted models of one rollout follow, made from an intent's playbooks."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from engine.errors import ModelError
from engine.playbooks import (
    draw_details,
    draw_slots,
    load_asides,
    load_closing,
    load_lexicons,
    load_playbooks,
    load_voice,
    register_of,
    slots_of_task,
)
from engine.providers.script_plan import (
    LONG,
    Place,
    choose_ways,
    draw_closing,
    draw_length,
    draw_n_asides,
    most_asides,
    place_asides,
)
from engine.schema.intent import Intent
from engine.schema.playbook import (
    Aside,
    Asides,
    Lexicon,
    Manner,
    Playbook,
    PlayTurn,
    Register,
    SlotSpec,
    Voice,
)


@dataclass(frozen=True, slots=True)
class Library:
    """Everything that scripts are made from."""

    playbooks: Mapping[str, Playbook]
    closing: Playbook
    lexicons: Mapping[str, Lexicon]
    voice: Voice
    asides: Asides | None = None

    @classmethod
    def load(cls, folder: Path) -> Library:
        """The library in `folder`; InputError names the file that is wrong."""
        return cls(
            load_playbooks(folder),
            load_closing(folder),
            load_lexicons(folder),
            load_voice(folder),
            load_asides(folder),
        )


class Act(NamedTuple):
    """One turn of one playbook, or one aside, within a script."""

    task_id: str
    """Or the aside's kind."""
    turn: PlayTurn
    otherwise: PlayTurn | None = None
    """What an aside is about where the files that it wants are not there; None for a turn of a playbook."""

    @property
    def is_aside(self) -> bool:
        """True where it belongs to no task."""
        return self.otherwise is not None


@dataclass(frozen=True, slots=True)
class Script:
    """What the two scripted models of one rollout follow."""

    intent: Intent
    seed: int
    register: Register
    manner: Manner
    acts: tuple[Act, ...]
    details: Mapping[str, str]
    n_closing: int
    """How many of the acts, at the end, are the double-check."""

    @property
    def closing(self) -> int:
        """The place at which the double-check begins."""
        return len(self.acts) - self.n_closing

    def rng(self, *where: object) -> random.Random:
        """A generator of its own for each place, so that the place's draws depend on nothing else."""
        key = "|".join(map(str, (self.intent.intent_id, self.seed, *where)))
        return random.Random(hashlib.sha256(key.encode()).digest())


def write_script(
    intent: Intent,
    library: Library,
    seed: int,
    ways: Mapping[str, int] | None = None,
    asides: Sequence[str] | None = None,
) -> Script:
    """The script of one intent: a way of each of its tasks, asides between them, then the double-check.

    Args:
        intent: Whose tasks are played.
        library: Where their playbooks are.
        seed: Of all that is drawn.
        ways: Which way a task goes, by its position; the others are drawn.
        asides: The kinds of aside to choose from, all of which are played as far as they find a place; by
            default any, as many as the length wants.

    Raises:
        ModelError: None of the intent's tasks has a playbook.
    """
    told = [library.playbooks[t] for t in intent.cell.task_ids if t in library.playbooks]
    if not told:
        raise ModelError(
            f"no playbook for any task of {intent.intent_id}: play it with another provider (--user, --agent)"
        )
    rng = random.Random(f"{intent.intent_id}|{seed}|plan")
    length, n_asides = draw_length(rng), draw_n_asides(rng, len(told))
    books = (*told, library.closing)
    fixed = draw_closing(library.closing, rng, len(told)) | dict(ways or {})
    chosen = choose_ways(books, fixed, rng, length - n_asides)
    ways_taken = [book.ways[way] for book, way in zip(books, chosen, strict=True)]
    n_turns = [len(way.turns) for way in ways_taken]
    offered = _offered(library, asides)
    at_least = int(sum(n_turns) < LONG)
    short = len(offered) if asides is not None else max(length - sum(n_turns), at_least)
    number = min(short, most_asides(len(told)))
    placed = place_asides(offered, n_turns[:-1], number, rng)

    details = _details(intent, library, seed)
    acts: list[Act] = []
    for task, (book, way) in enumerate(zip(books, ways_taken, strict=True)):
        _draw_own(details, book.task_id, way.slots, f"{intent.intent_id}|{seed}")
        for n, turn in enumerate(way.turns):
            acts.append(Act(book.task_id, turn))
            for aside in placed.get(Place(task, n), ()):
                _draw_own(details, aside.kind, aside.slots, f"{intent.intent_id}|{seed}")
                acts.append(Act(aside.kind, aside.turn, library.asides.otherwise if library.asides else None))
    register = register_of(intent.persona, library.voice)
    manner = library.voice.registers[register]
    return Script(intent, seed, register, manner, tuple(acts), details, n_closing=n_turns[-1])


def _offered(library: Library, kinds: Sequence[str] | None) -> list[Aside]:
    known = library.asides.asides if library.asides else ()
    return [aside for aside in known if kinds is None or aside.kind in kinds]


def _details(intent: Intent, library: Library, seed: int) -> dict[str, str]:
    """The intent's details; drawn here for one that was not realised by the scripted realiser."""
    own = {"my_name": intent.persona.name.split()[0]}
    if intent.details:
        return own | dict(intent.details)
    rng = random.Random(f"{intent.intent_id}|{seed}")
    cell = intent.cell
    return own | draw_details(intent.persona, cell.task_ids, library.playbooks, library.lexicons, rng)


def _draw_own(details: dict[str, str], owner: str, specs: Mapping[str, SlotSpec], key: str) -> None:
    """Adds the slots of a way or of an aside to the details."""
    drawn = draw_slots(specs, random.Random(f"{key}|{owner}"), slots_of_task(details, owner))
    details |= {f"{owner}:{name}": value for name, value in drawn.items()}
