"""Makes intents: cells drawn, evenly or where the pool needs them most, realised and written as a batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from engine import build
from engine.errors import InputError, StudioError, one_line
from engine.intents.propose import BALANCE, Pool, Proposal, propose_cells
from engine.intents.realize import realize_scripted
from engine.intents.realize_model import realize_with_model
from engine.intents.sample import sample_cells
from engine.intents.where import parse_where
from engine.ports import ChatModel, Progress
from engine.providers.embedders import embedder_name
from engine.schema.chat import Usage
from engine.schema.intent import Cell, Intent
from engine.schema.taxonomy import Taxonomy
from engine.store import Project
from engine.store.intents import known_ids, list_batches, read_intents, read_kept_intents, write_batch
from engine.store.requests import RequestLog
from engine.store.vectors import read_vectors
from engine.taxonomy import current_taxonomy, keep_taxonomy

_CHUNK = 64

Draw = Callable[[Taxonomy, int, int, str | None], list[Cell]]
"""Draws so many cells of a taxonomy with a seed under a condition."""


@dataclass(frozen=True, slots=True)
class Generated:
    """What became of the cells that were drawn."""

    intents: list[Intent]
    failures: tuple[str, ...] = ()
    """Why some cells could not be realised, one line each."""
    n_there: int = 0
    """Cells of the draw that the same model had realised with the same seed before: not asked for again."""
    usage: Usage = field(default_factory=Usage)
    """What the model consumed, failed answers included."""


def generate_intents(
    project: Project,
    count: int,
    *,
    seed: int | None = None,
    realizer: str | None = None,
    where: str | None = None,
    balance: float | None = None,
    progress: Progress | None = None,
) -> Generated:
    """Draws cells, realises them and writes them as one new batch.

    Args:
        project: Where the batch goes.
        count: Number of cells.
        seed: The same seed over the same taxonomy gives the same intents; None takes the project's seed
            for its first batch and the next one for each batch after it.
        realizer: "scripted", "openai:MODEL" or "openai:MODEL@ENDPOINT"; None takes the project's.
        where: Condition that narrows the cells; see `engine.intents.where`.
        balance: Realise the cells that the pool needs most, by coverage alone (0) up to the expected gain
            alone (1); then what comes depends on the pool too. None draws evenly.
        progress: Called as cells are chosen by gain, and as intents are realised.

    Raises:
        InputError: Wrong condition or provider, or these intents are in the project already.
        StudioError: The model could realise none of them.
    """
    chosen = next_seed(project) if seed is None else seed
    realizer = realizer or project.settings.realizer
    if where:
        parse_where(where, current_taxonomy(project))
    model = None
    if realizer != build.SCRIPTED:
        log = RequestLog(project.paths.intent_requests)
        model = build.chat_model(realizer, build.Endpoints(project.settings, log.add), chosen)
    # Only now, as nothing may be written for wrong words: every batch names a saved version.
    taxonomy = keep_taxonomy(project)
    draw = sample_cells if balance is None else _by_gain(project, balance, progress)
    cells = draw(taxonomy, count, chosen, where)
    if model is None:
        intents = _realize_scripted(taxonomy, cells, chosen, progress)
        write_batch(project, intents, origin=realizer, seed=chosen, where=where)
        return Generated(intents)
    return _realize_with_model(project, taxonomy, cells, model, chosen, where, progress)


def draw_intents(
    project: Project, count: int, seed: int, where: str | None = None, balance: float | None = None
) -> list[Intent]:
    """The intents that `generate_intents` would write by the scripts; nothing is written.

    Raises:
        InputError: The condition is wrong, or the taxonomy has not that many cells.
    """
    taxonomy = current_taxonomy(project)
    draw = sample_cells if balance is None else _by_gain(project, balance)
    return _realize_scripted(taxonomy, draw(taxonomy, count, seed, where), seed)


def next_seed(project: Project) -> int:
    """The seed of a draw for which none was given: the project's, and the next one for each batch."""
    return project.settings.seed + len(list_batches(project))


def _by_gain(project: Project, balance: float, progress: Progress | None = None) -> Draw:
    """A draw of the cells that the kept intents need most, in the place of `sample_cells`."""

    def draw(taxonomy: Taxonomy, count: int, seed: int, where: str | None) -> list[Cell]:
        proposals = propose_cells(taxonomy, _pool(project), count, seed, where, balance, progress)
        return [p.cell for p in proposals]

    return draw


def _realize_scripted(
    taxonomy: Taxonomy, cells: list[Cell], seed: int, progress: Progress | None = None
) -> list[Intent]:
    library = build.script_library()
    return realize_scripted(
        cells, taxonomy, library.playbooks, library.lexicons, library.voice, seed, progress
    )


def _realize_with_model(
    project: Project,
    taxonomy: Taxonomy,
    cells: list[Cell],
    model: ChatModel,
    seed: int,
    where: str | None,
    progress: Progress | None,
) -> Generated:
    """Realises and writes a batch for every `_CHUNK` cells, so that a break loses little of what was paid.

    The same words with the same seed go on after it: what the model has realised is not asked for again.
    """
    there = _realized_cells(project, model, seed)
    n_there, cells = len(cells), [cell for cell in cells if cell not in there]
    n_there -= len(cells)
    if not cells:
        raise InputError(
            f"all {n_there} intents of this draw are in the project already: take another --seed"
        )
    intents: list[Intent] = []
    failures: list[str] = []
    usage = Usage()
    for start in range(0, len(cells), _CHUNK):

        def shifted(done: int, _: int, start: int = start) -> None:
            if progress:
                progress(start + done, len(cells))

        try:
            result = realize_with_model(cells[start : start + _CHUNK], taxonomy, model, seed, shifted)
        except StudioError as error:  # not one of the chunk: the rest would fare no better
            if not intents:
                raise
            failures += [one_line(error)] * (len(cells) - start)
            break
        known = known_ids(project)
        fresh = [i for i in result.intents if i.intent_id not in known]
        write_batch(project, fresh, origin=f"openai:{model.info.model}", seed=seed, where=where)
        intents += fresh
        failures += [failure.reason for failure in result.failures]
        usage += result.usage
    return Generated(intents, tuple(failures), n_there, usage)


def _realized_cells(project: Project, model: ChatModel, seed: int) -> set[Cell]:
    """The cells for which the project has an intent of this model and seed."""
    wanted = (model.info.provider, model.info.model, seed)
    return {
        i.cell
        for i in read_intents(project)
        if (i.realization.provider, i.realization.model, i.realization.seed) == wanted
    }


def propose_intents(
    project: Project,
    count: int,
    *,
    seed: int | None = None,
    where: str | None = None,
    balance: float = BALANCE,
    progress: Progress | None = None,
) -> list[Proposal]:
    """The cells that the kept intents need most, with the evidence; nothing is written.

    `progress` is called as they are chosen: a model's vectors make it seconds of work.

    Raises:
        InputError: The condition is wrong, or the taxonomy has not that many cells left.
    """
    chosen = next_seed(project) if seed is None else seed
    taxonomy = current_taxonomy(project)
    return propose_cells(taxonomy, _pool(project), count, chosen, where, balance, progress)


def _pool(project: Project) -> Pool:
    """The kept intents, with their vectors if all are embedded."""
    intents = read_kept_intents(project)
    model = embedder_name(project.settings.embedder)
    found = read_vectors(project, model, [i.utterance for i in intents])
    return Pool(intents, None if found.missing or not intents else found.array)
