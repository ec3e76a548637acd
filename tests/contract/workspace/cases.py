"""The backends that the conformance suite runs on, and what its checks share.

A check speaks to the `Workspace` seam alone. What only one backend can do for a test (end its sandbox from
outside) stands in the table below, and so does every check that a backend is known not to pass.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from engine.execute.workspaces.bubblewrap import Bubblewrap
from engine.execute.workspaces.docker_backend import Docker
from engine.ports import Workspace
from engine.schema.sandbox import Effect, FileChange, SandboxInfo, SandboxLimits
from tests.contract.workspace.as_user import AsUser

REPOSITORY = Path(__file__).resolve().parents[3]
SMALL = SandboxLimits(
    workspace_bytes=16 * 2**20,
    memory_bytes_per_process=512 * 2**20,
    memory_bytes=600 * 2**20,
    n_processes=48,
    n_files=20_000,
    output_bytes=256 * 1024,
    file_bytes=8 * 2**20,
    cpu_s_per_process=60,
    checkpoint_bytes=24 * 2**20,
)
CANARY = "canary-9f1c2e7a55d0"
"""Stands in the worker's environment, in a file, in a process's words; no workspace may ever say it."""


class Backend(Protocol):
    """Proves its isolation, then opens workspaces."""

    def prove(self) -> SandboxInfo: ...

    def open(self) -> Workspace: ...


@dataclass(frozen=True, slots=True)
class Case:
    """One backend under test."""

    make: Callable[[Path, SandboxLimits], Backend]
    kill: Callable[[Any], None]
    """Ends a workspace's sandbox from outside, at once."""
    exceptions: Mapping[str, str] = field(default_factory=dict)
    """Name of a check -> why this backend does not pass it."""
    modules: tuple[str, ...] = ()
    """The modules whose checks it goes through; none means all."""


def _kill_outermost(workspace: Any) -> None:
    os.kill(workspace.pid, 9)


CASES: dict[str, Case] = {
    "bubblewrap": Case(make=Bubblewrap, kill=_kill_outermost),
    "docker": Case(
        make=Docker,
        kill=_kill_outermost,
        exceptions={
            "test_neither_mounts_nor_files_tell_its_place_on_the_host": (
                "the engine's table of mounts names its own folder, which may lie in the user's home"
            ),
        },
    ),
}
if os.geteuid() == 0:  # any other user is an ordinary one already
    CASES["bubblewrap as an ordinary user"] = Case(
        make=AsUser,
        kill=_kill_outermost,
        modules=("test_isolation", "test_limits", "test_lifetime", "test_large_template"),
    )


def fill_template(folder: Path) -> None:
    """The template that every check starts from."""
    (folder / "docs").mkdir()
    (folder / "docs/readme.txt").write_text("hello\n")
    (folder / "run.sh").write_text("echo ran\n")
    (folder / "run.sh").chmod(0o755)


def changes(effect: Effect) -> dict[str, FileChange]:
    """The changes by path."""
    return {change.path: change for change in effect.changes}


def kinds(effect: Effect) -> dict[str, str]:
    """What happened to each path."""
    return {change.path: change.kind.value for change in effect.changes}


def python(workspace: Workspace, code: str, *, timeout_s: float = 60.0) -> Effect:
    """Runs a Python program inside, from a file that counts as no change of the call."""
    workspace.write("/tmp/program.py", code.encode())
    return workspace.exec("python3 -I -S /tmp/program.py", timeout_s=timeout_s)


def said(effect: Effect) -> str:
    """Both streams as text."""
    return (effect.stdout + effect.stderr).decode("utf-8", "replace")


def lives(workspace: Workspace) -> bool:
    """True when the next call works as if nothing had been."""
    return workspace.exec("echo fine", timeout_s=30).stdout == b"fine\n"


def processes_with(marker: str) -> list[str]:
    """The host's processes whose command line holds the marker, those inside sandboxes too."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if marker.encode() in (folder / "cmdline").read_bytes():
                found.append(folder.name)
        except OSError:
            continue
    return found


def gone_within(marker: str, seconds: float) -> bool:
    """True once no process of the host has the marker in its command line."""
    until = time.monotonic() + seconds
    while processes_with(marker):
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True
