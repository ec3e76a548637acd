"""A pool with repeats whose truth is known: texts of the scripted realiser, some of them planted again."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path
from typing import NamedTuple

from engine import build
from engine.intents.realize import realize_scripted
from engine.intents.sample import sample_cells
from engine.schema.intent import Intent
from engine.store import Project
from engine.store.intents import read_intents, write_batch
from engine.taxonomy import keep_taxonomy

MAX_WORDS_CHANGED = 6


class Planted(NamedTuple):
    """A pool of texts."""

    texts: list[str]
    repeats: dict[int, str]
    """The row of each repeat (the later one of the two) and its kind: "exact", "marks" or "words"."""


def scripted_texts(n: int, seed: int) -> list[str]:
    """Utterances of the scripted realiser over the starter taxonomy, all different."""
    with tempfile.TemporaryDirectory() as folder:
        taxonomy = keep_taxonomy(Project.create(Path(folder) / "pool"))
    library = build.script_library()
    cells = sample_cells(taxonomy, n, seed, None)
    made = realize_scripted(cells, taxonomy, library.playbooks, library.lexicons, library.voice, seed)
    return [intent.utterance for intent in made]


def plant(texts: list[str], n_repeats: int, seed: int) -> Planted:
    """Adds `n_repeats` repeats of as many texts, a third of each kind, and shuffles the pool.

    "exact" is the same text, "marks" has other case, punctuation and spaces, "words" has 1 to 6 words
    replaced by words of other texts.
    """
    rng = random.Random(seed)
    vocabulary = sorted({word for text in texts for word in text.split()})
    pool = [(text, row, "") for row, text in enumerate(texts)]
    for number, row in enumerate(rng.sample(range(len(texts)), n_repeats)):
        kind = ("exact", "marks", "words")[number % 3]
        text = texts[row]
        if kind == "marks":
            text = _other_marks(text, rng)
        elif kind == "words":
            text = _other_words(text, vocabulary, rng)
        pool.append((text, row, kind))
    kinds = {row: kind for _, row, kind in pool if kind}
    rng.shuffle(pool)
    seen: set[int] = set()
    repeats = {}
    for place, (_, row, _) in enumerate(pool):
        if row in seen:
            repeats[place] = kinds[row]
        seen.add(row)
    return Planted([text for text, _, _ in pool], repeats)


def add_repeats(project: Project, n_repeats: int, seed: int = 1) -> list[Intent]:
    """Writes a batch of repeats of as many intents: by turns in other marks and in some other words."""
    rng = random.Random(seed)
    intents = read_intents(project)
    vocabulary = sorted({word for intent in intents for word in intent.utterance.split()})
    repeats = []
    for number, intent in enumerate(rng.sample(intents, n_repeats)):
        text = intent.utterance
        text = _other_words(text, vocabulary, rng) if number % 2 else _other_marks(text, rng)
        repeats.append(intent.model_copy(update={"intent_id": f"repeat-{number:04d}", "utterance": text}))
    write_batch(project, repeats)
    return repeats


def _other_marks(text: str, rng: random.Random) -> str:
    text = rng.choice((str.upper, str.lower, str.title))(text)
    return (
        text.replace(",", rng.choice((" ;", " -", "..."))).replace(" ", rng.choice(("  ", "\n", " / "))) + "!"
    )


def _other_words(text: str, vocabulary: list[str], rng: random.Random) -> str:
    words = text.split()
    for place in rng.sample(range(len(words)), rng.randint(1, MAX_WORDS_CHANGED)):
        words[place] = rng.choice(vocabulary)
    return " ".join(words)
