"""The map against umap-learn's own defaults, in one run.

    python -m tests.bench.bench_map [--rows 10000] [--new 500] [--repeats 1] [--vectors FILE.npy] [--first]

Prints seconds of the first picture (two main axes), of a warm fit and of placing new points in a process
that has not placed any yet, each beside the peer's, and the trustworthiness of both. The peer is
`UMAP(metric="cosine")` without a seed, so on all cores, and its `transform()` of the same new points. Both
sides compile on a few points before they are timed, except where it says cold; numba keeps what it compiled
for `transform()` on disk, so that only the first run after an install shows what that costs. Without
--vectors the rows are synthetic: 131 overlapping clusters in 10 groups around a common centre, with a
decaying spectrum. With --first it prints something else: the seconds of a whole process that fits one map of
60 rows and of 4,200, as every job of the studio is one, once numba keeps all that it will.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from click import echo
from numpy.typing import NDArray

from engine.intents.layout import pca_coordinates, place_among, trustworthiness, umap_coordinates

_JUDGED = 5000
Array = NDArray[np.float32]


def clustered_vectors(n: int, d: int = 768, seed: int = 0) -> Array:
    """Unit rows: a common centre, one of 10 groups, one of its 13 or 14 clusters, and the row's own part."""
    rng = np.random.default_rng(seed)
    turn = np.linalg.qr(rng.standard_normal((d, d)))[0].astype(np.float32)
    scale = (np.arange(1, d + 1) ** -0.6).astype(np.float32)

    def drawn(k: int) -> Array:
        return np.asarray((rng.standard_normal((k, d), np.float32) * scale) @ turn, np.float32)

    groups, clusters, of = drawn(10), drawn(131), rng.integers(0, 131, n)
    x = turn[0] * 1.5 + groups[of % 10] * 0.5 + clusters[of] * 0.5 + drawn(n)
    return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True), np.float32)


def timed(work: Callable[[], Array], repeats: int = 1) -> tuple[float, Array]:
    """The median wall time in seconds, and the last value."""
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        value = work()
        times.append(time.perf_counter() - started)
    return statistics.median(times), value


def said(name: str, theirs_s: float, ours_s: float, verdict: str) -> None:
    """Prints one line of seconds."""
    echo(f"{name:<34} {theirs_s:8.2f} {ours_s:8.2f}  {verdict}")


def judged(x: Array, coordinates: Array) -> float:
    """Trustworthiness by the same 5,000 rows for both sides, as scikit-learn measures it."""
    from sklearn.manifold import trustworthiness as measure

    rows = np.random.default_rng(0).permutation(len(x))[:_JUDGED]
    return float(measure(x[rows], coordinates[rows], n_neighbors=15, metric="cosine"))


_PEER = "from umap import UMAP; UMAP(metric='cosine', random_state=1, n_jobs=1).fit(x)"
_OURS = "from engine.intents.layout import umap_coordinates; umap_coordinates(x, 1)"


def process(rows: int, work: str) -> Array:
    """A process that does `work` with as many random rows."""
    drawn = f"import numpy as np; x = np.random.default_rng(0).standard_normal(({rows}, 64), np.float32); "
    subprocess.run([sys.executable, "-W", "ignore", "-c", drawn + work], check=True)
    return np.empty(0, np.float32)


def first_fits(repeats: int) -> None:
    """One map a process, the peer with a seed as ours has one; the first of ours fills numba's cache."""
    for rows in (60, 4200):
        process(rows, _OURS)
        theirs_s, _ = timed(partial(process, rows, _PEER), repeats)
        ours_s, _ = timed(partial(process, rows, _OURS), repeats)
        said(f"a process with a map of {rows}", theirs_s, ours_s, f"{ours_s / theirs_s:.2f}x the peer's time")


def main() -> None:
    """Runs the comparison."""
    parser = argparse.ArgumentParser(description="The map against umap-learn's defaults")
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--new", type=int, default=500)
    parser.add_argument("--repeats", type=int, default=1, help="of the warm fits")
    parser.add_argument("--vectors", type=Path, help="unit rows in a .npy file, the last ones new")
    parser.add_argument("--first", action="store_true", help="the first map of a process, and nothing else")
    options = parser.parse_args()
    if options.first:
        echo(f"{os.cpu_count()} cores, load before {os.getloadavg()[0]:.1f}")
        echo(f"{'':<34} {'peer s':>8} {'ours s':>8}")
        first_fits(options.repeats)
        return
    warnings.simplefilter("ignore")
    both = np.load(options.vectors) if options.vectors else clustered_vectors(options.rows + options.new)
    x, new = both[: -options.new], both[-options.new :]
    echo(f"{len(x)} x {x.shape[1]}, {os.cpu_count()} cores, load before {os.getloadavg()[0]:.1f}")
    echo(f"{'':<34} {'peer s':>8} {'ours s':>8}")
    first_s, flat = timed(lambda: pca_coordinates(x))
    said("first picture, cold", float("nan"), first_s, f"trust {judged(x, flat):.4f}")
    # Nothing has been placed in this process yet, so this is as cold as it gets: nothing is compiled.
    place_s, _ = timed(lambda: place_among(new, x, flat))

    from umap import UMAP

    warm_up = x[:5000]
    UMAP(metric="cosine", n_epochs=11).fit(warm_up)
    umap_coordinates(warm_up, seed=1)
    peer = UMAP(metric="cosine")
    theirs_s, theirs = timed(lambda: np.asarray(peer.fit_transform(x), np.float32), options.repeats)
    ours_s, ours = timed(lambda: umap_coordinates(x, seed=1), options.repeats)
    trust, own = judged(x, theirs), judged(x, ours)
    said("fit, warm", theirs_s, ours_s, f"{ours_s / theirs_s:.2f}x the peer's time")
    echo(f"{'  trustworthiness':<34} {trust:8.4f} {own:8.4f}  {own - trust:+.4f}")
    moved_s, moved = timed(lambda: np.asarray(peer.transform(new), np.float32))
    said(f"{len(new)} new points, cold", moved_s, place_s, f"{moved_s / place_s:.0f}x faster")
    again_s, _ = timed(lambda: np.asarray(peer.transform(new), np.float32))
    warm_s, placed = timed(lambda: place_among(new, x, ours), 3)
    said(f"{len(new)} new points, warm", again_s, warm_s, f"{again_s / warm_s:.1f}x faster")
    of = np.arange(len(both)) >= len(x)
    peer_placed = trustworthiness(both, np.concatenate([theirs, moved]), 1, of)
    our_placed = trustworthiness(both, np.concatenate([ours, placed]), 1, of)
    gain = our_placed - peer_placed
    echo(f"{'  trustworthiness of those':<34} {peer_placed:8.4f} {our_placed:8.4f}  {gain:+.4f}")
    echo(f"load after {os.getloadavg()[0]:.1f} (above 1.5 the machine was busy: differences mean little)")


if __name__ == "__main__":
    main()
