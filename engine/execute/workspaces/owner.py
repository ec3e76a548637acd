"""Who owns a thing that outlives its maker's death: a process, told from a later one with the same number."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path


def this_process() -> str:
    """This process as a label: its pid namespace, its number in there, and when it began."""
    pid = os.getpid()
    return f"{_namespace()}/{pid}/{_began(pid)}"


def is_gone(owner: str) -> bool:
    """True when the owner is known to have ended; False for one of another pid namespace, who may live."""
    namespace, _, rest = owner.partition("/")
    number, _, began = rest.partition("/")
    if namespace != _namespace() or not (number.isascii() and number.isdigit()):
        return False
    try:
        os.kill(int(number), 0)
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:
        pass
    if _has_ended(int(number)):
        return True
    return bool(began) and _began(int(number)) not in ("", began)


@cache
def _namespace() -> str:
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:  # a system without /proc has one pid namespace
        return "-"


def _began(pid: int) -> str:
    """Clock ticks from the system's start to the process's; empty where that cannot be read."""
    fields = _stat(pid)
    return fields[19] if fields else ""


def _has_ended(pid: int) -> bool:
    """True for a process that is dead and still listed, because its parent has not asked how it ended."""
    fields = _stat(pid)
    return bool(fields) and fields[0] in "ZX"


def _stat(pid: int) -> list[str]:
    """The fields of proc(5)'s stat from the state on (its third); empty where that cannot be read."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return stat.rpartition(")")[2].split()
