"""Processes that a call has left behind."""

from __future__ import annotations

from typing import Any

from .files import shown
from .processes import others
from .sessions import members

MAX_LEFT = 50
MAX_COMMAND_CHARS = 200
EXITING = 0x4
"""The kernel's mark (PF_EXITING) on a process that is on its way out."""


def left_since(before: list[str], leaders: list[int]) -> tuple[list[dict[str, Any]], int]:
    """The first processes that live now and were not there before, and how many there are in all.

    What a session that goes on beside the call has begun in the meantime is the session's: `leaders` are the
    first processes of such sessions.
    """
    living = others()
    known = {*before, *(str(pid) for leader in leaders for pid in members(leader))}
    found = [
        {"pid": int(pid), "command": command}
        for pid in living
        if pid not in known and (command := command_of(pid)) is not None
    ]
    return found[:MAX_LEFT], len(found)


def command_of(pid: str) -> str | None:
    """A process's command line, else its name in brackets; None for one that is gone, dead or dying."""
    try:
        # In this order: one that dies in between loses its command line and is told by its state.
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = file.read(4096).rstrip(b"\0").replace(b"\0", b" ")
        with open(f"/proc/{pid}/stat", "rb") as file:
            name, _, rest = file.read().partition(b"(")[2].rpartition(b")")
    except OSError:
        return None
    state, *numbers = rest.split()
    if state == b"Z" or int(numbers[5]) & EXITING:
        return None
    return shown(words or b"[" + name + b"]")[:MAX_COMMAND_CHARS]
