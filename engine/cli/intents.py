"""Commands about intents: from drawing them to their diversity, dedup and its review included."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from engine.cli.base import SEED, FiniteFloat, Session, pass_session, progress_on_stderr, say, table
from engine.errors import InputError, one_line

if TYPE_CHECKING:
    from engine.generation import Generated
    from engine.intents.diversity import Diversity
    from engine.intents.review import Pair
    from engine.intents.vendi import MarginalGain
    from engine.pipeline import Deduplicated

_GROUPINGS = ["domain", "task", "persona", "industry", "complexity"]
_OVERRULED = {
    "keep": "is kept by hand",
    "drop": "is dropped by hand: 'ise-studio intents dedup' judges anew what it was repeated by",
    "take-back": "is as dedup says: 'ise-studio intents dedup' judges it anew",
}


@click.group()
def intents() -> None:
    """Stage 1: draw, realise, embed, deduplicate and measure intents."""


@intents.command()
@click.option("--count", type=click.IntRange(1, 1_000_000), required=True)
@click.option(
    "--seed",
    type=SEED,
    default=None,
    help="Default: the project's, and the next one for each batch after the first.",
)
@click.option("--realizer", default=None, help="scripted or openai:MODEL[@ENDPOINT]; default the project's.")
@click.option(
    "--where", default=None, help="Narrows the cells, e.g. 'domain=file-io and complexity=complex'."
)
@click.option("--by-gain", is_flag=True, help="Realise the cells that the pool needs most; see 'propose'.")
@click.option(
    "--balance",
    type=FiniteFloat(0.0, 1.0),
    default=None,
    help="With --by-gain: 0 looks at coverage alone, 1 at the expected gain alone. Default 0.5.",
)
@click.option("--preview", is_flag=True, help="Say what the batch would add; write none. Scripted only.")
@pass_session
def sample(
    session: Session,
    count: int,
    seed: int | None,
    realizer: str | None,
    where: str | None,
    *,
    by_gain: bool,
    balance: float | None,
    preview: bool,
) -> None:
    """Draw cells and realise them as one new batch."""
    from engine.generation import generate_intents
    from engine.intents.propose import BALANCE

    if balance is not None and not by_gain:
        raise click.UsageError("--balance goes with --by-gain")
    weight = (BALANCE if balance is None else balance) if by_gain else None
    project = session.project()
    if preview:
        if (realizer or project.settings.realizer) != "scripted":
            raise InputError("--preview needs the scripted realiser: a model does not write the same twice")
        _preview(session, count, seed, where, weight)
        return
    made = generate_intents(
        project,
        count,
        seed=seed,
        realizer=realizer,
        where=where,
        balance=weight,
        progress=progress_on_stderr("realised"),
    )
    for reason in made.failures:
        say(f"warning: a cell was not realised: {reason}")
    session.answer(
        {
            "n_intents": len(made.intents),
            "n_failed": len(made.failures),
            "n_there": made.n_there,
            "usage": made.usage.model_dump(mode="json"),
            "intent_ids": [i.intent_id for i in made.intents],
        },
        f"{len(made.intents)} intents made{_spent(made)}: next, 'ise-studio intents embed'",
    )


def _spent(made: Generated) -> str:
    """What a model took for it; empty for the scripted realiser."""
    usage = made.usage
    if not usage.n_calls:
        return ""
    cost = "no price is set" if usage.cost_usd is None else f"{usage.cost_usd:.4f} USD"
    there = f", {made.n_there} were there" if made.n_there else ""
    tokens = f"{usage.prompt_tokens:,} + {usage.completion_tokens:,} tokens"
    return f"{there} ({usage.n_calls} requests, {tokens}, {cost})"


def _preview(
    session: Session, count: int, seed: int | None, where: str | None, balance: float | None
) -> None:
    from dataclasses import asdict

    from engine.preview import preview_intents

    found = preview_intents(
        session.project(),
        count,
        seed=seed,
        where=where,
        balance=balance,
        progress=progress_on_stderr("embedded"),
    )
    session.answer(
        asdict(found),
        f"{found.n} intents would add {found.adds:+.2f} ({found.per_100:+.2f} per 100): Vendi "
        f"{found.pool.vendi:.2f} over {found.pool.n} -> {found.after.vendi:.2f} over {found.after.n}\n"
        f"{found.n_repeats} repeat an intent of the pool, {found.n_repeats_within} another one of the batch\n"
        f"to keep them: the same command with --seed {found.seed}, without --preview",
    )


@intents.command()
@click.option("--count", type=click.IntRange(1, 10_000), default=20, show_default=True)
@click.option("--seed", type=SEED, default=None, help="Default: as for sample.")
@click.option("--where", default=None, help="Narrows the cells, as for sample.")
@click.option(
    "--balance",
    type=FiniteFloat(0.0, 1.0),
    default=0.5,
    show_default=True,
    help="0 looks at coverage alone, 1 at the expected gain in diversity alone.",
)
@pass_session
def propose(session: Session, count: int, seed: int | None, where: str | None, balance: float) -> None:
    """The cells that the pool needs most, with the evidence; 'sample --by-gain' realises such cells."""
    from engine.generation import propose_intents

    proposals = propose_intents(session.project(), count, seed=seed, where=where, balance=balance)
    value = [
        {"cell": p.cell.model_dump(mode="json"), "debt": p.debt, "gain": p.gain, "reasons": list(p.reasons)}
        for p in proposals
    ]
    rows: list[tuple[Any, ...]] = [
        (
            f"{p.debt:.2f}",
            "-" if p.gain is None else f"{p.gain:+.2f}",
            p.cell.persona_id,
            "+".join(p.cell.domain_ids),
            "; ".join(p.reasons),
        )
        for p in proposals
    ]
    session.answer(value, table(("debt", "gain", "persona", "domains", "most open"), rows))


@intents.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@pass_session
def import_(session: Session, file: Path) -> None:
    """Take in the intents of a JSONL file (the paper's format, or our own records)."""
    from dataclasses import asdict

    from engine.pipeline import import_intents

    parsed = import_intents(session.project(), file)
    for problem in parsed.problems:
        say(f"warning: {file}:{problem.line}: {problem.reason}")
    value = {
        "n_imported": len(parsed.intents),
        "n_left_out": len(parsed.problems),
        "problems": [asdict(p) for p in parsed.problems],
    }
    left_out = f", {len(parsed.problems)} lines left out" if parsed.problems else ""
    session.answer(value, f"{len(parsed.intents)} intents imported{left_out}")


@intents.command("export")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--where", default=None, help="SQL condition over the intents table.")
@pass_session
def export_(session: Session, file: Path, where: str | None) -> None:
    """Write the kept intents as the paper's JSONL."""
    from engine.pipeline import export_intents

    n_written = export_intents(session.project(), file, where)
    session.answer({"n_exported": n_written, "file": str(file)}, f"{n_written} intents in {file}")


@intents.command()
@click.option(
    "--sample",
    type=click.IntRange(1),
    default=None,
    help="Only a random part of the kept intents of this size, to measure a large pool by it.",
)
@pass_session
def embed(session: Session, sample: int | None) -> None:
    """Embed the intents that have no vector yet; a second call goes on where a broken one was."""
    from engine.pipeline import embed_intents

    n_new = embed_intents(session.project(), progress_on_stderr("embedded"), sample)
    session.answer({"n_embedded": n_new}, f"{n_new} intents embedded")


@intents.command()
@click.option("--threshold", type=FiniteFloat(0.0, 1.0), default=None, help="Cosine; default 0.85.")
@click.option(
    "--lexical",
    type=FiniteFloat(0.0, 1.0, min_open=True),
    default=None,
    help="Jaccard similarity of word 3-shingles; default 0.6.",
)
@click.option(
    "--words",
    type=FiniteFloat(0.0, 1.0),
    default=None,
    help="Jaccard similarity of words that must come with the cosine; default 0.55.",
)
@click.option("--no-semantic", is_flag=True, help="Exact and lexical only: needs no vectors.")
@pass_session
def dedup(
    session: Session, threshold: float | None, lexical: float | None, words: float | None, no_semantic: bool
) -> None:
    """Find repeated intents (exact, lexical, semantic) and keep the first of each."""
    from engine.intents.dedup import DEFAULTS, Thresholds
    from engine.pipeline import dedup_intents

    thresholds = Thresholds(
        cosine=DEFAULTS.cosine if threshold is None else threshold,
        lexical=DEFAULTS.lexical if lexical is None else lexical,
        words=DEFAULTS.words if words is None else words,
    )
    done = dedup_intents(
        session.project(), thresholds, semantic=not no_semantic, progress=progress_on_stderr("compared")
    )
    value = {
        "n_intents": done.n_intents,
        "n_dropped": done.n_dropped,
        "n_kept": done.n_kept,
        "by_method": done.by_method,
        "overruled": done.overruled,
        "vendi_before": done.vendi_before,
        "vendi_after": done.vendi_after,
    }
    session.answer(value, _dedup_text(done))


def _dedup_text(done: Deduplicated) -> str:
    found = ", ".join(f"{n} {method}" for method, n in done.by_method.items())
    by_hand = f"by hand {done.overruled['keep']} kept, {done.overruled['drop']} dropped"
    lines = [f"{done.n_dropped} of {done.n_intents} intents dropped ({found}; {by_hand})"]
    if done.vendi_before is not None and done.vendi_after is not None:
        lines.append(f"Vendi {done.vendi_before:.2f} before, {done.vendi_after:.2f} after")
    return "\n".join(lines)


@intents.command()
@click.option(
    "--method", type=click.Choice(["exact", "lexical", "semantic", "hand"]), default=None, help="Only these."
)
@click.option("--limit", type=click.IntRange(1, 1_000_000), default=50, show_default=True)
@pass_session
def pairs(session: Session, method: str | None, limit: int) -> None:
    """The repeats that dedup found, each with the text that it repeats and what became of it."""
    from dataclasses import asdict

    from engine.intents.review import list_pairs

    found = list_pairs(session.project(), method, limit)
    blocks = [_pair_text(pair) for pair in found]
    session.answer([asdict(pair) for pair in found], "\n\n".join(blocks) or "no repeats found")


def _pair_text(pair: Pair) -> str:
    similarity = "" if pair.similarity is None else f" {pair.similarity:.3f}"
    lines = [f"{pair.intent_id} {pair.verdict}: {pair.method}{similarity}"]
    if pair.author:
        lines[0] += f" ({pair.author}{': ' + pair.note if pair.note else ''})"
    lines.append(f"  {one_line(pair.utterance, 400)}")
    if pair.duplicate_of:
        lines.append(f"repeats {pair.duplicate_of}")
        lines.append(f"  {one_line(pair.other or 'which is not in the project any more', 400)}")
    return "\n".join(lines)


@intents.command()
@click.argument("intent_id", metavar="ID")
@click.option("--keep", "word", flag_value="keep", help="Kept, whatever dedup finds.")
@click.option("--drop", "word", flag_value="drop", help="Dropped, whatever dedup finds.")
@click.option("--take-back", "word", flag_value="take-back", help="As dedup says, whatever was said here.")
@click.option("--note", default="", help="Why.")
@pass_session
def overrule(session: Session, intent_id: str, word: str | None, note: str) -> None:
    """Keep or drop one intent by hand, or take that back; it holds over every later run of dedup."""
    from engine.intents.review import overrule_dedup, take_back

    if word is None:
        raise click.UsageError("say --keep, --drop or --take-back")
    project = session.project()
    if word == "take-back":
        said = take_back(project, intent_id, note=note)
    else:
        said = overrule_dedup(project, intent_id, keep=word == "keep", note=note)
    session.answer(said.model_dump(mode="json"), f"{intent_id} {_OVERRULED[word]}")


@intents.command("map")
@click.option("--anew", is_flag=True, help="Fit again, whatever is kept: every point may move.")
@pass_session
def map_(session: Session, *, anew: bool) -> None:
    """Place the kept intents in two dimensions (UMAP); what is mapped already does not move."""
    from engine.pipeline import map_intents

    result = map_intents(session.project(), anew=anew)
    n, n_placed = len(result.placed), int(result.placed.sum())
    value = {
        "n": n,
        "n_fitted": n - n_placed,
        "n_placed": n_placed,
        "method": result.method,
        "trustworthiness": result.trustworthiness,
        "trustworthiness_placed": result.trustworthiness_placed,
    }
    added = (
        ""
        if result.trustworthiness_placed is None
        else f"; {n_placed} of them placed among the others, {result.trustworthiness_placed:.3f}"
    )
    session.answer(value, f"{n} intents on the map, trustworthiness {result.trustworthiness:.3f}{added}")


@intents.command()
@click.option("--q", type=FiniteFloat(0.1), default=1.0, show_default=True, help="Order; inf for infinity.")
@click.option("--by", type=click.Choice(_GROUPINGS), default=None)
@click.option("--where", default=None, help="SQL condition over the intents table.")
@click.option(
    "--sample",
    type=click.IntRange(1),
    default=None,
    help="Take a random part of the kept intents for the pool: the one that 'embed --sample' embeds.",
)
@pass_session
def diversity(session: Session, q: float, by: str | None, where: str | None, sample: int | None) -> None:
    """The Vendi Score of the kept intents, its scaling curve and what each group adds."""
    from dataclasses import asdict

    from engine.pipeline import measure_pool

    measured, gain = measure_pool(session.project(), q=q, by=by, where=where, sample=sample)
    session.answer(asdict(measured) | asdict(gain), _diversity_text(measured, gain))


def _diversity_text(measured: Diversity, gain: MarginalGain) -> str:
    lines = [f"Vendi {measured.vendi:.2f} over {measured.n} intents ({measured.model}, q = {measured.q:g})"]
    if gain.without.n:
        lines.append(
            f"adds {gain.adds:+.2f} to the pool: {gain.pool.vendi:.2f} over {gain.pool.n} with it, "
            f"{gain.without.vendi:.2f} over {gain.without.n} without it"
        )
    lines += [f"  {point.n:>7,}  {point.vendi:.2f}" for point in measured.curve]
    if measured.groups:
        rows: list[tuple[Any, ...]] = [
            (g.group, g.n, f"{g.vendi:.2f}", f"{g.leave_one_out:.2f}", f"{g.adds:+.2f}")
            for g in measured.groups
        ]
        lines.append(table(("group", "n", "vendi", "without it", "adds"), rows))
    return "\n".join(lines)


@intents.command()
@pass_session
def coverage(session: Session) -> None:
    """How often each domain, task and domain pair occurs, and what was never reached."""
    from engine.intents.coverage import coverage as cover
    from engine.store.intents import read_kept_intents
    from engine.taxonomy import current_taxonomy

    project = session.project()
    covered = cover(read_kept_intents(project), current_taxonomy(project)).model_dump(mode="json")
    lines = [f"{name}: {value}" for name, value in covered.items()]
    session.answer(covered, "\n".join(lines))


COMMANDS = (intents,)
