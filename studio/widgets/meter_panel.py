"""What the meters read: the figures in a row, and one meter over its groups with intervals."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from engine.curate.meters import MeterGroup, MeterReading
from engine.schema.checks import CHECKS, Meter
from studio.widgets.charts import intervals
from studio.widgets.frame import metric_row
from studio.widgets.plain import count, escaped, words

_HEADLINE = (Meter.ROLE_DRIFT, Meter.STATE_HALLUCINATION, Meter.FALSE_COMPLETION)
_SHOWN = 40
"""Groups in the picture; the table has all of them."""


def headline(readings: Sequence[MeterReading]) -> None:
    """The three rates that tell whether data can be trusted, each with its interval."""
    by_meter = {reading.meter: reading for reading in readings}
    metric_row([_figure(meter, by_meter.get(meter)) for meter in _HEADLINE])
    st.caption(
        "Flagged texts that no curator has overruled, of all that were judged; the range is Wilson's 95 % "
        "interval. The paper reports a role-drift rate of 0.02 %, without naming its detector."
    )


def _figure(meter: Meter, reading: MeterReading | None) -> tuple[str, str, str]:
    if reading is None:
        return words(meter).capitalize(), "–", "not judged yet"
    return (
        words(meter).capitalize(),
        f"{_share(reading):.2f} %",
        f"{count(reading.flagged.k)} of {count(reading.flagged.n)} · {_interval(reading)}",
    )


def _share(reading: MeterReading) -> float:
    return 100 * (reading.flagged.value or 0.0)


def _interval(reading: MeterReading) -> str:
    return f"{100 * reading.flagged.low:.2f} to {100 * reading.flagged.high:.2f} %"


def grouped(readings: Sequence[MeterReading], by: MeterGroup) -> None:
    """One meter over its groups: a picture of the most flagged, and a table of all."""
    meters = sorted({r.meter for r in readings}, key=list(Meter).index)
    chosen = st.selectbox(
        "Meter", meters, format_func=lambda m: words(m).capitalize(), key="meters_meter", help=_help()
    )
    rows = [r for r in readings if r.meter is chosen]
    shown = rows if by is MeterGroup.TURN else sorted(rows, key=_surely_flagged_first)
    intervals(
        [
            (
                _name(r, by),
                _share(r),
                100 * r.flagged.low,
                100 * r.flagged.high,
                f"{count(r.flagged.k)} of {count(r.flagged.n)}",
            )
            for r in shown[:_SHOWN]
        ],
        key="meters-picture",
        title=f"{words(chosen).capitalize()} by {by}, % of what was judged",
    )
    if len(shown) > _SHOWN:
        st.caption(f"The {_SHOWN} with the highest lower ends of {count(len(shown))}; the table has all.")
    st.dataframe(
        [
            {
                "group": _name(r, by),
                "rate": _share(r),
                "interval": _interval(r),
                "flagged": r.flagged.k,
                "judged": r.flagged.n,
                "confirmed": r.n_confirmed,
                "overruled": r.n_overruled,
            }
            for r in shown
        ],
        key="meters_table",
        hide_index=True,
        height="content" if len(shown) < 12 else 430,
        column_config={
            "group": st.column_config.TextColumn(by.capitalize(), width=280),
            "rate": st.column_config.NumberColumn("Rate", format="%.2f %%"),
            "interval": st.column_config.TextColumn("95 % interval"),
            "flagged": st.column_config.NumberColumn("Flagged"),
            "judged": st.column_config.NumberColumn("Judged"),
            "confirmed": st.column_config.NumberColumn("Confirmed"),
            "overruled": st.column_config.NumberColumn("Overruled"),
        },
        alt="Rates by group",
    )


def _surely_flagged_first(reading: MeterReading) -> tuple[float, int, str]:
    return -reading.flagged.low, -reading.flagged.n, reading.group


def _name(reading: MeterReading, by: MeterGroup) -> str:
    """Turns are counted from 1 on the screen; what is no turn of the record is its ending."""
    return f"turn {int(reading.group) + 1}" if by is MeterGroup.TURN else reading.group


def _help() -> str:
    return "  \n".join(f"**{escaped(words(name))}**: {about.looks_for}" for name, about in CHECKS.items())
