from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from engine.errors import InputError, NotFoundError, StudioError
from engine.schema.run import RunConfig, RunState, RunStatus
from engine.schema.sandbox import BlobRef, ChangeKind, FileChange
from engine.schema.split import Split
from engine.store.files import exclusive, read_bytes, write_bytes, write_record
from engine.store.intents import known_ids, list_batches, read_intents, write_batch
from engine.store.project import Project
from engine.store.runs import (
    UNREADABLE,
    list_run_ids,
    read_finished,
    read_status,
    scan_endings,
    write_status,
)
from tests.builders import NOON, make_intent, make_project, make_trajectory, save_run


@pytest.mark.parametrize(
    "digest", ["/etc/passwd", "", "a\0b", "/dev/zero", "A" * 64, "0" * 63, "0" * 64 + "\n"]
)
def test_only_a_content_hash_can_name_a_stream_or_a_file_change(digest: str) -> None:
    with pytest.raises(ValidationError, match="sha256"):
        BlobRef(sha256=digest, size_bytes=1, total_bytes=1)
    with pytest.raises(ValidationError, match="sha256"):
        FileChange(path="a", kind=ChangeKind.CREATED, sha256=digest)


@pytest.mark.parametrize("part", ["../../up", "/etc/x", "", "A"])
def test_a_part_of_a_split_is_always_a_safe_file_name(part: str) -> None:
    fields = {"name": "s", "selection": "all", "seed": 1, "created_at": NOON}
    with pytest.raises(ValidationError, match="parts"):
        Split.model_validate(fields | {"ratios": {"train": 1.0}, "parts": {part: ()}})
    with pytest.raises(ValidationError, match="ratios"):
        Split.model_validate(fields | {"ratios": {part: 1.0}, "parts": {}})


@pytest.mark.parametrize("seed", [-1, 2**32, 10**25])
def test_a_seed_that_no_generator_takes_is_refused(tmp_path: Path, seed: int) -> None:
    with pytest.raises(InputError, match="seed"):
        Project.create(tmp_path / "p", seed=seed)
    assert not (tmp_path / "p").exists()
    with pytest.raises(ValidationError, match="seed"):
        RunConfig(
            run_id="r", created_at=NOON, seed=seed, intent_ids=("i",), user="scripted", agent="scripted"
        )


def test_files_are_made_under_the_users_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        write_bytes(tmp_path / "private", b"x")
        os.umask(0o002)
        write_bytes(tmp_path / "shared", b"x")
    finally:
        os.umask(before)
    assert [(tmp_path / n).stat().st_mode & 0o777 for n in ("private", "shared")] == [0o600, 0o664]


def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, Path("/dev/zero")):
        with pytest.raises(StudioError, match="no regular file"):
            read_bytes(path)


@pytest.mark.parametrize("text", ["seed = " + "1" * 5000, "seed = " + "[" * 5000, "\xff", "name ="])
def test_a_project_file_that_cannot_be_read_is_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "project.toml").write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=r"project\.toml is not valid TOML") as caught:
        Project.open(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_folder_that_is_not_utf8_becomes_no_project(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"bad\xff")
    with pytest.raises(InputError, match="not UTF-8"):
        Project.create(folder)
    assert not folder.exists()


def test_a_project_that_does_not_fit_on_the_disk_leaves_nothing(tmp_path: Path) -> None:
    script = (
        "import resource, sys; from pathlib import Path; from engine.store import Project\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        "try: Project.create(Path(sys.argv[1]))\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "p")]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert told.startswith("StudioError cannot write ")
    assert told.count("\n") == 1
    assert "raise 'ulimit -f'" in told
    assert not (tmp_path / "p").exists()


def _write_batches(root: str, writer: int) -> None:
    project = Project.open(Path(root))
    for n in range(5):
        write_batch(project, [make_intent(f"Writer {writer} asks for thing {n}.")])


def test_writers_of_batches_take_turns_and_lose_no_line(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_write_batches, args=(str(tmp_path), n)) for n in range(6)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0] * 6
    assert len(known_ids(project)) == 30


def test_a_file_that_only_looks_like_a_batch_is_none(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    for number in (9999, 10000):
        (tmp_path / "intents").mkdir(exist_ok=True)
        (tmp_path / "intents" / f"batch-{number}.jsonl").write_text("")
    (tmp_path / "intents" / "batch-mine.jsonl").write_text("no batch")
    assert write_batch(project, [make_intent()]) == "batch-10001"
    assert list_batches(project) == ["batch-9999", "batch-10000", "batch-10001"]
    assert len(read_intents(project)) == 1


def _status(state: RunState, second: int) -> RunStatus:
    at = NOON + timedelta(seconds=second)
    return RunStatus(run_id="run-1", state=state, n_total=1, updated_at=at)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project with one finished run of two trajectories."""
    made = make_project(tmp_path)
    second = make_intent("Please count the lines.")
    save_run(made, make_trajectory("t-1"), make_trajectory("t-2", intent=second))
    return made


def test_a_run_never_reads_as_interrupted_while_it_ends(project: Project) -> None:
    run = project.paths.run("run-1")
    ended, seen = threading.Event(), set()

    def look() -> None:
        while not ended.is_set():
            seen.add(read_status(run).state)

    watcher = threading.Thread(target=look)
    watcher.start()
    for second in range(150):
        with exclusive(run.lock):
            write_status(run, _status(RunState.RUNNING, second))
            write_status(run, _status(RunState.FINISHED, second))
    ended.set()
    watcher.join()
    assert seen <= {RunState.RUNNING, RunState.FINISHED}


@pytest.mark.parametrize("harm", ["lost", "torn", "folder"])
def test_a_run_without_its_status_file_is_told_by_its_other_files(project: Project, harm: str) -> None:
    run = project.paths.run("run-1")
    run.status.unlink()
    if harm == "torn":
        run.status.write_text('{"run_id": "run-1", "st')
    if harm == "folder":
        run.status.mkdir()
    status = read_status(run)
    assert (status.state, status.n_total, status.n_done) == (RunState.INTERRUPTED, 2, 2)
    assert "run resume run-1" in status.message
    with exclusive(run.lock):
        assert read_status(run).state is RunState.RUNNING


def test_a_run_whose_files_are_all_damaged_still_has_a_status(project: Project) -> None:
    run = project.paths.run("run-1")
    run.status.unlink()
    run.config.write_text("{}")
    status = read_status(run)
    assert (status.state, status.n_done) == (RunState.FAILED, 2)
    assert "config.json" in status.message


def test_a_folder_whose_name_is_no_id_is_no_run(project: Project) -> None:
    for name in ("Run 2", os.fsdecode(b"run-\xff"), "run-3\n"):
        write_record(project.paths.runs / name / "config.json", make_intent())
    assert list_run_ids(project) == ["run-1"]


def test_a_damaged_trajectory_is_told_with_its_mend_and_stops_nobody(project: Project) -> None:
    run = project.paths.run("run-1")
    run.trajectory("t-1").write_text('{"trajectory_id": ')
    with pytest.raises(InputError, match=r"t-1\.json.*delete it, then 'ise-studio run resume run-1'"):
        read_finished(run, "t-1")
    with pytest.raises(NotFoundError):
        read_finished(run, "t-9")
    assert [(e.trajectory_id, e.stop_reason) for e in scan_endings(run)] == [
        ("t-1", UNREADABLE),
        ("t-2", "user_done"),
    ]
