"""The calibration report as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from engine.errors import one_line
from engine.rates import Rate
from engine.schema.calibration import Label, Part
from engine.schema.checks import CHECKS, Meter
from engine.simulate.calibrate import Calibration

_GOALS = {
    Meter.ROLE_DRIFT: "recall >= 0.95 at false-positive rate <= 0.02",
    Meter.STATE_HALLUCINATION: "recall >= 0.9 at precision >= 0.9",
}
_TEXT_CHARS = 160


def report(found: Sequence[Calibration], command: str) -> str:
    """The whole report; `command` is how it is made anew."""
    return "\n".join([*_head(command), *(line for one in found for line in _part(one))]) + "\n"


def _head(command: str) -> Iterator[str]:
    yield from (
        "# Calibration of the checks",
        "",
        "How well the checks on the user simulator tell drifted and hallucinated texts from clean ones,",
        "on a labelled set of our own ([data/calibration](../data/calibration/README.md)). Made with:",
        "",
        "```",
        command,
        "```",
        "",
        "The held-out part shares no scene with the part that the rules were written by. Of a meter the",
        "texts with its label are the positives and the clean ones the negatives; texts with another",
        "label are left out, since what drifts may hallucinate as well. In brackets Wilson's 95 %",
        "interval, in percent.",
        "",
    )


def _part(one: Calibration) -> Iterator[str]:
    name = "Held-out part" if one.part is Part.TEST else "Part that the rules were written by"
    yield from (f"## {name}", "")
    yield f"{one.n_texts} texts in {one.n_scenes} scenes, {one.n_clean} of them clean."
    yield ""
    yield from _table(
        ("meter", "positives", "recall", "precision", "false positives of the clean", "goal"),
        (
            (
                _words(meter),
                str(score.recall.n),
                _percent(score.recall),
                _percent(score.precision),
                _percent(score.false_positives),
                _GOALS.get(meter, ""),
            )
            for meter, score in one.meters.items()
        ),
    )
    yield from ("", "Each check alone; what one misses another of its meter may find.", "")
    yield from _table(
        ("check", "meter", "recall", "precision", "flagged clean texts"),
        (
            (
                f"`{check}`",
                _words(CHECKS[check].meter),
                _percent(score.recall),
                _percent(score.precision),
                f"{score.n_false} of {score.n_clean}",
            )
            for check, score in one.checks.items()
        ),
    )
    yield from ("", "By the way in which a text is wrong; of clean ones by what makes them hard.", "")
    yield from _table(
        ("label", "way", "flagged", "of"),
        ((_words(label), way, str(rate.k), str(rate.n)) for (label, way), rate in one.ways.items()),
    )
    yield from ("", *_wrong(one))


def _wrong(one: Calibration) -> Iterator[str]:
    if not one.wrong:
        return
    yield from ("What was missed, and clean texts that were flagged:", "")
    for judged in one.wrong:
        text = judged.labelled
        what = (
            "missed" if text.label is not Label.CLEAN else f"flagged by {', '.join(sorted(judged.flagged))}"
        )
        said = one_line(text.text, _TEXT_CHARS).replace("`", "'")
        yield f"- `{text.id}` ({_words(text.label)}, {text.way}), {what}: `{said}`"
    yield ""


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _percent(rate: Rate) -> str:
    if rate.value is None:
        return "–"
    return f"{rate.value:.3f} ({100 * rate.low:.1f} to {100 * rate.high:.1f})"


def _words(name: str) -> str:
    return name.replace("_", " ")
