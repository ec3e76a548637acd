"""Times the catalogue and the query child: `python tests/bench/bench_catalog.py [--trajectories N]`.

Prints the peer (DuckDB over the same records as JSON lines, columns given) and ours in one run; medians.
The project is synthetic: 17 turns of 2 calls a trajectory, about 70 messages, 4 % of the calls fail.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from engine.catalog import Catalog, TrajectoryFilter, refresh
from engine.query.run import run_query, select_ids
from engine.schema.run import RunState, RunStatus
from engine.schema.trajectory import Trajectory
from engine.store.files import write_record
from engine.store.project import Project
from tests.builders import (
    NOON,
    make_call,
    make_intent,
    make_persona,
    make_project,
    make_trajectory,
    make_turn,
    save_run,
)

_WORDS = tuple(f"word{n}" for n in range(400))
_OURS = (
    """select complexity, industry, count(*) from trajectories where stop_reason = 'user_done' group by all"""
)
_PEER = """
    select intent.cell.complexity, intent.persona.industry, count(*) from read_json(
        '{}', format = 'newline_delimited', columns = {{stop_reason: 'VARCHAR',
        intent: 'STRUCT(cell STRUCT(complexity VARCHAR), persona STRUCT(industry VARCHAR))'}})
    where stop_reason = 'user_done' group by all"""


def main() -> None:
    """Builds the project, times, prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trajectories", type=int, default=1000)
    n = parser.parse_args().trajectories
    say(f"{n} trajectories; load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    with tempfile.TemporaryDirectory() as folder:
        project = _project(Path(folder) / "project", n)
        _time_refresh(project, n)
        _time_catalog(project, Path(folder) / "peer.jsonl")
        _time_queries(project)


def _time_refresh(project: Project, n: int) -> None:
    began = time.perf_counter()
    refresh(project)
    built_s = time.perf_counter() - began
    size = sum(p.stat().st_size for p in project.paths.tables.glob("*.parquet"))
    say(
        f"{'first refresh':<26}{built_s * 1000:8.1f} ms  ({n / built_s:.0f} trajectories/s, "
        f"{size / 2**20:.1f} MiB)"
    )
    report("refresh, nothing new", lambda: refresh(project))
    run = project.paths.run("run-1")
    status = RunStatus(run_id="run-1", state=RunState.FINISHED, n_total=n, n_done=n, updated_at=NOON)
    fresh = iter(range(1000))

    def one_more() -> None:
        save_run(project, _trajectory(f"new-{next(fresh)}", random.Random(0)))
        write_record(run.status, status)
        refresh(project)

    report("refresh, one new", one_more)


def _time_catalog(project: Project, peer: Path) -> None:
    import duckdb

    with Catalog.open(project) as catalog:
        report("open the catalogue", lambda: Catalog.open(project).close())
        some = catalog.ids()[len(catalog.ids()) // 2]
        report("facets of the screen (7)", lambda: catalog.facets(TrajectoryFilter(has_failure=True)))
        report("page of 50", lambda: catalog.page(sort="n_failed_calls", limit=50, offset=100))
        report("text in messages", lambda: catalog.count(TrajectoryFilter(text="word399 word1 word2")))
        one = "select * from messages where trajectory_id = ? order by position"
        report("one trajectory's messages", lambda: catalog.rows(one, [some]))
        ours = report("facet query, ours", lambda: catalog.rows(_OURS))
        found = {tuple(row.values()) for row in catalog.rows(_OURS)}
    with peer.open("w") as file:
        for path in sorted(project.paths.run("run-1").trajectories.glob("*.json")):
            file.write(json.dumps(json.loads(path.read_bytes())) + "\n")
    connection = duckdb.connect()
    theirs = report("facet query, JSON lines", lambda: connection.execute(_PEER.format(peer)).fetchall())
    assert found == set(connection.execute(_PEER.format(peer)).fetchall()), "the two do not agree"
    say(f"ours is {theirs / ours:.0f} x faster than the peer (goal: 30 x at 23,000 trajectories)")


def _time_queries(project: Project) -> None:
    tables = refresh(project)
    report("user SQL: select 1", lambda: run_query(tables, "select 1"))
    grouped = "select error_class, count(*) from tool_calls where failed group by 1"
    report("user SQL: group by", lambda: run_query(tables, grouped))
    report("user SQL: condition", lambda: select_ids(tables, "n_failed_calls > 0 and n_turns > 3"))


def report(name: str, act: Callable[[], object], repeats: int = 7) -> float:
    """Prints and gives the median seconds of `repeats` calls after one to warm up."""
    act()
    took = []
    for _ in range(repeats):
        began = time.perf_counter()
        act()
        took.append(time.perf_counter() - began)
    median = statistics.median(took)
    say(f"{name:<26}{median * 1000:8.1f} ms  (worst of {repeats}: {max(took) * 1000:.1f})")
    return median


def say(line: str) -> None:
    """Writes one line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _project(root: Path, n: int) -> Project:
    project, rng = make_project(root), random.Random(1)
    save_run(project, *(_trajectory(f"t-{k:06}", rng) for k in range(n)))
    return project


def _trajectory(name: str, rng: random.Random) -> Trajectory:
    def words(count: int) -> str:
        return " ".join(rng.choices(_WORDS, k=count))

    turns = [
        make_turn(
            *(
                make_call(
                    f"grep -n {words(1)} data.csv",
                    call_id=f"c{index}-{k}",
                    exit_code=int(rng.random() < 0.04),
                    observation=words(90),
                )
                for k in range(2)
            ),
            index=index,
            text=words(30),
            answer=words(50),
        )
        for index in range(17)
    ]
    persona = make_persona(industry=f"Industry {rng.randrange(30)}")
    intent = make_intent(words(77), persona=persona, complexity=rng.choice(("simple", "medium", "complex")))
    return make_trajectory(name, *turns, intent=intent)


if __name__ == "__main__":
    main()
