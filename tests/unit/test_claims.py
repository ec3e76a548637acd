"""What an utterance claims, looked up in the record: given, evidenced, introduced or contradicted."""

from __future__ import annotations

import time

import pytest

from engine.schema.sandbox import ChangeKind, FileChange, SessionState
from engine.schema.trajectory import Claim, ClaimKind, ClaimStanding, ToolCall, Trajectory, Turn
from engine.simulate.claims import check_claims
from engine.simulate.claims.known import known_at
from tests.builders import make_call, make_change, make_trajectory, make_turn


def after(*turns: Turn) -> Trajectory:
    return make_trajectory("t-1", *turns, outcome=None, stop_reason=None)


def opening() -> Trajectory:
    return after(make_turn()).model_copy(update={"turns": ()})


def wrote(path: str, *, size: int = 120, kind: ChangeKind = ChangeKind.CREATED) -> ToolCall:
    change = FileChange(path=path, kind=kind, size_bytes=None if kind is ChangeKind.DELETED else size)
    return make_call(path, tool="write", changes=(change,), observation=f"Successfully wrote {size} bytes")


def played(*, answer: str = "totals.csv has 14 rows; 2 were rejected.") -> Trajectory:
    """One turn: a file was written, a count printed, and make failed once with 2 before it worked."""
    return after(
        make_turn(
            wrote("work/totals.csv"),
            make_call("make report", exit_code=2, observation="make: *** [report] Error 2"),
            make_call("make report", observation="14 rows kept, 2 rejected"),
            text="Please count the rows of the 40 sites and save them as work/totals.csv.",
            answer=answer,
        )
    )


def standings(text: str, trajectory: Trajectory) -> dict[str, ClaimStanding]:
    return {claim.text: claim.standing for claim in check_claims(text, known_at(trajectory))[1]}


def contradicted(text: str, trajectory: Trajectory) -> list[Claim]:
    verdict, claims = check_claims(text, known_at(trajectory))
    bad = [claim for claim in claims if claim.standing is ClaimStanding.CONTRADICTED]
    assert verdict.check == "state_claims"
    assert verdict.passed is not bool(bad)
    return bad


@pytest.mark.parametrize(
    "text",
    [
        "Good, totals.csv is there. Now please sort it.",
        "Fourteen rows, fine.",
        "I saw make stop with exit code 2, but it went through in the end.",
        "Save it as other.csv, please.",
        "Is the server up?",
        "If summary.pdf is missing, tell me.",
        "We have 57 sites at home.",
        "Amina counted 99 crates.",
        "Please make it 20 rows and keep old/ as it is.",
        "Two of the 16 were rejected, I see.",
    ],
)
def test_what_is_true_asked_or_of_ones_own_world_passes(text: str) -> None:
    assert contradicted(text, played()) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Good, summary.pdf is there.", "summary.pdf"),
        ("Thanks for work/totals_v2.csv, it looks right.", "work/totals_v2.csv"),
        ("I see that make ended with exit code 3.", "exit code 3"),
        ("So 57 rows were kept. Next step, please.", "57 rows"),
        ("Great, it went through without any error.", "without any error"),
        ("The server is up and running, I see.", "is up"),
        ("You've deleted totals.csv, I notice.", "totals.csv"),
        ("I see that totals.csv is empty.", "totals.csv"),
        ("It answered on db-02.example.org, good.", "db-02.example.org"),
        ("Good that it is merged into release/2.0 now.", "release/2.0"),
        ("I note that it runs on Python 3.13.1 now.", "3.13.1"),
        ("Good, the mail has been sent already.", "sent"),
        ("Too bad that pytest failed.", "failed"),
    ],
)
def test_an_execution_state_that_never_was_is_contradicted(text: str, said: str) -> None:
    bad = contradicted(text, played())
    assert any(said in claim.text for claim in bad), bad


def test_the_verdict_names_the_claim_and_what_the_record_shows() -> None:
    verdict, _ = check_claims("I see that make ended with exit code 3.", known_at(played()))
    assert "exit code 3" in verdict.detail
    assert "0, 2" in verdict.detail
    assert "\n" not in verdict.detail


def test_claims_bear_their_standing_and_where_it_comes_from() -> None:
    found = standings("Good, totals.csv has 14 rows. Please add notes.md for the 40 sites.", played())
    assert found["totals.csv"] is ClaimStanding.EVIDENCED
    assert found["14 rows"] is ClaimStanding.EVIDENCED
    assert found["notes.md"] is ClaimStanding.INTRODUCED
    assert found["40 sites"] is ClaimStanding.GIVEN


