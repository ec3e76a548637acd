"""The calibration report as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from engine.errors import one_line
from engine.rates import Rate
from engine.schema.calibration import Label, Part
from engine.schema.chat import ModelInfo, Usage
from engine.schema.checks import CHECKS, Meter
from engine.schema.reader import ReaderCard
from engine.simulate.calibrate import Calibration

_GOALS = {
    Meter.ROLE_DRIFT: "recall >= 0.95 at false-positive rate <= 0.02",
    Meter.STATE_HALLUCINATION: "recall >= 0.9 at precision >= 0.9",
}
_NAMES = {
    Part.TEST: "Held-out part",
    Part.HARD: "Held-out part of hard texts",
    Part.SHORT: "Held-out part of short texts",
    Part.TUNE: "Part that the rules were written by",
    Part.TRAIN: "Part that the reader learned from",
}
_TEXT_CHARS = 160


def report(found: Sequence[Calibration], command: str, reader: ReaderCard | ModelInfo | None) -> str:
    """The whole report.

    Args:
        found: What was measured, part by part.
        command: How it is made anew.
        reader: What read the messages; None where the rules judged alone.
    """
    lines = [*_head(command, _judge(reader)), *(line for one in found for line in _part(one))]
    return "\n".join(lines) + "\n"


def _judge(reader: ReaderCard | ModelInfo | None) -> str:
    if reader is None:
        return "the rules alone"
    if isinstance(reader, ReaderCard):
        return f"the rules with the reader {reader.name} ({reader.n_texts} texts)"
    sampling = ", ".join(f"{name} {value}" for name, value in reader.parameters.items())
    where = _code(reader.endpoint or "no endpoint")
    return f"the rules with the model {_code(reader.model)} at {where} as reader ({_code(sampling)})"


def _spent(usage: Usage) -> str:
    tokens = f"{usage.n_calls} requests, {usage.prompt_tokens} + {usage.completion_tokens} tokens"
    return tokens if usage.cost_usd is None else f"{tokens}, {usage.cost_usd:.4f} USD"


def _head(command: str, judge: str) -> Iterator[str]:
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
        f"What judges: {judge}.",
        "",
        "The held-out parts share no scene with those that rules were written by and the reader learned",
        "from. Of a meter the texts with its label are the positives and the clean ones the negatives;",
        "texts with another label are left out, since what drifts may hallucinate as well. In brackets",
        "Wilson's 95 % interval, in percent.",
        "",
    )


def _part(one: Calibration) -> Iterator[str]:
    yield from (f"## {_NAMES[one.part]}", "")
    yield f"{one.n_texts} texts in {one.n_scenes} scenes, {one.n_clean} of them clean."
    if one.unread:
        yield (
            f"The reader failed on {len(one.unread)} of them, where the rules alone decided, first with: "
            f"{_code(one.unread[0])}"
        )
    if one.judging.n_calls:
        yield _spent(one.judging)
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
    """What went wrong, to learn from; nothing of what is held out: once read it is no measure any more."""
    if not one.wrong or one.part.is_held_out:
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


def _code(text: str) -> str:
    """Foreign text as code, which nothing in it can end."""
    return f"`{one_line(text, _TEXT_CHARS).replace('`', chr(39))}`"


def _words(name: str) -> str:
    return name.replace("_", " ")
