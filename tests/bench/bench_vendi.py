"""The Vendi Score against the published package (vendi_score) and against starting over, in one run.

    python -m tests.bench.bench_vendi [--rows 43956] [--peer-rows 10000] [--repeats 3] [--vectors FILE.npy]

Each line: what is compared, the other's seconds, ours, how many times faster, the value, and how far the
values are apart (relative). The peer's `score_X` is its route over vectors (n x n; in float32 itself off by
up to 1e-4), `score_dual` its d x d one. Without --vectors the rows are synthetic: a centre and a decaying
spectrum, as embeddings have. `score_X` is cubic, so its run is single: where one at --peer-rows would take
over three minutes, by a run of a quarter of the rows, half the rows are taken.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from click import echo
from numpy.typing import NDArray
from vendi_score import vendi

from engine.intents.embed import vectors_of
from engine.intents.gram import Gram
from engine.intents.pool_gram import pool_gram
from engine.intents.vendi import leave_one_out, scaling_curve, vendi_score
from engine.store.vectors import append_vectors
from tests.builders import make_intent, make_project

Rows = NDArray[np.float32]

_PEER_S = 180.0
"""The longest run of the cubic peer."""
_MODEL = "bench"
_TASKS = 131
_NAIVE_TASKS = 6
"""Tasks that are left out the naive way; the others are taken to cost as much."""


def synthetic_vectors(n: int, d: int = 768, seed: int = 0) -> Rows:
    """Unit rows around a common centre with a decaying spectrum."""
    rng = np.random.default_rng(seed)
    turn = np.linalg.qr(rng.standard_normal((d, d)))[0].astype(np.float32)
    scale = (np.arange(1, d + 1) ** -0.6).astype(np.float32)
    x = (rng.standard_normal((n, d), np.float32) * scale) @ turn
    x += turn[0] * 1.5
    return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True), np.float32)


def seconds_of(work: Callable[[], float], repeats: int) -> tuple[float, float]:
    """The median wall time in seconds, and the value."""
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        value = work()
        times.append(time.perf_counter() - started)
    return statistics.median(times), value


def report(name: str, other: tuple[float, float], ours: tuple[float, float]) -> None:
    """Prints one line."""
    apart = abs(ours[1] - other[1]) / other[1]
    echo(f"{name:<46} {other[0]:8.3f} {ours[0]:8.3f} {other[0] / ours[0]:7.1f}x  {ours[1]:9.4f}  {apart:.1e}")


def against_the_package(x: Rows, peer_rows: int, repeats: int) -> None:
    """(a), (b): the whole pool, and the same number of rows, against both routes of the package."""
    whole = seconds_of(lambda: vendi_score(x), repeats)
    probe, _ = seconds_of(lambda: vendi.score_X(x[: peer_rows // 4], normalize=False), 1)
    if probe * 64 > _PEER_S:
        echo(f"score_X at {peer_rows} rows would take about {probe * 64:.0f} s: {peer_rows // 2} are taken")
        peer_rows //= 2
    part = x[:peer_rows]
    cubic = seconds_of(lambda: vendi.score_X(part, normalize=False), 1)
    report(f"score_X at {peer_rows} rows, we too", cubic, seconds_of(lambda: vendi_score(part), repeats))
    echo(f"  and the whole pool of {len(x)} in {whole[0]:.3f} s: {cubic[0] / whole[0]:.0f}x faster than that")
    report("score_dual float32", seconds_of(lambda: vendi.score_dual(x), repeats), whole)
    wide = x.astype(np.float64)
    report("score_dual float64", seconds_of(lambda: vendi.score_dual(wide), repeats), whole)


def share_of_peak(x: Rows, repeats: int) -> None:
    """(c): useful operations a second, as a share of the fastest product of matrices here."""
    square = np.random.default_rng(0).standard_normal((4096, 4096), np.float32)
    peak_s, _ = seconds_of(lambda: float((square @ square)[0, 0]), repeats)
    ours_s, _ = seconds_of(lambda: vendi_score(x), repeats)
    n, d = x.shape
    peak, ours = 2 * 4096**3 / peak_s / 1e9, n * d * (d + 1) / ours_s / 1e9
    echo(f"useful {ours:.0f} of {peak:.0f} GFLOP/s (float32, 4096 x 4096): {ours / peak:.0%} of the peak")


def adding_and_removing(x: Rows, repeats: int) -> None:
    """(d): 500 rows more or less, against the score of the whole."""
    most, last = Gram.of(x[:-500]), x[-500:]
    whole = Gram.of(x)
    full = seconds_of(lambda: vendi_score(x), repeats)
    report("500 rows added, the whole again", full, seconds_of(lambda: most.add(last).score(), repeats))
    shorter = seconds_of(lambda: vendi_score(x[:-500]), repeats)
    report(
        "500 taken away, the rest again", shorter, seconds_of(lambda: whole.without(last).score(), repeats)
    )


def leaving_out(x: Rows) -> None:
    """(e): the pool without each of 131 tasks, three to a row, against a score of the rest for each."""
    from scipy.stats import spearmanr

    rng = np.random.default_rng(1)
    tasks = np.array([rng.choice(_TASKS, 3, replace=False) for _ in range(len(x))])
    groups = [tuple(map(str, row)) for row in tasks]

    def naive() -> float:
        scores = [vendi_score(x[~(tasks == task).any(axis=1)]) for task in range(_NAIVE_TASKS)]
        return scores[0]

    some_s, first = seconds_of(naive, 1)
    every = (some_s * _TASKS / _NAIVE_TASKS, first)
    exact: dict[str, float] = {}
    close: dict[str, float] = {}
    exact_s, _ = seconds_of(lambda: exact.update(leave_one_out(x, groups)) or 0.0, 1)
    close_s, _ = seconds_of(lambda: close.update(leave_one_out(x, groups, exact=False)) or 0.0, 3)
    report(f"{_TASKS} leave-one-outs, naive from {_NAIVE_TASKS}", every, (exact_s, exact["0"]))
    report("the same to first order", every, (close_s, close["0"]))
    ranks = spearmanr([exact[g] for g in exact], [close[g] for g in exact]).statistic
    echo(f"  first order ranks the tasks as the exact values do: Spearman {ranks:.4f}")


def keeping(x: Rows, repeats: int) -> None:
    """A project's pool: the kept Gram brought up to date by 500 texts, against reading all vectors."""
    intents = [make_intent(f"text {n}") for n in range(len(x))]
    with TemporaryDirectory() as folder:
        project = make_project(Path(folder))
        for start in range(0, len(x), 500):
            some = slice(start, start + 500)
            append_vectors(project, _MODEL, [i.utterance for i in intents[some]], x[some])
        full = seconds_of(lambda: vendi_score(vectors_of(project, _MODEL, intents)), repeats)
        kept = []
        for _ in range(repeats):
            pool_gram(project, _MODEL, intents[:-500])
            kept.append(seconds_of(lambda: pool_gram(project, _MODEL, intents).score(), 1))
        report("a project's pool after 500 more texts", full, sorted(kept)[repeats // 2])
        same = seconds_of(lambda: pool_gram(project, _MODEL, intents).score(), repeats)
        report("the same pool, nothing new", full, same)


def main() -> None:
    """Runs the comparison."""
    parser = argparse.ArgumentParser(description="Vendi Score against the vendi_score package")
    parser.add_argument("--rows", type=int, default=43_956)
    parser.add_argument("--peer-rows", type=int, default=10_000, help="for score_X, which is cubic")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--vectors", type=Path, help="unit rows in a .npy file")
    options = parser.parse_args()
    x = np.load(options.vectors) if options.vectors else synthetic_vectors(options.rows)
    echo(f"{len(x)} x {x.shape[1]}, {os.cpu_count()} cores, load before {os.getloadavg()[0]:.1f}")
    echo(f"{'':<46} {'other s':>8} {'ours s':>8} {'faster':>8}  {'value':>9}  apart")
    vendi_score(x)
    against_the_package(x, options.peer_rows, options.repeats)
    share_of_peak(x, options.repeats)
    adding_and_removing(x, options.repeats)
    leaving_out(x)
    keeping(x, options.repeats)
    curve_s, end = seconds_of(lambda: scaling_curve(x, seed=1)[-1].vendi, options.repeats)
    echo(f"scaling curve: {curve_s:.3f} s, ends at {end:.4f}")
    echo(f"load after {os.getloadavg()[0]:.1f} (above 1.5 the machine was busy: differences mean little)")


if __name__ == "__main__":
    main()
