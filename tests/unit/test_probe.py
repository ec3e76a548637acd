"""The isolation probe where the machine is odd: its markers are put where they can be."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from engine.execute.workspaces.bubblewrap import Bubblewrap
from engine.paths import data_dir


@pytest.mark.sandbox
def test_isolation_is_proven_without_a_home_and_from_a_deleted_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tempfile.gettempdir()  # known before the folder is gone, as in any process that began elsewhere
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # what Python finds for a user without one
    with pytest.raises(RuntimeError):
        Path.home()
    found = {check.name: check for check in Bubblewrap(data_dir() / "workspace").prove().probe}
    assert found["host_marker_invisible"].detail.startswith("1 marker files")


@pytest.mark.sandbox
def test_the_hosts_kernel_line_and_disks_are_not_to_be_read() -> None:
    backend = Bubblewrap(data_dir() / "workspace")
    backend.prove()
    workspace = backend.open()
    try:
        said = workspace.exec("cat /proc/cmdline /proc/partitions /proc/version").stdout
    finally:
        workspace.close()
    assert said == b"Linux\n"
