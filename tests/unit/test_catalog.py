from __future__ import annotations

import ctypes
import json
import multiprocessing
import os
import re
import shutil
import subprocess
import sys
import tempfile
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.catalog import Catalog, TrajectoryFilter, refresh
from engine.catalog.columns import TABLES
from engine.catalog.messages import call_ids, to_messages
from engine.catalog.refresh import MAX_SMALL_SEGMENTS
from engine.errors import InputError
from engine.schema.chat import Role
from engine.schema.intent import DedupDecision
from engine.schema.run import RunState
from engine.schema.sandbox import ChangeKind
from engine.schema.trajectory import Outcome, StopReason, Turn
from engine.store.intents import write_decisions
from engine.store.project import Project
from engine.store.runs import read_status, write_status
from tests.builders import (
    NOON,
    make_call,
    make_change,
    make_intent,
    make_persona,
    make_project,
    make_trajectory,
    make_turn,
    save_intents,
    save_run,
    save_stream,
)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path / "project")


def ids(project: Project) -> list[str]:
    with Catalog.open(project) as catalog:
        return catalog.ids()


def test_an_empty_project_has_every_table_with_its_types_and_no_rows(project: Project) -> None:
    with Catalog.open(project) as catalog:
        assert catalog.problems == ()
        for table, columns in TABLES.items():
            found = catalog.rows(f"select column_name as c, column_type as t from (describe {table})")
            assert {row["c"]: row["t"] for row in found} == dict(columns), table
            assert catalog.rows(f"select * from {table}") == [], table


def test_a_trajectory_becomes_rows_of_every_table(project: Project) -> None:
    stderr = save_stream(project, b"noise\nbash: cat: notes.txt: No such file or directory\n")
    turns = (
        make_turn(
            make_call("cat notes.txt", call_id="a", exit_code=1, stderr=stderr, observation="exit 1"),
            make_call("notes.txt", tool="write", call_id="b", changes=[make_change("notes.txt")]),
            text="Show me the notes.",
        ),
        make_turn(
            make_call("cat docs/notes.txt", call_id="c", observation="hello"),
            make_call("rm docs", call_id="d", exit_code=1, observation="rm: docs: Is a directory"),
            index=1,
            answer=None,
            failure="the model is gone",
        ),
    )
    intent = make_intent("Tidy the notes.", domain_ids=("files", "email"), complexity="complex")
    save_run(
        project,
        make_trajectory("t-1", *turns, intent=intent, stop_reason=StopReason.AGENT_FAILED, outcome=None),
    )
    save_intents(project, intent)
    with Catalog.open(project) as catalog:
        (row,) = catalog.rows("select * from trajectories")
        assert row["trajectory_id"] == "t-1"
        assert row["domains"] == ["files", "email"]
        assert row["tools"] == ["exec", "write"]
        assert (row["n_turns"], row["n_tool_calls"], row["n_tools"]) == (2, 4, 2)
        assert (row["n_failed_calls"], row["n_recoveries"], row["n_file_changes"]) == (2, 1, 1)
        assert (row["stop_reason"], row["is_success"], row["run_id"]) == ("agent_failed", None, "run-1")
        messages = catalog.rows("select * from messages order by position")
        assert [m["position"] for m in messages] == list(range(row["n_messages"]))
        assert "".join(m["role"][0] for m in messages) == "suatatauatat"
        assert [m["turn"] for m in messages][:2] == [None, 0]
        calls = catalog.rows("select * from tool_calls order by position")
        assert [c["tool_call_id"] for c in calls] == ["a", "b", "c", "d"]
        assert [c["error_class"] for c in calls] == ["not_found", None, None, "usage"]
        assert [(c["error_line"], c["error_source"]) for c in calls] == [
            ("bash: cat: notes.txt: No such file or directory", "stderr"),
            (None, None),
            (None, None),
            ("rm: docs: Is a directory", "observation"),
        ]
        assert json.loads(calls[0]["arguments"]) == {"command": "cat notes.txt"}
        assert catalog.rows("select turn, path, kind from file_changes") == [
            {"turn": 0, "path": "notes.txt", "kind": ChangeKind.CREATED}
        ]
        found = catalog.rows("select tool_call_id, recovered_by, outcome from recoveries")
        assert [tuple(r.values()) for r in found] == [("a", "c", "recovered"), ("d", None, "abandoned")]
        turn_rows = catalog.rows("select turn, answer, failure, n_failed_calls from turns order by turn")
        assert [tuple(t.values()) for t in turn_rows] == [
            (0, "Done.", None, 1),
            (1, None, "the model is gone", 1),
        ]
        (kept,) = catalog.rows("select * from intents")
        assert (kept["n_domains"], kept["n_tasks"], kept["kept"]) == (2, 3, True)
        (run,) = catalog.rows("select * from runs")
        assert (run["run_id"], run["state"], run["n_done"]) == ("run-1", "finished", 1)


