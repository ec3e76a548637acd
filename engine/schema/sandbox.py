"""What the sandbox is and what it really did: the words of the Workspace seam and of the ledger."""

from __future__ import annotations

import shlex
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
    n_files: Count = 200_000
    """Files, folders and links in each place that can be written: they cost the host memory, even empty."""
    cpu_s_per_process: Count = 600
    """Processor time; what runs on in the background ends with it."""
    checkpoint_bytes: Count = 256 * 2**20
    """What all checkpoints of a workspace may keep, contents that are the same being kept once."""


class DockerSettings(Record):
    """What the Docker backend makes workspaces of."""

    image: str = Field(default="ise-workspace", pattern=r"^[a-z0-9][A-Za-z0-9._/:@-]{0,255}$")
    runtime: str | None = Field(default=None, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    """A runtime that the engine knows by this name, e.g. "runsc" for gVisor; None is the engine's own."""
    cpus: float = Field(default=2.0, ge=0.01, le=1024.0, allow_inf_nan=False)
    """Seconds of processor time that a workspace may use in a second."""


class ContainerInfo(Record):
    """Of what a container was really made."""

    image: str
    image_id: str
    """The image's content hash."""
    runtime: str
    cpus: float


class SandboxInfo(Record):
    """Which isolation a rollout really ran under; stands in every trajectory's provenance."""

    backend: str
    version: str
    kernel: str
    probe: tuple[ProbeCheck, ...]
    limits: SandboxLimits
    template_hash: str
    """sha256 over the snapshot template's files and the web pages that go with it."""
    template_shared: bool = False
    """True where the template lies under an overlay, False where each workspace has a copy of it."""
    container: ContainerInfo | None = None
    """None where the sandbox is no container."""

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


class Action(StrEnum):
    """What a workspace can do beside commands and files."""

    PROCESS = "process"
    MEMORY_SEARCH = "memory_search"
    MEMORY_GET = "memory_get"
    WEB_FETCH = "web_fetch"
    WEB_SEARCH = "web_search"


class SessionState(Record):
    """A background session as it stood when a call was over."""

    session_id: str
    command: str
    """At most 200 characters of it."""
    pid: Int64
    """Inside the sandbox."""
    running: bool
    exit_code: Int64 | None = None
    signal: Int64 | None = None
    limit: str | None = None
    """Which limit ended it; "call_time" where a call beside it ran out of time, "restore" at a checkpoint."""
    killed: bool = False
    """True when it was ended because the agent asked for it."""
    timeout_s: float | None = None
    n_bytes: Count = 0
    """What it has written so far."""


class LeftProcess(Record):
    """A process that a call left behind."""

    pid: Int64
    """Inside the sandbox."""
    command: str
    """At most 200 characters of its command line."""


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
    """The tool's name as a rule, "checkpoint", "restore"; `NO_ACTION` or `IMPORTED` where no workspace of
    ours did anything."""
    argv: tuple[str, ...] = ()
    """What was executed, as argv; empty for file actions. Of what comes with the workspace (`process`, the
    tools of memory and web) its name and what it was asked for."""
    cwd: str
    started_at: datetime
    duration_ms: float = Field(ge=0.0)
    exit_code: Int64 | None = None
    """None when the call was ended by a signal, a limit or never started."""
    signal: Int64 | None = None
    timed_out: bool = False
    limit: str | None = None
    """Which limit ended the call, if one did.

    One of "time", "output", "files", "memory", "cpu", "processes", "checkpoints", "workspace_lost".
    """
    error: str | None = None
    """The workspace's own error, e.g. "ENOENT: no such file or directory: notes.txt"."""
    changes: tuple[FileChange, ...] = ()
    n_changes: Count = 0
    """How many paths changed; more than `changes` holds where there were over 2,000."""
    sessions: tuple[SessionState, ...] = ()
    """The background sessions that the call was about."""
    left: tuple[LeftProcess, ...] = ()
    """Processes that lived when the call was over and did not when it began.

    Those of a session that went on beside the call are not among them.
    """
    n_left: Count = 0
    """How many those are; more than `left` holds where there were over 50."""


class Effect(Account):
    """What one workspace action really did, its streams in memory."""

    stdout: bytes = b""
    stderr: bytes = b""
    stdout_total_bytes: Count = 0
    stderr_total_bytes: Count = 0
    checkpoint: str = ""
    """The name of the checkpoint that the action made, for `restore`."""


class LedgerEntry(Account):
    """The ledger's account of one tool call: what the workspace really did, its streams as blobs."""

    path: str | None = None
    """The path that a file tool acted on, as it stands in the workspace."""
    stdout: BlobRef | None = None
    stderr: BlobRef | None = None
    stderr_tail: str = ""
    """The last 400 characters of stderr, kept here too, since it tells why a call failed."""

    @property
    def command_line(self) -> str:
        """What was executed, as one would type it: the script of a `bash -c`, argv, or action and path."""
        argv = self.argv
        if len(argv) >= 3 and argv[0].rsplit("/", 1)[-1] in {"bash", "sh"} and argv[1] in {"-c", "-lc"}:
            return argv[2]
        return shlex.join(argv) if argv else f"{self.action} {self.path or ''}".strip()

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
        """True where it proves a good end: our command ended with 0 or goes on, or a file gave its bytes."""
        if self.failed or self.action in (NO_ACTION, IMPORTED):
            return False
        return (self.exit_code == 0 and bool(self.argv)) or bool(self.sessions) or self.stdout is not None
