"""Limits: each is reached on purpose, is named where it ended the call, and the workspace lives on."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from engine.ports import Workspace
from engine.schema.sandbox import SandboxLimits
from tests.contract.workspace.cases import SMALL, Backend, Case, fill_template, lives, python, said
from tests.contract.workspace.conftest import proven

HOG = "python3 -I -S -c 'import time; b = bytearray({mib} << 20); time.sleep(60)'"
FORK_BOMB = """
import os, time
n = 0
try:
    while True:
        if os.fork() == 0:
            time.sleep(20)
            os._exit(0)
        n += 1
except OSError as error:
    print(n, error.errno)
"""
SHARED_MEMORY = """
import os, time
b = bytearray(250 << 20)
for i in range(6):
    os.fork() or (time.sleep(1), os._exit(0))
time.sleep(1)
"""
MANY_FILES = """
import os
n = 0
try:
    while True:
        os.open("/dev/null", 0)
        n += 1
except OSError as error:
    print(n, error.errno)
"""
SOCKETS = """
import os, socket, time
for i in range(6):
    if os.fork() == 0:
        pairs = [socket.socketpair() for _ in range(400)]
        for near, far in pairs:
            for end in (near, far):
                end.setblocking(False)
                try:
                    while end.send(b"x" * 65536):
                        pass
                except BlockingIOError:
                    continue
        time.sleep(60)
time.sleep(60)
"""
THREAD_BOMB = """
import threading, time
n = 0
try:
    while True:
        threading.Thread(target=time.sleep, args=(20,), daemon=True).start()
        n += 1
except RuntimeError:
    print(n)
