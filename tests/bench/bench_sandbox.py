"""Sandboxed calls against bare processes and against the sandboxes of inspect_ai and SWE-ReX, in one run.

    python -m tests.bench.bench_sandbox [--calls 200] [--opens 40] [--together 100]

The peers are optional: `pip install inspect-ai==0.3.285 swe-rex==1.4.0` into an environment that has this
project's dependencies too. Both are taken in their local form, which isolates nothing, because their other
forms need a container engine. Calls of all kinds are interleaved, so that what else the machine does falls on
all of them alike.

Memory is the sum of PSS over every process of the workspaces, which splits shared pages among their holders;
PSS of other users' processes needs root.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from click import echo

from engine.execute.workspaces.bubblewrap import Bubblewrap
from engine.execute.workspaces.resident import ResidentWorkspace
from engine.paths import data_dir

TRIVIAL = "true"
Call = Callable[[], object]


def elapsed_ms(call: Call) -> float:
    """How long one call takes."""
    began = time.perf_counter()
    call()
    return 1000 * (time.perf_counter() - began)


def report(name: str, times: list[float], base: float | None = None) -> float:
    """Prints p50 and p95 in ms, and the ratio to a base; gives p50."""
    p50, p95 = statistics.median(times), sorted(times)[int(0.95 * (len(times) - 1))]
    echo(f"{name:<58} {p50:8.2f} {p95:8.2f}" + (f" {p50 / base:7.2f}x" if base else ""))
    return p50


def interleaved(calls: dict[str, Call], n: int) -> dict[str, list[float]]:
    """n times of each kind, taken in turns, after one of each that does not count."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for i in range(n + 1):
        for name, call in calls.items():
            took = elapsed_ms(call)
            if i:
                times[name].append(took)
    return times


