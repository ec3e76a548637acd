"""Every view over a full, an empty, a broken and no project: it says something useful and never fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.store.project import Project
from tests.app.opened import Open

VIEWS = (
    "overview",
    "models",
    "doctor",
    "taxonomy",
    "intents",
    "runs",
    "trajectories",
    "replay",
    "meters",
    "export",
)


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_of_a_full_project_draws_itself(open_view: Open, sample_root: Path, view: str) -> None:
    app = open_view(sample_root, view)
    assert not app.exception
    assert not app.error
    assert app.title[0].value.lower() == view


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_of_a_new_project_says_the_next_step(open_view: Open, tmp_path: Path, view: str) -> None:
    Project.create(tmp_path / "new")
    app = open_view(tmp_path / "new", view)
    assert not app.exception
    assert not app.error
    assert app.title[0].value.lower() == view


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_where_there_is_no_project_offers_to_make_one(
    open_view: Open, tmp_path: Path, view: str
) -> None:
    app = open_view(tmp_path / "nowhere", view)
    assert not app.exception
    assert app.title[0].value == "No project yet"
    app.button[0].click().run()
    assert not app.exception
    assert Project.open(tmp_path / "nowhere").settings.name == "nowhere"


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_of_a_project_with_broken_settings_says_what_and_where(
    open_view: Open, tmp_path: Path, view: str
) -> None:
    (tmp_path / "project.toml").write_text("name = \n", encoding="utf-8")
    app = open_view(tmp_path, view)
    assert not app.exception
    assert any("project\\.toml is not valid TOML" in error.value for error in app.error)


def test_a_broken_taxonomy_is_named_by_file_and_line_and_a_version_can_take_its_place(
    open_view: Open, tmp_path: Path
) -> None:
    project = Project.create(tmp_path / "p")
    tasks = project.paths.taxonomy / "tasks.yaml"
    tasks.write_text("- task_id: a\n  domain_id: nowhere\n", encoding="utf-8")
    app = open_view(project.root, "taxonomy")
    assert not app.exception
    assert "tasks\\.yaml\\:1" in app.error[0].value
    next(b for b in app.button if b.label == "Put this version in place").click().run()
    assert not app.exception
    assert not app.error
    assert "task_id: summarize-notes" in tasks.read_text(encoding="utf-8")
