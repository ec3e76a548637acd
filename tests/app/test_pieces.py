"""The studio's own logic: text made safe, places in a trajectory, outlines, conditions, drafts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.catalog import Catalog, TrajectoryFilter
from engine.query.run import select_ids
from engine.schema.sandbox import SessionState
from engine.store.project import Project
from engine.taxonomy import read_version
from studio.widgets.conversation import readable_arguments
from studio.widgets.draft import DIMENSIONS, Draft, grid_rows, plain_rows
from studio.widgets.inside import in_polygon, selected
from studio.widgets.ledger import ending
from studio.widgets.plain import big_count, duration, escaped, share, size, visible
from studio.widgets.sql import distinct, place_of_row
from studio.widgets.sql_text import as_condition
from studio.widgets.steps import Place, failed_places, next_failed, place_of
from tests.app.sample_project import HOSTILE
from tests.builders import make_call, make_trajectory, make_turn


def test_numbers_are_written_as_people_read_them() -> None:
    assert big_count(43_956) == "43,956"
    assert big_count(130_000_000_000) == "1.3 × 10¹¹"
    assert (duration(8), duration(1430), duration(125_000)) == ("8 ms", "1.4 s", "2 min 05 s")
    assert (size(312), size(4096), size(3 * 2**19)) == ("312 B", "4.0 KiB", "1.5 MiB")
    assert (share(1, 3), share(0, 0)) == ("33.3%", "–")


@given(st.text())
def test_escaped_text_has_no_bare_punctuation_and_loses_nothing_but_spacing(text: str) -> None:
    shown = escaped(text)
    assert "\n" not in shown
    bare = shown.replace("\\\\", "").replace("\\", "").replace("\u2060", "")
    assert " ".join(text.split()).replace("\\", "") == bare


@given(st.text(alphabet=st.characters(codec=None)))
def test_visible_text_always_fits_the_wire_and_hides_nothing(text: str) -> None:
    shown = visible(text)
    shown.encode("utf-8")
    assert not any(ord(c) < 32 and c not in "\n\t" for c in shown)
    assert not any("\u202a" <= c <= "\u202e" or "\u2066" <= c <= "\u2069" for c in shown)


def test_visible_text_drops_colour_codes_and_shows_what_turns_the_reading_direction() -> None:
    assert "\x1b" not in visible(HOSTILE)
    assert "ansi" in visible(HOSTILE)
    assert "⟨U+202E⟩" in visible(HOSTILE)
    assert visible("a\r\nb\x07") == "a\nb␇"


def test_arguments_are_shown_one_a_line_and_as_written_where_they_are_no_object() -> None:
    assert readable_arguments('{"path": "a.txt", "n": 3}') == "path: a.txt\nn: 3"
    assert readable_arguments('{"path": ') == '{"path": '
    assert readable_arguments("[1]") == "[1]"
    assert readable_arguments("{}") == "{}"


def test_a_call_that_left_its_command_running_is_said_to_be_in_the_background() -> None:
    session = SessionState(session_id="s1", command="sleep 9", pid=4, running=True)
    assert ending(make_call("sleep 9", exit_code=None, sessions=(session,))) == "in the background"
    ended = session.model_copy(update={"running": False, "exit_code": 3})
    assert ending(make_call("sleep 9", exit_code=3, sessions=(ended,))) == "exit 3"


def test_the_command_line_is_the_script_the_shell_was_given() -> None:
    assert make_call("ls -l | wc").ledger.command_line == "ls -l | wc"
    assert make_call("notes.txt", tool="read").ledger.command_line == "read notes.txt"


def test_an_ending_is_named_by_the_evidence() -> None:
    assert ending(make_call(exit_code=3)) == "exit 3"
    assert ending(make_call(exit_code=None, signal=9)) == "signal 9"
    assert ending(make_call(exit_code=None, timed_out=True)) == "timed out"
    assert ending(make_call("a", tool="read")) == "done"
    assert ending(make_call("a", tool="read", error="ENOENT: no such file")) == "error"


def test_the_next_failed_call_goes_round() -> None:
    trajectory = make_trajectory(
        "t",
        make_turn(make_call(call_id="a"), make_call(call_id="b", exit_code=1)),
        make_turn(make_call(call_id="c"), index=1),
        make_turn(make_call(call_id="d", exit_code=2), index=2),
    )
    assert failed_places(trajectory) == [Place(0, 1), Place(2, 0)]
    assert next_failed(trajectory, Place(0)) == Place(0, 1)
    assert next_failed(trajectory, Place(0, 1)) == Place(2, 0)
    assert next_failed(trajectory, Place(2, 0)) == Place(0, 1)


def test_an_address_out_of_range_is_moved_to_the_nearest_turn() -> None:
    trajectory = make_trajectory(
        "t", make_turn(make_call(call_id="a")), make_turn(make_call(call_id="b"), index=1)
    )
    assert place_of(trajectory, None, "") == Place(0)
    assert place_of(trajectory, 99, "") == Place(1)
    assert place_of(trajectory, 0, "") == Place(0)
    assert place_of(trajectory, None, "b") == Place(1, 0)
    assert place_of(trajectory, 1, "b") == Place(0)


def test_calls_that_share_an_id_have_addresses_of_their_own() -> None:
    trajectory = make_trajectory(
        "t", make_turn(make_call(call_id="x")), make_turn(make_call(call_id="x"), index=1)
    )
    assert place_of(trajectory, None, "x-2") == Place(1, 0)


SQUARE = ([0, 10, 10, 0], [0, 0, 10, 10])


@given(st.lists(st.tuples(st.integers(-20, 20), st.integers(-20, 20)), min_size=1))
def test_a_square_lasso_selects_what_a_box_does(points: list[tuple[int, int]]) -> None:
    at = np.array(points, dtype=np.int16)
    strictly = (at > 0).all(axis=1) & (at < 10).all(axis=1)
    outside = (at < 0).any(axis=1) | (at > 10).any(axis=1)
    found = in_polygon(at, *SQUARE)
    assert found[strictly].all()
    assert not found[outside].any()


def test_nothing_drawn_selects_nothing_at_all() -> None:
    points = np.zeros((3, 2), dtype=np.int16)
    assert selected(points, {"box": [], "lasso": []}) is None
    box = selected(points, {"box": [{"x": [-1, 1], "y": [-1, 1]}]})
    assert box is not None
    assert box.all()


@pytest.mark.parametrize(
    "wanted",
    [
        TrajectoryFilter(),
        TrajectoryFilter(domains=("file-io",), has_failure=True),
        TrajectoryFilter(stop_reasons=("turn_limit", "user_done"), complexities=("medium",)),
        TrajectoryFilter(text="crew's ' quote", run_ids=("run-1",)),
        TrajectoryFilter(text="northern", has_recovery=False, industries=("Rail freight",)),
    ],
)
def test_a_filter_written_as_sql_selects_what_the_filter_shows(
    sample_root: Path, wanted: TrajectoryFilter
) -> None:
    with Catalog.open(Project.open(sample_root)) as catalog:
        assert select_ids(catalog.files, as_condition(wanted)) == catalog.ids(wanted)


def test_a_condition_of_the_user_is_carried_along_even_with_a_comment_at_its_end(sample_root: Path) -> None:
    with Catalog.open(Project.open(sample_root)) as catalog:
        sql = as_condition(TrajectoryFilter(has_failure=True), "n_turns > 2 -- the long ones")
        assert select_ids(catalog.files, sql) == ["t-depot-0001"]


def test_columns_of_one_name_are_told_apart() -> None:
    assert distinct(["a", "a", "b", "a"]) == ["a", "a (2)", "b", "a (3)"]


def test_a_row_of_an_answer_leads_to_its_trajectory_turn_and_call() -> None:
    assert place_of_row({"trajectory_id": "t", "n": 3}) == {"trajectory": "t"}
    row = {"trajectory_id": "t", "turn": 0, "tool_call_id": "c"}
    assert place_of_row(row) == {"trajectory": "t", "turn": "1", "call": "c"}


def test_a_grid_gives_back_the_complexities_it_was_given() -> None:
    rows = [{"level": "simple", "description": "d", "prior": 1.0, "n_tasks": {3: 0.8, 4: 0.2}}]
    assert plain_rows("complexities", grid_rows("complexities", rows)) == rows


def test_a_draft_without_edits_saves_the_very_files_with_their_comments(tmp_path: Path) -> None:
    texts = read_version(Project.create(tmp_path / "p"), "starter")
    draft = Draft.of("starter", texts)
    for dimension in DIMENSIONS:
        draft.take(dimension, draft.start[dimension])
    assert not draft.edited
    assert draft.files() == texts
    assert draft.problems() == []


def test_a_draft_names_the_row_of_a_bad_cell_and_keeps_the_other_files(tmp_path: Path) -> None:
    texts = read_version(Project.create(tmp_path / "p"), "starter")
    draft = Draft.of("starter", texts)
    rows = [dict(row) for row in draft.start["tasks"]]
    rows[4]["domain_id"] = "nowhere"
    draft.take("tasks", rows)
    (problem,) = draft.problems()
    assert problem.dimension == "tasks"
    assert problem.entry == f"Row 5 ({rows[4]['task_id']})"
    assert "nowhere" in problem.text
    assert draft.files()["personas.yaml"] == texts["personas.yaml"]


def test_an_older_version_comes_into_the_draft_as_edits(tmp_path: Path) -> None:
    texts = read_version(Project.create(tmp_path / "p"), "starter")
    other = texts | {"domains.yaml": texts["domains.yaml"].replace("Files as such", "All about files")}
    draft = Draft.of("v0002", other).replaced_by("starter", texts)
    assert list(draft.edited) == ["domains"]
    assert draft.round == 1
