"""The command line's contract: one JSON value, one error line, the right exit code, and quick help."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from engine.cli.main import main
from engine.errors import StudioError
from engine.runs import RunRequest
from engine.schema.run import Limits, OnFailedUtterance
from engine.store import Project
from tests.builders import make_intent, save_intents

HEAVY = {"torch", "umap", "streamlit", "sentence_transformers", "duckdb", "polars", "openai", "scipy"}


def call(*words: str, project: Project | None = None) -> subprocess.CompletedProcess[str]:
    options = ["--project", str(project.root)] if project else []
    command = [sys.executable, "-m", "engine", *options, *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def assert_one_line_error(done: subprocess.CompletedProcess[str], code: int, *parts: str) -> None:
    assert done.returncode == code
    assert done.stdout == ""
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("error: ")
    for part in parts:
        assert part in line


def test_help_loads_none_of_the_heavy_packages() -> None:
    code = (
        "import sys\nfrom engine.cli.main import _run\n_run(['--help'])\n"
        f"print(sorted({HEAVY!r} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    "words",
    [
        ["fly"],
        ["intents", "sample"],
        ["run", "start", "--count", "no"],
        ["run", "start", "--model-timeout", "inf"],
        ["--nope"],
    ],
)
def test_wrong_words_are_one_line_and_exit_2(words: list[str], project: Project) -> None:
    assert_one_line_error(call(*words, project=project), 2)


def test_a_run_is_started_with_the_limits_that_were_asked_for(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[RunRequest] = []

    def start(_: Project, request: RunRequest) -> str:
        asked.append(request)
        raise StudioError("asked")

    monkeypatch.setattr("engine.runs.start_run", start)
    wanted = ["--max-turns", "3", "--max-context-tokens", "6000", "--model-timeout", "600"]
    wanted += ["--on-failed-utterance", "end"]
    for words in ([], wanted):
        with pytest.raises(SystemExit):
            main(["--project", str(project.root), "run", "start", *words])
    by_default, by_hand = (request.limits for request in asked)
    assert by_default == Limits()
    assert by_hand == Limits(
        max_turns=3,
        max_context_tokens=6000,
        model_timeout_s=600,
        on_failed_utterance=OnFailedUtterance.END,
    )


def test_a_folder_that_is_no_project_is_named_with_the_mend(tmp_path: Path) -> None:
    done = call("--project", str(tmp_path), "run", "list")
    assert_one_line_error(done, 2, str(tmp_path), "ise-studio new")


def test_an_unknown_run_and_trajectory_are_named(project: Project) -> None:
    assert_one_line_error(call("run", "status", "run-none", project=project), 2, "run-none", "run list")
    assert_one_line_error(call("trajectories", "show", "../../x", project=project), 2, "trajectories list")


def test_a_broken_project_file_is_named_with_its_line(project: Project) -> None:
    project.paths.settings.write_text("name = \n", encoding="utf-8")
    assert_one_line_error(call("run", "list", project=project), 2, "project.toml", "line 1")


def test_an_unknown_setting_is_named(project: Project) -> None:
    project.paths.settings.write_text('name = "x"\ncolour = "red"\n', encoding="utf-8")
    assert_one_line_error(call("run", "list", project=project), 2, "project.toml", "colour")


def test_a_broken_taxonomy_is_named_with_file_and_line(project: Project) -> None:
    tasks = project.paths.taxonomy / "tasks.yaml"
    tasks.write_text(tasks.read_text(encoding="utf-8") + "- task_id: [broken\n", encoding="utf-8")
    assert_one_line_error(call("intents", "sample", "--count", "3", project=project), 2, "tasks.yaml:")
    done = call("taxonomy", "check", project=project)
    assert done.returncode == 2
    assert "tasks.yaml:" in done.stderr
    assert not project.paths.intents.exists()


def test_new_refuses_a_folder_that_holds_something(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep", encoding="utf-8")
    assert_one_line_error(call("new", str(tmp_path)), 2, "not an empty folder")
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


def test_a_port_in_use_is_named_with_the_mend(project: Project) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert_one_line_error(call("ui", "--port", port, project=project), 2, port, "--port")


def test_json_may_stand_anywhere_and_is_the_only_thing_on_stdout(project: Project) -> None:
    for words in (["--json", "taxonomy", "stats"], ["taxonomy", "stats", "--json"]):
        done = call(*words, project=project)
        assert json.loads(done.stdout)["domains"] == 10


def test_missing_weights_are_said_with_the_command_that_fetches_them(
    project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ISE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    monkeypatch.delenv("ISE_WEIGHTS", raising=False)
    assert call("intents", "sample", "--count", "3", project=project).returncode == 0
    assert_one_line_error(call("intents", "embed", project=project), 1, "ise-studio weights")


def test_a_read_only_project_is_named_and_nothing_is_left_half_written(project: Project) -> None:
    """A file where the folder should be refuses writes even to root, as a read-only disk would."""
    project.paths.intents.write_text("in the way", encoding="utf-8")
    assert_one_line_error(call("intents", "sample", "--count", "3", project=project), 1, "intents")
    assert project.paths.intents.read_text(encoding="utf-8") == "in the way"


def test_dedup_is_reviewed_on_the_command_line(project: Project) -> None:
    first = make_intent("Please sort the notes of the depot by date and count their lines.")
    again = make_intent("please sort the notes of the depot by date and count their lines!")
    save_intents(project, first, again)
    answer = json.loads(call("--json", "intents", "dedup", "--no-semantic", project=project).stdout)
    assert answer == {
        "n_intents": 2,
        "n_dropped": 1,
        "n_kept": 1,
        "by_method": {"exact": 1, "lexical": 0, "semantic": 0},
        "overruled": {"keep": 0, "drop": 0},
        "vendi_before": None,
        "vendi_after": None,
    }
    assert call("intents", "overrule", again.intent_id, "--keep", project=project).returncode == 0
    (pair,) = json.loads(call("--json", "intents", "pairs", "--method", "exact", project=project).stdout)
    assert (pair["utterance"], pair["other"]) == (again.utterance, first.utterance)
    assert (pair["verdict"], pair["duplicate_of"]) == ("kept by hand", first.intent_id)
    assert "kept by hand: exact 1.000" in call("intents", "pairs", project=project).stdout
    assert call("intents", "overrule", again.intent_id, "--take-back", project=project).returncode == 0
    assert f"{again.intent_id} dropped: exact" in call("intents", "pairs", project=project).stdout
    assert_one_line_error(
        call("intents", "overrule", again.intent_id, "--take-back", project=project),
        2,
        "nothing to take back",
    )
    assert_one_line_error(call("intents", "overrule", again.intent_id, project=project), 2, "--keep")
    assert_one_line_error(call("intents", "overrule", "nobody", "--drop", project=project), 2, "nobody")
    assert_one_line_error(call("intents", "dedup", "--lexical", "0", project=project), 2, "--lexical")
    assert_one_line_error(call("intents", "dedup", project=project), 2, "ise-studio intents embed")
