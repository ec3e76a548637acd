"""Precision and recall of the checks on the labelled set.

Of a meter the texts with its label are the positives and the clean ones the negatives; texts with another
label are left out, since what drifts may hallucinate as well. Intervals are Wilson's, at 95 %.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import NamedTuple

from engine.errors import ModelError, one_line
from engine.ports import Progress, Reader
from engine.rates import Rate
from engine.schema.calibration import CalibrationSet, Label, LabelledText, Part, Speaker
from engine.schema.chat import Usage
from engine.schema.checks import CHECKS, Meter
from engine.schema.trajectory import Outcome, Trajectory, Verdict
from engine.simulate.judge import judge_ending, judge_turn, judge_utterance

MAX_DEAD_READINGS = 8
"""Texts in a row that could not be read, after which a reader's endpoint is taken to be out of order."""


def _verdicts_on(labelled: LabelledText, before: Trajectory) -> tuple[Verdict, ...]:
    """What the checks say of an ending or an answer at its place, as they would in a rollout."""
    if labelled.speaker is Speaker.USER_ENDING:
        ending = Outcome(completed=True, is_success=True, reason=labelled.text)
        return judge_ending(ending, before).verdicts
    turn = before.turns[-1].model_copy(update={"answer": labelled.text})
    earlier = before.model_copy(update={"turns": before.turns[:-1]})
    return judge_turn(turn, earlier).verdicts


class Judged(NamedTuple):
    """A labelled text and the checks that flagged it."""

    labelled: LabelledText
    flagged: frozenset[str]
    unread: str = ""
    """Why the reader failed on it, where it did: the rules alone have flagged it then."""
    judging: Usage = Usage()
    """What a model behind an endpoint consumed to read it."""

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
    unread: list[str] = field(default_factory=list)
    """Why the reader failed, for each text that it failed on: the rules alone judged those."""
    judging: Usage = field(default_factory=Usage)
    """What a model behind an endpoint consumed to read the texts."""


def calibrate(
    labelled: CalibrationSet,
    part: Part,
    reader: Reader | None = None,
    *,
    n_threads: int = 1,
    progress: Progress | None = None,
) -> Calibration:
    """Runs every check over one part of the set, as they run in a rollout with this reader.

    Args:
        labelled: The set.
        part: Which part of it.
        reader: What reads the messages; where it fails on one, the rules decide there and it is counted.
        n_threads: Texts at a time, for a reader that waits for an endpoint.
        progress: Called with (texts done, texts in all).

    Raises:
        ModelError: The reader failed on `MAX_DEAD_READINGS` texts in a row: its endpoint is out of order.
    """
    texts = labelled.part(part)
    judged: list[Judged] = []
    n_dead = 0
    with ThreadPoolExecutor(n_threads) as pool:
        for one in _in_order(pool, lambda text: _judged(text, labelled.before(text), reader), texts):
            judged.append(one)
            if one.labelled.speaker is Speaker.USER:
                n_dead = n_dead + 1 if one.unread else 0
            if n_dead >= MAX_DEAD_READINGS:
                raise ModelError(f"{n_dead} texts in a row could not be read: {one.unread}")
            if progress:
                progress(len(judged), len(texts))
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
        unread=[j.unread for j in judged if j.unread],
        judging=sum((j.judging for j in judged), Usage()),
    )


def _in_order(
    pool: Executor, judge: Callable[[LabelledText], Judged], texts: Iterable[LabelledText]
) -> Iterator[Judged]:
    """The results in the order of the texts; on an error, what has not begun is called off."""
    futures = [pool.submit(judge, text) for text in texts]
    try:
        for future in futures:
            yield future.result()
    finally:
        for future in futures:
            future.cancel()


def _judged(labelled: LabelledText, before: Trajectory, reader: Reader | None) -> Judged:
    if labelled.speaker is not Speaker.USER:
        return Judged(labelled, _failed(_verdicts_on(labelled, before)))
    try:
        attempt = judge_utterance(labelled.text, before, reader)
    except ModelError as error:
        by_rules = judge_utterance(labelled.text, before)
        return Judged(labelled, _failed(by_rules.verdicts), one_line(error), error.usage)
    return Judged(labelled, _failed(attempt.verdicts), judging=attempt.judging)


def _failed(verdicts: Iterable[Verdict]) -> frozenset[str]:
    return frozenset(v.check for v in verdicts if not v.passed)


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
