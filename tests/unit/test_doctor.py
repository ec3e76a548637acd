"""The doctor tries things live, and names the mend for what does not work."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine.doctor import DoctorReport, examine
from engine.store import Project


def refusing_bwrap(folder: Path) -> Path:
    """A bwrap that says what the real one says where user namespaces are refused."""
    script = folder / "bwrap"
    script.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    script.chmod(0o755)
    return script


def sandbox_line(report: DoctorReport) -> str:
    return next(f.detail for f in report.findings if f.name == "sandbox bubblewrap")


@pytest.mark.sandbox
def test_the_probe_is_reported_as_proven(project: Project) -> None:
    report = examine(project.root)
    info = report.sandbox["bubblewrap"]
    assert info is not None
    proven = {check.name for check in info.probe if check.proven}
    assert proven >= {"network_unreachable", "host_marker_invisible", "usr_not_writable"}
    assert report.ok


def test_no_bubblewrap_is_said_with_the_mend(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISE_BWRAP", "/nonexistent/bwrap")
    report = examine(project.root)
    assert not report.ok
    assert report.sandbox["bubblewrap"] is None
    assert "bubblewrap" in sandbox_line(report)
    assert "install" in sandbox_line(report)


def test_refused_user_namespaces_are_said_with_the_mend_by_doctor_and_run_start_alike(
    project: Project, tmp_path: Path
) -> None:
    environment = {**os.environ, "ISE_BWRAP": str(refusing_bwrap(tmp_path))}

    def call(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "engine", "--project", str(project.root), *words]
        return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)

    assert call("intents", "sample", "--count", "3").returncode == 0
    doctor = call("--json", "doctor")
    report = DoctorReport.model_validate_json(json.dumps(json.loads(doctor.stdout)))
    start = call("run", "start", "--count", "1")
    assert (doctor.returncode, start.returncode) == (1, 1)
    assert "namespace" in sandbox_line(report)
    assert start.stderr.strip() == f"error: {sandbox_line(report)}"
    assert not project.paths.runs.exists()


def test_a_folder_that_is_no_project_is_examined_all_the_same(tmp_path: Path) -> None:
    report = examine(tmp_path / "nothing" / "here")
    finding = next(f for f in report.findings if f.name == "project")
    assert not finding.ok
    assert "ise-studio new" in finding.detail
