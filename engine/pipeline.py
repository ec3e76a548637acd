"""Stage 1 after the drawing: intents taken in and given out, embedded, deduplicated, mapped, measured."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from engine import build
from engine.catalog import refresh
from engine.errors import InputError
from engine.intents.dedup import DEFAULTS, METHODS, Thresholds, find_duplicates
from engine.intents.diversity import Diversity, measure_diversity, vendi_score
from engine.intents.embed import embed_missing, random_part, vectors_of
from engine.intents.exchange import LineProblem, Parsed, parse_intents, render_intents
from engine.intents.map import MapResult, build_map
from engine.intents.pool_gram import pool_gram
from engine.intents.vendi import MarginalGain, SetScore, marginal_gain
from engine.ports import Progress
from engine.providers.embedders import embedder_name
from engine.query.run import select_ids
from engine.schema.base import utc_now
from engine.schema.intent import DedupReport, Intent
from engine.store import Project
from engine.store.files import read_bytes, write_text
from engine.store.intents import (
    by_hand,
    known_ids,
    read_intents,
    read_kept_intents,
    read_overrules,
    write_batch,
    write_decisions,
    write_dedup_report,
)
from engine.store.vectors import read_vectors
from engine.taxonomy import current_taxonomy


class Measured(NamedTuple):
    """What `measure_pool` found."""

    diversity: Diversity
    """Of the selection."""
    gain: MarginalGain
    """What the selection is worth to the pool."""


def import_intents(project: Project, path: Path) -> Parsed:
    """Takes the intents of a JSONL file in as one new batch, whole; the lines that hold none are named.

    Raises:
        InputError: The file holds no intent that is new, or cannot be read.
    """
    lines = read_bytes(path).splitlines()
    parsed = parse_intents(lines, current_taxonomy(project), known_ids(project))
    if not parsed.intents:
        first = parsed.problems[0] if parsed.problems else LineProblem(1, "the file is empty")
        raise InputError(f"{path}:{first.line}: no new intent in the file; {first.reason}")
    write_batch(project, parsed.intents, origin="import")
    return parsed


def export_intents(project: Project, path: Path, where: str | None = None) -> int:
    """Writes the kept intents, or those among them that fit, as the paper's JSONL; how many.

    Raises:
        InputError: No intent fits.
        StudioError: The file cannot be written; nothing half-written is left.
    """
    intents = _fitting(project, where)
    text = "\n".join(render_intents(intents, current_taxonomy(project)))
    write_text(path, text + "\n")
    return len(intents)


def _fitting(project: Project, where: str | None) -> list[Intent]:
    """The kept intents that fit a condition.

    Raises:
        InputError: None fits.
        QueryError: The condition is wrong.
    """
    return _selected(project, read_kept_intents(project), where)


def _selected(project: Project, pool: list[Intent], where: str | None) -> list[Intent]:
    """Those of `pool` that fit a condition, as `_fitting` gives them."""
    intents = pool
    if where:
        wanted = set(select_ids(refresh(project), where, table="intents"))
        intents = [i for i in pool if i.intent_id in wanted]
    if not intents:
        raise InputError("no intent fits: widen the condition, or make some with 'ise-studio intents sample'")
    return intents


def _kept(project: Project, sample: int | None) -> list[Intent]:
    """The kept intents, or a random part of them of the size `sample`: the same one at every call."""
    kept = read_kept_intents(project)
    return kept if sample is None else random_part(kept, sample, project.settings.seed)


def embed_intents(project: Project, progress: Progress | None = None, sample: int | None = None) -> int:
    """Embeds the intents that have no vector yet and gives their number.

    Args:
        project: Whose intents.
        progress: Called as they are embedded.
        sample: Embed a random part of the kept intents of this size only, to measure a large pool by it.

    Raises:
        StudioError: The weights are missing.
    """
    intents = read_intents(project) if sample is None else _kept(project, sample)
    if not intents:
        raise InputError("no intents to embed: make some with 'ise-studio intents sample --count 200'")
    return embed_missing(project, build.embedder(project.settings), intents, progress)


@dataclass(frozen=True, slots=True)
class Deduplicated:
    """What dedup came to, the curator's overrules included."""

    n_intents: int
    n_kept: int
    by_method: Mapping[str, int]
    """How many dedup dropped, by method; those that a curator kept are not among them."""
    overruled: Mapping[str, int]
    """How many intents are kept ("keep") and dropped ("drop") by hand."""
    vendi_before: float | None
    """The Vendi Score (q = 1) of all intents that have a vector; None where none has."""
    vendi_after: float | None
    """The same of those among them that are kept."""

    @property
    def n_dropped(self) -> int:
        """How many are not kept, by dedup or by hand."""
        return self.n_intents - self.n_kept


