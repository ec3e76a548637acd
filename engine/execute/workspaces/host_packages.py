"""A file tree for an image, taken from the packages that are installed on a Debian or Ubuntu host."""

from __future__ import annotations

import io
import os
import re
import shutil
import stat
import subprocess
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from engine.errors import SandboxError
from engine.execute.workspaces.resident import ETC

NEEDED = ("bash", "coreutils", "python3")
FOLDERS = ("/workspace", "/run", "/proc", "/sys", "/dev", "/etc", "/var", "/usr", "/usr/local")
LINKS = {"/var/tmp": "/tmp"} | {
    f"/{name}": f"usr/{name}" for name in ("bin", "sbin", "lib", "lib32", "lib64")
}
ALTERNATIVES = "/etc/alternatives"
_LEFT_OUT = re.compile(
    r"/usr/(local|share/(doc|man|info|locale|lintian|bug|bash-completion|zsh|icons|applications))/"
)
_FIELDS = "${binary:Package}\t${Architecture}\t${db:Status-Abbrev}\t${Pre-Depends}, ${Depends}\t${Provides}\n"


@dataclass(frozen=True, slots=True)
class Package:
    """One installed package; each of `needs` is a choice of names, of which one will do."""

    name: str
    needs: tuple[tuple[str, ...], ...]


def packed_tree(tar: tarfile.TarFile, wanted: Sequence[str]) -> list[str]:
    """Packs the wanted packages and all that they need; gives those that are not installed here.

    Raises:
        SandboxError: This host has no dpkg, keeps /bin beside /usr/bin, or lacks what every workspace needs.
    """
    if shutil.which("dpkg-query") is None or not Path("/bin").is_symlink():
        raise SandboxError(
            "an image can be made from the host on Debian and Ubuntu alone: leave --from-host away"
        )
    known = installed()
    if lacking := [name for name in NEEDED if name not in known]:
        raise SandboxError(f"{lacking[0]} is not installed: 'apt-get install {' '.join(lacking)}' mends it")
    files = set(files_of(closure([w for w in wanted if w in known], known)))
    for path in FOLDERS:
        _add_folder(tar, path)
    _add_folder(tar, "/tmp", 0o1777)
    for path, target in LINKS.items():
        if path == "/var/tmp" or Path(path).is_symlink():
            _add_link(tar, path, target)
    for path, content in ETC.items():
        _add_content(tar, path, content)
    _add_files(tar, files | set(alternatives(files)))
    return [w for w in wanted if w not in known]


def installed() -> dict[str, Package]:
    """What is installed for this machine's own architecture, by name and by what it provides."""
    own = _output("dpkg", "--print-architecture").strip()
    found, provided = {}, {}
    for line in _output("dpkg-query", "-W", "-f", _FIELDS).splitlines():
        name, architecture, status, needs, provides = line.split("\t")
        if architecture not in (own, "all") or not status.startswith("ii"):
            continue
        package = Package(name, tuple(_choices(needs)))
        found[name.partition(":")[0]] = package
        provided.update({word: package for (word, *_) in _choices(provides)})
    return {**provided, **found}


def _choices(field: str) -> Iterator[tuple[str, ...]]:
    """The names in a list such as "libc6 (>= 2.34), mawk | awk:any"."""
    for choice in field.split(","):
        names = [re.split(r"[ (:]", word.strip())[0] for word in choice.split("|")]
        if names[0]:
            yield tuple(names)


def closure(wanted: Iterable[str], known: dict[str, Package]) -> list[str]:
    """The names, as dpkg takes them, of the wanted packages and of all that these need."""
    names: set[str] = set()
    open_ = [known[w] for w in wanted]
    while open_:
        package = open_.pop()
        if package.name not in names:
            names.add(package.name)
            found = (next((known[n] for n in choice if n in known), None) for choice in package.needs)
            open_ += [p for p in found if p is not None]
    return sorted(names)


def files_of(packages: Sequence[str]) -> Iterator[str]:
    """The packages' paths under /usr that are there, each once and by its real folder."""
    for line in _output("dpkg-query", "-L", *packages).splitlines():
        if line.startswith("/"):
            folder, _, name = line.rpartition("/")
            path = f"{_real(folder)}/{name}"
            if path.startswith("/usr/") and not _LEFT_OUT.match(f"{path}/") and os.path.lexists(path):
                yield path


@cache
def _real(folder: str) -> str:
    return os.path.realpath(folder)


def alternatives(files: set[str]) -> Iterator[str]:
    """Links such as /usr/bin/awk and what they go by, which belong to no package."""
    for entry in sorted(Path(ALTERNATIVES).iterdir()):
        for link in (Path("/usr/bin", entry.name), Path("/usr/sbin", entry.name)):
            if link.is_symlink() and str(link.readlink()) == str(entry) and str(entry.resolve()) in files:
                yield from (str(link), str(entry))


def _add_files(tar: tarfile.TarFile, files: set[str]) -> None:
    folders = {str(parent) for f in files for parent in Path(f).parents} - {"/", *FOLDERS}
    for path in sorted(folders):
        _add_folder(tar, path)
    for path in sorted(files - folders - set(FOLDERS)):
        info = tar.gettarinfo(path, arcname=path.lstrip("/"))
        if info.isdir():
            _add_folder(tar, path)
        elif info.isreg() or info.islnk() or info.issym():
            _own(info, 0o755 if info.mode & 0o111 else 0o644)
            with open(path, "rb") if info.isreg() else io.BytesIO() as content:  # noqa: PTH123 (one of two kinds)
                tar.addfile(info, content)


def _add_folder(tar: tarfile.TarFile, path: str, mode: int = 0o755) -> None:
    info = tarfile.TarInfo(path.lstrip("/"))
    info.type = tarfile.DIRTYPE
    tar.addfile(_own(info, mode))


def _add_link(tar: tarfile.TarFile, path: str, target: str) -> None:
    info = tarfile.TarInfo(path.lstrip("/"))
    info.type, info.linkname = tarfile.SYMTYPE, target
    tar.addfile(_own(info, 0o777))


def _add_content(tar: tarfile.TarFile, path: str, content: bytes) -> None:
    info = tarfile.TarInfo(path.lstrip("/"))
    info.size = len(content)
    tar.addfile(_own(info, 0o644), io.BytesIO(content))


def _own(info: tarfile.TarInfo, mode: int) -> tarfile.TarInfo:
    """The entry as root's; no bit makes anyone who runs it someone else."""
    info.uid = info.gid = 0
    info.uname = info.gname = "root"
    info.mode = stat.S_IMODE(mode)
    return info


def _output(*command: str) -> str:
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C"}
    )
    if done.returncode:
        raise SandboxError(f"{command[0]} fails: 'dpkg --configure -a' may mend it")
    return done.stdout
