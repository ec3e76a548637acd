"""The live isolation probe: tries, from inside a sandbox, what must not be possible."""

from __future__ import annotations

import secrets
import shlex
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from engine.errors import one_line
from engine.ports import Workspace
from engine.schema.sandbox import Effect, ProbeCheck, SandboxLimits

OUTSIDE = "198.51.100.1"
"""A documentation address: nobody's, so that a sandbox that leaks disturbs nobody."""
NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid", "user", "uts")
TIMEOUT_S = 20.0
_CALLS = """
import ctypes, os, socket
print("refused" if ctypes.CDLL(None).unshare(0x10000000) else "allowed")
for call in (lambda: socket.socket(40, socket.SOCK_STREAM), lambda: os.memfd_create("x")):
    try:
        call()
        print("allowed")
    except OSError:
        print("refused")
"""


# Forks until that is refused, and says how far it came.
_FORKS = """
import os, signal
children = []
try:
    while len(children) <= {most}:
        children.append(os.fork() or signal.pause())
except OSError:
    pass
for child in children:
    os.kill(child, 9)
print(len(children))
"""


@dataclass(frozen=True, slots=True)
class Differences:
    """What is not asked of one backend's sandboxes, each with the reason."""

    shared_namespaces: Mapping[str, str] = field(default_factory=dict)
    """Namespace of the host in which they live -> why."""


def probe(workspace: Workspace, limits: SandboxLimits, differences: Differences) -> tuple[ProbeCheck, ...]:
    """Every check, in order, each tried for real in `workspace`."""

    def run(command: str) -> str:
        return _said(workspace.exec(command, timeout_s=TIMEOUT_S))

    return (
        _exec_works(run),
        _files_work(workspace),
        _network_unreachable(run),
        _host_marker_invisible(run),
        _usr_not_writable(run),
        _namespaces_of_its_own(run, differences.shared_namespaces),
        _processes_of_host_invisible(run),
        _no_capabilities(run),
        _system_calls_filtered(run),
        _limits_hold(run, limits),
        _processes_bounded(run, limits.n_processes),
    )


Run = Callable[[str], str]


def _said(effect: Effect) -> str:
    if effect.error or effect.timed_out:
        return effect.error or "(timed out)"
    return (effect.stdout + effect.stderr).decode("utf-8", "replace").strip()


def _exec_works(run: Run) -> ProbeCheck:
    said = run("echo $((6 * 7))")
    return ProbeCheck(name="exec_works", proven=said == "42", detail=f"6 * 7 gave {one_line(said, 80)}")


def _files_work(workspace: Workspace) -> ProbeCheck:
    data = secrets.token_bytes(64)
    workspace.write("probe.bin", data)
    proven = workspace.read("probe.bin").stdout == data
    return ProbeCheck(name="files_work", proven=proven, detail="64 random bytes were written and read back")


def _network_unreachable(run: Run) -> ProbeCheck:
    said = run(f"timeout 1 bash -c ': </dev/tcp/{OUTSIDE}/80' && echo connected; tail -n +3 /proc/net/dev")
    links = [line.split(":")[0].strip() for line in said.splitlines() if ":" in line and "bash" not in line]
    proven = "unreachable" in said and "connected" not in said and links == ["lo"]
    return ProbeCheck(
        name="network_unreachable",
        proven=proven,
        detail=f"{OUTSIDE} is unreachable; the only interface is lo" if proven else one_line(said, 160),
    )


def _host_marker_invisible(run: Run) -> ProbeCheck:
    with _markers() as markers:
        tests = "; ".join(f"[ -e {shlex.quote(str(m))} ] && echo seen" for m in markers)
        said = run(f"{tests}; echo looked") if markers else ""
    return ProbeCheck(
        name="host_marker_invisible",
        proven=said == "looked",
        detail=f"{len(markers)} marker files on the host, {said.count('seen')} seen inside",
    )


@contextmanager
def _markers() -> Iterator[list[Path]]:
    """Files with random names in the host's temporary, home and working folders, where it may write."""
    with ExitStack() as stack:
        found = []
        for folder in (tempfile.gettempdir, Path.home, Path.cwd):
            try:
                file = stack.enter_context(tempfile.NamedTemporaryFile(dir=folder(), prefix=".ise-probe-"))
            except (OSError, RuntimeError):  # not writable, deleted, or a user without a home
                continue
            found.append(Path(file.name))
        yield found


