"""Stage 1 as the command line, the demo and the studio run it: sample, realise, embed, dedup, map."""

from __future__ import annotations

from engine import build
from engine.errors import InputError
from engine.intents.dedup import find_duplicates
from engine.intents.embed import embed_missing, vectors_of
from engine.intents.map import MapResult, build_map
from engine.intents.realize import realize_scripted
from engine.intents.realize_model import realize_with_model
from engine.intents.sample import sample_cells
from engine.ports import Progress
from engine.schema.base import utc_now
from engine.schema.intent import DedupDecision, Intent
from engine.store import Project
from engine.store.intents import read_intents, read_kept_intents, write_batch, write_decisions
from engine.taxonomy import current_taxonomy


def generate_intents(
    project: Project,
    count: int,
    *,
    seed: int,
    realizer: str = build.SCRIPTED,
    where: str | None = None,
    progress: Progress | None = None,
) -> list[Intent]:
    """Draws cells, realises them and writes them as one new batch.

    Args:
        project: Where the batch goes.
        count: Number of cells.
        seed: The same seed over the same taxonomy gives the same intents.
        realizer: "scripted" or "openai:MODEL".
        where: Condition that narrows the cells; see `engine.intents.sample`.
        progress: Called as intents are realised.

    Raises:
        InputError: Wrong condition or provider, or these intents are in the project already.
        StudioError: The model could realise none of them.
    """
    taxonomy = current_taxonomy(project)
    cells = sample_cells(taxonomy, count, seed, where)
    if realizer == build.SCRIPTED:
        library = build.script_library()
        intents = realize_scripted(
            cells, taxonomy, library.playbooks, library.lexicons, library.voice, seed, utc_now()
        )
    else:
        model = build.chat_model(realizer, project.settings.endpoint, seed)
        intents = list(realize_with_model(cells, taxonomy, model, seed, progress).intents)
    write_batch(project, intents)
    return intents


def embed_intents(project: Project, progress: Progress | None = None) -> int:
    """Embeds the intents that have no vector yet and gives their number.

    Raises:
        StudioError: The weights are missing.
    """
    intents = read_intents(project)
    if not intents:
        raise InputError("no intents to embed: make some with 'ise-studio intents sample --count 200'")
    return embed_missing(project, build.embedder(project.settings.embedder), intents, progress)


def dedup_intents(project: Project, threshold: float | None = None) -> list[DedupDecision]:
    """Finds repeated intents anew, writes the decisions and gives them.

    Args:
        project: Its intents must be embedded.
        threshold: Cosine from which two intents may be one; None takes the default.

    Raises:
        InputError: Some intents are not embedded.
    """
    intents = read_intents(project)
    vectors = vectors_of(project, project.settings.embedder.model, intents)
    decisions = (
        find_duplicates(intents, vectors)
        if threshold is None
        else find_duplicates(intents, vectors, cosine_threshold=threshold)
    )
    write_decisions(project, decisions)
    return decisions


def map_intents(project: Project) -> MapResult:
    """The map of the kept intents, computed where it is not there yet.

    Raises:
        InputError: Some intents are not embedded.
    """
    intents = read_kept_intents(project)
    return build_map(project, project.settings.embedder.model, intents, project.settings.seed)