def fill(folder: Path, n_files: int = 500, n_bytes: int = 20 * 2**20) -> Path:
    """A template of text files in 25 folders."""
    for i in range(n_files):
        file = folder / f"d{i % 25}/f{i}.txt"
        file.parent.mkdir(exist_ok=True)
        line = f"{i} {'x' * 70}\n"
        file.write_text(line * (n_bytes // n_files // len(line)))
    return folder


def pss_bytes(pids: set[int]) -> int:
    """The sum of PSS over these processes."""
    total = 0
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
        except OSError:
            continue
        total += sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total


def descendants(pid: int) -> set[int]:
    """All processes below this one."""
    children: dict[int, set[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[1])
        except OSError:
            continue
        children.setdefault(parent, set()).add(int(folder.name))
    found: set[int] = set()
    fresh = {pid}
    while fresh := {child for p in fresh for child in children.get(p, set())} - found:
        found |= fresh
    return found


def bench_calls(backend: Bubblewrap, n: int) -> None:
    """A trivial call, ours against a bare process and the peers."""
    with closing(backend.open()) as workspace, peers() as others:
        calls: dict[str, Call] = {
            "bare subprocess.run(['bash', '-c', ...])": lambda: subprocess.run(
                ["bash", "-c", TRIVIAL], capture_output=True, check=True
            ),
            "ours, resident runner in bubblewrap": lambda: workspace.exec(TRIVIAL),
            "ours, a file written": lambda: workspace.write("n", os.urandom(8)),
            **others,
        }
        times = interleaved(calls, n)
    base = statistics.median(next(iter(times.values())))
    for name, taken in times.items():
        report(name, taken, base)


@contextmanager
def peers() -> Iterator[dict[str, Call]]:
    """What is installed of inspect_ai and SWE-ReX, as calls on an event loop of their own."""
    with asyncio.Runner() as runner:

        def on_loop(make: Callable[[], Awaitable[Any]]) -> Call:
            async def awaited() -> object:
                return await make()

            return lambda: runner.run(awaited())

        yield {**_inspect_ai(on_loop), **_swe_rex(on_loop)}


OnLoop = Callable[[Callable[[], Awaitable[Any]]], Call]


def _inspect_ai(on_loop: OnLoop) -> dict[str, Call]:
    try:
        from inspect_ai.util._sandbox.local import LocalSandboxEnvironment
    except ImportError:
        return {}
    sandbox = LocalSandboxEnvironment()
    return {
        "inspect_ai, local sandbox (no isolation)": on_loop(lambda: sandbox.exec(["bash", "-c", TRIVIAL])),
    }


def _swe_rex(on_loop: OnLoop) -> dict[str, Call]:
    try:
        from swerex.runtime.abstract import BashAction, Command, CreateBashSessionRequest
        from swerex.runtime.local import LocalRuntime
    except ImportError:
        return {}
    runtime = LocalRuntime()
    on_loop(lambda: runtime.create_session(CreateBashSessionRequest(startup_timeout=30)))()
    return {
        "SWE-ReX, local execute (no isolation)": on_loop(
            lambda: runtime.execute(Command(command=["bash", "-c", TRIVIAL]))
        ),
        "SWE-ReX, local bash session (no isolation)": on_loop(
            lambda: runtime.run_in_session(BashAction(command=TRIVIAL))
        ),
    }


def bench_opens(small: Bubblewrap, large: Bubblewrap, n: int) -> None:
    """A new workspace until its first call could run, and the way back."""

    def opened(backend: Bubblewrap) -> ResidentWorkspace:
        return backend.open()

    for name, backend in (("small template, copied", small), ("500 files of 20 MiB, shared", large)):
        shared = backend.prove().template_shared
        times = []
        for _ in range(n):
            began = time.perf_counter()
            workspace = opened(backend)
            times.append(1000 * (time.perf_counter() - began))
            workspace.close()
        report(f"new workspace, {name} (shared: {shared})", times)


def bench_checkpoints(large: Bubblewrap, n: int) -> None:
    """500 files: the account of a call's changes, a checkpoint, a restore after 3 changes and after many."""
    few = "echo x >>d1/f1.txt; rm d2/f2.txt; echo new >d3/new"
    with closing(large.open()) as workspace:
        report("a call that changes 3 of 500 files", [_ms(workspace.exec(few)) for _ in range(n)])
        report("a call that changes nothing", [_ms(workspace.exec(TRIVIAL)) for _ in range(n)])
        first = workspace.checkpoint()
        report("the first checkpoint", [first.duration_ms])
        takes, backs, many = [], [], []
        for i in range(n):
            workspace.exec(few)
            backs.append(workspace.restore(first.checkpoint).duration_ms)
            workspace.exec(f"echo {i} >>d1/f1.txt")
            takes.append(workspace.checkpoint().duration_ms)
        for _ in range(max(3, n // 8)):
            workspace.exec("rm -rf d1 d2 d3 d4 d5; for f in d6/*; do echo x >$f; done")
            many.append(workspace.restore(first.checkpoint).duration_ms)
        report("a checkpoint after one change", takes)
        report("a restore after 3 changes", backs)
        report("a restore after 120 changes", many)


def _ms(effect: Any) -> float:
    return float(effect.duration_ms)


def bench_together(backend: Bubblewrap, name: str, n: int) -> None:
    """Many at once: how long they take to open, what they hold, how long they take to close."""
    before = descendants(os.getpid())
    began = time.perf_counter()
    workspaces = [backend.open() for _ in range(n)]
    try:
        opened_s = time.perf_counter() - began
        for workspace in workspaces:
            workspace.exec("echo x >file; cd /tmp; export A=1")
        pss = pss_bytes(descendants(os.getpid()) - before)
    finally:
        began = time.perf_counter()
        for workspace in workspaces:
            workspace.close()
    closed_s = time.perf_counter() - began
    mib = pss / 2**20
    echo(f"{n} at once, {name}: opened in {opened_s:.2f} s, PSS {mib:.0f} MiB, closed in {closed_s:.2f} s")


def main() -> None:
    """Runs it all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--opens", type=int, default=40)
    parser.add_argument("--together", type=int, default=100)
    options = parser.parse_args()
    echo(f"load average before: {os.getloadavg()[0]:.1f}")
    with TemporaryDirectory() as folder:
        small, large = Bubblewrap(data_dir() / "workspace"), Bubblewrap(fill(Path(folder)))
        small.prove()
        large.prove()
        echo(f"{'':<58} {'p50 ms':>8} {'p95 ms':>8}")
        bench_calls(small, options.calls)
        bench_opens(small, large, options.opens)
        bench_checkpoints(large, options.opens)
        bench_together(small, "small template", options.together)
        bench_together(large, "500 files of 20 MiB", options.together)
    echo(f"load average after: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