def _usr_not_writable(run: Run) -> ProbeCheck:
    places = "/usr/ise /usr/bin/ise /usr/local/ise /etc/ise /dev/ise /ise"
    said = run(f"for p in {places}; do (: >$p) 2>/dev/null && echo $p; done; echo tried")
    return ProbeCheck(
        name="usr_not_writable",
        proven=said == "tried",
        detail="no file could be made in /usr, /etc, /dev or /" if said == "tried" else one_line(said, 160),
    )


def _namespaces_of_its_own(run: Run, granted: Mapping[str, str]) -> ProbeCheck:
    said = run("cd /proc/self/ns && readlink " + " ".join(NAMESPACES)).splitlines()
    shared = [n for n, inside in zip(NAMESPACES, said, strict=False) if inside == _namespace(n)]
    proven = len(said) == len(NAMESPACES) and set(shared) <= set(granted)
    named = [f"{name} ({granted[name]})" if name in granted else name for name in shared]
    detail = f"{len(said)} namespaces, shared with the host: {', '.join(named) or 'none'}"
    return ProbeCheck(name="namespaces_of_its_own", proven=proven, detail=detail)


def _namespace(name: str) -> str:
    try:
        return str(Path("/proc/self/ns", name).readlink())
    except OSError:
        return ""


def _processes_of_host_invisible(run: Run) -> ProbeCheck:
    said = run("cd /proc && printf '%s\\n' [0-9]*").split()
    proven = bool(said) and len(said) <= 3
    return ProbeCheck(
        name="processes_of_host_invisible", proven=proven, detail=f"{len(said)} processes are visible inside"
    )


def _no_capabilities(run: Run) -> ProbeCheck:
    said = run("grep -E '^(Cap|NoNewPrivs)' /proc/self/status; id -u")
    words = dict(line.split(":\t", 1) for line in said.splitlines() if ":\t" in line)
    sets = {name: value for name, value in words.items() if name.startswith("Cap")}
    proven = (
        len(sets) >= 4
        and all(int(v, 16) == 0 for v in sets.values())
        and words.get("NoNewPrivs") == "1"
        and said.endswith("1000")
    )
    detail = "all capability sets are empty, no new privileges" if proven else one_line(said, 160)
    return ProbeCheck(name="no_capabilities", proven=proven, detail=detail)


def _system_calls_filtered(run: Run) -> ProbeCheck:
    said = run(f"grep ^Seccomp: /proc/self/status; python3 -I -S -c '{_CALLS}'")
    return ProbeCheck(
        name="system_calls_filtered",
        proven=said.split() == ["Seccomp:", "2", *["refused"] * 3],
        detail="a filter is on; a namespace, a vsock socket and a memfd were refused"
        if said.count("refused") == 3
        else one_line(said, 160),
    )


def _limits_hold(run: Run, limits: SandboxLimits) -> ProbeCheck:
    said = run("ulimit -v; ulimit -f; ulimit -c; echo $(($(stat -f -c '%b * %S' /workspace)))").split()
    wanted = (
        limits.memory_bytes_per_process // 1024,
        limits.file_bytes // 1024,
        0,
        -(-limits.workspace_bytes // 4096) * 4096,
    )
    return ProbeCheck(
        name="limits_hold",
        proven=said == [str(n) for n in wanted],
        detail=one_line(
            f"KiB of memory a process, KiB a file, core, bytes of workspace: {' '.join(said)}", 200
        ),
    )


def _processes_bounded(run: Run, most: int) -> ProbeCheck:
    code = _FORKS.format(most=most)
    said = run(f"python3 -I -S -c {shlex.quote(code)}").split()
    n = int(said[-1]) if said and said[-1].isascii() and said[-1].isdigit() else 0
    return ProbeCheck(
        name="processes_bounded",
        proven=0 < n < most,
        detail=f"after {n} forks the next was refused, the limit is {most}"
        if n
        else one_line(" ".join(said) or "nothing could be forked", 160),
    )
