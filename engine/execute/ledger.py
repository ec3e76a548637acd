"""The ledger: what the workspace really did, kept for the record with its streams by content hash."""

from __future__ import annotations

import posixpath
from collections.abc import Callable

from engine.execute.observations import decoded
from engine.schema.base import utc_now
from engine.schema.sandbox import NO_ACTION, Account, BlobRef, Effect, LedgerEntry

KeepBlob = Callable[[bytes, int], BlobRef | None]
"""Keeps a stream, given with the bytes that there were in all; None where there was nothing to keep."""

ROOT = "/workspace"
_TAIL_CHARS = 400


def enter(effect: Effect, keep: KeepBlob, *, path: str | None = None) -> LedgerEntry:
    """The entry for one effect, its streams handed to `keep`.

    Args:
        effect: What the workspace did.
        keep: Where the streams go.
        path: The path of a file action, as the tool was given it.
    """
    fields = effect.model_dump(include=set(Account.model_fields) - {"changes"})
    return LedgerEntry(
        **fields,
        path=None if path is None else in_workspace(path),
        stdout=keep(effect.stdout, effect.stdout_total_bytes),
        stderr=keep(effect.stderr, effect.stderr_total_bytes),
        stderr_tail=decoded(effect.stderr[-5 * _TAIL_CHARS :]).strip()[-_TAIL_CHARS:],
        changes=effect.changes,
    )


def enter_nothing() -> LedgerEntry:
    """The entry for a call that came to nothing: no such tool, or arguments that do not fit it."""
    return LedgerEntry(action=NO_ACTION, cwd=ROOT, started_at=utc_now(), duration_ms=0.0)


def enter_edit(read: LedgerEntry, write: LedgerEntry | None = None) -> LedgerEntry:
    """One entry for a file that was read and, where its text fitted, written again.

    Changes that background processes made between the two stand in it too.
    """
    entry = read.model_copy(update={"action": "edit", "stdout": None})
    if write is None:
        return entry
    return entry.model_copy(
        update={
            "duration_ms": round(read.duration_ms + write.duration_ms, 3),
            "limit": write.limit,
            "error": write.error,
            "changes": read.changes + write.changes,
            "n_changes": read.n_changes + write.n_changes,
            "left": read.left + write.left,
            "n_left": read.n_left + write.n_left,
        }
    )


def in_workspace(path: str) -> str:
    """A tool's path as it stands in the workspace: relative where it lies under it, else absolute."""
    if path == "~" or path.startswith("~/"):
        path = "." + path[1:]
    whole = posixpath.normpath(posixpath.join(ROOT, path))
    return whole.removeprefix(ROOT + "/") if whole.startswith(ROOT + "/") else whole
