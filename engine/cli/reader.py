"""Commands about the reader of messages."""

from __future__ import annotations

from pathlib import Path

import click

from engine.cli.base import Session, pass_session, say


@click.group()
def reader() -> None:
    """The reader of messages: a small model beside the rules that check the user simulator."""


@reader.command()
@pass_session
def show(session: Session) -> None:
    """What the reader in use was learned from, and its thresholds."""
    from engine.providers.reader import read_card

    card = read_card()
    values = card.model_dump(mode="json")
    session.answer(values, "\n".join(f"{name.replace('_', ' ')}: {value}" for name, value in values.items()))


@reader.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    help="Its file; default the one in use.",
)
@pass_session
def fit(session: Session, out: Path | None) -> None:
    """Teach it anew from the labelled set: some 25 minutes on two cores."""
    from engine.fitting import fit_reader
    from engine.simulate.calibration_set import load_calibration_set

    made = fit_reader(load_calibration_set(), out, say)
    session.answer({"reader": str(made)}, f"the reader's learned part is in {made}")


COMMANDS = (reader,)
