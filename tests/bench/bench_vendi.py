"""The Vendi Score against the published package (vendi_score), in one run.

    python tests/bench/bench_vendi.py [--rows 43956] [--peer-rows 5000] [--repeats 3] [--vectors FILE.npy]

Prints medians of seconds, the ratio, and the relative difference of the two values. `score_X` is the
package's own route over vectors (n x n; in float32 it is itself off by up to 1e-4), `score_dual` its d x d
one. Without --vectors the rows are synthetic: a centre and a decaying spectrum, as embeddings have.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from click import echo
from numpy.typing import NDArray
from vendi_score import vendi

from engine.intents.vendi import by_group, scaling_curve, vendi_score


def synthetic_vectors(n: int, d: int = 768, seed: int = 0) -> NDArray[np.float32]:
    """Unit rows around a common centre with a decaying spectrum."""
    rng = np.random.default_rng(seed)
    turn = np.linalg.qr(rng.standard_normal((d, d)))[0].astype(np.float32)
    scale = (np.arange(1, d + 1) ** -0.6).astype(np.float32)
    x = (rng.standard_normal((n, d), np.float32) * scale) @ turn
    x += turn[0] * 1.5
    return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True), np.float32)


def median_s(work: Callable[[], float], repeats: int) -> tuple[float, float]:
    """The median wall time in seconds, and the value."""
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        value = work()
        times.append(time.perf_counter() - started)
    return statistics.median(times), value


def compare(name: str, peer: Callable[[], float], ours: Callable[[], float], repeats: int) -> None:
    """Prints one line: theirs, ours, how many times faster, and how far the values are apart."""
    theirs_s, theirs = median_s(peer, repeats)
    ours_s, value = median_s(ours, repeats)
    apart = abs(value - theirs) / theirs
    echo(f"{name:<34} {theirs_s:8.3f} {ours_s:8.3f} {theirs_s / ours_s:7.1f}x  {value:9.4f}  {apart:.1e}")


def main() -> None:
    """Runs the comparison."""
    parser = argparse.ArgumentParser(description="Vendi Score against the vendi_score package")
    parser.add_argument("--rows", type=int, default=43_956)
    parser.add_argument("--peer-rows", type=int, default=5_000, help="for score_X, which is cubic")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--vectors", type=Path, help="unit rows in a .npy file")
    options = parser.parse_args()
    x = np.load(options.vectors) if options.vectors else synthetic_vectors(options.rows)
    part, wide = x[: options.peer_rows], x.astype(np.float64)
    groups = [(f"g{row % 131}",) for row in range(len(x))]
    echo(f"{len(x)} x {x.shape[1]}, {os.cpu_count()} cores, load before {os.getloadavg()[0]:.1f}")
    echo(f"{'':<34} {'peer s':>8} {'ours s':>8} {'faster':>8}  {'value':>9}  apart")
    compare(
        f"score_X, n = {len(part)}", lambda: vendi.score_X(part), lambda: vendi_score(part), options.repeats
    )
    compare(
        f"score_dual float32, n = {len(x)}",
        lambda: vendi.score_dual(x),
        lambda: vendi_score(x),
        options.repeats,
    )
    compare(
        f"score_dual float64, n = {len(x)}",
        lambda: vendi.score_dual(wide),
        lambda: vendi_score(x),
        options.repeats,
    )
    curve_s, end = median_s(lambda: scaling_curve(x, seed=1)[-1].vendi, options.repeats)
    echo(f"{'scaling curve':<34} {'':>8} {curve_s:8.3f} {'':>8}  {end:9.4f}")
    groups_s, top = median_s(lambda: by_group(x, groups)[0].leave_one_out, 1)
    echo(f"{'131 groups and leave-one-outs':<34} {'':>8} {groups_s:8.3f} {'':>8}  {top:9.4f}")
    echo(f"load after {os.getloadavg()[0]:.1f} (above 1.5 the machine was busy: differences mean little)")


if __name__ == "__main__":
    main()
