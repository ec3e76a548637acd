"""Workspaces on a template that is too large to be copied for each: it may be shared, nobody must notice."""

from __future__ import annotations

import base64
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.ports import Workspace
from tests.contract.workspace.cases import (
    REPOSITORY,
    SMALL,
    Backend,
    Case,
    changes,
    fill_template,
    kinds,
    said,
)
from tests.contract.workspace.conftest import proven

N_FILES = 300
SIZE = 8_000


@pytest.fixture(scope="module")
def large_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("large")
    fill_template(folder)
    for i in range(N_FILES):
        file = folder / f"data/d{i % 20}/f{i}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{i}\n" * (SIZE // len(f"{i}\n")))
    return folder


@pytest.fixture(scope="module")
def large(case: Case, large_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ISE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield proven(case, large_template, SMALL)


@pytest.fixture
def workspace(large: Backend) -> Iterator[Workspace]:
    workspace = large.open()
    yield workspace
    workspace.close()


def test_it_starts_from_the_snapshot_with_modes_and_an_owner_who_may_change_it(workspace: Workspace) -> None:
    look = "./run.sh; stat -c '%a %U' . docs docs/readme.txt run.sh data/d3/f3.txt; find . -type f | wc -l"
    assert workspace.exec(look).stdout.decode().splitlines() == [
        "ran",
        "755 user",
        "755 user",
        "644 user",
        "755 user",
        "644 user",
        str(N_FILES + 2),
    ]
    assert workspace.exec("true").changes == ()


def test_changes_of_its_files_are_told_with_diffs(workspace: Workspace) -> None:
    effect = workspace.exec(
        "echo more >>docs/readme.txt; rm run.sh; rm -r data/d7; sed -i 's/^5$/five/' data/d5/f5.txt; "
        "chmod 600 data/d0/f0.txt"
    )
    found = changes(effect)
    assert found["docs/readme.txt"].diff == (
        "--- a/docs/readme.txt\n+++ b/docs/readme.txt\n@@ -1 +1,2 @@\n hello\n+more\n"
    )
    assert found["run.sh"].diff == "--- a/run.sh\n+++ /dev/null\n@@ -1 +0,0 @@\n-echo ran\n"
    assert found["data/d0/f0.txt"].mode == 0o600
    assert len([p for p in found if p.startswith("data/d7/")]) == N_FILES // 20 + 1
    assert workspace.exec("ls data/d7 2>&1; cat docs/readme.txt").stdout.endswith(b"hello\nmore\n")


def test_a_touch_of_a_file_is_no_change(workspace: Workspace) -> None:
    assert workspace.exec("touch docs/readme.txt data/d1/*").changes == ()


def test_workspaces_on_it_do_not_see_each_others_changes(large: Backend, workspace: Workspace) -> None:
    workspace.exec("echo mine >docs/readme.txt; rm -rf data; touch new")
    other = large.open()
    try:
        assert other.exec("cat docs/readme.txt; ls data | wc -l; ls new").stdout == b"hello\n20\n"
    finally:
        other.close()


def test_what_is_written_above_it_is_bounded(workspace: Workspace) -> None:
    effect = workspace.exec(
        "for i in $(seq 9); do head -c 7M /dev/zero >f$i || break; done; du -cm f* | tail -1"
    )
    assert b"No space left" in effect.stderr
    assert int(effect.stdout.split()[0]) <= SMALL.workspace_bytes // 2**20
    full = workspace.exec("cat /dev/zero >>data/d1/f1.txt")
    assert b"No space left" in full.stderr
    assert workspace.exec("rm f*; echo fine >f; cat f").stdout == b"fine\n"


def test_folders_of_it_can_be_moved_removed_and_made_anew(workspace: Workspace) -> None:
    effect = workspace.exec(
        "mv docs papers && mkdir docs && ls docs papers && rm -rf data && mkdir data && ls data"
    )
    assert (effect.exit_code, effect.stdout) == (0, b"docs:\n\npapers:\nreadme.txt\n")
    assert kinds(effect)["papers/readme.txt"] == "created"


def test_it_comes_back_by_a_checkpoint(workspace: Workspace) -> None:
    look = "find . -printf '%p %y %m %l\\n' | sort; find . -type f -exec sha256sum {} + | sort"
    before = workspace.exec(look).stdout
    began = workspace.checkpoint().checkpoint
    workspace.exec(
        "echo x >>docs/readme.txt; rm -rf data/d1 run.sh; touch new; chmod 700 docs; mv data/d2 data/e"
    )
    middle = workspace.checkpoint().checkpoint
    then = workspace.exec(look).stdout
    workspace.exec("rm -rf * .??*; mkdir data; touch data/d1")
    assert workspace.restore(middle).error is None
    assert workspace.exec(look).stdout == then
    assert workspace.restore(began).error is None
    assert workspace.exec(look).stdout == before


def test_checkpoints_cost_nothing_for_what_nobody_changed(workspace: Workspace) -> None:
    for i in range(30):
        workspace.write("n", b"%d" % i)
        assert workspace.checkpoint().error is None


def test_neither_mounts_nor_files_tell_its_place_on_the_host(
    workspace: Workspace, large_template: Path
) -> None:
    effect = workspace.exec(
        "cat /proc/self/mountinfo /proc/mounts; df -a; readlink -f . docs; ls -la / /.ise"
    )
    told = base64.b16encode(effect.stdout + effect.stderr)
    for path in {REPOSITORY, Path(sys.prefix), large_template, large_template.parent, Path.home()} - {
        Path("/")
    }:
        if not path.is_relative_to("/usr"):
            assert base64.b16encode(str(path).encode()) not in told


def test_it_cannot_be_changed_from_inside(large: Backend, workspace: Workspace) -> None:
    workspace.exec(
        "find / -xdev -name readme.txt -exec sh -c 'chmod 777 {}; echo evil >{}' \\; ; "
        "rm -rf /.ise/template/*"
    )
    other = large.open()
    try:
        assert other.exec("cat docs/readme.txt; find . -type f | wc -l").stdout == b"hello\n302\n"
    finally:
        other.close()


def test_five_hundred_calls_do_not_slow_down(workspace: Workspace) -> None:
    def of(n: int) -> float:
        began = time.monotonic()
        for i in range(n):
            workspace.write("n", b"%d" % i)
        return time.monotonic() - began

    of(20)
    first = of(60)
    assert of(60) < 20 * first  # a busy machine is no failure, a leak that grows by the call is
    assert "n" in said(workspace.exec("ls"))
