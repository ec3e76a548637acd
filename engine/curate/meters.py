"""Meters: how often what was said drifts, hallucinates or ends falsely, each rate with its interval.

A meter counts texts that were sent (utterances, answers, endings) and of them those with a flag: a failed
verdict of one of the meter's checks that no curator has overruled.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple

from engine.catalog import Catalog
from engine.rates import Rate
from engine.schema.checks import Meter


class MeterGroup(StrEnum):
    """By what a meter can be read."""

    ALL = "all"
    TURN = "turn"
    """The index of the turn within its trajectory."""
    TRAJECTORY = "trajectory"
    RUN = "run"
    PERSONA = "persona"
    MODEL = "model"
    """The user's model, and for what the agent said the agent's."""
    READER = "reader"
    """What read the user's messages beside the rules: rates of different readers are not to be compared."""
    CHECK = "check"


class MeterReading(NamedTuple):
    """One meter's count over one group."""

    meter: Meter
    group: str
    flagged: Rate
    """Texts with a flag that is not overruled, of those that a check of the meter has judged."""
    n_confirmed: int
    """Those of the flagged on which a curator agreed."""
    n_overruled: int
    """Texts whose every flag a curator has overruled."""


_VALUE = {
    MeterGroup.ALL: "'all'",
    MeterGroup.TURN: "v.turn::varchar",
    MeterGroup.TRAJECTORY: "v.trajectory_id",
    MeterGroup.RUN: "t.run_id",
    MeterGroup.PERSONA: "t.persona_id",
    MeterGroup.MODEL: "case when v.said_by = 'agent' then t.provider_agent || ':' || t.model_agent "
    "else t.provider_user || ':' || t.model_user end",
    MeterGroup.READER: "coalesce(t.reader, 'rules alone')",
    MeterGroup.CHECK: "v.check_name",
}
_SQL = """
with judged as (
    select v.meter, {value} as value, v.trajectory_id, v.turn, v.said_by,
        bool_or(not v.passed and d.decision is distinct from 'overruled') as flagged,
        bool_or(not v.passed and d.decision = 'confirmed') as confirmed,
        bool_or(not v.passed) as raised
    from verdicts v
    join trajectories t using (trajectory_id)
    left join flag_decisions d using (trajectory_id, turn, said_by, check_name)
    where v.sent and v.meter is not null {narrowed}
    group by all
)
select meter, value, count(*) as n, count(*) filter (flagged) as n_flagged,
    count(*) filter (confirmed) as n_confirmed, count(*) filter (raised and not flagged) as n_overruled
from judged group by meter, value order by meter, try_cast(value as bigint), value
"""


def read_meters(
    catalog: Catalog, by: MeterGroup = MeterGroup.ALL, ids: Sequence[str] | None = None
) -> list[MeterReading]:
    """What each meter reads over each group, in the groups' order; groups without a judged text are left out.

    Args:
        catalog: Over the project.
        by: What makes a group.
        ids: Only these trajectories; None for all.
    """
    narrowed = "" if ids is None else "and v.trajectory_id in (select unnest(?))"
    params = [] if ids is None else [list(ids)]
    rows = catalog.rows(_SQL.format(value=_VALUE[by], narrowed=narrowed), params)
    return [
        MeterReading(
            meter=Meter(row["meter"]),
            group=str(row["value"]),
            flagged=Rate.of(int(row["n_flagged"]), int(row["n"])),
            n_confirmed=int(row["n_confirmed"]),
            n_overruled=int(row["n_overruled"]),
        )
        for row in rows
    ]


class Flag(NamedTuple):
    """A failed verdict on something that was sent, and what a curator said of it."""

    trajectory_id: str
    turn: int
    said_by: str
    check: str
    meter: str
    detail: str
    text: str
    decision: str
    """"confirmed", "overruled", or "open"."""
    note: str


_FLAGS = """
select v.trajectory_id, v.turn, v.said_by, v.check_name, coalesce(v.meter, '') as meter, v.detail,
    case v.said_by when 'user' then u.utterance when 'agent' then u.answer else t.outcome_reason end as said,
    coalesce(d.decision, 'open') as decision, coalesce(d.note, '') as note
from verdicts v
join trajectories t using (trajectory_id)
left join turns u using (trajectory_id, turn)
left join flag_decisions d using (trajectory_id, turn, said_by, check_name)
where v.sent and not v.passed {narrowed}
order by d.decision is not null, v.trajectory_id, v.turn, v.said_by, v.check_name
limit ?
"""


def list_flags(catalog: Catalog, meters: Iterable[Meter] = (), limit: int = 200) -> list[Flag]:
    """The flags of these meters (of all, where none is named), those first that nobody has decided on."""
    wanted = [meter.value for meter in meters]
    narrowed = "and v.meter in (select unnest(?))" if wanted else ""
    rows = catalog.rows(_FLAGS.format(narrowed=narrowed), [*([wanted] if wanted else []), limit])
    return [
        Flag(
            trajectory_id=row["trajectory_id"],
            turn=int(row["turn"]),
            said_by=row["said_by"],
            check=row["check_name"],
            meter=row["meter"],
            detail=row["detail"],
            text=row["said"] or "",
            decision=row["decision"],
            note=row["note"],
        )
        for row in rows
    ]
