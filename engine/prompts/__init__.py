"""Prompt templates as files, with their variables checked before the first call.

A template is `NAME.md` in this folder; `$variable` is filled in (string.Template). Text that comes from
records is only ever a value, so a `$` in it is left alone.
"""

from __future__ import annotations

import hashlib
from functools import cache
from string import Template

from engine.errors import StudioError
from engine.paths import prompts_dir


@cache
def read_prompt(name: str) -> str:
    """The raw template `name`.

    Raises:
        StudioError: There is no such template.
    """
    path = prompts_dir() / f"{name}.md"
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise StudioError(f"prompt template {name!r} cannot be read: reinstall ise-studio") from error


def render_prompt(name: str, **variables: str) -> str:
    """The template `name` with its variables filled.

    Raises:
        StudioError: A variable is missing, or one was given that the template does not use.
    """
    template = Template(read_prompt(name))
    wanted = set(template.get_identifiers())
    if wanted != set(variables):
        raise StudioError(
            f"prompt template {name!r} wants {sorted(wanted)}, was given {sorted(variables)}: mend its file"
        )
    return template.substitute(variables)


def prompt_hash(name: str) -> str:
    """First 16 hex digits of the template's sha256, for provenance."""
    return hashlib.sha256(read_prompt(name).encode("utf-8")).hexdigest()[:16]
