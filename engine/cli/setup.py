"""Commands that set things up: demo, ui, new, weights, doctor."""

from __future__ import annotations

from pathlib import Path

import click

from engine.cli.base import SEED, Session, pass_session, say


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--seed", type=SEED, default=1, show_default=True, help="The project's seed.")
@pass_session
def new(session: Session, folder: Path, seed: int) -> None:
    """Make a project in DIR with the starter taxonomy."""
    from engine.store import Project

    project = Project.create(folder, seed=seed)
    session.answer(
        {"project": str(project.root)},
        f"made {folder}: next, 'ise-studio --project {folder} intents sample --count 200'",
    )


@click.command()
@click.option("--chat", is_flag=True, help="Fetch the small chat model of 'model serve' instead (1.1 GB).")
@pass_session
def weights(session: Session, chat: bool) -> None:
    """Fetch the embedder and the reader of messages, check their hashes, keep them in the cache folder."""
    from engine.providers.chat_weights import QWEN
    from engine.providers.weights import MINILM, MPNET, fetch_weights

    specs = (QWEN,) if chat else (MPNET, MINILM)
    folders = [str(fetch_weights(say, spec)) for spec in specs]
    session.answer({"weights": folders}, f"the weights are in {' and '.join(folders)}")


@click.command()
@pass_session
def doctor(session: Session) -> int:
    """Say what works here and how to mend what does not; exit 1 if no sandbox can be proven."""
    from engine.doctor import examine

    report = examine(session.root)
    lines = [f"{'ok  ' if f.ok else 'MEND'}  {f.name}: {f.detail}" for f in report.findings]
    session.answer(report.model_dump(mode="json"), "\n".join(lines))
    return 0 if report.ok else 1


@click.command()
@click.option(
    "--port", type=click.IntRange(1, 65535), default=None, help="Default: 8501, else the next free."
)
@pass_session
def ui(session: Session, port: int | None) -> None:
    """Open the studio on 127.0.0.1."""
    from engine.serve import serve_studio

    serve_studio(session.project(), port)


@click.command()
@click.option("--intents", "n_intents", type=click.IntRange(1, 100_000), default=240, show_default=True)
@click.option(
    "--trajectories", "n_trajectories", type=click.IntRange(0, 100_000), default=12, show_default=True
)
@click.option("--seed", type=SEED, default=1, show_default=True)
@click.option("--no-ui", is_flag=True, help="Stop before the studio opens.")
@pass_session
def demo(session: Session, n_intents: int, n_trajectories: int, seed: int, no_ui: bool) -> None:
    """Run the whole pipeline on the embedded defaults, then open the studio."""
    from engine.demo import run_demo
    from engine.serve import serve_studio

    summary = run_demo(session.root, n_intents, n_trajectories, seed, say)
    text = (
        f"{session.root}: {summary.n_kept} intents (Vendi {summary.vendi:.2f}), "
        f"{summary.n_trajectories} trajectories"
    )
    session.answer(summary.model_dump(mode="json"), text)
    if not no_ui:
        serve_studio(session.project(), None)


COMMANDS = (demo, ui, new, weights, doctor)
