"""How long a conversation gets: which way each task goes, and which asides come between."""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from engine.schema.playbook import Aside, FileOrigin, Playbook, Purpose

_LENGTHS = {6: 16, 7: 30, 8: 32, 9: 15, 10: 7}
"""User turns -> weight. The mean is below the 8.12 of the paper's corpus, as many tasks come out longer."""
_N_ASIDES = {1: 32, 2: 50, 3: 18}
"""Asides that a conversation is planned with -> weight; what the ways leave short comes on top."""
LONG = max(_LENGTHS)
"""A conversation with fewer turns has room for an aside."""
_CONNECTION_SHARE = 0.6
"""How often the first aside brings files of several tasks together, where others could come too."""
_MANY_TASKS = 6
_TWO_STEPS_SHARE = 0.35
"""How often the double-check has two steps."""
_MAX_COMBINATIONS = 20_000


class Place(NamedTuple):
    """Where asides may come: after this turn of this task, both counted from 0."""

    task: int
    turn: int


def choose_ways(
    books: Sequence[Playbook], fixed: Mapping[str, int], rng: random.Random, n_turns: int
) -> list[int]:
    """Which way each playbook goes, so that all turns come as near to `n_turns` as they can.

    Args:
        books: In order.
        fixed: Ways that are given, by task.
        rng: Decides among combinations that are equally near.
        n_turns: How many turns are wanted in all.
    """
    options = [
        [fixed[book.task_id]] if book.task_id in fixed else rng.sample(range(n), n)
        for book in books
        for n in [len(book.ways)]
    ]
    lengths = [[len(book.ways[way].turns) for way in ways] for book, ways in zip(books, options, strict=True)]
    places = itertools.product(*(range(len(ways)) for ways in options))
    combinations = list(itertools.islice(places, _MAX_COMBINATIONS))
    off = [abs(sum(n[p] for n, p in zip(lengths, c, strict=True)) - n_turns) for c in combinations]
    nearest = min(off)
    chosen = rng.choice([c for c, far in zip(combinations, off, strict=True) if far == nearest])
    return [ways[place] for ways, place in zip(options, chosen, strict=True)]


def draw_length(rng: random.Random) -> int:
    """How many user turns a conversation is meant to have."""
    return rng.choices(list(_LENGTHS), list(_LENGTHS.values()))[0]


def draw_closing(closing: Playbook, rng: random.Random, n_tasks: int) -> dict[str, int]:
    """The way of the double-check, by its task; a conversation of very many tasks checks in one step."""
    n_steps = 2 if rng.random() < _TWO_STEPS_SHARE and n_tasks < _MANY_TASKS else 1
    fitting = [n for n, way in enumerate(closing.ways) if len(way.turns) == n_steps]
    return {closing.task_id: rng.choice(fitting)} if fitting else {}


def draw_n_asides(rng: random.Random, n_tasks: int) -> int:
    """How many of them are meant to be asides: none with one task alone."""
    wanted = rng.choices(list(_N_ASIDES), list(_N_ASIDES.values()))[0]
    return min(wanted, most_asides(n_tasks))


def most_asides(n_tasks: int) -> int:
    """More asides than this would drown the tasks."""
    return 2 * (n_tasks - 1)


def place_asides(
    asides: Sequence[Aside], n_turns: Sequence[int], number: int, rng: random.Random
) -> dict[Place, list[Aside]]:
    """`number` different asides and where they come; mostly the first of them connects tasks.

    Args:
        asides: To choose from.
        n_turns: How many turns each task has, in order.
        number: How many, if there are so many.
        rng: Where chance comes from.
    """
    placed: dict[Place, list[Aside]] = {}
    left = rng.sample(list(asides), len(asides))
    seen: set[Purpose] = set()
    connects = rng.random() < _CONNECTION_SHARE
    for n in range(number):
        fresh = [a for a in left if a.purpose not in seen]
        if n == 0:
            fresh = [a for a in fresh if (a.purpose is Purpose.CONNECTION) is connects]
        for aside in (*fresh, *left):
            free = [p for p in _places(aside, n_turns) if p not in placed]
            if not free:
                continue
            placed.setdefault(rng.choice(free), []).append(aside)
            left.remove(aside)
            seen.add(aside.purpose)
            break
        else:
            crowded = [(a, p) for a in left for p in _places(a, n_turns) if len(placed.get(p, ())) < 2]
            if crowded:
                aside, place = rng.choice(crowded)
                placed.setdefault(place, []).append(aside)
                left.remove(aside)
    return placed


def _places(aside: Aside, n_turns: Sequence[int]) -> list[Place]:
    """After the last turn of a task, or of any turn but that one; a file of an earlier task wants one."""
    wants_earlier = any(wish.origin is FileOrigin.EARLIER for wish in aside.turn.files.values())
    return [
        Place(task, turn)
        for task, n in enumerate(n_turns)
        for turn in range(n)
        if (aside.inside or turn == n - 1) and not (wants_earlier and task == 0)
    ]
