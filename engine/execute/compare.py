"""One recorded call beside the same call run again: what differs, after the stated normalisation.

What is the same to the byte needs no rule. Where a rule is needed, the record must first prove itself: its
streams and files have the hashes that it states, and what the agent saw of it stands in its streams.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import zip_longest
from typing import NamedTuple

from engine.execute.normalise import Side, normalised
from engine.execute.observations import decoded
from engine.execute.patch import Texts
from engine.schema.reexecution import Drift
from engine.schema.sandbox import BlobRef, ChangeKind, FileChange, LedgerEntry
from engine.schema.trajectory import ToolCall

ReadStream = Callable[[BlobRef], bytes | None]
"""The kept bytes of a stream; None where they are gone or are not those that the hash names."""

_MAX_DIFF_CHARS = 16_000
_OBJECTS = re.compile(r"(?:.*/)?\.git/objects/([0-9a-f]{2})/")
_OBJECT = re.compile(r"(?:.*/)?\.git/objects/([0-9a-f]{2})/([0-9a-f]{38})")
_OBJECT_SLACK_BYTES = 24
"""How far two compressed commits may be apart that differ in their time and their parents alone."""


AreCommits = Callable[[list[FileChange]], bool]
"""Whether these git objects, which the call has made, are commits or tags: those hold a time."""


class _Seen(NamedTuple):
    """A call as one side knows it."""

    call: ToolCall
    read: ReadStream
    side: Side
    texts: Texts


class Found(NamedTuple):
    """What differs, and the rules without which more would."""

    drifts: tuple[Drift, ...]
    rules: tuple[str, ...]


class Comparer:
    """Compares the calls of one trajectory in order: what earlier calls made known holds for later ones."""

    def __init__(self, read_recorded: ReadStream, recorded_at: datetime, now: datetime) -> None:
        """Begins with two fresh workspaces, the one when it was recorded, the other now."""
        self._read_recorded = read_recorded
        self._sides = Side(recorded_at, recorded_at), Side(now, now)
        self._texts = Texts(), Texts()

    def compare(self, was: ToolCall, now: ToolCall, read_now: ReadStream, are_commits: AreCommits) -> Found:
        """What differs between the next recorded call and now; nothing where it is reproduced."""
        for side, call in zip(self._sides, (was, now), strict=True):
            side.advance(call.ledger.started_at, call.ledger.duration_ms)
        comparison = _Comparison(
            _Seen(was, self._read_recorded, self._sides[0], self._texts[0]),
            _Seen(now, read_now, self._sides[1], self._texts[1]),
            are_commits,
        )
        comparison.run()
        return Found(tuple(comparison.drifts), tuple(sorted(comparison.rules)))


@dataclass(slots=True)
class _Comparison:
    record: _Seen
    now: _Seen
    are_commits: AreCommits
    drifts: list[Drift] = field(default_factory=list)
    rules: set[str] = field(default_factory=set)

    def run(self) -> None:
        """Compares everything that the two know of the call."""
        was, now = self.record.call.ledger, self.now.call.ledger
        before, after = list(was.changes), list(now.changes)
        self._commits(before, after)  # first, since every text may name the commits that were made
        if (ending := _ending(was)) != _ending(now):
            self._drift("ending", f"{ending}, now {_ending(now)}")
        self._text("error", _error(self.record.call), _error(self.now.call))
        self._text("observation", self.record.call.observation, self.now.call.observation)
        for name in ("stdout", "stderr"):
            self._stream(name, getattr(was, name), getattr(now, name))
        if self.rules:
            self._proof()
        self._files(before, after)

    def _drift(self, what: str, diff: str) -> None:
        self.drifts.append(Drift(what=what, diff=diff[:_MAX_DIFF_CHARS]))

    def _text(self, what: str, was: str, now: str) -> bool:
        """Compares two texts; True where a rule was needed for them to be the same."""
        if was == now:
            return False
        a, b = normalised(was, self.record.side), normalised(now, self.now.side)
        if a.text != b.text:
            self._drift(what, _diff(a.text, b.text))
            return False
        self.rules |= a.rules | b.rules
        return True

    def _proof(self) -> None:
        """Where a rule was needed: every line that the agent saw stands in the record's own streams.

        Lines that the tool itself wrote, such as how a command ended, stand in no stream on either side.
        """
        if not any(entry.stdout or entry.stderr for entry in (self.record.call.ledger, self.now.call.ledger)):
            return
        if self._is_retold(self.record):
            return
        of_tool = _lines(self.now.call.observation) - self._stream_lines(self.now)
        known = self._stream_lines(self.record) | of_tool
        if strange := sorted(_lines(self.record.call.observation) - known):
            self._drift("record", f"the observation shows what its streams do not hold: {strange[0][:300]}")

    def _is_retold(self, seen: _Seen) -> bool:
        """True where what the agent saw is the JSON object of the stream, laid out otherwise (web)."""
        ref = seen.call.ledger.stdout
        try:
            told, kept = json.loads(seen.call.observation), json.loads(seen.read(ref) or b"") if ref else None
        except (ValueError, RecursionError):
            return False
        return isinstance(told, dict) and told == kept

    def _stream_lines(self, seen: _Seen) -> set[str]:
        refs = (seen.call.ledger.stdout, seen.call.ledger.stderr)
        return {line for ref in refs if ref for line in _lines(decoded(seen.read(ref) or b""))}

    def _stream(self, name: str, was: BlobRef | None, now: BlobRef | None) -> None:
        if was == now and (was is None or self.record.read(was) is not None):
            return
        before = b"" if was is None else self.record.read(was)
        if before is None:
            self._drift("record", f"the kept {name} is gone, or is not what its hash says")
            return
        after = (now and self.now.read(now)) or b""
        if (was and was.total_bytes != was.size_bytes) or (now and now.total_bytes != now.size_bytes):
            self._cut_stream(name, was, now)
        self._text(name, decoded(before), decoded(after))

    def _cut_stream(self, name: str, was: BlobRef | None, now: BlobRef | None) -> None:
        lost = [ref.total_bytes - ref.size_bytes if ref else 0 for ref in (was, now)]
        if lost[0] != lost[1]:
            self._drift(name, f"the output cap cut {lost[0]} bytes, now {lost[1]}")

    def _files(self, before: list[FileChange], after: list[FileChange]) -> None:
        was, now = self.record.call.ledger, self.now.call.ledger
        for old, new in _pairs(before, after):
            # A commit of the other side, whose hash is new each time, may have made this folder before.
            others = self.record.side.commits if old is None else self.now.side.commits
            if not (old and new) and _is_folder_of(old or new, others):
                continue
            self._file(old, new)
        if was.n_changes - len(was.changes) != now.n_changes - len(now.changes):
            self._drift("files", f"{was.n_changes} paths changed, now {now.n_changes}")

    def _commits(self, before: list[FileChange], after: list[FileChange]) -> None:
        """Takes out the git objects that only one side has where these are as many commits on both."""
        ours, theirs = {c.path for c in before}, {c.path for c in after}
        gone = sorted((c for c in before if _is_object(c) and c.path not in theirs), key=_size)
        come = sorted((c for c in after if _is_object(c) and c.path not in ours), key=_size)
        near = all(abs(_size(a) - _size(b)) <= _OBJECT_SLACK_BYTES for a, b in zip(gone, come, strict=False))
        if not gone or len(gone) != len(come) or not near or not self.are_commits(come):
            return
        self.record.side.commits |= {_object_id(c) for c in gone}
        self.now.side.commits |= {_object_id(c) for c in come}
        self.rules.add("commit")
        before[:] = [c for c in before if c not in gone and not _holds(c, gone, theirs)]
        after[:] = [c for c in after if c not in come and not _holds(c, come, ours)]

    def _file(self, old: FileChange | None, new: FileChange | None) -> None:
        was, now = self.record.texts.apply(old), self.now.texts.apply(new)
        if old == new:
            return
        if old is None or new is None:
            only = new or old
            path = only.path if only else ""
            self._drift(
                f"file {path}", f"{only.kind if only else ''} {'now only' if new else 'in the record only'}"
            )
            return
        same_kind = (old.kind, old.mode) == (new.kind, new.mode)
        if not same_kind or old.diff is None or new.diff is None:
            self._drift(f"file {old.path}", f"{_state(old)}, now {_state(new)}")
            return
        if self._text(f"file {old.path}", old.diff, new.diff):
            if not (was and now):
                self._drift("record", f"{old.path}: its hash is not that of the text that its diffs give")
        elif old.diff == new.diff:
            self._drift(f"file {old.path}", f"{_state(old)}, now {_state(new)}")


def _pairs(
    before: list[FileChange], after: list[FileChange]
) -> Iterator[tuple[FileChange | None, FileChange | None]]:
    """The changes side by side, by path; a path that changed twice is paired in order."""
    by_path: dict[str, tuple[list[FileChange], list[FileChange]]] = {}
    for n, changes in enumerate((before, after)):
        for change in changes:
            by_path.setdefault(change.path, ([], []))[n].append(change)
    for olds, news in by_path.values():
        yield from zip_longest(olds, news)


def _ending(entry: LedgerEntry) -> str:
    if entry.timed_out:
        return "timed out"
    if entry.limit:
        return f"ended by the limit {entry.limit}"
    if entry.signal is not None:
        return f"signal {entry.signal}"
    return "no exit code" if entry.exit_code is None else f"exit code {entry.exit_code}"


def _lines(text: str) -> set[str]:
    return set(text.split("\n"))


def _error(call: ToolCall) -> str:
    return "\n".join(text for text in (call.error, call.ledger.error) if text)


def _state(change: FileChange) -> str:
    parts = [change.kind.value]
    if change.mode is not None:
        parts.append(f"mode {change.mode:o}")
    if change.size_bytes is not None:
        parts.append(f"{change.size_bytes} bytes")
    return " ".join([*parts, f"sha256 {change.sha256[:12]}" if change.sha256 else "no hash"])


def _is_object(change: FileChange) -> bool:
    return change.kind is ChangeKind.CREATED and _OBJECT.fullmatch(change.path) is not None


def _holds(folder: FileChange, objects: list[FileChange], elsewhere: set[str]) -> bool:
    """True for a folder that was made for one of these objects, and not on the other side."""
    made = folder.kind is ChangeKind.CREATED and folder.path.endswith("/") and folder.path not in elsewhere
    return made and any(
        one.path.startswith(folder.path) and _object_id(one)[:2] == folder.path[-3:-1] for one in objects
    )


def _is_folder_of(folder: FileChange | None, commits: Iterable[str]) -> bool:
    """True for a folder of git's objects in which one of these commits lies too."""
    found = _OBJECTS.fullmatch(folder.path) if folder and folder.kind is ChangeKind.CREATED else None
    return found is not None and any(commit.startswith(found[1]) for commit in commits)


def _object_id(change: FileChange) -> str:
    found = _OBJECT.fullmatch(change.path)
    return found[1] + found[2] if found else ""


def _size(change: FileChange) -> int:
    return change.size_bytes or 0


def _diff(was: str, now: str) -> str:
    lines = difflib.unified_diff(was.splitlines(), now.splitlines(), "record", "now", lineterm="", n=1)
    return "\n".join(lines)


def sha256_of(data: bytes) -> str:
    """The content hash that names a stream."""
    return hashlib.sha256(data).hexdigest()
