"""What every command shares: the project, the output, the progress."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from engine.errors import one_line
from engine.schema.base import MAX_SEED

if TYPE_CHECKING:
    from engine.ports import Progress
    from engine.store import Project

_CELL_CHARS = 60


@dataclass(slots=True)
class Session:
    """One invocation: which project, and how to answer."""

    root: Path
    as_json: bool

    def project(self) -> Project:
        """The project that the command is about; InputError where there is none."""
        from engine.store import Project

        return Project.open(self.root)

    def answer(self, value: object, text: str) -> None:
        """The command's one answer: a JSON value under --json, else the text."""
        if self.as_json:
            click.echo(json.dumps(_finite(value), ensure_ascii=False, allow_nan=False, default=str))
        elif text:
            click.echo(printable(text))


def _finite(value: Any) -> Any:  # noqa: ANN401 (any JSON value)
    """The value with infinities and NaN as text, which JSON has no numbers for."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value


class FiniteFloat(click.FloatRange):
    """A number within a range; NaN, which is in none, is refused."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ANN401
        """The number; fails for what is none."""
        number = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value!r} is not a number.", param, ctx)
        return number


SEED = click.IntRange(0, MAX_SEED)
"""What every generator here takes as its seed."""

pass_session = click.make_pass_decorator(Session)


def say(text: str) -> None:
    """A line about what goes on, to stderr."""
    click.echo(printable(text), err=True)


def progress_on_stderr(what: str) -> Progress:
    """A progress callback: one rewritten line on a terminal, else a line every tenth."""
    shown = -1

    def report(done: int, total: int) -> None:
        nonlocal shown
        if sys.stderr.isatty():
            click.echo(f"\r{what}: {done} of {total}", nl=done >= total, err=True)
            return
        tenth = 10 * done // max(total, 1)
        if tenth != shown or done >= total:
            shown = tenth
            click.echo(f"{what}: {done} of {total}", err=True)

    return report


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Rows as an aligned plain-text table; long cells are cut, control characters are shown, not sent."""
    cells = [[_cell(v) for v in row] for row in rows]
    widths = [max(len(c), *(len(r[i]) for r in cells)) if cells else len(c) for i, c in enumerate(columns)]
    lines = ["  ".join(c.ljust(w) for c, w in zip(columns, widths, strict=True)).rstrip()]
    lines += ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in cells]
    return "\n".join(lines)


def _cell(value: object) -> str:
    return printable(one_line("" if value is None else value, _CELL_CHARS))


def printable(text: str) -> str:
    """Foreign text made safe for a terminal: escape sequences are shown, not obeyed."""
    return "".join(c if c.isprintable() or c in "\n\t" else "\ufffd" for c in text)
