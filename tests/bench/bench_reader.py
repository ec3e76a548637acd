"""Judging a user's message: the reader on numpy against the same model under torch, one thread each.

    python -m tests.bench.bench_reader [--texts 300]

The texts are those of the part that rules were written by, in their scenes. `torch` is transformers' model
with the same learned changes added to its weights, its tokens made as ours are. Each side runs in a process
of its own, which tells how long loading takes, how long a message takes (median, and the slowest of twenty),
and its peak RSS; `marks` is what looking up a message's names and numbers takes before it is read, `rules`
is all of judging without a reader.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from click import echo

from engine.providers.reader import BertReader, Tokens, adapter_path, merged
from engine.providers.weights import MINILM, find_weights
from engine.schema.calibration import Part, Speaker
from engine.schema.trajectory import Trajectory
from engine.simulate.calibration_set import load_calibration_set
from engine.simulate.claims.known import known_at
from engine.simulate.claims.marks import marked
from engine.simulate.judge import judge_utterance

ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
WAYS = ("reader", "torch", "marks", "rules")


class Measured(NamedTuple):
    """What one way came to."""

    load_s: float
    median_ms: float
    slow_ms: float
    """Of twenty messages one takes longer."""
    peak_mib: float


def main() -> None:
    """Measures each way in a process of its own and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--texts", type=int, default=300)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.way:
        echo(json.dumps(measure(given.way, given.texts)))
        return
    echo(f"{'way':<8}{'loading':>10}{'median':>10}{'slow':>10}{'peak':>10}")
    for way in WAYS:
        found = Measured(*in_a_process(way, given.texts))
        times = f"{found.load_s:>8.2f} s{found.median_ms:>7.1f} ms{found.slow_ms:>7.1f} ms"
        echo(f"{way:<8}{times}{found.peak_mib:>6.0f} MiB")


def in_a_process(way: str, n_texts: int) -> list[float]:
    command = [sys.executable, "-m", "tests.bench.bench_reader", "--way", way, "--texts", str(n_texts)]
    done = subprocess.run(command, env=os.environ | ONE_THREAD, capture_output=True, text=True, check=True)
    found: list[float] = json.loads(done.stdout)
    return found


def measure(way: str, n_texts: int) -> Measured:
    """Loads, reads one message, then times each of the others."""
    labelled = load_calibration_set()
    texts = [t for t in labelled.part(Part.TUNE) if t.speaker is Speaker.USER][:n_texts]
    places = [(t.text, labelled.before(t)) for t in texts]
    shown = [marked(text, known_at(before)) for text, before in places]
    began = time.perf_counter()
    jobs: list[Callable[[], object]]
    if way == "marks":
        jobs = [partial(look_up, *place) for place in places]
    elif way == "rules":
        jobs = [partial(judge_utterance, *place) for place in places]
    else:
        read = {"reader": reader, "torch": torch_reader}[way]()
        jobs = [partial(read, text) for text in shown]
    jobs[0]()
    load_s = time.perf_counter() - began
    times = []
    for job in jobs[1:]:
        began = time.perf_counter()
        job()
        times.append(1000 * (time.perf_counter() - began))
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Measured(load_s, float(np.median(times)), float(np.quantile(times, 0.95)), peak_mib)


def look_up(text: str, before: Trajectory) -> str:
    return marked(text, known_at(before))


def reader() -> Callable[[str], object]:
    return BertReader(weights()).read


def torch_reader() -> Callable[[str], object]:
    import torch
    from transformers import AutoModel

    torch.set_num_threads(1)
    base = weights()
    own = {name: torch.from_numpy(np.array(value)) for name, value in merged(base, adapter_path()).items()}
    model = AutoModel.from_pretrained(base, local_files_only=True).eval()
    model.load_state_dict({n: v for n, v in own.items() if not n.startswith("out.")}, strict=False)
    tokens = Tokens(base)

    def read(shown: str) -> object:
        with torch.no_grad():
            hidden = model(torch.tensor([tokens(shown)])).last_hidden_state[0]
            return own["out.weight"] @ torch.cat([hidden.mean(0), hidden.max(0).values]) + own["out.bias"]

    return read


def weights() -> Path:
    base = find_weights(MINILM)
    if base is None:
        raise SystemExit("the reader's weights are not here: run 'ise-studio weights'")
    return base


if __name__ == "__main__":
    main()
