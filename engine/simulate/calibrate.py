"""Precision and recall of the checks on the labelled set.

Of a meter the texts with its label are the positives and the clean ones the negatives; texts with another
label are left out, since what drifts may hallucinate as well. Intervals are Wilson's, at 95 %.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from engine.rates import Rate
from engine.schema.calibration import CalibrationSet, Label, LabelledText, Part, Speaker
from engine.schema.checks import CHECKS, Meter
from engine.schema.trajectory import Outcome, Trajectory, Verdict
from engine.simulate.judge import judge_ending, judge_turn, judge_utterance


def verdicts_on(labelled: LabelledText, before: Trajectory) -> tuple[Verdict, ...]:
    """What the checks say of a labelled text at its place, as they would in a rollout."""
    if labelled.speaker is Speaker.USER_ENDING:
        ending = Outcome(completed=True, is_success=True, reason=labelled.text)
        return judge_ending(ending, before).verdicts
    if labelled.speaker is Speaker.AGENT_ANSWER:
        turn = before.turns[-1].model_copy(update={"answer": labelled.text})
        earlier = before.model_copy(update={"turns": before.turns[:-1]})
        return judge_turn(turn, earlier).verdicts
    return judge_utterance(labelled.text, before).verdicts


class Judged(NamedTuple):
    """A labelled text and the checks that flagged it."""

    labelled: LabelledText
    flagged: frozenset[str]

    def by(self, meter: Meter) -> bool:
        """True where a check of the meter flagged it."""
        return any(CHECKS[check].meter is meter for check in self.flagged)


@dataclass(slots=True)
class Score:
    """How flags and labels agree."""

    n_found: int = 0
    n_missed: int = 0
    n_false: int = 0
    n_clean: int = 0
    """Clean texts, flagged or not."""

    def add(self, *, positive: bool, flagged: bool) -> None:
        """Counts one text."""
        self.n_found += positive and flagged
        self.n_missed += positive and not flagged
        self.n_false += flagged and not positive
        self.n_clean += not positive

    @property
    def recall(self) -> Rate:
        """Flagged of those that should be."""
        return Rate.of(self.n_found, self.n_found + self.n_missed)

    @property
    def precision(self) -> Rate:
        """Those that should be, of the flagged."""
        return Rate.of(self.n_found, self.n_found + self.n_false)

    @property
    def false_positives(self) -> Rate:
        """Flagged of the clean ones."""
        return Rate.of(self.n_false, self.n_clean)


@dataclass(slots=True)
class Calibration:
    """The scores over one part of the set."""

    part: Part
    n_texts: int = 0
    n_clean: int = 0
    n_scenes: int = 0
    meters: dict[Meter, Score] = field(default_factory=dict)
    checks: dict[str, Score] = field(default_factory=dict)
    """Of each check: its meter's label is the positive, and other checks may find what it need not."""
    ways: dict[tuple[Label, str], Rate] = field(default_factory=dict)
    """Label and way -> texts that the label's meter flagged; of clean texts, that any check flagged."""
    wrong: list[Judged] = field(default_factory=list)
    """Positives that were missed and clean texts that were flagged."""


def calibrate(labelled: CalibrationSet, part: Part) -> Calibration:
    """Runs every check over one part of the set."""
    texts = labelled.part(part)
    judged = [_judged(text, labelled.before(text)) for text in texts]
    return Calibration(
        part=part,
        n_texts=len(texts),
        n_clean=sum(text.label is Label.CLEAN for text in texts),
        n_scenes=len({text.scene for text in texts}),
        meters={meter: _score_of_meter(judged, meter) for meter in _measured(texts)},
        checks={
            check: _score_of_check(judged, check, about.meter)
            for check, about in CHECKS.items()
            if about.meter in _measured(texts)
        },
        ways=_by_way(judged),
        wrong=[j for j in judged if _is_wrong(j)],
    )


def _judged(labelled: LabelledText, before: Trajectory) -> Judged:
    failed = (v.check for v in verdicts_on(labelled, before) if not v.passed)
    return Judged(labelled, frozenset(failed))


def _measured(texts: Iterable[LabelledText]) -> list[Meter]:
    labels = {text.label.meter for text in texts}
    return [meter for meter in Meter if meter in labels]


def _score_of_meter(judged: Iterable[Judged], meter: Meter) -> Score:
    score = Score()
    for one in judged:
        if one.labelled.label.meter in (meter, None):
            score.add(positive=one.labelled.label.meter is meter, flagged=one.by(meter))
    return score


def _score_of_check(judged: Iterable[Judged], check: str, meter: Meter) -> Score:
    score = Score()
    for one in judged:
        if one.labelled.label.meter in (meter, None):
            score.add(positive=one.labelled.label.meter is meter, flagged=check in one.flagged)
    return score


def _by_way(judged: Iterable[Judged]) -> dict[tuple[Label, str], Rate]:
    flagged: Mapping[tuple[Label, str], list[bool]] = defaultdict(list)
    for one in judged:
        meter = one.labelled.label.meter
        found = one.by(meter) if meter else any(CHECKS[c].meter is not Meter.FORM for c in one.flagged)
        flagged[one.labelled.label, one.labelled.way].append(found)
    order = list(Label)
    keys = sorted(flagged, key=lambda key: (order.index(key[0]), key[1]))
    return {key: Rate.of(sum(flagged[key]), len(flagged[key])) for key in keys}


def _is_wrong(one: Judged) -> bool:
    meter = one.labelled.label.meter
    return bool(one.flagged) if meter is None else not one.by(meter)