def test_the_answer_is_written_once_whether_or_not_a_step_holds_it() -> None:
    with_step = make_turn(make_call())
    without = Turn(index=0, utterance=with_step.utterance, steps=with_step.steps[:-1], answer="Done.")
    assert to_messages(make_trajectory("t", with_step)) == to_messages(make_trajectory("t", without))
    assert to_messages(make_trajectory("t", with_step))[-1].content == "Done."


@given(st.lists(st.sampled_from(["", "a", "a-2", "b", "call_1"]), max_size=12))
def test_call_ids_are_distinct_and_kept_where_they_were(raw: list[str]) -> None:
    trajectory = make_trajectory("t", make_turn(*(make_call(call_id=own) for own in raw)))
    found = call_ids(trajectory)
    assert len(set(found)) == len(raw)
    assert all(found)
    first = {own: place for place, own in reversed(list(enumerate(raw))) if own}
    assert all(found[place] == own for own, place in first.items())
    messages = to_messages(trajectory)
    asked = [call.id for m in messages for call in m.tool_calls]
    assert asked == [m.tool_call_id for m in messages if m.role is Role.TOOL] == found


def test_a_refresh_reads_only_what_is_new(project: Project) -> None:
    save_run(project, make_trajectory("t-1"))
    first = refresh(project)
    assert refresh(project) == first
    save_run(project, make_trajectory("t-2"))
    second = refresh(project)
    assert set(first.parts["messages"]) < set(second.parts["messages"])
    assert ids(project) == ["t-1", "t-2"]


def test_a_changed_and_a_deleted_record_change_the_tables(project: Project) -> None:
    save_run(project, make_trajectory("t-1"), make_trajectory("t-2"))
    assert ids(project) == ["t-1", "t-2"]
    save_run(project, make_trajectory("t-1", duration_s=99.0))
    project.paths.run("run-1").trajectory("t-2").unlink()
    with Catalog.open(project) as catalog:
        found = catalog.rows("select trajectory_id, duration_s from trajectories")
    assert [tuple(row.values()) for row in found] == [("t-1", 99.0)]


def test_many_small_segments_are_merged_and_the_old_parts_go_after_a_while(project: Project) -> None:
    names = [f"t-{n:02}" for n in range(MAX_SMALL_SEGMENTS + 1)]
    for name in reversed(names):
        save_run(project, make_trajectory(name))
        files = refresh(project)
    assert len(files.parts["messages"]) == 1
    with Catalog.open(project) as catalog:
        rows = catalog.rows("select trajectory_id from trajectories")
    assert [row["trajectory_id"] for row in rows] == names
    manifest = project.paths.tables / "manifest.json"
    aged = json.loads(manifest.read_text())
    assert aged["retired"], "readers may still hold the parts"
    aged["retired"] = dict.fromkeys(aged["retired"], 0.0)
    manifest.write_text(json.dumps(aged))
    save_run(project, make_trajectory("t-99"))
    refresh(project)
    left = {p.stem for p in project.paths.tables.glob("*.parquet")}
    assert not left & aged["retired"].keys()


@pytest.mark.parametrize("harm", ["delete_part", "truncate_part", "garble_manifest", "delete_all"])
def test_harmed_tables_are_built_again(project: Project, harm: str) -> None:
    save_run(project, make_trajectory("t-1"), make_trajectory("t-2"))
    part = refresh(project).parts["messages"][0]
    if harm == "delete_part":
        part.unlink()
    elif harm == "truncate_part":
        part.write_bytes(part.read_bytes()[:-20])
    elif harm == "garble_manifest":
        (project.paths.tables / "manifest.json").write_text("{]")
    else:
        shutil.rmtree(project.paths.tables)
    with Catalog.open(project) as catalog:
        assert catalog.problems == ()
        assert catalog.rows("select count(distinct trajectory_id) as n from messages") == [{"n": 2}]


