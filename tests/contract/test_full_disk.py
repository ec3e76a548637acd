"""A full and a read-only disk: one line that says so, exit 1, nothing half-written, nothing lost."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine.store import Project

SMALL_DISK = 'mount -t tmpfs -o size={size} none "$1" && cp -r "$2" "$1/project" && {then}'
ENGINE = f'{sys.executable} -m engine --project "$1/project"'


def on_small_disk(project: Project, folder: Path, size: str, then: str) -> subprocess.CompletedProcess[str]:
    """Runs `then` where `$1/project` is a copy of the project on a tmpfs of this size."""
    folder.mkdir()
    script = SMALL_DISK.format(size=size, then=then)
    # Root stays root: as that of a namespace it cannot become nobody, and no limit on processes binds it.
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    command = ["unshare", *user, "--mount", "sh", "-c", script, "sh", str(folder), str(project.root)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    if "unshare failed" in done.stderr:
        pytest.skip("user namespaces are refused here, so no small disk can be mounted")
    return done


def test_a_full_disk_is_named_and_no_batch_is_left_half_written(project: Project, tmp_path: Path) -> None:
    left = 'find "$1/project/intents" -type f ! -name .lock | wc -l'
    then = f'{ENGINE} intents sample --count 400; echo "exit $?"; {left}'
    done = on_small_disk(project, tmp_path / "disk", "1600k", then)
    assert done.stdout.split() == ["exit", "1", "0"]
    (line,) = done.stderr.strip().splitlines()
    assert "the disk is full" in line


def test_a_read_only_disk_is_named_with_the_mend(project: Project, tmp_path: Path) -> None:
    then = f'mount -o remount,ro "$1" && {ENGINE} intents sample --count 3; echo "exit $?"'
    done = on_small_disk(project, tmp_path / "disk", "4m", then)
    assert done.stdout.split() == ["exit", "1"]
    (line,) = done.stderr.strip().splitlines()
    assert "read-only" in line


@pytest.mark.sandbox
def test_a_disk_that_fills_up_in_mid_run_fails_the_run_and_keeps_what_is_finished(
    project: Project, tmp_path: Path
) -> None:
    then = (
        f'{ENGINE} intents sample --count 14 && head -c 700k /dev/zero > "$1/ballast"; '
        f'{ENGINE} run start --wait; echo "exit $?"; rm "$1/ballast"; mount -o remount,size=64m "$1"; '
        f'id=$(ls "$1/project/runs"); before=$(ls "$1/project/runs/$id/trajectories" | wc -l); '
        f'{ENGINE} run resume "$id" --wait; echo "exit $?"; '
        f'for f in "$1"/project/runs/$id/trajectories/*; do {sys.executable} -m json.tool "$f" >/dev/null '
        "|| echo torn; done; "
        'echo "$before" then $(ls "$1/project/runs/$id/trajectories" | wc -l)'
    )
    done = on_small_disk(project, tmp_path / "disk", "2900k", then)
    failed, finished, resumed, counts = done.stdout.splitlines()[-4:]
    before, _, after = counts.split()
    assert (failed, resumed, finished.split(" · ")[1]) == ("exit 1", "exit 0", "finished")
    assert "the disk is full" in done.stderr
    assert 0 < int(before) < int(after) == 14
    assert "torn" not in done.stdout
