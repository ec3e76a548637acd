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


LOCAL = '[endpoints.local]\nbase_url = "http://127.0.0.1:9/v1"\n'


@pytest.mark.parametrize(
    ("judge", "ok", "said"),
    [
        ("openai:careful@local", True, "openai:careful@local in its place"),
        ("openai:careful@gone", False, "no endpoint 'gone'"),
        ("openai:careful", False, "no key for https://api.openai.com"),
        ("careful", False, "unknown provider 'careful'"),
    ],
)
def test_the_judge_and_every_endpoint_are_looked_at(
    project: Project, judge: str, ok: bool, said: str
) -> None:
    settings = project.paths.settings.read_text(encoding="utf-8")
    settings = settings.replace('judge = "scripted"', f'judge = "{judge}"')
    project.paths.settings.write_text(f"{settings}\n{LOCAL}", encoding="utf-8")
    findings = {f.name: f for f in examine(project.root).findings}
    reader = findings["reader of messages"]
    assert (reader.ok, said in reader.detail) == (ok, True), reader.detail
    local = findings["model endpoint local, http://127.0.0.1:9/v1"]
    assert (local.ok, local.detail) == (True, "a local endpoint needs no key")
    assert not findings["model endpoint default, https://api.openai.com/v1"].ok