def test_an_open_catalog_outlives_its_tables(project: Project) -> None:
    save_run(project, make_trajectory("t-1"))
    with Catalog.open(project) as catalog:
        shutil.rmtree(project.paths.tables)
        assert catalog.ids() == ["t-1"]


def test_a_part_damaged_without_a_trace_is_built_again(project: Project) -> None:
    save_run(project, make_trajectory("t-1"))
    part = refresh(project).parts["trajectories"][0]
    stamp = part.stat()
    part.write_bytes(b"x" * stamp.st_size)
    os.utime(part, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    with Catalog.open(project) as catalog:
        assert catalog.ids() == ["t-1"]


def test_unreadable_records_are_reported_and_the_others_shown(project: Project) -> None:
    save_run(project, make_trajectory("t-1"))
    run = project.paths.run("run-1")
    run.trajectory("t-2").write_text('{"trajectory_id": "t-2"')
    shutil.copy(run.trajectory("t-1"), run.trajectory("t-3"))
    (project.paths.runs / "run-0" / "trajectories").mkdir(parents=True)
    save_intents(project, make_intent())
    batch = project.paths.intents / "batch-0001.jsonl"
    batch.write_text(batch.read_text() + "{}\n")
    for _ in range(2):
        with Catalog.open(project) as catalog:
            assert catalog.ids() == ["t-1"]
            assert len(catalog.rows("select * from intents")) == 1
            told = "\n".join(catalog.problems)
            assert len(catalog.problems) == 4
            assert "t-2.json is not a valid Trajectory" in told
            assert "t-3.json holds trajectory t-1" in told
            assert "batch-0001.jsonl:2 is not a valid Intent" in told
            assert "the folder 'run-0'" in told
    save_run(project, make_trajectory("t-2"), make_trajectory("t-3"))
    assert ids(project) == ["t-1", "t-2", "t-3"]


ODD = {
    "seed": '"seed": 99999999999999999999999',
    "exit_code": '"exit_code": 10000000000000000000000000',
    "prompt_tokens": '"prompt_tokens": 9223372036854775807',
    "created_at": '"created_at": "9999-12-31T23:59:59-12:00"',
}


@pytest.mark.parametrize("field", ODD)
def test_a_number_or_time_that_no_table_holds_costs_one_record_only(project: Project, field: str) -> None:
    save_run(project, make_trajectory("t-1"), make_trajectory("t-2"))
    path = project.paths.run("run-1").trajectory("t-2")
    path.write_text(re.sub(rf'"{field}": [^,\n]+', ODD[field], path.read_text()))
    with Catalog.open(project) as catalog:
        assert catalog.ids() == ["t-1"]
        (told,) = catalog.problems
    assert "t-2.json" in told


@pytest.mark.parametrize("field", ["seed", "created_at"])
def test_odd_intents_and_runs_are_told_and_the_others_shown(project: Project, field: str) -> None:
    save_run(project, make_trajectory("t-1"))
    save_run(project, make_trajectory("t-9"), run_id="run-2")
    save_intents(project, make_intent("One."), make_intent("Two."))
    config, batch = project.paths.run("run-2").config, project.paths.batch("batch-0001")
    config.write_text(re.sub(rf'"{field}": [^,\n]+', ODD[field], config.read_text()))
    first, second = batch.read_text().splitlines()
    batch.write_text(first + "\n" + re.sub(rf'"{field}":[^,}}]+', ODD[field], second) + "\n")
    note = project.paths.batch_info("batch-0001")
    note.write_text(re.sub(rf'"{field}": [^,\n]+', ODD[field], note.read_text()))
    shown, problems = (["One."], 2) if field == "seed" else (["One.", "Two."], 1)
    with Catalog.open(project) as catalog:
        assert [row["run_id"] for row in catalog.rows("select run_id from runs")] == ["run-1"]
        assert [row["utterance"] for row in catalog.rows("select utterance from intents")] == shown
        assert len(catalog.problems) == problems


def test_folders_and_pipes_in_the_place_of_files_are_told_and_the_rest_is_shown(project: Project) -> None:
    stream = save_stream(project, b"bash: no such file")
    lost = make_turn(make_call(exit_code=1, stderr=stream))
    save_run(project, make_trajectory("t-1", lost))
    save_intents(project, make_intent())
    run = project.paths.run("run-1")
    for path in (run.blob(stream.sha256), run.status):
        path.unlink()
        path.mkdir()
    project.paths.batch("batch-0002").mkdir()
    project.paths.dedup_decisions.mkdir()
    os.mkfifo(run.trajectory("pipe"))
    run.trajectory(os.fsdecode(b"bad\xff")).write_text("{}")
    (project.paths.runs / os.fsdecode(b"run-\xff") / "trajectories").mkdir(parents=True)
    with Catalog.open(project) as catalog:
        assert catalog.ids() == ["t-1"]
        assert [row["state"] for row in catalog.rows("select state from runs")] == ["interrupted"]
        told = "\n".join(catalog.problems)
    for word in ("pipe.json", "stderr of call", "bad\\udcff", "run-\\udcff", "batch-0002", "decisions.jsonl"):
        assert word in told


def test_a_status_that_says_nothing_new_makes_no_new_part(project: Project) -> None:
    save_run(project, make_trajectory("t-1"))
    run = project.paths.run("run-1")
    first = refresh(project)
    status = read_status(run)
    write_status(run, status.model_copy(update={"updated_at": NOON + timedelta(hours=1)}))
    assert refresh(project) == first
    write_status(run, status.model_copy(update={"message": "news"}))
    assert refresh(project).parts["runs"] != first.parts["runs"]


def test_an_id_in_two_runs_is_shown_once_and_told(project: Project) -> None:
    save_run(project, make_trajectory("t-1", duration_s=1), run_id="run-1")
    save_run(project, make_trajectory("t-1", run_id="run-2", duration_s=2), run_id="run-2")
    with Catalog.open(project) as catalog:
        (row,) = catalog.rows("select run_id, duration_s from trajectories")
        assert row == {"run_id": "run-2", "duration_s": 2.0}
        assert "run-1/t-1" in catalog.problems[0]


def test_intents_follow_batches_and_decisions(project: Project) -> None:
    first, second = make_intent("One."), make_intent("Two.")
    save_intents(project, first)
    with Catalog.open(project) as catalog:
        assert [r["kept"] for r in catalog.rows("select kept from intents")] == [True]
    save_intents(project, second)
    decision = DedupDecision(
        intent_id=second.intent_id, duplicate_of=first.intent_id, method="exact", similarity=1
    )
    write_decisions(project, [decision])
    with Catalog.open(project) as catalog:
        found = catalog.rows("select utterance, kept, batch from intents order by batch")
    assert [tuple(r.values()) for r in found] == [
        ("One.", True, "batch-0001"),
        ("Two.", False, "batch-0002"),
    ]


def test_a_killed_run_reads_as_interrupted(project: Project) -> None:
    save_run(project, make_trajectory("t-1"), state=RunState.RUNNING)
    with Catalog.open(project) as catalog:
        assert catalog.rows("select state from runs") == [{"state": "interrupted"}]


def _refresh(root: str) -> int:
    return len(refresh(Project.open(Path(root))).parts["messages"])


def test_several_processes_refresh_at_once_without_harm(project: Project) -> None:
    save_run(project, *(make_trajectory(f"t-{n}") for n in range(40)))
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        assert pool.map(_refresh, [str(project.root)] * 6) == [1] * 6
    with Catalog.open(project) as catalog:
        assert catalog.count() == 40
        assert catalog.rows("select count(*) as n from trajectories") == [{"n": 40}]


def _obey_permissions() -> None:
    """Takes from root the power to write where permissions forbid it (CAP_DAC_OVERRIDE)."""
    if os.getuid() == 0:
        ctypes.CDLL(None).prctl(24, 1, 0, 0, 0)


def test_a_project_that_cannot_be_written_can_be_read() -> None:
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from engine.catalog import Catalog\n"
        "from engine.store.project import Project\n"
        "with Catalog.open(Project.open(Path(sys.argv[1]))) as catalog:\n"
        "    print(catalog.ids())\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        save_run(make_project(root / "project"), make_trajectory("t-1"))
        root.chmod(0o755)
        for path in [root / "project", *(root / "project").rglob("*")]:
            path.chmod(0o555 if path.is_dir() else 0o444)
        told = subprocess.run(
            [sys.executable, "-c", script, str(root / "project")],
            capture_output=True,
            text=True,
            check=False,
            preexec_fn=_obey_permissions,
            env={"PATH": os.environ["PATH"], "HOME": str(root / "no-home")},
        )
        for path in [root / "project", *(root / "project").rglob("*")]:
            path.chmod(0o755)
        assert told.stdout.strip() == "['t-1']", told.stderr
        assert not (root / "project" / "tables").exists()


@pytest.fixture
def mixed(project: Project) -> Project:
    farmer = make_persona(persona_id="bo", name="Bo", industry="Farming")
    failed = make_turn(
        make_call("cat a.txt", call_id="1", exit_code=1),
        make_call("cat a.txt", call_id="2", observation="A Needle here"),
    )
    save_run(
        project,
        make_trajectory("t-1", intent=make_intent("One.", domain_ids=("files", "email"))),
        make_trajectory("t-2", failed, intent=make_intent("Two.", persona=farmer, complexity="complex")),
        make_trajectory("t-3", stop_reason=StopReason.TURN_LIMIT, outcome=None),
    )
    save_run(
        project, make_trajectory("t-4", make_turn(make_call(exit_code=2)), run_id="run-2"), run_id="run-2"
    )
    return project


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (TrajectoryFilter(), "1234"),
        (TrajectoryFilter(run_ids=("run-2",)), "4"),
        (TrajectoryFilter(domains=("email", "absent")), "1"),
        (TrajectoryFilter(complexities=("complex",)), "2"),
        (TrajectoryFilter(industries=("Farming", "Rail freight")), "1234"),
        (TrajectoryFilter(stop_reasons=("turn_limit",)), "3"),
        (TrajectoryFilter(has_failure=True), "24"),
        (TrajectoryFilter(has_failure=True, has_recovery=False), "4"),
        (TrajectoryFilter(text="a nEEdle"), "2"),
        (TrajectoryFilter(text="100%' or 1=1 --"), ""),
        (TrajectoryFilter(text="a.needle"), ""),
        (TrajectoryFilter(text="\\E(["), ""),
        (TrajectoryFilter(ids=()), ""),
        (TrajectoryFilter(ids=("t-1", "t-3", "nobody"), has_failure=False), "13"),
    ],
)
def test_filters_leave_what_they_say(mixed: Project, wanted: TrajectoryFilter, expected: str) -> None:
    with Catalog.open(mixed) as catalog:
        assert catalog.ids(wanted) == [f"t-{n}" for n in expected]
        assert catalog.count(wanted) == len(expected)


