"""From open to close: what is left behind, by many calls, many workspaces and sudden deaths."""

from __future__ import annotations

import os
import secrets
import signal
import threading
import time
from pathlib import Path

import pytest

from engine.errors import SandboxError
from engine.ports import Workspace
from engine.schema.sandbox import SandboxInfo
from tests.contract.workspace.cases import (
    SMALL,
    Backend,
    Case,
    gone_within,
    lives,
    processes_with,
)


def marker() -> str:
    """An odd number of seconds that no other process sleeps for."""
    return f"31{secrets.randbelow(10**9):09d}"


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def resident_bytes(pid: str = "self") -> int:
    return int(Path("/proc", pid, "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_the_probe_proves_every_check_within_seconds(backend: Backend) -> None:
    began = time.monotonic()
    info = backend.prove()
    assert time.monotonic() - began < 20
    assert info.proven
    assert {"network_unreachable", "host_marker_invisible", "usr_not_writable", "no_capabilities"} <= {
        check.name for check in info.probe
    }


def test_five_hundred_calls_leave_nothing_behind(workspace: Workspace) -> None:
    for _ in range(20):
        workspace.exec("true")
    inside = "cat /proc/1/statm; set -- /proc/[0-9]*; echo $#"
    before = workspace.exec(inside).stdout.split()
    host = (descriptors(), threading.active_count(), resident_bytes())
    for i in range(520):
        assert workspace.exec(f"echo {i}; (exit {i % 7})").exit_code == i % 7
    after = workspace.exec(inside).stdout.split()
    assert after[-1] == before[-1]
    assert int(after[1]) - int(before[1]) < 1024  # pages: under 4 MiB more than before
    assert (descriptors(), threading.active_count()) == host[:2]
    assert resident_bytes() - host[2] < 32 * 2**20


def test_two_hundred_calls_with_a_background_job_each_leave_the_resident_well(workspace: Workspace) -> None:
    for i in range(200):
        assert workspace.exec(f"sleep 0.05 & echo {i}", timeout_s=20).stdout == b"%d\n" % i
    time.sleep(0.3)
    assert workspace.exec("pgrep -c sleep").stdout == b"0\n"
    assert lives(workspace)


def test_workspaces_that_are_closed_leave_nothing_with_the_host(backend: Backend) -> None:
    backend.open().close()
    before = (descriptors(), threading.active_count())
    for _ in range(8):
        workspace = backend.open()
        workspace.exec("sleep 200 & echo x")
        workspace.close()
    assert (descriptors(), threading.active_count()) == before


def test_a_workspace_that_is_killed_is_lost_and_says_so_once(case: Case, workspace: Workspace) -> None:
    workspace.exec("sleep 300 &")
    case.kill(workspace)
    effect = workspace.exec("echo hi")
    assert (effect.limit, effect.exit_code) == ("workspace_lost", None)
    assert (effect.error or "").startswith("the workspace was lost")
    with pytest.raises(SandboxError, match="the workspace is gone"):
        workspace.read("docs/readme.txt")


def test_a_workspace_that_is_killed_in_the_midst_of_a_call_is_lost(case: Case, workspace: Workspace) -> None:
    threading.Timer(0.5, case.kill, [workspace]).start()
    began = time.monotonic()
    effect = workspace.exec("sleep 60", timeout_s=60)
    assert (effect.limit, effect.timed_out) == ("workspace_lost", False)
    assert time.monotonic() - began < 20


def test_close_ends_every_process_and_may_be_called_twice(backend: Backend) -> None:
    word = marker()
    workspace = backend.open()
    workspace.exec(f"setsid -f sleep {word}")
    assert processes_with(word)
    workspace.close()
    workspace.close()
    assert gone_within(word, 5)
    with pytest.raises(SandboxError):
        workspace.exec("true")


def test_many_workspaces_live_side_by_side(backend: Backend) -> None:
    workspaces = [backend.open() for _ in range(8)]
    try:
        said = [w.exec(f"echo {i} >n; cat n; pgrep -c .").stdout for i, w in enumerate(workspaces)]
    finally:
        for workspace in workspaces:
            workspace.close()
    assert [line.split()[0] for line in said] == [str(i).encode() for i in range(8)]


def test_signals_that_the_start_ignores_can_be_trapped(backend: Backend) -> None:
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGHUP, signal.SIGUSR1)}
    try:
        workspace = backend.open()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    try:
        effect = workspace.exec("trap 'echo heard' HUP USR1; kill -HUP $$; kill -USR1 $$; echo end")
    finally:
        workspace.close()
    assert effect.stdout == b"heard\nheard\nend\n"


def test_the_template_hash_covers_names_modes_and_contents(case: Case, tmp_path: Path) -> None:
    def prove() -> SandboxInfo:
        return case.make(tmp_path, SMALL).prove()

    (tmp_path / "a").write_text("1")
    first = prove().template_hash
    assert prove().template_hash == first
    (tmp_path / "a").chmod(0o755)
    second = prove().template_hash
    (tmp_path / "a").rename(tmp_path / "b")
    assert len({first, second, prove().template_hash}) == 3


def test_a_template_that_changes_after_the_proof_changes_no_workspace(case: Case, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("proven")
    backend = case.make(tmp_path, SMALL)
    backend.prove()
    (tmp_path / "a").write_text("changed")
    workspace = backend.open()
    try:
        assert workspace.read("a").stdout == b"proven"
    finally:
        workspace.close()


def test_nothing_runs_without_a_proof(case: Case, template: Path) -> None:
    with pytest.raises(SandboxError, match="has not been proven"):
        case.make(template, SMALL).open()
