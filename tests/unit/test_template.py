from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from engine.execute.workspaces.snapshot import Snapshot, pack
from engine.execute.workspaces.template import SHARED_FROM_FILES, is_worth_sharing, lay_out

ME = (os.geteuid(), os.getegid())


@pytest.fixture
def snapshot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Snapshot:
    monkeypatch.setenv("ISE_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "template"
    (folder / "docs").mkdir(parents=True)
    (folder / "docs/a.txt").write_text("one\n")
    (folder / "run.sh").write_text("echo\n")
    (folder / "run.sh").chmod(0o700)
    return pack(folder)


def test_the_folder_holds_what_the_snapshot_holds_whatever_the_umask(snapshot: Snapshot) -> None:
    before = os.umask(0o077)
    try:
        place = lay_out(snapshot, ME)
    finally:
        os.umask(before)
    assert pack(place) == snapshot
    modes = {p.relative_to(place).as_posix(): p.stat().st_mode & 0o777 for p in place.rglob("*")}
    assert modes == {"docs": 0o755, "docs/a.txt": 0o644, "run.sh": 0o755}
    assert lay_out(snapshot, ME) == place


def test_a_folder_that_was_tampered_with_is_made_anew(snapshot: Snapshot) -> None:
    place = lay_out(snapshot, ME)
    (place / "docs/a.txt").write_text("two\n")
    assert pack(lay_out(snapshot, ME)) == snapshot
    (place / "more").write_text("")
    assert pack(lay_out(snapshot, ME)) == snapshot
    (place / "docs/a.txt").unlink()
    assert pack(lay_out(snapshot, ME)) == snapshot


def test_what_is_unfinished_or_long_unused_is_taken_away(snapshot: Snapshot, tmp_path: Path) -> None:
    place = lay_out(snapshot, ME)
    unfinished = place.with_name("abc-0-0.part")
    unfinished.mkdir()
    long_ago = time.time() - 60 * 24 * 3600
    os.utime(place.with_suffix(".used"), (long_ago, long_ago))
    (tmp_path / "template/docs/a.txt").write_text("other\n")
    other = lay_out(pack(tmp_path / "template"), ME)
    assert {p.name for p in place.parent.iterdir()} == {".lock", other.name, f"{other.name}.used"}


def test_a_template_is_shared_once_it_is_large_or_has_many_files(snapshot: Snapshot) -> None:
    assert not is_worth_sharing(snapshot)
    many = snapshot.files * SHARED_FROM_FILES
    assert is_worth_sharing(Snapshot(many, b"", "0" * 64, {}))
    assert is_worth_sharing(Snapshot((), bytes(2**20), "0" * 64, {}))
