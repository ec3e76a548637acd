"""What views do: filter and link, save and cut, start and refuse, and long work in a process of its own."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from engine.errors import InputError
from engine.runs import RunRequest
from engine.schema.run import Limits, OnFailedUtterance
from engine.store.curation import list_selections, read_split
from engine.store.intents import read_decisions, read_intents
from engine.store.project import Project
from engine.store.runs import list_run_ids
from studio.jobs import Job, Report, Request, Step, main, start_job
from tests.app.opened import Open
from tests.app.sample_project import MAIN, make_sample


def shown(app: AppTest) -> str:
    """All captions and texts of a page."""
    return "\n".join([*(c.value for c in app.caption), *(t.value for t in app.text)])


def button(app: AppTest, label: str) -> None:
    """Clicks a button by its label."""
    next(b for b in app.button if b.label == label).click().run()


def test_a_link_with_a_filter_shows_what_it_names(open_view: Open, sample_root: Path) -> None:
    app = open_view(sample_root, "trajectories", failed="with", complexity="simple")
    assert not app.exception
    assert "2 trajectories" in shown(app)
    assert app.selectbox(key="failed").value == "with"
    assert app.multiselect(key="complexity").value == ["simple"]


def test_a_change_of_the_filter_stands_in_the_address(open_view: Open, sample_root: Path) -> None:
    app = open_view(sample_root, "trajectories")
    app.multiselect(key="stop").set_value(["turn_limit"]).run()
    assert app.query_params["stop"] in ("turn_limit", ["turn_limit"])
    assert "2 trajectories" in shown(app)
    app.multiselect(key="stop").set_value([]).run()
    assert "stop" not in app.query_params
    assert "13 trajectories" in shown(app)


def test_a_link_with_nonsense_is_read_as_no_filter(open_view: Open, sample_root: Path) -> None:
    app = open_view(sample_root, "trajectories", failed="perhaps", sort="1; drop table", stop="nowhere")
    assert not app.exception
    assert app.selectbox(key="sort").value == "created_at"


def test_a_wrong_condition_is_said_and_the_page_stays_usable(open_view: Open, sample_root: Path) -> None:
    app = open_view(sample_root, "trajectories", where="n_turnz > 3")
    assert not app.exception
    assert "n\\_turnz" in app.error[0].value
    app.text_input(key="where").set_value("n_turns > 3").run()
    assert not app.error
    assert "1 trajectory" in shown(app)


def test_sql_that_would_read_a_file_is_refused_in_place(open_view: Open, sample_root: Path) -> None:
    app = open_view(sample_root, "trajectories")
    app.text_area(key="sql_text").set_value("select * from read_text('/etc/passwd')")
    button(app, "Ask")
    assert not app.exception
    assert app.error
    assert "root:" not in shown(app)


def test_the_replay_names_turn_verdicts_and_evidence(open_view: Open, sample_root: Path) -> None:
    app = open_view(sample_root, "replay", trajectory=MAIN, turn="1")
    assert not app.exception
    labels = [e.label for e in app.expander]
    assert "Verdicts · 2 attempts" in labels
    app = open_view(sample_root, "replay", trajectory=MAIN, turn="2")
    assert "Evidence the user was given · 2 calls" in [e.label for e in app.expander]


def test_the_replay_names_sessions_and_what_was_left_running(open_view: Open, sample_root: Path) -> None:
    app = open_view(sample_root, "replay", trajectory=MAIN, turn="3")
    assert not app.exception
    assert not app.error
    assert "1 process left running" in shown(app)
    assert "session s1: running" in shown(app).replace("\\", "")


def test_a_rollout_that_is_being_played_can_be_read(open_view: Open, sample_root: Path) -> None:
    app = open_view(sample_root, "replay", trajectory="t-live-0001")
    assert not app.exception
    assert not app.error


@pytest.mark.parametrize("turn", ["0", "99", "-1", "1e9", "x"])
def test_any_turn_in_the_address_opens_a_page(open_view: Open, sample_root: Path, turn: str) -> None:
    app = open_view(sample_root, "replay", trajectory=MAIN, turn=turn)
    assert not app.exception
    assert app.title


def test_a_selection_is_saved_and_cut(open_view: Open, tmp_path: Path) -> None:
    project = make_sample(tmp_path / "p")
    app = open_view(project.root, "export", where="n_failed_calls = 0")
    assert "Selects 9 of 13 trajectories." in shown(app)
    app.text_input(key="selection_name").set_value("clean")
    button(app, "Save the selection")
    assert [s.name for s in list_selections(project)] == ["clean"]
    next(i for i in app.text_input if i.label == "Name of the split").set_value("halves")
    next(i for i in app.text_input if i.label == "Ratios").set_value("train=0.5,test=0.5")
    button(app, "Make the split")
    assert not app.error
    assert {part: len(ids) for part, ids in read_split(project, "halves").parts.items()} == {
        "train": 5,
        "test": 4,
    }
    button(app, "Write the export")
    assert not app.error
    (manifest,) = project.paths.exports.glob("*/manifest.json")
    assert json.loads(manifest.read_text(encoding="utf-8"))["n_trajectories"] == 9


@pytest.mark.parametrize("name", ["", "No Good", "../up"])
def test_a_bad_name_of_a_selection_is_refused_in_place(open_view: Open, tmp_path: Path, name: str) -> None:
    project = make_sample(tmp_path / "p")
    app = open_view(project.root, "export", where="true")
    app.text_input(key="selection_name").set_value(name)
    button(app, "Save the selection")
    assert not app.exception
    assert "cannot be a name" in app.error[0].value
    assert list_selections(project) == []


def test_a_refused_sandbox_says_the_mend_and_starts_nothing(
    open_view: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make_sample(tmp_path / "p")
    broken = tmp_path / "bwrap"
    broken.write_text(
        "#!/bin/sh\necho 'bwrap: setting up uid map: Permission denied' >&2\nexit 1\n", encoding="utf-8"
    )
    broken.chmod(0o755)
    monkeypatch.setenv("ISE_BWRAP", str(broken))
    before = list_run_ids(project)
    app = open_view(project.root, "runs")
    button(app, "Start the run")
    assert not app.exception
    assert app.error
    assert list_run_ids(project) == before


def test_a_run_is_launched_with_the_limits_of_the_form(
    open_view: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[RunRequest] = []

    def start(_: Project, request: RunRequest) -> str:
        asked.append(request)
        raise InputError("asked")

    monkeypatch.setattr("studio.widgets.launch.start_run", start)
    project = make_sample(tmp_path / "p")
    settings = project.paths.settings.read_text(encoding="utf-8")
    project.paths.settings.write_text(settings.replace('judge = "scripted"', 'judge = "openai:careful"'))
    app = open_view(project.root, "runs")
    for label, value in (("Turns at most", 3), ("Context tokens", 6000), ("Seconds a call", 600)):
        next(n for n in app.number_input if n.label == label).set_value(value)
    failed = next(s for s in app.selectbox if s.label == "When no message passes the checks")
    failed.set_value(OnFailedUtterance.END)
    button(app, "Start the run")
    assert not app.exception
    (request,) = asked
    assert request.judge == "openai:careful", "the project's, where none is chosen"
    assert request.limits == Limits(
        max_turns=3,
        max_context_tokens=6000,
        model_timeout_s=600,
        on_failed_utterance=OnFailedUtterance.END,
    )


def hashing_project(root: Path) -> Project:
    """A project whose embedder needs no weights."""
    project = Project.create(root)
    settings = project.paths.settings
    text = settings.read_text(encoding="utf-8").replace("all-mpnet-base-v2", "hashing-768")
    settings.write_text(text, encoding="utf-8")
    return Project.open(root)


def test_a_job_makes_embeds_deduplicates_and_maps(tmp_path: Path) -> None:
    project = hashing_project(tmp_path / "p")
    steps = [Step(name="sample", count=4, seed=3), Step(name="embed"), Step(name="dedup"), Step(name="map")]
    report = wait_for(start_job(project, steps))
    assert report.error == ""
    assert [note.split()[0] for note in report.notes] == ["4", "4", "0", "4"]
    assert len(read_intents(project)) == 4
    assert read_decisions(project) == []


def test_a_job_that_fails_says_why_and_keeps_what_was_made(tmp_path: Path) -> None:
    project = hashing_project(tmp_path / "p")
    steps = [
        Step(name="sample", count=3, seed=3),
        Step(name="sample", count=3, seed=3, where="domain=nowhere"),
    ]
    report = wait_for(start_job(project, steps))
    assert report.ended
    assert "nowhere" in report.error
    assert len(report.notes) == 1
    assert len(read_intents(project)) == 3


def test_a_job_that_is_stopped_says_so(tmp_path: Path) -> None:
    job = start_job(hashing_project(tmp_path / "p"), [Step(name="sample", count=50_000, seed=1)])
    job.stop()
    report = wait_for(job)
    assert report.stopped
    assert report.error == ""


def test_a_job_of_an_unknown_step_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    project = hashing_project(tmp_path / "p")
    assert main([Request(project=project.root, steps=(Step(name="fly"),)).model_dump_json()]) == 1
    assert "no step 'fly'" in capsys.readouterr().out


def wait_for(job: Job, within_s: float = 120.0) -> Report:
    """A job's last report."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        report = job.report()
        if report.ended:
            return report
        time.sleep(0.2)
    raise AssertionError("the job did not end")


def test_the_page_makes_intents_in_a_job_and_shows_them(open_view: Open, tmp_path: Path) -> None:
    project = hashing_project(tmp_path / "p")
    app = open_view(project.root, "intents")
    next(n for n in app.number_input if n.label == "How many").set_value(4)
    button(app, "Make intents")
    deadline = time.monotonic() + 120
    while not ("on the map" in shown(app) or app.error) and time.monotonic() < deadline:
        time.sleep(0.5)
        app.run()
    assert "4 intents made" in shown(app)
    assert "4 intents on the map" in shown(app)
    button(app, "Put away")
    assert not app.exception
    assert len(read_intents(project)) == 4
