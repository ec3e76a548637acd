"""What the sandbox is and what it really did: the words of the Workspace seam and of the ledger."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from engine.schema.base import Count, Int64, Record, Sha256


class ProbeCheck(Record):
    """One thing that the live isolation probe tried, and what came back."""

    name: str
    """"network_unreachable", "host_marker_invisible", "usr_not_writable", ..."""
    proven: bool
    detail: str


class SandboxLimits(Record):
    """The limits that every workspace runs under."""

    workspace_bytes: Count = 256 * 2**20
    memory_bytes_per_process: Count = 2 * 2**30
    memory_bytes: Count = 4 * 2**30
    """All processes of a workspace together, looked at four times a second."""
    n_processes: Count = 128
    output_bytes: Count = 4 * 2**20
    """Each stream of a call is kept up to this size; the record says how much more there was."""
    file_bytes: Count = 128 * 2**20


class SandboxInfo(Record):
    """Which isolation a rollout really ran under; stands in every trajectory's provenance."""

    backend: str
    version: str
    kernel: str
    probe: tuple[ProbeCheck, ...]
    limits: SandboxLimits
    template_hash: str
    """sha256 over the snapshot template's files."""

    @property
    def proven(self) -> bool:
        """True when every check of the probe was proven."""
        return bool(self.probe) and all(c.proven for c in self.probe)


class ChangeKind(StrEnum):
    """What happened to a path between two calls."""

    CREATED = "created"
    MODIFIED = "modified"
    DELETED = "deleted"


class FileChange(Record):
    """One path that a call created, modified or deleted."""

    path: str
    """Relative to the workspace; a folder's ends in a slash."""
    kind: ChangeKind
    mode: Int64 | None = None
    """Permission bits; None for a deleted path."""
    size_bytes: Count | None = None
    sha256: Sha256 | None = None
    """Of the content; None for a folder, a deleted path, a file that is too large, and for git's index, whose
    bytes are the times and inode numbers of the files in it."""
    diff: str | None = None
    """Unified diff where both sides are text and it is small (at most 16 KiB)."""


class BlobRef(Record):
    """A stream kept by content hash beside the trajectory."""

    sha256: Sha256
    size_bytes: Count
    """Bytes kept."""
    total_bytes: Count
    """Bytes that the call really wrote; more than `size_bytes` only where the output cap cut it."""


NO_ACTION = "none"
"""The action of a call that never reached a workspace."""
IMPORTED = "imported"
"""The action of a call from another's record: what it really did is not known, only what was answered."""


class Account(Record):
    """What is said of every workspace action, whatever becomes of its streams."""

    action: str
    """"exec", "read", "write", ...; `NO_ACTION` or `IMPORTED` where no workspace of ours did anything."""
    argv: tuple[str, ...] = ()
    """What was executed, as argv; empty for file actions."""
    cwd: str
    started_at: datetime
    duration_ms: float = Field(ge=0.0)
    exit_code: Int64 | None = None
    """None when the call was ended by a signal, a limit or never started."""
    signal: Int64 | None = None
    timed_out: bool = False
    limit: str | None = None
    """Which limit ended the call ("time", "output", "files", "memory", "workspace_lost"), if one did."""
    error: str | None = None
    """The workspace's own error, e.g. "ENOENT: no such file or directory: notes.txt"."""
    changes: tuple[FileChange, ...] = ()
    n_changes: Count = 0
    """How many paths changed; more than `changes` holds where there were over 2,000."""


class Effect(Account):
    """What one workspace action really did, its streams in memory."""

    stdout: bytes = b""
    stderr: bytes = b""
    stdout_total_bytes: Count = 0
    stderr_total_bytes: Count = 0


class LedgerEntry(Account):
    """The ledger's account of one tool call: what the workspace really did, its streams as blobs."""

    path: str | None = None
    """The path that a file tool acted on, as it stands in the workspace."""
    stdout: BlobRef | None = None
    stderr: BlobRef | None = None
    stderr_tail: str = ""
    """The last 400 characters of stderr, kept here too, since it tells why a call failed."""

    @property
    def failed(self) -> bool:
        """True where the entry itself shows a failure: error, limit, signal or exit code."""
        return bool(
            self.error
            or self.timed_out
            or self.limit
            or self.signal is not None
            or (self.exit_code or 0) != 0
        )

    @property
    def ended_well(self) -> bool:
        """True where it proves a good end: a command of ours had exit code 0, or a file gave its bytes."""
        if self.failed or self.action in (NO_ACTION, IMPORTED):
            return False
        return (self.exit_code == 0 and bool(self.argv)) or self.stdout is not None
