"""Scripts: what the two scripted models of one rollout follow, made from an intent's playbooks."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from engine.errors import ModelError
from engine.playbooks import (
    draw_details,
    draw_slots,
    load_closing,
    load_lexicons,
    load_playbooks,
    load_voice,
    register_of,
    slots_of_task,
)
from engine.schema.intent import Intent
from engine.schema.playbook import Lexicon, Manner, Playbook, PlayTurn, Register, Voice


@dataclass(frozen=True, slots=True)
class Library:
    """Everything that scripts are made from."""

    playbooks: Mapping[str, Playbook]
    closing: Playbook
    lexicons: Mapping[str, Lexicon]
    voice: Voice

    @classmethod
    def load(cls, folder: Path) -> Library:
        """The library in `folder`; InputError names the file that is wrong."""
        return cls(load_playbooks(folder), load_closing(folder), load_lexicons(folder), load_voice(folder))


class Act(NamedTuple):
    """One turn of one playbook within a script."""

    task_id: str
    turn: PlayTurn


@dataclass(frozen=True, slots=True)
class Script:
    """What the two scripted models of one rollout follow."""

    intent: Intent
    seed: int
    register: Register
    manner: Manner
    acts: tuple[Act, ...]
    details: Mapping[str, str]

    def rng(self, *where: object) -> random.Random:
        """A generator of its own for each place, so that the place's draws depend on nothing else."""
        key = "|".join(map(str, (self.intent.intent_id, self.seed, *where)))
        return random.Random(hashlib.sha256(key.encode()).digest())


def write_script(
    intent: Intent, library: Library, seed: int, ways: Mapping[str, int] | None = None
) -> Script:
    """The script of one intent: a way of each of its tasks' playbooks, in order, then the double-check.

    Args:
        intent: Whose tasks are played.
        library: Where their playbooks are.
        seed: Of all that is drawn.
        ways: Which way a task goes, by its position; the others are drawn.

    Raises:
        ModelError: None of the intent's tasks has a playbook.
    """
    told = [library.playbooks[t] for t in intent.cell.task_ids if t in library.playbooks]
    if not told:
        raise ModelError(
            f"no playbook for any task of {intent.intent_id}: play it with another provider (--user, --agent)"
        )
    details = dict(
        intent.details
        or draw_details(
            intent.persona,
            intent.cell.task_ids,
            library.playbooks,
            library.lexicons,
            random.Random(f"{intent.intent_id}|{seed}"),
        )
    )
    acts: list[Act] = []
    for book in (*told, library.closing):
        rng = random.Random(f"{intent.intent_id}|{seed}|{book.task_id}")
        drawn = rng.randrange(len(book.ways))
        way = book.ways[(ways or {}).get(book.task_id, drawn)]
        slots = draw_slots(way.slots, rng, slots_of_task(details, book.task_id))
        details |= {f"{book.task_id}:{name}": value for name, value in slots.items()}
        acts += [Act(book.task_id, turn) for turn in way.turns]
    register = register_of(intent.persona, library.voice)
    return Script(intent, seed, register, library.voice.registers[register], tuple(acts), details)
