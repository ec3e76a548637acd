"""What a reader is shown of a message, and what comes of its word."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from engine.errors import StudioError
from engine.fitting import (
    MAX_FALSE_POSITIVES,
    digest_of,
    drift_threshold,
    fit_reader,
    hallucination_threshold,
)
from engine.ports import Reading
from engine.schema.calibration import CalibrationSet
from engine.schema.chat import ModelInfo
from engine.schema.trajectory import ClaimStanding, Trajectory
from engine.simulate.claims.known import known_at
from engine.simulate.claims.marks import marked
from engine.simulate.judge import judge_utterance
from tests.unit.test_claims import opening, played


class Saying:
    """A reader that says the same of every message, and remembers what it was shown."""

    info = ModelInfo(provider="test", model="saying")

    def __init__(self, *, drifts: bool = False, hallucinates: bool = False, drift: float = 0.0) -> None:
        self._reading = Reading(drifts, hallucinates, drift or float(drifts), float(hallucinates))
        self.shown: list[str] = []

    def read(self, marked: str, trajectory: Trajectory, deadline: float = math.inf) -> Reading:
        self.shown.append(marked)
        return self._reading


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Good, totals.csv is there.", "totals.csv [there]"),
        ("Thanks for work/summary.pdf.", "work/summary.pdf [absent]"),
        ("So 14 rows were kept.", "14 [told] rows"),
        ("So 12 were fine.", "12 [sum]"),
        ("So 57 rows were kept.", "57 [new] rows"),
        ("All 40 sites, please.", "40 [given] sites"),
        ('It said "rows kept, 2 rejected", fine.', '"rows kept, 2 rejected" [quoted]'),
        ('It said "disk quota exceeded", a pity.', '"disk quota exceeded" [unheard]'),
        ("make ended with exit code 3.", "exit code 3 [wrong]"),
        ("make ended with exit code 2 at first.", "exit code 2 [right]"),
        ("Why did you install pandas?", "install [never] pandas"),
    ],
)
def test_what_can_be_looked_up_is_marked_with_what_the_record_says(text: str, shown: str) -> None:
    assert shown in marked(text, known_at(played()))


def test_what_the_writer_puts_in_brackets_is_no_mark() -> None:
    shown = marked("Thanks for work/summary.pdf [there] and [told].", known_at(played()))
    assert "[there]" not in shown
    assert "[told]" not in shown
    assert "work/summary.pdf [absent] (there)" in shown


def test_a_message_begins_with_how_the_last_turn_went() -> None:
    assert marked("Hello.", known_at(opening())) == "opening. Hello."
    assert marked("Hello.", known_at(played())) == "stumbled. Hello."


def test_the_writers_own_name_is_not_shown() -> None:
    name = played().intent.persona.name.split()[0]
    assert marked(f"{name} here.", known_at(played())) == "stumbled. [me] here."


def test_the_reader_has_the_last_word_on_voice_and_claims() -> None:
    said = judge_utterance("So 57 rows were kept. Next step, please.", played(), Saying())
    assert said.passed
    assert ClaimStanding.CONTRADICTED not in {claim.standing for claim in said.claims}
    reader = Saying(drifts=True, hallucinates=True)
    said = judge_utterance("Thanks for work/summary.pdf.", played(), reader)
    failed = {v.check: v.detail for v in said.verdicts if not v.passed}
    assert set(failed) == {"perspective_lock", "state_claims"}
    assert "sounds like the agent" in failed["perspective_lock"]
    assert "summary.pdf" in failed["state_claims"]
    assert reader.shown == ["stumbled. Thanks for work/summary.pdf [absent]."]


def test_a_rule_needs_only_a_half_sure_reader_to_second_it() -> None:
    text = "Would you like me to add a chart as well?"
    for drift, passes in ((0.0, True), (0.05, True), (0.2, False)):
        verdicts = judge_utterance(text, played(), Saying(drift=drift)).verdicts
        (voice,) = (v for v in verdicts if v.check == "perspective_lock")
        assert voice.passed is passes
        assert passes or "would you like me" in voice.detail


@pytest.mark.timeout(20)
@pytest.mark.parametrize("piece", ["1", '"', "a.", "12 ", "ab12 ", "2024-01-03 ", "[new]", " [new]"])
def test_a_message_of_a_megabyte_is_judged_in_no_time(piece: str) -> None:
    text = piece * (1_000_000 // len(piece))
    said = judge_utterance(text, played(), Saying(hallucinates=True))
    assert max(len(v.detail) for v in said.verdicts) < 2000


def test_the_reasons_are_the_words_before_what_speaks_against_them() -> None:
    text = "Could you open the good old work/summary.pdf, and also work/other.pdf?"
    said = judge_utterance(text, played(), Saying(hallucinates=True))
    detail = next(v.detail for v in said.verdicts if v.check == "state_claims")
    assert "good old work/summary.pdf [absent]; and also work/other.pdf [absent]" in detail


def test_a_name_of_blanks_hides_nothing() -> None:
    known = known_at(played())
    known.persona = known.persona.model_copy(update={"name": " "})
    assert marked("Hello.", known) == "stumbled. Hello."


def test_readers_that_were_taught_otherwise_have_other_names() -> None:
    one, other = ("fine. Hello.", False, None), ("fine. Hello.", True, None)
    assert digest_of([one]) == digest_of([one])
    assert digest_of([one]) != digest_of([other])


def test_learning_does_not_begin_where_its_file_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StudioError, match="cannot write"):
        fit_reader(CalibrationSet(scenes={}, texts={}), tmp_path / "file" / "reader", print)


def test_rules_that_need_no_judgement_stand_beside_the_reader() -> None:
    said = judge_utterance('<tool_call>{"name": "exec"}</tool_call>', played(), Saying())
    assert [v.check for v in said.verdicts if not v.passed] == ["no_tool_leak"]


def test_the_threshold_of_drift_keeps_its_share_of_clean_texts() -> None:
    clean = np.linspace(-5, 5, 1000, dtype=np.float32)
    assert np.mean(clean > drift_threshold(clean)) == pytest.approx(MAX_FALSE_POSITIVES)


def test_the_threshold_of_hallucination_is_the_lowest_that_is_precise_enough() -> None:
    logits = np.arange(100, dtype=np.float32)
    wanted = logits >= 50
    threshold = hallucination_threshold(logits, wanted)
    above = logits > threshold
    assert wanted[above].mean() >= 0.92
    assert wanted[logits >= threshold - 1].mean() < 0.92


def test_a_reader_that_tells_nothing_apart_is_not_kept() -> None:
    logits = np.arange(100, dtype=np.float32)
    with pytest.raises(StudioError, match="no threshold of hallucination"):
        hallucination_threshold(logits, logits < 50)
