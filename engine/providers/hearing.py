"""What the scripted agent makes of a request: the files that the user named in it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from engine.playbooks import fill
from engine.schema.playbook import PlayTurn

_SLOT = re.compile(r"<<([a-z][a-z0-9_]*)>>")
_HEARD_CHARS = 4000
"""How much of the end of a message is listened to."""


def heard_files(turn: PlayTurn, slots: Mapping[str, str], text: str) -> dict[str, str] | None:
    """The file of each of the turn's wishes, as `text` names it; None where it is not that request.

    Args:
        turn: Whose request it may be.
        slots: What else the request is filled with.
        text: The user's message; the request is its end.
    """
    end = text.rstrip()[-_HEARD_CHARS:]
    for variant in _variants(turn):
        found = re.search(_pattern(fill(variant, slots), turn.files), end)
        if found:
            return found.groupdict()
    return None


def _variants(turn: PlayTurn) -> Iterable[str]:
    """Every way to word the request, the longest first: a short one may be the end of a long one."""
    return sorted((text for texts in turn.ask.values() for text in texts), key=len, reverse=True)


def _pattern(variant: str, files: Iterable[str]) -> str:
    """The request with what is not known yet left open; a file's parts are only passed over."""
    wanted = set(files)
    pieces = _SLOT.split(variant.rstrip())
    pattern = [re.escape(pieces[0])]
    for name, literal in zip(pieces[1::2], pieces[2::2], strict=True):
        if name in wanted:
            wanted.remove(name)
            pattern.append(rf"(?P<{name}>[\w./+-]{{1,300}}?)")
        else:
            pattern.append(r"[\w./+-]{1,300}?")
        pattern.append(re.escape(literal))
    return "".join(pattern) + r"\Z"