def dedup_intents(
    project: Project,
    thresholds: Thresholds = DEFAULTS,
    *,
    semantic: bool = True,
    progress: Progress | None = None,
) -> Deduplicated:
    """Finds repeated intents anew, writes the decisions and says what they come to.

    Args:
        project: Its intents must be embedded, but for the exact and the lexical comparison alone.
        thresholds: From which similarity on two intents are one.
        semantic: Whether meanings are compared, too.
        progress: Called with (texts compared, texts), where there are more than a few.

    Raises:
        InputError: Some intents are not embedded and `semantic` asks for their vectors.
    """
    intents = read_intents(project)
    model = embedder_name(project.settings.embedder)
    vectors = vectors_of(project, model, intents) if semantic else None
    said = by_hand(read_overrules(project))
    decisions = find_duplicates(intents, vectors, thresholds, by_hand=said, progress=progress)
    write_decisions(project, decisions)
    present = [said[i.intent_id] for i in intents if i.intent_id in said]
    kept = {i.intent_id for i in read_kept_intents(project)}
    before, after = _vendi_of(project, model, intents, kept)
    report = DedupReport(
        created_at=utc_now(),
        cosine=thresholds.cosine,
        lexical=thresholds.lexical,
        words=thresholds.words,
        semantic=semantic,
        n_intents=len(intents),
        vendi_before=before,
        vendi_after=after,
    )
    write_dedup_report(project, report)
    return Deduplicated(
        n_intents=len(intents),
        n_kept=len(kept),
        by_method={method: sum(d.method == method for d in decisions) for method in METHODS},
        overruled={"keep": present.count(True), "drop": present.count(False)},
        vendi_before=before,
        vendi_after=after,
    )


def _vendi_of(
    project: Project, model: str, intents: list[Intent], kept: Set[str]
) -> tuple[float | None, float | None]:
    """The Vendi Score of the intents that have a vector, and of those among them that are kept."""
    found = read_vectors(project, model, [i.utterance for i in intents])
    rows = sorted(set(range(len(intents))) - set(found.missing))
    after = [row for row in rows if intents[row].intent_id in kept]
    return (
        vendi_score(found.array[rows]) if rows else None,
        vendi_score(found.array[after]) if after else None,
    )


def map_intents(project: Project, *, anew: bool = False) -> MapResult:
    """The map of the kept intents: new ones placed on the kept map; fitted where that will not do.

    With `anew` it is fitted in any case.

    Raises:
        InputError: Some intents are not embedded.
    """
    intents = read_kept_intents(project)
    model, seed = embedder_name(project.settings.embedder), project.settings.seed
    return build_map(project, model, intents, seed, anew=anew)


def pool_vendi(project: Project) -> float:
    """The Vendi Score (q = 1) of the kept intents.

    Raises:
        InputError: Some intents are not embedded.
    """
    return pool_gram(project, embedder_name(project.settings.embedder), read_kept_intents(project)).score()


def measure_pool(
    project: Project,
    *,
    q: float = 1.0,
    by: str | None = None,
    where: str | None = None,
    sample: int | None = None,
) -> Measured:
    """Every measure of the kept intents, or of those among them that fit a condition, and what these add.

    Args:
        project: Its intents must be embedded.
        q: Order of the Vendi Score, 0.1 to infinity.
        by: "domain", "task", "persona", "industry" or "complexity"; None for no groups.
        where: The user's SQL condition over the intents table.
        sample: Take a random part of the kept intents of this size for the pool, the one that `embed_intents`
            embeds.

    Raises:
        InputError: Some intents are not embedded, or none fits.
        QueryError: The condition is wrong.
    """
    pool = _kept(project, sample)
    intents = _selected(project, pool, where)
    model = embedder_name(project.settings.embedder)
    vectors = vectors_of(project, model, intents)
    measured = measure_diversity(intents, vectors, model, q=q, by=by, seed=project.settings.seed)
    if len(intents) == len(pool):
        whole = SetScore(measured.n, measured.vendi)
        return Measured(measured, MarginalGain(whole, whole, SetScore(0, 0.0), measured.vendi))
    return Measured(measured, marginal_gain(pool_gram(project, model, pool), vectors, q))
