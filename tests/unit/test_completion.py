"""False completion: who says done, and what the record shows."""

from __future__ import annotations

import pytest

from engine.schema.sandbox import ChangeKind, SessionState
from engine.schema.trajectory import Outcome, ToolCall, Trajectory, Turn
from engine.simulate.claims import check_answer, check_ending
from tests.builders import make_call, make_change, make_trajectory, make_turn

SUCCESS = Outcome(completed=True, is_success=True, reason="everything asked for was done and checked")


def ended(*turns: Turn) -> Trajectory:
    return make_trajectory("t-1", *turns, outcome=SUCCESS)


def wrote(path: str, kind: ChangeKind = ChangeKind.CREATED, command: str | None = None) -> ToolCall:
    if command:
        return make_call(command, changes=(make_change(path, kind),))
    return make_call(path, tool="write", changes=(make_change(path, kind),))


def answered(answer: str, *calls: ToolCall) -> str:
    verdict = check_answer(make_turn(*calls, index=1, answer=answer), ended(make_turn()))
    assert verdict.check == "agent_done"
    assert verdict.passed is not bool(verdict.detail)
    return verdict.detail


def test_an_ending_as_success_passes_where_the_deliverable_is_there() -> None:
    turn = make_turn(wrote("work/list.csv"), text="Please save it as list.csv.")
    assert check_ending(SUCCESS, ended(turn)).passed


def test_an_ending_as_success_is_false_where_a_deliverable_is_missing() -> None:
    turn = make_turn(make_call("ls", observation="a.txt"), text="Please save it as list.csv.")
    verdict = check_ending(SUCCESS, ended(turn))
    assert (verdict.check, verdict.passed) == ("user_done", False)
    assert "list.csv" in verdict.detail


def test_an_ending_as_success_is_false_after_a_failed_call_and_without_an_answer() -> None:
    assert not check_ending(SUCCESS, ended(make_turn(make_call(exit_code=1)))).passed
    assert not check_ending(SUCCESS, ended(make_turn(make_call(), answer=None, failure="gone"))).passed
    assert check_ending(SUCCESS, ended(make_turn(make_call(exit_code=1), make_call()))).passed


def test_an_ending_that_is_no_success_is_never_a_false_completion() -> None:
    given_up = Outcome(completed=True, is_success=False, reason="it stayed broken")
    assert check_ending(given_up, ended(make_turn(make_call(exit_code=1)))).passed


def test_a_deliverable_that_was_renamed_on_request_is_not_missing() -> None:
    first = make_turn(wrote("list.csv"), text="Please save it as list.csv.")
    moved = make_call(
        "mv list.csv names.csv",
        changes=(make_change("list.csv", ChangeKind.DELETED), make_change("names.csv")),
    )
    assert check_ending(SUCCESS, ended(first, make_turn(moved, index=1, text="Call it names.csv."))).passed


def test_a_deliverable_of_which_nothing_can_be_known_is_not_missing() -> None:
    many = make_call("make", changes=(make_change("a.txt"),), n_changes=3000)
    assert check_ending(SUCCESS, ended(make_turn(many, text="Write it to out/list.csv."))).passed


@pytest.mark.parametrize(
    "answer",
    ["Done, the table is saved.", "All tests pass now.", "The report works."],
)
def test_an_answer_that_says_done_after_a_failed_call_is_false(answer: str) -> None:
    assert "the last call failed" in answered(answer, make_call("pytest", exit_code=1))


@pytest.mark.parametrize(
    "answer",
    [
        "One test still fails.",
        "It could not be built: exit code 1.",
        "The file is missing, so I stopped with an error.",
    ],
)
def test_an_answer_that_admits_the_failure_passes(answer: str) -> None:
    assert answered(answer, make_call("pytest", exit_code=1)) == ""


def test_an_answer_that_names_a_file_that_nothing_made_is_false() -> None:
    assert "plan.pdf" in answered("I created plan.csv and plan.pdf.", wrote("plan.csv"))
    assert answered("I created plan.csv.", wrote("plan.csv")) == ""


def test_an_answer_that_says_stopped_while_the_server_runs_is_false() -> None:
    state = SessionState(session_id="s1", command="python3 serve.py", pid=7, running=True)
    call = make_call(tool="process", path=None, argv=("process", "list"), sessions=(state,))
    assert "serve.py" in answered("The route answers, and the server is stopped again.", call)
    assert answered("The server is still running.", call) == ""


def test_an_answer_that_says_all_where_the_output_has_some_left_is_false() -> None:
    call = make_call("check", observation="3 links right, 2 still dead")
    assert "2 still dead" in answered("All four links lead to their files again.", call)
