"""Re-execution: what really ran comes out the same again, and no tampered record is called reproduced."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from engine import build
from engine.catalog import Catalog
from engine.errors import InputError
from engine.execute.compare import Comparer, Found, sha256_of
from engine.execute.reexecute import is_commit
from engine.execute.tools import run_tool
from engine.execute.workspaces.backend import Backend
from engine.fidelity import reexecute_trajectories
from engine.schema.base import utc_now
from engine.schema.chat import ToolCallRequest
from engine.schema.reexecution import CallVerdict, Reexecution
from engine.schema.sandbox import IMPORTED, BlobRef, ChangeKind, FileChange
from engine.schema.trajectory import ToolCall, Trajectory
from engine.store.project import Project
from engine.store.reexecutions import read_reexecution, write_reexecution
from engine.store.runs import read_blob
from tests.builders import make_call, make_project, make_provenance, make_trajectory, make_turn, save_run
from tests.recorded import record_calls

pytestmark = pytest.mark.sandbox

STEADY = (
    ("write", {"path": "hens.csv", "content": "hen,eggs\nada,3\nmoe,4\n"}),
    "awk -F, 'NR > 1 { s += $2 } END { print s }' hens.csv",
    ("read", {"path": "hens.csv"}),
    ("edit", {"path": "hens.csv", "oldText": "moe,4", "newText": "moe,5"}),
    ("edit", {"path": "hens.csv", "oldText": "zoe", "newText": "x"}),
    ("read", {"path": "nowhere.txt"}),
    "cat nowhere.txt",
    "python3 -c 'import fastplot'",
    "kill -9 $$",
    "mkdir -p deep/er && touch deep/er/empty && chmod 600 hens.csv && rm -r deep",
    "printf 'a\\377b' > raw.bin && seq 5000 && echo bad >&2 && exit 3",
    ("exec", {"command": "sleep 9", "timeout": 1}),
    ("read", {"wrong": 1}),
)
WAVERING = (
    "date; date +%s; date +%FT%T.%NZ; date -R; date '+%d/%b/%Y:%H:%M:%S'; date +%Y%m%d-%H%M%S; date +%T",
    "touch a.txt; ls -l a.txt; ls -l --time-style=full-iso a.txt; stat -c %Y a.txt",
    "python3 -c 'from time import perf_counter as n; t = n(); print(f\"took {n() - t:.9f} s\")'; time true",
    "mktemp; mktemp -d; python3 -c 'import tempfile; d = tempfile.mkdtemp(); print(d, d)'",
    'python3 -c \'print(object(), "pid:", __import__("os").getpid())\'',
    "python3 - <<'E'\nimport socket\ns = socket.socket()\ns.bind(('127.0.0.1', 0))\n"
    "print('127.0.0.1:%d' % s.getsockname()[1])\nE",
    "date > now.txt; date >> now.txt; cat now.txt",
    'echo "made $(date +%s)" >> now.txt',
    "git init -q -b main r && cd r && echo one > f && git add -A && git commit -qm one && git log",
    "cd /workspace/r && echo two >> f && git commit -qam two && git log --oneline\n"
    "git rev-parse HEAD && cat .git/logs/HEAD",
    "cd /workspace/r && git tag -a v1 -m v1 && git checkout -qb side && git cat-file -p HEAD",
)


NEEDED = ("clock", "clock", "duration", "temporary name", "address", "port", *["clock"] * 2, *["commit"] * 3)


@pytest.fixture(scope="module")
def backend() -> Backend:
    made = build.sandbox("bubblewrap")
    made.prove()
    return made


@pytest.fixture(scope="module")
def recorded(backend: Backend, tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Trajectory]:
    project = make_project(tmp_path_factory.mktemp("recorded"))
    trajectory = record_calls(project, backend, *STEADY, *WAVERING)
    time.sleep(2.1)  # so that no clock shows the same second again
    return project, trajectory


def again(project: Project, *ids: str, **options: Any) -> Reexecution:
    (made,) = reexecute_trajectories(project, ids or ["t-1"], **options)
    return made


def test_every_call_that_really_ran_is_reproduced(recorded: tuple[Project, Trajectory]) -> None:
    project, trajectory = recorded
    made = again(project)
    drifts = [
        (call.arguments, one.drifts) for call, one in zip(trajectory.tool_calls(), made.calls, strict=True)
    ]
    assert [d for d in drifts if d[1]] == []
    assert {c.verdict for c in made.calls} == {CallVerdict.REPRODUCED}
    assert made.fidelity == 1.0
    steady = [call.normalised for call in made.calls[: len(STEADY)]]
    assert set(steady) == {()}, "what does not waver needs no rule"
    for call, rule in zip(made.calls[len(STEADY) :], NEEDED, strict=True):
        assert rule in call.normalised


@dataclasses.dataclass(frozen=True, repr=False)
class Twice:
    """The recorded calls, and the same calls as they ran again, with everything that comparing them needs."""

    was: list[ToolCall]
    now: list[ToolCall]
    recorded_at: Any
    now_at: Any
    blobs: dict[str, bytes]
    commits: frozenset[str]

    def compare(self, tampered: int, call: ToolCall, blobs: dict[str, bytes]) -> Found:
        """What is found of one tampered call; the calls before it are as they were."""
        known = {**self.blobs, **blobs}
        comparer = Comparer(lambda ref: known.get(ref.sha256), self.recorded_at, self.now_at)
        found = Found((), ())
        for n in range(tampered + 1):
            was = call if n == tampered else self.was[n]
            found = comparer.compare(was, self.now[n], self.read, self.are_commits)
        return found

    def read(self, ref: BlobRef) -> bytes | None:
        return self.blobs.get(ref.sha256)

    def is_recorded_commit(self, path: str) -> bool:
        """True for a git object that only the record has."""
        return "/.git/objects/" in path and all(
            change.path != path for call in self.now for change in call.ledger.changes
        )

    def are_commits(self, changes: list[FileChange]) -> bool:
        return all(change.path in self.commits for change in changes)


@pytest.fixture(scope="module")
def twice(backend: Backend, recorded: tuple[Project, Trajectory]) -> Twice:
    project, trajectory = recorded
    run = project.paths.run("run-1")
    was = list(trajectory.tool_calls())
    refs = [ref for call in was for ref in (call.ledger.stdout, call.ledger.stderr) if ref]
    blobs = {ref.sha256: read_blob(run, ref) for ref in refs}

    def keep(data: bytes, total_bytes: int) -> BlobRef | None:
        if not data and not total_bytes:
            return None
        blobs[sha256_of(data)] = data
        return BlobRef(sha256=sha256_of(data), size_bytes=len(data), total_bytes=total_bytes)

    now_at, now, commits = utc_now(), [], set()
    with closing(backend.open()) as workspace:
        for call in was:
            request = ToolCallRequest(id=call.id, name=call.name, arguments=call.arguments)
            timeout_s = 1.0 if call.ledger.timed_out else 60.0
            now.append(run_tool(request, workspace, timeout_s=timeout_s, keep=keep))
            for change in now[-1].ledger.changes:
                if "/.git/objects/" in change.path and is_commit(workspace.read(change.path).stdout):
                    commits.add(change.path)
    return Twice(was, now, trajectory.created_at, now_at, blobs, frozenset(commits))


def test_untouched_nothing_drifts(twice: Twice) -> None:
    for n, call in enumerate(twice.was):
        assert twice.compare(n, call, {}).drifts == ()


Tampered = tuple[ToolCall, dict[str, bytes]]


def changed(call: ToolCall, **ledger: Any) -> ToolCall:
    return call.model_copy(update={"ledger": call.ledger.model_copy(update=ledger)})


def texts_changed(text: str, draw: Callable[[Any], Any]) -> str:
    """The text with one digit, one word or one line of it changed, left out or added."""
    kind = draw(st.sampled_from(("digit", "letter", "word", "drop line", "add line", "swap case")))
    if kind in ("drop line", "add line"):
        lines = text.split("\n")
        at = draw(st.integers(0, len(lines) - 1))
        lines[at : at + 1] = (
            [] if kind == "drop line" else [lines[at], draw(st.sampled_from(("ok", "0", "x y")))]
        )
        return "\n".join(lines)
    pattern = {"digit": r"\d", "letter": "[a-z]", "word": r"\w+", "swap case": "[A-Za-z]"}[kind]
    places = list(re.finditer(pattern, text))
    assume(places)
    place = draw(st.sampled_from(places))
    changes: dict[str, Callable[[str], str]] = {
        "digit": lambda old: str((int(old) + draw(st.integers(1, 9))) % 10),
        "letter": lambda old: chr((ord(old) - 97 + draw(st.integers(1, 25))) % 26 + 97),
        "word": lambda old: old + draw(st.sampled_from(("s", "1", "_"))),
        "swap case": str.swapcase,
    }
    return text[: place.start()] + changes[kind](place[0]) + text[place.end() :]


def tamper(call: ToolCall, twice: Twice, draw: Callable[[Any], Any]) -> Tampered:
    """The call with one thing of its record changed."""
    entry = call.ledger
    what = draw(
        st.sampled_from(("observation", "exit", "stream", "file hash", "file size", "file", "error", "diff"))
    )
    if what == "observation":
        return call.model_copy(update={"observation": texts_changed(call.observation, draw)}), {}
    if what == "exit":
        other = draw(st.sampled_from([v for v in (0, 1, 2, 127, None) if v != entry.exit_code]))
        assume(not (entry.exit_code is None and (entry.signal or entry.timed_out)))
        return changed(call, exit_code=other), {}
    if what == "stream":
        name = draw(st.sampled_from(("stdout", "stderr")))
        ref: BlobRef | None = getattr(entry, name)
        assume(ref is not None)
        assert ref is not None
        other_text = texts_changed(twice.blobs[ref.sha256].decode("utf-8", "surrogateescape"), draw)
        data = other_text.encode("utf-8", "surrogateescape")
        if draw(st.booleans()):  # in place, under its old hash: then nothing can be read under that hash
            return changed(call, **{name: ref.model_copy(update={"sha256": "0" * 64})}), {}
        fresh = BlobRef(sha256=sha256_of(data), size_bytes=len(data), total_bytes=len(data))
        return changed(call, **{name: fresh}), {fresh.sha256: data}
    if what == "error":
        assume(call.error is not None or entry.error is not None)
        return changed(call.model_copy(update={"error": "another"}), error=None), {}
    return _file_tampered(call, what, twice.is_recorded_commit, draw), {}


def _file_tampered(
    call: ToolCall, what: str, is_commit_file: Callable[[str], bool], draw: Callable[[Any], Any]
) -> ToolCall:
    entry = call.ledger
    assume(entry.changes)
    at = draw(st.integers(0, len(entry.changes) - 1))
    one = entry.changes[at]
    # Known exception: of a commit made at the recorded time its id is compared, its file's hash cannot be.
    assume(what != "file hash" or not is_commit_file(one.path))
    others = list(entry.changes)
    if what == "file":
        others[at] = one.model_copy(update={"path": one.path.rstrip("/") + "x"})
    elif what == "diff":
        assume(one.diff is not None)
        others[at] = one.model_copy(update={"diff": texts_changed(one.diff or "", draw)})
    elif what == "file hash":
        assume(one.sha256 is not None)
        others[at] = one.model_copy(update={"sha256": sha256_of((one.sha256 or "").encode())})
    else:
        assume(one.size_bytes is not None)
        others[at] = one.model_copy(update={"size_bytes": (one.size_bytes or 0) + draw(st.integers(30, 90))})
    return changed(call, changes=tuple(others))


@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_no_tampered_record_is_called_reproduced(twice: Twice, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(twice.was) - 1))
    call, blobs = tamper(twice.was[at], twice, data.draw)
    assume(call != twice.was[at])
    assert twice.compare(at, call, blobs).drifts != ()


def make_record(project: Project, backend: Backend, *turns: Any, **changes: Any) -> Trajectory:
    """A finished trajectory that says that it ran here, whatever it holds."""
    provenance = make_provenance(sandbox=backend.prove())
    trajectory = make_trajectory("t-1", *turns, provenance=provenance, **changes)
    save_run(project, trajectory)
    return trajectory


def test_what_differs_is_shown_as_a_diff_and_every_call_after_it_is_still_run(
    tmp_path: Path, backend: Backend
) -> None:
    project = make_project(tmp_path / "p")
    trajectory = record_calls(project, backend, "echo one; echo two", "exit 3", "echo three")
    first, second, third = trajectory.tool_calls()
    first = first.model_copy(update={"observation": "one\nthree"})
    make_record(project, backend, make_turn(first, changed(second, exit_code=0), third))
    made = again(project)
    verdicts = [call.verdict.value for call in made.calls]
    assert verdicts == ["drifted", "drifted", "reproduced"]
    assert [d.what for d in made.calls[0].drifts] == ["observation"]
    assert "-three\n+two" in made.calls[0].drifts[0].diff
    assert made.calls[1].drifts[0].diff == "exit code 0, now exit code 3"
    assert made.fidelity == pytest.approx(1 / 3)


def test_what_cannot_be_run_again_says_why(tmp_path: Path, backend: Backend) -> None:
    project = make_project(tmp_path / "p")
    trajectory = record_calls(project, backend, "echo hello")
    (hello,) = trajectory.tool_calls()
    foreign = changed(make_call("ls", tool="exec"), action=IMPORTED)
    unknown = hello.model_copy(update={"name": "tts"})
    refused = make_call(action="none", tool_error="not run: one message may make 32 tool calls")
    make_record(project, backend, make_turn(foreign, unknown, refused, hello))
    made = again(project)
    assert [call.verdict.value for call in made.calls] == [*["not_replayable"] * 3, "reproduced"]
    reasons = [call.reason for call in made.calls]
    assert ["ledger" in reasons[0], "'tts'" in reasons[1], "not run" in reasons[2]] == [True] * 3
    assert made.fidelity == 1.0


def test_a_record_of_another_template_or_of_another_harness_is_not_run(
    tmp_path: Path, backend: Backend
) -> None:
    project = make_project(tmp_path / "p")
    save_run(project, make_trajectory("t-1", make_turn(make_call("true"))))
    made = again(project)
    assert made.calls[0].verdict is CallVerdict.NOT_REPLAYABLE
    assert "another template" in made.calls[0].reason
    assert made.fidelity is None
    make_record(project, backend, make_turn(changed(make_call("true"), action=IMPORTED)))
    assert "imported" in again(project).calls[0].reason


def test_the_result_is_kept_until_the_record_changes_and_stands_in_the_tables(
    tmp_path: Path, backend: Backend
) -> None:
    project = make_project(tmp_path / "p")
    trajectory = record_calls(project, backend, "echo a", "echo b")
    run = project.paths.run("run-1")
    columns = "select fidelity, n_reproduced, n_drifted, reexecuted_at is not null as done from trajectories"
    with Catalog.open(project) as catalog:
        assert list(catalog.rows(columns)[0].values()) == [None, None, None, False]
    made = again(project)
    assert read_reexecution(run, "t-1") == made
    with Catalog.open(project) as catalog:
        assert list(catalog.rows(columns)[0].values()) == [1.0, 2, 0, True]
        verdicts = catalog.rows("select reexecution from tool_calls")
        assert [row["reexecution"] for row in verdicts] == ["reproduced"] * 2
    save_run(project, trajectory.model_copy(update={"duration_s": 9.0}))
    assert read_reexecution(run, "t-1") is None
    write_reexecution(run, made)
    run.reexecution("t-1").write_text("{")
    assert read_reexecution(run, "t-1") is None


def test_what_is_not_finished_is_refused_before_anything_runs(tmp_path: Path, backend: Backend) -> None:
    project = make_project(tmp_path / "p")
    record_calls(project, backend, "echo a")
    with pytest.raises(InputError, match="no trajectory 't-2'"):
        list(reexecute_trajectories(project, ["t-1", "t-2"]))
    assert not project.paths.run("run-1").reexecutions.exists()


def call(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "engine", "--project", str(root), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_command_line_runs_them_again(tmp_path: Path, backend: Backend) -> None:
    project = make_project(tmp_path / "p")
    for name in ("t-1", "t-2"):
        record_calls(project, backend, "echo a", "cat none", trajectory_id=name)
    root = project.paths.root
    done = call(root, "--json", "trajectories", "reexecute", "t-1", "t-2", "--concurrency", "2")
    assert done.returncode == 0
    assert "re-executed: 2 of 2" in done.stderr
    told = {one["trajectory_id"]: one for one in json.loads(done.stdout)}
    assert {name: (one["n_reproduced"], one["fidelity"]) for name, one in told.items()} == {
        "t-1": (2, 1.0),
        "t-2": (2, 1.0),
    }
    chosen = call(root, "trajectories", "reexecute", "--where", "trajectory_id = 't-2'")
    assert chosen.returncode == 0
    assert "t-2" in chosen.stdout
    assert "t-1" not in chosen.stdout
    assert "2 reproduced, 0 drifted, 0 not replayable: fidelity 100.0%" in chosen.stdout
    assert call(root, "trajectories", "reexecute", "t-1", "--where", "true").returncode == 2
    assert call(root, "trajectories", "reexecute", "t-9").returncode == 2


def test_a_folder_of_git_objects_that_the_other_sides_commit_had_made_already_is_no_drift(
    twice: Twice,
) -> None:
    committed = next(n for n, c in enumerate(twice.was) if "git commit -qm one" in c.arguments)
    later = next(n for n, c in enumerate(twice.was) if "git commit" in c.arguments and n > committed)
    made = {c.path for c in twice.now[committed].ledger.changes} & twice.commits
    folders = {path.rpartition("/")[0] + "/" for path in made}
    for folder, is_explained in [*((f, True) for f in folders), ("r/.git/odd/", False)]:
        call = twice.was[later]
        extra = FileChange(path=folder, kind=ChangeKind.CREATED)
        changes = (*call.ledger.changes, extra)
        found = twice.compare(later, changed(call, changes=changes, n_changes=call.ledger.n_changes + 1), {})
        named = [drift for drift in found.drifts if folder in drift.what]
        assert bool(named) is not is_explained
