"""The texts of a workspace's files as its diffs tell them, to hold them against the ledger's hashes."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field

from engine.schema.sandbox import ChangeKind, FileChange

_HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+\d+(?:,\d+)? @@")
_NO_NEWLINE = "\\ No newline at end of file"


@dataclass(slots=True)
class Texts:
    """The small text files of one side, by path, as far as its changes tell."""

    by_path: dict[str, str] = field(default_factory=dict)

    def apply(self, change: FileChange | None) -> bool:
        """Takes over a change; True where the text that it leads to has the hash and size that it states."""
        if change is None:
            return False
        before = "" if change.kind is ChangeKind.CREATED else self.by_path.get(change.path)
        self.by_path.pop(change.path, None)
        if change.kind is ChangeKind.DELETED:
            return before is not None and change.diff is not None and patched(before, change.diff) == ""
        after = _after(before, change)
        if after is None:
            return False
        data = after.encode("utf-8")
        if (hashlib.sha256(data).hexdigest(), len(data)) != (change.sha256, change.size_bytes):
            return False
        self.by_path[change.path] = after
        return True


def _after(before: str | None, change: FileChange) -> str | None:
    if change.size_bytes == 0:
        return ""
    if before is None:
        return None
    return before if change.diff is None else patched(before, change.diff)


def patched(before: str, diff: str) -> str | None:
    """`before` with a unified diff applied; None where the diff does not fit it."""
    old, new, at = before.splitlines(keepends=True), [], 0
    for tag, text in _parts(diff):
        if tag == "@":
            new += old[at : int(text)]
            at = int(text)
        elif tag == "+":
            new.append(text)
        elif at >= len(old) or old[at] != text:
            return None
        else:
            new += [text] if tag == " " else []
            at += 1
    return "".join(new + old[at:])


def _parts(diff: str) -> list[tuple[str, str]]:
    """The diff's lines as (tag, text), a hunk's head as ("@", how many old lines stand before it)."""
    parts: list[tuple[str, str]] = []
    lines = diff.split("\n")
    for n, line in enumerate(lines):
        if head := _HUNK.match(line):
            before = int(head[1]) - (head[2] != "0")
            parts.append(("@", str(before)))
        elif parts and line[:1] in ("+", "-", " "):
            ends = n + 1 < len(lines) and lines[n + 1] == _NO_NEWLINE
            parts.append((line[0], line[1:] + ("" if ends else "\n")))
    return parts
