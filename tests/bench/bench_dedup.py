"""Dedup of a pool with planted repeats, against semhash, datasketch and a plain product of matrices.

    python -m tests.bench.bench_dedup [--rows 50000] [--repeats 1] [--peers PEER ...]

The pool: texts of the scripted realiser, a tenth of the rows planted again (see tests/planted.py), so that
the truth is known. The vectors are those of `HashingEmbedder`: they see wording, not meaning. Every method
runs in a process of its own, which tells its wall time, its processor time and its peak RSS, the texts, the
vectors and the libraries included; `bare` is that process with nothing done. The peers' packages are not
among this project's: `pip install datasketch semhash` brings them, and what is not there is left out.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from click import echo
from numpy.typing import NDArray

from engine.intents.dedup import DEFAULTS, find_duplicates
from engine.intents.near_vectors import NearVectors
from engine.providers.embedders import HashingEmbedder
from engine.schema.intent import Intent
from engine.words import words_of
from tests.builders import make_intent
from tests.planted import plant, scripted_texts

_PLANTED_SHARE = 0.1
_BLOCK = 1024
_ROUNDING = 1e-4
Vectors = NDArray[np.float32]
Dropped = set[int]
Pairs = set[tuple[int, int]]


class Measured(NamedTuple):
    """What one method came to."""

    wall_s: float
    cpu_s: float
    peak_mib: float
    found: list[list[int]]
    """Rows dropped, one number each; or pairs of rows."""


def nothing(intents: list[Intent], x: Vectors) -> Dropped:
    """No work at all."""
    return set()


def ours(intents: list[Intent], x: Vectors) -> Dropped:
    """Exact, lexical and semantic."""
    return {int(d.intent_id[7:]) for d in find_duplicates(intents, x)}


def ours_without_vectors(intents: list[Intent], x: Vectors) -> Dropped:
    """Exact and lexical."""
    return {int(d.intent_id[7:]) for d in find_duplicates(intents, None)}


def datasketch(intents: list[Intent], x: Vectors) -> Dropped:
    """MinHash of 128 permutations over the same word 3-shingles, LSH at the same threshold."""
    from datasketch import MinHash, MinHashLSH

    lsh = MinHashLSH(threshold=DEFAULTS.lexical, num_perm=128)
    dropped = set()
    for row, intent in enumerate(intents):
        words = words_of(intent.utterance)
        sketch = MinHash(num_perm=128)
        sketch.update_batch([" ".join(words[i : i + 3]).encode() for i in range(max(len(words) - 2, 1))])
        if lsh.query(sketch):
            dropped.add(row)
        else:
            lsh.insert(row, sketch)
    return dropped


class _NoEncoder:
    def encode(self, *_: object, **__: object) -> Vectors:
        raise NotImplementedError


def semhash(intents: list[Intent], x: Vectors) -> Dropped:
    """Semhash over the same vectors at the same cosine; of equal texts it keeps one, here the first."""
    from semhash import SemHash

    texts = [intent.utterance for intent in intents]
    hashed = SemHash.from_embeddings(x, texts, model=_NoEncoder())
    kept: set[str] = set(hashed.self_deduplicate(threshold=DEFAULTS.cosine).selected)
    dropped = set()
    for row, text in enumerate(texts):
        if text in kept:
            kept.remove(text)
        else:
            dropped.add(row)
    return dropped


def matmul(intents: list[Intent], x: Vectors) -> Pairs:
    """All pairs at the cosine by plain float32 products of blocks; those at its very edge checked in f64."""
    pairs: Pairs = set()
    for start in range(0, len(x), _BLOCK):
        cosines = x[start : start + _BLOCK] @ x[: start + _BLOCK].T
        left, right = np.divmod(np.flatnonzero(cosines >= DEFAULTS.cosine - _ROUNDING), cosines.shape[1])
        left += start
        for i, j in zip(left[right < left].tolist(), right[right < left].tolist(), strict=True):
            if np.dot(x[i].astype(np.float64), x[j].astype(np.float64)) >= DEFAULTS.cosine:
                pairs.add((i, j))
    return pairs


def near_vectors(intents: list[Intent], x: Vectors) -> Pairs:
    """The same pairs by `NearVectors`."""
    near = NearVectors(x, DEFAULTS.cosine)
    pairs: Pairs = set()
    for start in range(0, len(x), _BLOCK):
        rows = range(start, min(start + _BLOCK, len(x)))
        for i, others in near.of(rows, range(start)).items():
            pairs |= {(i, j) for j, _ in others}
    return pairs


METHODS: dict[str, Callable[[list[Intent], Vectors], Dropped | Pairs]] = {
    "bare": nothing,
    "ours": ours,
    "ours, no vectors": ours_without_vectors,
    "datasketch": datasketch,
    "semhash": semhash,
    "matmul": matmul,
    "near vectors": near_vectors,
}
PEERS = ("datasketch", "semhash")


def run_here(method: str, folder: Path) -> None:
    """What the child does: one method over the pool in `folder`; prints what it came to."""
    intents = _intents(json.loads((folder / "texts.json").read_text(encoding="utf-8")))
    x = np.load(folder / "vectors.npy")
    _warm_up(method)
    wall, cpu = time.perf_counter(), time.process_time()
    found = METHODS[method](intents, x)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    echo(json.dumps(Measured(wall, cpu, _peak_mib(), np.array(sorted(found)).tolist())._asdict()))


def _peak_mib() -> float:
    """Of this process alone: `getrusage` would tell its parent's, if that was larger when it began."""
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def _warm_up(method: str) -> None:
    """The imports of a method: they are no part of its time."""
    x = np.eye(300, dtype=np.float32)
    METHODS[method](_intents([f"the number {n}" for n in range(300)]), x)