def test_facets_count_under_the_other_conditions(mixed: Project) -> None:
    with Catalog.open(mixed) as catalog:
        facets = catalog.facets(TrajectoryFilter(industries=("Farming",)))
        assert facets["industry"] == {"Rail freight": 3, "Farming": 1}
        assert facets["domain"] == {"file-management": 1}
        assert facets["has_recovery"] == {True: 1}
        assert catalog.facets(TrajectoryFilter(text="needle"))["run_id"] == {"run-1": 1}


def test_pages_are_sorted_and_bounded(mixed: Project) -> None:
    with Catalog.open(mixed) as catalog:
        page = catalog.page(sort="n_failed_calls", limit=2, offset=1)
        assert [row["trajectory_id"] for row in page] == ["t-4", "t-1"]
        assert catalog.frame("select count(*) as n from trajectories").item() == 4
        with pytest.raises(InputError, match="no column"):
            catalog.page(sort="1; drop view trajectories")


def test_outcomes_are_columns(project: Project) -> None:
    save_run(
        project, make_trajectory("t-1", outcome=Outcome(completed=True, is_success=False, reason="no chart"))
    )
    with Catalog.open(project) as catalog:
        assert catalog.rows("select completed, is_success, outcome_reason from trajectories") == [
            {"completed": True, "is_success": False, "outcome_reason": "no chart"}
        ]
