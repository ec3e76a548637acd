"""Commands about meters and flags: what the checks found, and what a curator says of it."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from engine.cli.base import Session, pass_session, progress_on_stderr, say, table
from engine.errors import InputError

if TYPE_CHECKING:
    from engine.curate.meters import MeterReading
    from engine.ports import Reader
    from engine.schema.chat import ModelInfo
    from engine.schema.reader import ReaderCard
    from engine.simulate.calibrate import Calibration, Score

METERS = (
    "role_drift",
    "state_hallucination",
    "false_completion",
    "register",
    "incremental",
    "responsive",
    "form",
)
GROUPS = ("all", "turn", "trajectory", "run", "persona", "model", "reader", "check")

JUDGING_THREADS = 8
"""Texts at a time that a model behind an endpoint is asked about; its own limits hold beside."""


@click.command()
@click.option("--by", type=click.Choice(GROUPS), default="all", show_default=True)
@click.option("--where", default=None, help="SQL condition over the trajectories table.")
@pass_session
def meters(session: Session, by: str, where: str | None) -> None:
    """Rates of role drift, state hallucination and the like, each with its 95 % interval."""
    from engine.catalog import Catalog
    from engine.curate.meters import MeterGroup, read_meters
    from engine.query.run import select_ids

    with Catalog.open(session.project()) as catalog:
        ids = select_ids(catalog.files, where) if where else None
        readings = read_meters(catalog, MeterGroup(by), ids)
    columns = ("meter", by, "flagged", "of", "rate (95 % interval)", "confirmed", "overruled")
    rows = [
        [
            r.meter.value,
            r.group,
            r.flagged.k,
            r.flagged.n,
            r.flagged.in_percent(),
            r.n_confirmed,
            r.n_overruled,
        ]
        for r in readings
    ]
    text = table(columns, rows) if rows else "nothing was judged yet: 'ise-studio run start --count 5' plays"
    session.answer([_as_json(r) for r in readings], text)


def _as_json(reading: MeterReading) -> dict[str, Any]:
    flagged = reading.flagged
    return {
        "meter": reading.meter,
        "group": reading.group,
        "n": flagged.n,
        "n_flagged": flagged.k,
        "rate": flagged.value,
        "low": flagged.low,
        "high": flagged.high,
        "n_confirmed": reading.n_confirmed,
        "n_overruled": reading.n_overruled,
    }


@click.group()
def flags() -> None:
    """Look at what the checks flagged, and decide on it."""


@flags.command("list")
@click.option("--meter", "wanted", type=click.Choice(METERS), multiple=True, help="Only this meter's.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True)
@pass_session
def list_(session: Session, wanted: tuple[str, ...], limit: int) -> None:
    """Flags, those first that nobody has decided on."""
    from engine.catalog import Catalog
    from engine.curate.meters import list_flags
    from engine.schema.checks import Meter

    with Catalog.open(session.project()) as catalog:
        found = list_flags(catalog, [Meter(name) for name in wanted], limit)
    columns = ("trajectory", "turn", "said by", "check", "decision", "what was found")
    rows = [[f.trajectory_id, f.turn, f.said_by, f.check, f.decision, f.detail] for f in found]
    session.answer([f._asdict() for f in found], table(columns, rows) if rows else "no flags")


@flags.command("set")
@click.argument("trajectory_id", metavar="ID")
@click.argument("turn", type=click.IntRange(0))
@click.argument("check")
@click.option(
    "--decision", type=click.Choice(["confirmed", "overruled", "open"]), required=True, help="open: neither."
)
@click.option("--said-by", type=click.Choice(["user", "agent", "ending"]), default="user", show_default=True)
@click.option("--note", default="", help="Why.")
@pass_session
def set_(
    session: Session, trajectory_id: str, turn: int, check: str, decision: str, said_by: str, note: str
) -> None:
    """Confirm or overrule one flag: the CHECK that failed on what was said at TURN of a trajectory."""
    from engine.curate.decide import decide_on_flag
    from engine.schema.flags import Decision, FlagKey, SaidBy

    key = FlagKey(trajectory_id, turn, SaidBy(said_by), check)
    made = decide_on_flag(session.project(), key, Decision(decision), note=note)
    session.answer(made.model_dump(mode="json"), f"{check} at turn {turn} of {trajectory_id}: {decision}")


@click.command()
@click.option(
    "--part",
    type=click.Choice(["test", "hard", "short", "tune", "train", "held-out"]),
    default="held-out",
    show_default=True,
    help="held-out: test, hard and short.",
)
@click.option("--rules-alone", is_flag=True, help="Measure the rules without the reader of messages.")
@click.option(
    "--judge", default=None, help="openai:MODEL[@ENDPOINT]: measure this model in the reader's place."
)
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), default=None, help="Write the report here."
)
@pass_session
def calibrate(session: Session, part: str, rules_alone: bool, judge: str | None, out: Path | None) -> None:
    """Precision and recall of the checks on the labelled set that comes with the project.

    Fetches the reader's weights where they are not here and wanted (91 MB).
    """
    from engine.build import SCRIPTED
    from engine.schema.calibration import Part
    from engine.simulate.calibrate import calibrate as measure
    from engine.simulate.calibration_report import report
    from engine.simulate.calibration_set import load_calibration_set
    from engine.store.files import write_text

    if judge and rules_alone:
        raise InputError("--judge and --rules-alone exclude each other: give one")
    labelled = load_calibration_set()
    is_model = judge not in (None, SCRIPTED)
    reader, about = (None, None) if rules_alone else _reader(session, judge)
    wanted = [p for p in Part if p.is_held_out] if part == "held-out" else [Part(part)]
    found = [
        measure(
            labelled,
            one,
            reader,
            n_threads=JUDGING_THREADS if is_model else 1,
            progress=progress_on_stderr(f"judged, {one.value} part") if is_model else None,
        )
        for one in wanted
    ]
    options = (f" --part {part}" if part != "held-out" else "") + (" --rules-alone" if rules_alone else "")
    options += f" --judge {shlex.quote(judge)}" if judge else ""
    text = report(found, f"ise-studio calibrate{options} --out docs/calibration.md", about)
    if out:
        write_text(out, text)
    values = {one.part.value: _part_json(one) for one in found}
    session.answer(values, f"written to {out}" if out else text)
    for one in found:
        if one.unread:
            say(f"{one.part}: {len(one.unread)} texts could not be read, the first because {one.unread[0]}")


def _reader(session: Session, judge: str | None) -> tuple[Reader, ReaderCard | ModelInfo]:
    """What reads the texts, and what a report says of it: the project's own reader, or a model."""
    from engine import build
    from engine.providers.reader import BertReader
    from engine.providers.weights import MINILM, fetch_weights
    from engine.schema.request import ModelRole
    from engine.simulate.model_reader import ModelReader
    from engine.store.requests import RequestLog

    if judge in (None, build.SCRIPTED):
        own = BertReader(fetch_weights(say, MINILM))
        return own, own.card
    project = session.project()
    endpoints = build.Endpoints(project.settings, RequestLog(project.paths.calibration_requests).add)
    model = build.chat_model(judge, endpoints, project.settings.seed, ModelRole.JUDGE)
    return ModelReader(model), model.info


def _part_json(one: Calibration) -> dict[str, Any]:
    scores: dict[str, Any] = {meter.value: _score_json(score) for meter, score in one.meters.items()}
    if one.unread:
        scores["n_unread"] = len(one.unread)
    if one.judging.n_calls:
        scores["judging"] = one.judging.model_dump(mode="json")
    return scores


def _score_json(score: Score) -> dict[str, Any]:
    return {
        "n_positive": score.recall.n,
        "n_clean": score.n_clean,
        "recall": score.recall.value,
        "precision": score.precision.value,
        "false_positive_rate": score.false_positives.value,
    }


COMMANDS = (meters, flags, calibrate)