def _intents(texts: list[str]) -> list[Intent]:
    base = make_intent()
    fields = ({"utterance": text, "intent_id": f"intent_{n}"} for n, text in enumerate(texts))
    return [base.model_copy(update=update) for update in fields]


def measure(method: str, folder: Path, repeats: int) -> Measured:
    """One method, `repeats` times, each in a process of its own; the run of the median wall time."""
    runs = []
    for _ in range(repeats):
        command = [sys.executable, "-m", "tests.bench.bench_dedup", "--child", method, str(folder)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        runs.append(Measured(**json.loads(done.stdout.splitlines()[-1])))
    median = statistics.median_low(run.wall_s for run in runs)
    return next(run for run in runs if run.wall_s == median)


def dropping_line(method: str, run: Measured, repeats: dict[int, str]) -> str:
    """One line: times, memory, recall by kind, and what was dropped that is no repeat."""
    dropped = {int(row) for row in np.ravel(run.found)}
    kinds = ("exact", "marks", "words")
    recall = [
        statistics.mean(row in dropped for row, kind in repeats.items() if kind == wanted) for wanted in kinds
    ]
    whole = len(dropped & repeats.keys()) / len(repeats)
    return _line(method, run) + (
        f"  recall {whole:.4f} ({' '.join(f'{k} {r:.3f}' for k, r in zip(kinds, recall, strict=True))})"
        f"  wrong {len(dropped - repeats.keys())}"
    )


def _line(method: str, run: Measured) -> str:
    return f"{method:<18} {run.wall_s:8.2f} s wall {run.cpu_s:8.2f} s cpu {run.peak_mib:7.0f} MiB"


def report(folder: Path, repeats: dict[int, str], options: argparse.Namespace) -> None:
    """Runs every method and prints what each came to."""
    echo(_line("bare", measure("bare", folder, 1)))
    runs: dict[str, Measured] = {}
    for method in ("ours", "ours, no vectors", *options.peers):
        if method in PEERS and importlib.util.find_spec(method) is None:
            echo(f"{method:<18} not installed: pip install {method}")
            continue
        runs[method] = measure(method, folder, options.repeats)
        echo(dropping_line(method, runs[method], repeats))
    for method in ("matmul", "near vectors"):
        runs[method] = measure(method, folder, options.repeats)
        echo(_line(method, runs[method]) + f"  {len(runs[method].found)} pairs")
    same = runs["matmul"].found == runs["near vectors"].found
    echo(f"the two sets of pairs are {'identical' if same else 'DIFFERENT'}")
    for slow, fast in (*((peer, "ours") for peer in options.peers), ("matmul", "near vectors")):
        if slow in runs:
            wall = runs[slow].wall_s / runs[fast].wall_s
            cpu = runs[slow].cpu_s / runs[fast].cpu_s
            echo(f"{fast} is {wall:.1f}x as fast as {slow} ({cpu:.1f}x by processor time)")


def main() -> None:
    """Makes the pool and runs the comparison."""
    parser = argparse.ArgumentParser(description="Dedup against semhash, datasketch and plain products")
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=PEERS)
    parser.add_argument("--child", nargs=2, metavar=("METHOD", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        run_here(options.child[0], Path(options.child[1]))
        return
    n_planted = round(options.rows * _PLANTED_SHARE)
    planted = plant(scripted_texts(options.rows - n_planted, options.seed), n_planted, options.seed)
    echo(f"{len(planted.texts)} texts, {n_planted} of them planted repeats, HashingEmbedder vectors")
    echo(f"{os.cpu_count()} cores, load before {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "texts.json").write_text(json.dumps(planted.texts), encoding="utf-8")
        np.save(Path(folder) / "vectors.npy", HashingEmbedder().encode(planted.texts))
        report(Path(folder), planted.repeats, options)
    echo(f"load after {os.getloadavg()[0]:.1f} (above 1.5 the machine was busy: differences mean little)")


if __name__ == "__main__":
    main()
