"""Processes that a call has left behind."""

from __future__ import annotations

from typing import Any

from .files import shown
from .processes import others

MAX_LEFT = 50
MAX_COMMAND_CHARS = 200


def left_since(before: list[str]) -> tuple[list[dict[str, Any]], int]:
    """The first processes that live now and were not there before, and how many there are in all."""
    known = set(before)
    found = [
        {"pid": int(pid), "command": command}
        for pid in others()
        if pid not in known and (command := command_of(pid)) is not None
    ]
    return found[:MAX_LEFT], len(found)


def command_of(pid: str) -> str | None:
    """A process's command line, else its name in brackets; None for one that is gone or dead."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            name, _, rest = file.read().partition(b"(")[2].rpartition(b")")
        if rest.split()[0] == b"Z":
            return None
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = file.read(4096).rstrip(b"\0").replace(b"\0", b" ")
    except OSError:
        return None
    return shown(words or b"[" + name + b"]")[:MAX_COMMAND_CHARS]
