"""Meters over recorded verdicts, and what a curator's word changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.catalog import Catalog
from engine.curate.decide import decide_on_flag
from engine.curate.meters import MeterGroup, MeterReading, list_flags, read_meters
from engine.errors import NotFoundError
from engine.rates import Rate
from engine.schema.checks import Meter
from engine.schema.flags import Decision, FlagKey, SaidBy
from engine.schema.trajectory import (
    Attempt,
    Claim,
    ClaimKind,
    ClaimStanding,
    Outcome,
    Turn,
    Utterance,
    Verdict,
)
from engine.store.project import Project
from tests.builders import make_project, make_trajectory, make_turn, save_run

DRIFT = Verdict(check="perspective_lock", passed=False, detail="it speaks as the agent")
CLEAN = Verdict(check="perspective_lock", passed=True)
NO_LEAK = Verdict(check="no_tool_leak", passed=True)
FALSE = Verdict(check="user_done", passed=False, detail="report.md is not there")
KEY = FlagKey("t-0001", 1, SaidBy.USER, "perspective_lock")


def said(index: int, text: str, *verdicts: Verdict, before: Attempt | None = None) -> Turn:
    claim = Claim(kind=ClaimKind.PATH, text="a.txt", standing=ClaimStanding.GIVEN, source="intent")
    sent = Attempt(text=text, verdicts=verdicts, claims=(claim,))
    utterance = Utterance(text=text, attempts=(before, sent) if before else (sent,))
    return make_turn(index=index).model_copy(update={"utterance": utterance})


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Four utterances in two trajectories: one with a flag, one whose flagged proposal was not sent."""
    project = make_project(tmp_path / "project")
    refused = Attempt(text="Let me check that for you.", verdicts=(DRIFT,))
    first = [
        said(0, "Make it.", CLEAN, NO_LEAK),
        said(1, "I have created it.", DRIFT, NO_LEAK),
    ]
    second = [
        said(0, "Go on.", CLEAN, NO_LEAK, before=refused),
        said(1, "And then?", CLEAN, NO_LEAK),
    ]
    ending = Outcome(completed=True, is_success=True, reason="all there", verdicts=(FALSE,))
    save_run(
        project,
        make_trajectory("t-0001", *first, outcome=None),
        make_trajectory("t-0002", *second, outcome=ending),
    )
    return project


def readings(project: Project, by: MeterGroup = MeterGroup.ALL) -> dict[tuple[Meter, str], MeterReading]:
    with Catalog.open(project) as catalog:
        return {(r.meter, r.group): r for r in read_meters(catalog, by)}


def test_only_what_was_sent_is_counted_and_a_text_counts_once(project: Project) -> None:
    drift = readings(project)[Meter.ROLE_DRIFT, "all"]
    assert drift.flagged == Rate.of(1, 4)
    assert drift.flagged.value == 0.25
    assert readings(project)[Meter.FALSE_COMPLETION, "all"].flagged.k == 1


def test_a_meter_reads_by_turn_trajectory_and_check(project: Project) -> None:
    by_turn = readings(project, MeterGroup.TURN)
    assert [(by_turn[Meter.ROLE_DRIFT, str(i)].flagged.k) for i in (0, 1)] == [0, 1]
    by_trajectory = readings(project, MeterGroup.TRAJECTORY)
    assert by_trajectory[Meter.ROLE_DRIFT, "t-0001"].flagged.value == 0.5
    by_check = readings(project, MeterGroup.CHECK)
    assert by_check[Meter.ROLE_DRIFT, "no_tool_leak"].flagged.k == 0
    for group in (MeterGroup.RUN, MeterGroup.PERSONA, MeterGroup.MODEL):
        assert (
            sum(
                r.flagged.n for (meter, _), r in readings(project, group).items() if meter is Meter.ROLE_DRIFT
            )
            == 4
        )


def test_an_overruled_flag_is_not_counted_and_a_word_taken_back_counts_it_again(project: Project) -> None:
    decide_on_flag(project, KEY, Decision.OVERRULED, note="she did write it herself")
    overruled = readings(project)[Meter.ROLE_DRIFT, "all"]
    assert (overruled.flagged.n, overruled.flagged.k, overruled.n_overruled) == (4, 0, 1)
    decide_on_flag(project, KEY, Decision.OPEN)
    assert readings(project)[Meter.ROLE_DRIFT, "all"].flagged.k == 1
    decide_on_flag(project, KEY, Decision.CONFIRMED)
    confirmed = readings(project)[Meter.ROLE_DRIFT, "all"]
    assert (confirmed.flagged.k, confirmed.n_confirmed) == (1, 1)


def test_flags_are_listed_with_their_text_those_first_that_are_open(project: Project) -> None:
    decide_on_flag(project, KEY, Decision.CONFIRMED, note="yes")
    with Catalog.open(project) as catalog:
        found = list_flags(catalog)
        of_drift = list_flags(catalog, [Meter.ROLE_DRIFT])
    assert [(f.check, f.decision, f.text) for f in found] == [
        ("user_done", "open", "all there"),
        ("perspective_lock", "confirmed", "I have created it."),
    ]
    assert [f.note for f in of_drift] == ["yes"]


def test_a_flag_that_is_not_there_cannot_be_decided_on(project: Project) -> None:
    with pytest.raises(NotFoundError, match="it has perspective_lock"):
        decide_on_flag(project, KEY._replace(turn=0), Decision.OVERRULED)


def test_claims_of_what_was_sent_stand_in_their_table(project: Project) -> None:
    with Catalog.open(project) as catalog:
        found = catalog.rows("select kind, claim, standing, count(*) as n from claims group by all")
    assert found == [{"kind": "path", "claim": "a.txt", "standing": "given", "n": 4}]


@pytest.mark.parametrize(
    ("k", "n", "low", "high"), [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (10, 10, 0.7225, 1.0)]
)
def test_wilsons_interval_is_the_textbooks(k: int, n: int, low: float, high: float) -> None:
    found = Rate.of(k, n)
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-4)


def test_nothing_judged_leaves_the_whole_interval() -> None:
    assert Rate.of(0, 0) == (0, 0, 0.0, 1.0)
    assert Rate.of(0, 0).in_percent() == "–"