"""


def test_a_fork_bomb_is_bounded_and_the_workspace_lives(workspace: Workspace) -> None:
    effect = workspace.exec("f() { f | f & }; f; sleep 30", timeout_s=1.5)
    assert effect.timed_out
    assert lives(workspace)


def test_processes_are_counted_in_all(workspace: Workspace) -> None:
    effect = python(workspace, FORK_BOMB)
    n, errno = map(int, effect.stdout.split())
    assert n < SMALL.n_processes
    assert errno == 11
    assert lives(workspace)


def test_threads_count_as_processes(workspace: Workspace) -> None:
    assert int(python(workspace, THREAD_BOMB).stdout) < SMALL.n_processes
    assert lives(workspace)


def test_a_fork_bomb_in_the_background_is_ended_by_the_next_call(workspace: Workspace) -> None:
    workspace.exec("f() { f | f & }; f", timeout_s=1.5)
    effect = workspace.exec("sleep 30", timeout_s=1.0)
    assert effect.limit in ("time", "processes")
    assert effect.error in (None, "EAGAIN: too many processes ran, so all were ended: command")
    assert lives(workspace)


def test_a_process_that_wants_more_memory_than_one_may_have_is_refused_it(workspace: Workspace) -> None:
    assert "MemoryError" in said(workspace.exec("python3 -c 'b = bytearray(600 << 20)'"))
    assert lives(workspace)


def test_memory_in_six_pieces_is_bounded_in_sum(workspace: Workspace) -> None:
    hogs = " & ".join([HOG.format(mib=150)] * 6)
    effect = workspace.exec(f"{hogs} & wait", timeout_s=60)
    assert (effect.limit, effect.timed_out) == ("memory", False)
    assert lives(workspace)


def test_memory_that_hides_in_sockets_is_bounded_too(workspace: Workspace) -> None:
    effect = python(workspace, SOCKETS)
    assert (effect.limit, effect.timed_out) == ("memory", False)
    assert lives(workspace)


def test_memory_that_a_fork_shares_counts_once(workspace: Workspace) -> None:
    assert python(workspace, SHARED_MEMORY).exit_code == 0


def test_memory_taken_in_the_background_is_bounded_between_calls_too(workspace: Workspace) -> None:
    n_hogs = 6
    hogs = " & ".join([HOG.format(mib=150)] * n_hogs)
    workspace.exec(f"({hogs} &) >/dev/null 2>&1")
    until = time.monotonic() + 50
    # All, or where the kernel was quicker so many that the others fit. A look that ended with them saw none.
    while int(workspace.exec("pgrep -xc python3").stdout or n_hogs) * (150 << 20) >= SMALL.memory_bytes:
        assert time.monotonic() < until, "they sleep for 60 s: somebody must have ended them before"
        time.sleep(0.5)
    assert lives(workspace)


@pytest.mark.parametrize("place", ["/workspace", "/tmp", "/dev/shm", "/run"])
def test_one_big_file_stops_at_the_limits(workspace: Workspace, place: str) -> None:
    effect = workspace.exec(f"head -c 2G /dev/zero >{place}/big; stat -c %s {place}/big; rm {place}/big")
    assert effect.exit_code == 0
    assert int(effect.stdout) <= SMALL.file_bytes
    assert lives(workspace)


@pytest.mark.parametrize("place", ["/workspace", "/tmp", "/dev/shm", "/run"])
def test_many_files_stop_at_the_size_of_their_place(workspace: Workspace, place: str) -> None:
    code = (
        f"for i in $(seq 40); do head -c 7M /dev/zero >{place}/f$i || break; done; du -sm {place} | cut -f1"
    )
    effect = workspace.exec(code)
    assert b"No space left" in effect.stderr
    assert int(effect.stdout) <= 64
    assert lives(workspace)


def test_a_write_beyond_the_limits_says_so(workspace: Workspace) -> None:
    full = workspace.write("more", b"x" * SMALL.workspace_bytes)
    assert (full.error or "").startswith(("ENOSPC", "EFBIG"))
    workspace.exec("for i in 1 2 3; do head -c 7M /dev/zero >f$i; done")
    assert (workspace.write("small", b"x" * 2**20).error or "").startswith("ENOSPC")
    assert workspace.exec("rm f1; echo there").stdout == b"there\n"


@pytest.mark.parametrize("place", ["/workspace", "/tmp", "/dev/shm"])
def test_many_small_files_are_bounded_by_their_number(workspace: Workspace, place: str) -> None:
    code = (
        f"import os\nfor i in range({SMALL.n_files + 5000}): os.close(os.open('{place}/%d' % i, 65))\ninput()"
    )
    effect = python(workspace, f"{code}\nimport time; time.sleep(20)".replace("input()\n", ""))
    assert effect.limit == "files" or "No space left" in said(effect)
    assert workspace.exec(f"cd {place} && find . -type f -delete; ls | wc -l").exit_code == 0
    assert lives(workspace)


def test_a_gigabyte_of_output_is_ended_and_never_held(workspace: Workspace) -> None:
    effect = workspace.exec("head -c 1G /dev/zero", timeout_s=60)
    assert (effect.limit, effect.exit_code) == ("output", None)
    assert len(effect.stdout) == SMALL.output_bytes
    assert effect.stdout_total_bytes < 2**30
    assert lives(workspace)


def test_an_endless_flood_on_stderr_is_ended(workspace: Workspace) -> None:
    assert workspace.exec("yes >&2", timeout_s=60).limit == "output"
    assert lives(workspace)


def test_a_flood_from_the_background_is_thrown_away(workspace: Workspace) -> None:
    workspace.exec("yes & sleep 0.1; echo started")
    for _ in range(5):
        assert lives(workspace)
        time.sleep(0.1)


def test_open_files_are_bounded(workspace: Workspace) -> None:
    n, errno = map(int, python(workspace, MANY_FILES).stdout.split())
    assert (n < 1024, errno) == (True, 24)
    assert lives(workspace)


def test_no_limit_can_be_raised_from_inside(workspace: Workspace) -> None:
    for letter in "uvfnct":
        effect = workspace.exec(f"ulimit -H -{letter} unlimited && echo raised")
        assert b"raised" not in effect.stdout, letter


def test_the_residents_own_limits_are_out_of_reach(workspace: Workspace) -> None:
    code = "import resource\nfor n in (7, 9, 0, 1): resource.prlimit(1, n, (1, 1))"
    assert "PermissionError" in said(python(workspace, code))
    assert lives(workspace)


def test_a_busy_loop_is_ended_at_the_deadline(workspace: Workspace) -> None:
    effect = workspace.exec("while :; do :; done", timeout_s=0.7)
    assert (effect.timed_out, effect.signal) == (True, 9)
    assert lives(workspace)


def test_processor_time_is_bounded_for_each_process(case: Case, tmp_path: Path) -> None:
    fill_template(tmp_path)
    limits = SMALL.model_copy(update={"cpu_s_per_process": 1})
    workspace = proven(case, tmp_path, limits).open()
    try:
        effect = workspace.exec("while :; do :; done", timeout_s=60)
        assert (effect.signal, effect.limit, effect.exit_code) == (24, "cpu", None)
        background = workspace.exec("(while :; do :; done) & sleep 0.1")
        assert background.exit_code == 0
        until = time.monotonic() + 60
        while workspace.exec("pgrep -c bash").stdout != b"1\n":
            assert time.monotonic() < until
            time.sleep(0.5)
    finally:
        workspace.close()


def test_nobody_inside_gains_priority(workspace: Workspace) -> None:
    code = (
        "import os\n"
        "def tried(call):\n try:\n  call()\n  print('allowed')\n except OSError as e: print(e.errno)\n"
        "tried(lambda: os.nice(-5))\n"
        "tried(lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)))\n"
        "tried(lambda: os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1)))\n"
    )
    assert python(workspace, code).stdout.split() == [b"1", b"1", b"1"]
    assert workspace.exec("ionice -c 1 true || echo refused").stdout == b"refused\n"


def test_the_limits_are_said_in_the_record(workspace: Workspace, backend: Backend) -> None:
    assert workspace.info.limits == SMALL == SandboxLimits.model_validate_json(SMALL.model_dump_json())
    assert backend.prove().proven
