"""Commands about the taxonomy: check, stats, diff."""

from __future__ import annotations

import click

from engine.cli.base import Session, pass_session, say


@click.group()
def taxonomy() -> None:
    """The four dimensions: check them, count them, compare versions."""


@taxonomy.command()
@pass_session
def check(session: Session) -> int:
    """Validate the taxonomy; every fault with file, line and mend. Exit 2 where there is one."""
    from engine.taxonomy import check_taxonomy

    faults = check_taxonomy(session.project().paths.taxonomy)
    session.answer({"ok": not faults, "faults": faults}, "" if faults else "the taxonomy is sound")
    for fault in faults:
        say(f"error: {fault}")
    return 2 if faults else 0


@taxonomy.command()
@pass_session
def stats(session: Session) -> None:
    """Sizes of the dimensions and the number of combinations."""
    from engine.taxonomy import current_taxonomy, taxonomy_stats

    values = taxonomy_stats(current_taxonomy(session.project())).model_dump(mode="json")
    session.answer(values, "\n".join(f"{k.replace('_', ' ')}: {_grouped(v)}" for k, v in values.items()))


def _grouped(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


@taxonomy.command()
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
@pass_session
def diff(session: Session, a: str, b: str) -> None:
    """What changed from version A to version B (v0001, ..., starter, current)."""
    from engine.taxonomy import diff_versions

    changes = diff_versions(session.project(), a, b)
    lines = [f"{c.dimension} {c.kind} {c.id} {', '.join(c.fields)}".rstrip() for c in changes]
    session.answer([c.model_dump(mode="json") for c in changes], "\n".join(lines) or "no difference")


COMMANDS = (taxonomy,)
