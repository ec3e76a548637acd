"""The demo from an empty folder on the real weights, and what must stand in its project afterwards."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from vendi_score import vendi

from engine.intents.embed import vectors_of
from engine.intents.map import read_map
from engine.store import Project
from engine.store.intents import read_kept_intents

pytestmark = [pytest.mark.weights, pytest.mark.sandbox, pytest.mark.timeout(600)]
MODEL = "all-mpnet-base-v2"


def call(root: Path, *words: str) -> Any:
    command = [sys.executable, "-m", "engine", "--json", "--project", str(root), *words]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("demo") / "project"
    call(root, "demo", "--no-ui", "--intents", "40", "--trajectories", "6")
    return root


def test_the_demo_leaves_unique_intents_vectors_a_map_and_trajectories(demo: Path) -> None:
    project = Project.open(demo)
    intents = read_kept_intents(project)
    vectors = vectors_of(project, MODEL, intents)
    placed = read_map(project, MODEL, intents, project.settings.seed)
    assert len({i.utterance for i in intents}) == len(intents) >= 38
    assert vectors.shape == (len(intents), 768)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    assert placed is not None
    assert placed.coordinates.shape == (len(intents), 2)


def test_the_demos_vendi_score_is_that_of_the_published_package(demo: Path) -> None:
    project = Project.open(demo)
    vectors = vectors_of(project, MODEL, read_kept_intents(project)).astype(np.float64)
    measured = call(demo, "intents", "diversity")["vendi"]
    assert measured == pytest.approx(float(vendi.score_dual(vectors, normalize=True)), rel=1e-6)


def test_the_demos_trajectories_are_long_and_fail_and_recover(demo: Path) -> None:
    sql = (
        "select avg(n_turns), avg(n_tools), sum((n_failed_calls > 0)::int), sum((n_recoveries > 0)::int), "
        "count(*) from trajectories"
    )
    ((mean_turns, mean_tools, n_failing, n_recovering, n),) = call(demo, "query", sql)["rows"]
    assert n == 6
    assert mean_tools >= 4
    assert mean_turns >= 5
    assert n_failing >= 4
    assert n_recovering >= 4


def test_every_tool_call_of_the_demo_stands_in_the_ledger(demo: Path) -> None:
    sql = "select count(*), count(duration_ms), sum((exit_code <> 0)::int) from tool_calls"
    ((n_calls, n_timed, n_nonzero),) = call(demo, "query", sql)["rows"]
    assert n_calls == n_timed > 60
    assert n_nonzero > 0


def test_a_second_demo_re_uses_what_is_there(demo: Path) -> None:
    before = {p: p.stat().st_mtime_ns for p in demo.rglob("*") if p.is_file() and "tables" not in p.parts}
    summary = call(demo, "demo", "--no-ui", "--intents", "40", "--trajectories", "6")
    after = {p: p.stat().st_mtime_ns for p in before}
    changed = {p.name for p in before if after[p] != before[p]}
    assert summary["n_trajectories"] == 6
    assert changed <= {"decisions.json", "decisions.jsonl"}
