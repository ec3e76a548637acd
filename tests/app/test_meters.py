"""The meters as a page, and a flag's fate in page and replay."""

from __future__ import annotations

from pathlib import Path

from streamlit.testing.v1 import AppTest

from engine.schema.flags import Decision
from engine.store.flags import read_flag_decisions
from engine.store.project import Project
from tests.app.opened import Open
from tests.app.sample_project import MAIN, make_sample


def figure(app: AppTest, label: str) -> str:
    return next(m.value for m in app.metric if m.label == label)


def press(app: AppTest, label: str) -> AppTest:
    return next(b for b in app.button if b.label == label).click().run()


def test_the_page_shows_each_rate_with_its_count_and_interval(open_view: Open, sample_root: Path) -> None:
    app = open_view(sample_root, "meters")
    assert not app.exception
    assert figure(app, "Role drift") == "33.33 %"
    assert next(m.delta for m in app.metric if m.label == "Role drift") == "1 of 3 · 6.15 to 79.23 %"
    assert figure(app, "State hallucination") == "100.00 %"
    assert figure(app, "False completion") == "–"


def test_a_flag_is_overruled_and_taken_back_on_the_page(open_view: Open, tmp_path: Path) -> None:
    project = make_sample(tmp_path / "p")
    app = open_view(project.root, "meters")
    app = press(app, "Overrule")
    assert not app.exception
    assert figure(app, "State hallucination") == "0.00 %"
    app = press(app, "Confirm")
    app = press(app, "Take back")
    assert figure(app, "State hallucination") == "100.00 %"
    said = [(d.check, d.decision) for d in read_flag_decisions(project)]
    assert said == [
        ("state_claims", Decision.OVERRULED),
        ("perspective_lock", Decision.CONFIRMED),
        ("state_claims", Decision.OPEN),
    ]


def test_a_flag_is_confirmed_beside_its_utterance_in_the_replay(open_view: Open, tmp_path: Path) -> None:
    project = make_sample(tmp_path / "p")
    app = open_view(project.root, "replay", trajectory=MAIN, turn="2")
    assert "What it says of the workspace · 2 claims · 1 contradicted" in [e.label for e in app.expander]
    app = press(app, "Confirm")
    assert not app.exception
    (decision,) = read_flag_decisions(Project.open(project.root))
    assert (decision.key.check, decision.decision) == ("state_claims", Decision.CONFIRMED)
    assert any(b.label == "Take back" for b in app.button)
