"""Commands that look at trajectories and cut them: trajectories, query, select, split, export."""

from __future__ import annotations

import json
from pathlib import Path

import click

from engine.cli.base import SEED, FiniteFloat, Session, pass_session, progress_on_stderr, say, table
from engine.cli.corpus import corpus_json, corpus_text
from engine.cli.reexecution import reexecution_json, reexecution_text


@click.group()
def trajectories() -> None:
    """Look at trajectories."""


@trajectories.command("list")
@click.option("--where", default=None, help="SQL condition over the trajectories table.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True)
@pass_session
def list_(session: Session, where: str | None, limit: int) -> None:
    """Trajectories that fit, newest first."""
    from engine.catalog import Catalog, TrajectoryFilter
    from engine.query.run import select_ids

    with Catalog.open(session.project()) as catalog:
        _report(catalog.problems)
        ids = tuple(select_ids(catalog.files, where)) if where else None
        rows = catalog.page(TrajectoryFilter(ids=ids), limit=limit)
    columns = ("trajectory_id", "stop_reason", "n_turns", "n_tool_calls", "n_failed_calls", "n_recoveries")
    text = table(columns, [[r[c] for c in columns] for r in rows]) if rows else "no trajectory fits"
    session.answer(rows, text)


def _report(problems: tuple[str, ...]) -> None:
    for problem in problems:
        say(f"warning: {problem}")


@trajectories.command()
@click.argument("trajectory_id", metavar="ID")
@pass_session
def show(session: Session, trajectory_id: str) -> None:
    """One trajectory, turn by turn."""
    from engine.store.runs import read_trajectory

    trajectory = read_trajectory(session.project(), trajectory_id)
    lines = [f"{trajectory.trajectory_id} · {trajectory.intent.persona.name} · {trajectory.stop_reason}"]
    for turn in trajectory.turns:
        lines.append(f"\n[{turn.index}] user: {turn.utterance.text}")
        for call in turn.tool_calls():
            mark = "failed" if call.failed else "ok"
            lines.append(f"    {call.name} ({mark}): {' '.join(call.arguments.split())[:160]}")
        lines.append(f"    agent: {turn.answer or turn.failure}")
    session.answer(trajectory.model_dump(mode="json"), "\n".join(lines))


@trajectories.command()
@click.option("--where", default=None, help="SQL condition over the trajectories table.")
@pass_session
def stats(session: Session, where: str | None) -> None:
    """The corpus in figures, each beside the paper's."""
    from engine.catalog import Catalog, TrajectoryFilter
    from engine.curate.corpus import corpus_of
    from engine.query.run import select_ids
    from engine.taxonomy import current_taxonomy

    project = session.project()
    with Catalog.open(project) as catalog:
        _report(catalog.problems)
        ids = tuple(select_ids(catalog.files, where)) if where else None
        corpus = corpus_of(catalog, current_taxonomy(project), TrajectoryFilter(ids=ids))
    session.answer(corpus_json(corpus), corpus_text(corpus))


@trajectories.command()
@click.argument("ids", metavar="[ID]...", nargs=-1)
@click.option("--where", default=None, help="SQL condition over the trajectories table.")
@click.option("--sandbox", default=None, help="Backend to run in; default each trajectory's own.")
@click.option("--concurrency", type=click.IntRange(1, 256), default=4, show_default=True)
@pass_session
def reexecute(
    session: Session, ids: tuple[str, ...], where: str | None, sandbox: str | None, concurrency: int
) -> None:
    """Run recorded calls again in fresh workspaces: each is reproduced, drifted or not replayable.

    Without ID and --where all finished trajectories are run again.
    """
    from engine.catalog import Catalog
    from engine.errors import InputError
    from engine.fidelity import reexecute_trajectories
    from engine.query.run import select_ids

    if ids and where:
        raise InputError("name trajectories by ID or by --where, not both")
    project = session.project()
    if not ids:
        with Catalog.open(project) as catalog:
            _report(catalog.problems)
            ids = tuple(select_ids(catalog.files, where) if where else catalog.ids())
    made = list(
        reexecute_trajectories(
            project,
            ids,
            sandbox=sandbox,
            concurrency=concurrency,
            progress=progress_on_stderr("re-executed"),
        )
    )
    session.answer([reexecution_json(one) for one in made], reexecution_text(made))


@click.command()
@click.argument("sql", metavar="SQL")
@click.option("--max-rows", type=click.IntRange(1, 1_000_000), default=1000, show_default=True)
@click.option("--timeout", "timeout_s", type=FiniteFloat(0.1, 600), default=10.0, show_default=True)
@pass_session
def query(session: Session, sql: str, max_rows: int, timeout_s: float) -> None:
    """Ask the project's tables: one SELECT, read-only, bounded in time and memory."""
    from engine.catalog import Catalog
    from engine.query.run import run_query

    with Catalog.open(session.project()) as catalog:
        _report(catalog.problems)
        result = run_query(catalog.files, sql, max_rows=max_rows, timeout_s=timeout_s)
    value = {"columns": result.columns, "rows": result.rows, "truncated": result.truncated}
    text = table(result.columns, result.rows)
    session.answer(value, text + (f"\n(first {len(result.rows)} rows)" if result.truncated else ""))


@click.group()
def select() -> None:
    """Named, saved filters."""


@select.command()
@click.argument("name")
@click.option("--where", required=True, help="SQL condition over the trajectories table.")
@pass_session
def save(session: Session, name: str, where: str) -> None:
    """Save what the condition selects now under NAME."""
    from engine.curate.selections import save_selection

    selection = save_selection(session.project(), name, where)
    session.answer(
        selection.model_dump(mode="json"),
        f"{len(selection.trajectory_ids)} trajectories: next, 'ise-studio split make S --selection {name}'",
    )


@select.command("list")
@pass_session
def list_selections_(session: Session) -> None:
    """All selections."""
    from engine.store.curation import list_selections

    found = list_selections(session.project())
    rows = [(s.name, len(s.trajectory_ids), s.where) for s in found]
    text = (
        table(("name", "trajectories", "where"), rows) if rows else "none yet: 'ise-studio select save NAME'"
    )
    session.answer([s.model_dump(mode="json") for s in found], text)


@click.group()
def split() -> None:
    """Selections cut into parts that share no intent."""


@split.command()
@click.argument("name")
@click.option("--selection", required=True)
@click.option("--ratios", default="train=0.9,validation=0.05,test=0.05", show_default=True)
@click.option("--seed", type=SEED, default=None, help="Default: the project's.")
@pass_session
def make(session: Session, name: str, selection: str, ratios: str, seed: int | None) -> None:
    """Cut a selection by intent."""
    from engine.curate.splits import make_split, parse_ratios

    project = session.project()
    chosen = project.settings.seed if seed is None else seed
    made = make_split(project, name, selection, parse_ratios(ratios), seed=chosen)
    sizes = {part: len(ids) for part, ids in made.parts.items()}
    session.answer(made.model_dump(mode="json"), " · ".join(f"{p}: {n}" for p, n in sizes.items()))


@split.command()
@click.argument("name")
@pass_session
def check(session: Session, name: str) -> int:
    """Verify that parts share no intent and that every trajectory is there; exit 1 if not."""
    from engine.curate.splits import check_split

    report = check_split(session.project(), name)
    session.answer(report.model_dump(mode="json"), json.dumps(report.model_dump(mode="json"), indent=1))
    return 0 if report.ok else 1


@click.command()
@click.option("--split", "split_name", default=None)
@click.option("--selection", default=None)
@click.option("--format", "format_", type=click.Choice(["openai"]), default="openai", show_default=True)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="A new or empty folder.")
@pass_session
def export(session: Session, split_name: str | None, selection: str | None, format_: str, out: Path) -> None:
    """Write a split or a selection for training, with its card and manifest."""
    from engine.curate.export import export as write_export
    from engine.errors import InputError

    if (split_name is None) == (selection is None):
        raise InputError("name one of --split NAME and --selection NAME")
    report = write_export(session.project(), out, split=split_name, selection=selection, format=format_)
    counts = ", ".join(f"{f.file}: {f.n_records}" for f in report.files)
    session.answer(report.model_dump(mode="json"), f"{out}: {counts}")


COMMANDS = (trajectories, query, select, split, export)
