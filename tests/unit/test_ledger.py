from __future__ import annotations

import hashlib

import pytest

from engine.execute.ledger import enter, enter_edit, enter_nothing, in_workspace
from engine.schema.base import utc_now
from engine.schema.sandbox import BlobRef, ChangeKind, Effect, FileChange


def blob(data: bytes, total_bytes: int) -> BlobRef | None:
    if not total_bytes:
        return None
    return BlobRef(sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data), total_bytes=total_bytes)


def change(path: str) -> FileChange:
    return FileChange(path=path, kind=ChangeKind.MODIFIED)


def test_an_entry_has_all_that_the_effect_says_with_streams_by_hash() -> None:
    effect = Effect(
        action="exec",
        argv=("bash", "-c", "false"),
        cwd="/tmp",
        started_at=utc_now(),
        duration_ms=12.5,
        signal=9,
        timed_out=True,
        limit="time",
        stdout=b"out",
        stdout_total_bytes=99,
        stderr=b"x" * 5000 + "é\n".encode(),
        changes=(change("a"),),
        n_changes=5,
    )
    entry = enter(effect, blob)
    shared = set(Effect.model_fields) & set(type(entry).model_fields) - {"stdout", "stderr"}
    assert {name: getattr(entry, name) for name in shared} == {name: getattr(effect, name) for name in shared}
    assert entry.stdout == BlobRef(sha256=hashlib.sha256(b"out").hexdigest(), size_bytes=3, total_bytes=99)
    assert (entry.stderr, entry.path) == (None, None)
    assert entry.stderr_tail == "x" * 399 + "é"


def test_an_edit_is_one_entry_of_both_its_halves() -> None:
    def half(action: str, error: str | None, *paths: str) -> Effect:
        return Effect(
            action=action,
            cwd="/workspace",
            started_at=utc_now(),
            duration_ms=1.5,
            error=error,
            stdout=b"text",
            stdout_total_bytes=4,
            changes=tuple(map(change, paths)),
            n_changes=len(paths),
        )

    read = enter(half("read", None, "log"), blob, path="a.txt")
    entry = enter_edit(read, enter(half("write", "ENOSPC: full: a.txt", "a.txt"), blob, path="a.txt"))
    assert (entry.action, entry.path, entry.duration_ms) == ("edit", "a.txt", 3.0)
    assert (entry.error, entry.stdout, entry.n_changes) == ("ENOSPC: full: a.txt", None, 2)
    assert [c.path for c in entry.changes] == ["log", "a.txt"]
    assert enter_edit(read).changes == (change("log"),)


def test_a_call_that_came_to_nothing_has_an_entry_without_exit_code() -> None:
    entry = enter_nothing()
    assert (entry.action, entry.exit_code, entry.argv, entry.duration_ms) == ("none", None, (), 0.0)


@pytest.mark.parametrize(
    ("given", "stands"),
    [
        ("a.txt", "a.txt"),
        ("./x/../a.txt", "a.txt"),
        ("~/a.txt", "a.txt"),
        ("/workspace/sub/a.txt", "sub/a.txt"),
        ("/tmp/a.txt", "/tmp/a.txt"),
        ("../etc/passwd", "/etc/passwd"),
        ("/workspaces/a", "/workspaces/a"),
        (".", "/workspace"),
    ],
)
def test_a_path_stands_as_it_does_in_the_workspace(given: str, stands: str) -> None:
    assert in_workspace(given) == stands
