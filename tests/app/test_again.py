"""Re-execution in the replay: the button, the verdict beside each call, and that it is shown again later."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from engine.fidelity import reexecute_trajectories
from engine.store.runs import read_trajectory, write_trajectory
from tests.app.opened import Open
from tests.recorded import one_drift_project


def badges(app: AppTest) -> list[str]:
    """The words of all badges of a page."""
    return [m.value.split("[", 1)[1].rstrip("]") for m in app.markdown if "-badge[" in m.value]


def shown(app: AppTest) -> str:
    """All captions and texts of a page."""
    return "\n".join([*(c.value for c in app.caption), *(t.value for t in app.text)])


@pytest.mark.sandbox
def test_a_trajectory_is_run_again_from_the_replay(open_view: Open, tmp_path: Path) -> None:
    project = one_drift_project(tmp_path / "p")
    app = open_view(project.root, "replay", trajectory="t-1")
    assert "have not been run again yet" in shown(app)
    app.button(key="reexecute").click().run()
    deadline = time.monotonic() + 120
    while "2 reproduced" not in badges(app):
        assert time.monotonic() < deadline, badges(app)
        assert not app.exception
        time.sleep(0.3)
        app.run()
    assert "1 drifted" in badges(app)
    later = open_view(project.root, "replay", trajectory="t-1")
    assert badges(later).count("reproduced") == 2
    assert badges(later).count("drifted") == 1
    assert "fidelity 66.7%" in shown(later)
    assert any("-4" in code.value and "+3" in code.value for code in later.code)
    next(b for b in later.button if b.label == "Next drifted call").click().run()
    assert later.query_params["call"] in ("call_1", ["call_1"])


@pytest.mark.sandbox
def test_a_result_about_another_record_is_not_shown(open_view: Open, tmp_path: Path) -> None:
    project = one_drift_project(tmp_path / "p")
    list(reexecute_trajectories(project, ["t-1"]))
    assert "1 drifted" in badges(open_view(project.root, "replay", trajectory="t-1"))
    changed = read_trajectory(project, "t-1").model_copy(update={"duration_s": 7.0})
    write_trajectory(project.paths.run("run-1"), changed)
    assert "have not been run again yet" in shown(open_view(project.root, "replay", trajectory="t-1"))