def test_numbers_are_the_same_in_any_spelling() -> None:
    trajectory = after(make_turn(make_call("wc", observation="rows kept: 1204\nshare: 0.5"), answer="Done."))
    assert contradicted("1,204 rows, good.", trajectory) == []
    assert contradicted("I see 50 % of them.", trajectory) == []
    assert contradicted("I see 1,205 rows.", trajectory) != []


def test_a_user_who_repeats_an_agents_false_word_is_contradicted_by_the_files() -> None:
    lied = played(answer="I saved everything as report.pdf.")
    assert [claim.text for claim in contradicted("Good, report.pdf is there.", lied)] == ["report.pdf"]


def test_a_test_that_failed_has_not_passed_and_one_that_passed_has_not_failed() -> None:
    red = after(
        make_turn(
            make_call("pytest", exit_code=1, observation="1 failed, 3 passed"), answer="One test fails."
        )
    )
    green = after(make_turn(make_call("pytest", observation="4 passed"), answer="All 4 pass."))
    assert contradicted("Great that the tests passed.", red) != []
    assert contradicted("A pity that the tests failed.", red) == []
    assert contradicted("Great that the tests passed.", green) == []
    assert contradicted("A pity that the tests failed.", green) != []


def test_a_server_is_up_only_while_its_session_runs() -> None:
    def served(running: bool) -> Trajectory:
        state = SessionState(session_id="s1", command="python3 serve.py 8080", pid=7, running=running)
        return after(
            make_turn(make_call(tool="process", path=None, argv=("process", "list"), sessions=(state,)))
        )

    assert contradicted("The server is still running on port 8080, good.", served(True)) == []
    assert contradicted("The server is still running on port 8080, good.", served(False)) != []
    assert contradicted("I see that you stopped the server.", served(True)) != []


def test_what_the_record_does_not_follow_is_not_contradicted() -> None:
    many = make_call("make all", changes=(make_change("a.txt"),), n_changes=2001)
    assert contradicted("Good, build/b.txt is there.", after(make_turn(many))) == []
    assert contradicted("Good, /tmp/b.txt is there.", played()) == []
    assert contradicted("Good, MEMORY.md is there.", played()) == []


def test_in_an_opening_only_what_is_said_of_the_workspace_is_contradicted() -> None:
    assert contradicted("Our server has been down since Monday, and the tests failed twice.", opening()) == []
    assert contradicted("You will find list.csv in work/, where you put it.", opening()) != []


def test_what_is_pasted_claims_nothing() -> None:
    text = "Please read this log:\n\nbuild finished: 99 files\nreport.pdf was created\nexit code 7\n"
    assert check_claims(text, known_at(played()))[1] == ()


def test_the_kinds_of_claims_are_told_apart() -> None:
    text = "Please take work/a.csv and b.txt on branch feature/x, db.example.org:80, version 1.2.3, 7 times."
    kinds = {claim.text: claim.kind for claim in check_claims(text, known_at(played()))[1]}
    assert kinds["work/a.csv"] is ClaimKind.PATH
    assert kinds["b.txt"] is ClaimKind.FILE_NAME
    assert kinds["feature/x"] is ClaimKind.BRANCH
    assert kinds["db.example.org:80"] is ClaimKind.HOST
    assert kinds["1.2.3"] is ClaimKind.VERSION
    assert kinds["7 times"] is ClaimKind.NUMBER


@pytest.mark.parametrize(
    "piece",
    [
        "all right good, ",
        "oh no ",
        "1,234",
        "a/b.c ",
        "is is ",
        "((((",
        "\"x' `",
        "one hundred and ",
        "-- ",
        "Ünï ",
        "\x00,",
    ],
)
def test_texts_of_any_size_and_content_are_done_with_quickly(piece: str) -> None:
    huge = (piece * 1_000_000)[:4_000_000]
    trajectory = after(make_turn(make_call("cat x", observation=huge), answer=huge))
    start = time.process_time()
    check_claims(f"I see 12 rows in x.csv. {huge}", known_at(trajectory))
    assert time.process_time() - start < 60.0


def test_the_files_of_another_records_calls_are_not_known() -> None:
    call = make_call("ls", action="imported", observation="")
    assert contradicted("Good, list.csv is there.", after(make_turn(call))) == []
